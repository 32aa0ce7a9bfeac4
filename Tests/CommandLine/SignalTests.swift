import Platform
import SystemPackage
import TestSupport
import Testing

/// Commands whose daemon takes a call and never answers it.
@Suite struct SignalTests {
    /// The first one has the signals as any program; the second one reads them, to cancel what it has begun.
    @Test(arguments: [["volume", "ls"], ["snapshot", "check"]], [Signal.interrupt, .terminate])
    func `a signal ends a command that waits for its daemon`(words: [String], signal: Signal) async throws {
        try await withTemporaryDirectory { home in
            let directory = home.appending("run/ebb")
            try createDirectories(directory)
            let listener = try UnixListener(path: directory.appending("ebb.sock"), mode: [.ownerReadWrite])
            try listener.show()
            let ebb = try TestProcess(
                ["env", "--default-signal=INT,TERM", "EBB_HOME=\(home)", BuiltPrograms.ebb.string] + words,
                output: home.appending("said"))
            let cleanUp = {
                try await ebb.kill()
                try listener.descriptor.close()
            }
            try await withCleanup(cleanUp) {
                let daemon = try await BlockingThreads(limit: 1).run { try Self.takeCall(listener.descriptor) }
                try ebb.send(signal)
                // Less than a call takes that nobody interrupts.
                #expect(try await ebb.waitForEnd(within: .seconds(60)) == .killed(signal))
                daemon.interrupt()
            }
        }
    }

    private static func takeCall(_ listener: FileDescriptor) throws -> UnixStream {
        guard try !waitUntilReadable([listener], timeout: .seconds(60)).isEmpty else { throw Errno.timedOut }
        let daemon = UnixStream(adopting: try acceptConnection(on: listener))
        var call: [UInt8] = []
        while call.last != UInt8(ascii: "\n") {
            if try daemon.receive(into: &call, timeout: .seconds(60)) == 0 { throw Errno.connectionReset }
        }
        return daemon
    }
}
