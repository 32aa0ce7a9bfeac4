import Glibc
import Platform
import SystemPackage
import TestSupport
import Testing

@Suite struct LockFileTests {
    @Test func oneHolderAtATimeAndItIsNamed() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory.appending("lock")
            let first = try LockFile(acquiring: path)
            #expect(throws: LockFile.Held.self) { try LockFile(acquiring: path) }
            do {
                _ = try LockFile(acquiring: path)
            } catch let held as LockFile.Held {
                #expect(held.holder == "\(currentProcessID())")
            }
            #expect(first.path == path)
        }
    }
}

@Suite struct UnixListenerTests {
    @Test func nobodyFindsItBeforeItIsShown() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory.appending("a.sock")
            let listener = try UnixListener(path: path, mode: .ownerReadWrite)
            #expect(throws: Errno.noSuchFileOrDirectory) { try FileStatus(of: path) }
            try listener.show()
            _ = try FileStatus(of: path)
            try listener.remove()
            #expect(throws: Errno.noSuchFileOrDirectory) { try FileStatus(of: path) }
            try listener.descriptor.close()
        }
    }

    @Test func aLivingListenerKeepsItsPathAndADeadOneLosesIt() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory.appending("a.sock")
            let first = try UnixListener(path: path, mode: .ownerReadWrite)
            try first.show()
            #expect(throws: Errno.addressInUse) { try UnixListener(path: path, mode: .ownerReadWrite) }
            try first.descriptor.close()
            let second = try UnixListener(path: path, mode: .ownerReadWrite)
            try second.show()
            try second.remove()
            try second.descriptor.close()
        }
    }

    @Test func aListenerThatHasNoRoomForAnotherConnectionKeepsItsPath() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory.appending("a.sock")
            let busy = try UnixListener(path: path, mode: .ownerReadWrite, backlog: 0)
            try busy.show()
            let waiting = try UnixStream(connectingTo: path, timeout: .seconds(5))
            #expect(throws: Errno.addressInUse) { try UnixListener(path: path, mode: .ownerReadWrite) }
            #expect(!waiting.isStale)
            try busy.remove()
            try busy.descriptor.close()
        }
    }

    /// Somebody has it who speaks another way.
    @Test func whatCannotBeAskedKeepsItsPath() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory.appending("a.sock")
            let holder = try Self.datagramSocket(at: path)
            defer { holder.closeIgnoringErrors() }
            #expect(throws: Errno(rawValue: EPROTOTYPE)) { try UnixListener(path: path, mode: .ownerReadWrite) }
            #expect(throws: Never.self) { try FileStatus(of: path) }
        }
    }

    private static func datagramSocket(at path: FilePath) throws -> FileDescriptor {
        let descriptor = FileDescriptor(rawValue: socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue), 0))
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: path.string.utf8) }
        let result = unsafe withUnsafeBytes(of: &address) { bytes in
            unsafe bind(
                descriptor.rawValue, bytes.baseAddress!.assumingMemoryBound(to: sockaddr.self),
                socklen_t(bytes.count))
        }
        if result != 0 { throw Errno(rawValue: errno) }
        return descriptor
    }

    @Test func aPathTooLongForTheKernelIsRefused() {
        let path = FilePath("/tmp/" + String(repeating: "x", count: 120))
        #expect(throws: Errno.fileNameTooLong) { try UnixListener(path: path, mode: .ownerReadWrite) }
    }
}

@Suite struct ProcessStatusTests {
    @Test func aProcessRunsUntilItHasEndedAndIsThereUntilItIsReaped() async throws {
        let child = try ChildProcess.spawn("/bin/sleep", arguments: ["60"], inherited: [])
        let running = try #require(try ProcessStatus(of: child.pid))
        #expect(!running.hasEnded)
        #expect(running.startTimeTicks > 0)
        try child.send(.kill)
        #expect(try await eventually { try ProcessStatus(of: child.pid)?.hasEnded == true })
        #expect(try ProcessStatus(of: child.pid)?.startTimeTicks == running.startTimeTicks)
        _ = try child.wait()
        #expect(try ProcessStatus(of: child.pid) == nil)
    }
}
