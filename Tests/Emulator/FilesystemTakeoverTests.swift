import Emulator
import Foundation
import Platform
import Synchronization
import SystemPackage
import Testing

/// One server after another on the same lanes.
@Suite struct FilesystemTakeoverTests {
    private static let sizeBytes: Int64 = 4 << 20

    private static func fill(_ filesystem: MountedFilesystem) throws {
        try filesystem.addVolume(1, sizeBytes: sizeBytes)
        try filesystem.attach(1, volume: 1)
    }

    /// A server that dies with requests in its hands: the write, and what came before it. (A program that another
    /// test starts at the same time closes its copy of the file, and the kernel asks for a flush.)
    private static func takeWriteAndNeverAnswer(_ lane: FileDescriptor) throws {
        let writeOpcode: UInt32 = 16  // FUSE_WRITE of <linux/fuse.h>; `fuse_in_header.opcode` is its second word.
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 2 << 20, alignment: 4096)
        defer { unsafe buffer.deallocate() }
        repeat {
            _ = try unsafe lane.readMessage(into: buffer)
        } while unsafe buffer.load(fromByteOffset: 4, as: UInt32.self) != writeOpcode
    }

    @Test func whatADeadServerHadReadIsAnsweredByTheNext() async throws {
        try await MountedFilesystem.run { filesystem in
            try Self.fill(filesystem)
            let file = try FileDescriptor.openFile(filesystem.instanceDirectory.appending("xvdb"), .readWrite)
            defer { file.closeIgnoringErrors() }
            filesystem.server.stop()

            let error = Mutex<(any Error)?>(nil)
            let writer = KernelThread(name: "writer") {
                do {
                    try file.write([1, 2, 3], at: 4096)
                } catch let caught {
                    error.withLock { $0 = caught }
                }
            }
            writer.start()
            try Self.takeWriteAndNeverAnswer(filesystem.mount.lanes[1])

            try filesystem.startNextServer(Self.fill)
            writer.join()
            #expect(error.withLock { $0 } == nil)
            #expect(try file.bytes(at: 4095, count: 5) == [0, 1, 2, 3, 0])
        }
    }

    @Test func fioVerifiesAFileWhileServersChange() async throws {
        try await MountedFilesystem.run { filesystem in
            try Self.fill(filesystem)
            let path = filesystem.instanceDirectory.appending("xvdb")
            let result = Mutex<(code: Int32, output: String)?>(nil)
            let fio = KernelThread(name: "fio") {
                do {
                    let end = try run("fio", Fio.verifyArguments(file: path, size: "4M", loops: 20))
                    result.withLock { $0 = end }
                } catch {
                    result.withLock { $0 = (-1, "\(error)") }
                }
            }
            fio.start()
            var changes = 0
            while result.withLock({ $0 == nil }) {
                usleep(50_000)  // Not a task's sleep: others may keep Swift's threads busy.
                filesystem.server.stop()
                try filesystem.startNextServer(Self.fill)
                changes += 1
            }
            fio.join()
            let end = try #require(result.withLock { $0 })
            #expect(end.code == 0, "\(end.output)")
            #expect(end.output.contains("err= 0"))
            #expect(changes > 3)
        }
    }
}

enum Fio {
    /// Random writes of 4 to 64 KiB, 16 at a time, each read back and compared.
    static func verifyArguments(file: FilePath, size: String, loops: Int = 1) -> [String] {
        [
            "--name=verify", "--filename=\(file)", "--rw=randwrite", "--bsrange=4k-64k", "--iodepth=16",
            "--ioengine=libaio", "--direct=1", "--verify=crc32c", "--verify_state_save=0", "--size=\(size)",
            "--loops=\(loops)",
        ]
    }
}
