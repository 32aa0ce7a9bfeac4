import Platform
import SystemPackage
import Testing
import TestSupport

/// What a service manager is told by.
@Suite struct DatagramTests {
    @Test func `a datagram arrives whole`() async throws {
        try await withTemporaryDirectory { directory async throws in
            let path = directory.appending("notify")
            let receiver = try DatagramReceiver(at: path)
            try sendDatagram("READY=1\nSTATUS=serving", to: path)
            #expect(try receiver.receive() == "READY=1\nSTATUS=serving")
        }
    }

    @Test func `without a receiver the error says so`() async throws {
        try await withTemporaryDirectory { directory async throws in
            let path = directory.appending("notify")
            #expect(throws: Errno.noSuchFileOrDirectory) { try sendDatagram("READY=1", to: path) }
        }
    }
}
