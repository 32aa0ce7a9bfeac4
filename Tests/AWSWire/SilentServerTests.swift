import Platform
import SystemPackage
import TestSupport
import Testing

@testable import AWSWire

/// Servers that fall silent, with the real transport.
@Suite(.timeLimit(.minutes(2))) struct SilentServerTests {
    /// Sends each connection the head of an answer and half of its body, and nothing more.
    private static let server = """
        import socket
        server = socket.create_server(("127.0.0.1", 0))
        print(server.getsockname()[1], flush=True)
        kept = []
        while True:
            connection = server.accept()[0]
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 10\\r\\n\\r\\nhello")
            kept.append(connection)
        """

    private func withServer(_ body: (Endpoint) async throws -> Void) async throws {
        try await withPythonServer(Self.server) { port in try await body(try Endpoint("http://127.0.0.1:\(port)")) }
    }

    @Test func aBodyThatStopsIsNotWaitedFor() async throws {
        try await withServer { endpoint in
            let request = WireRequest(.get, "/x", headers: [.init("host", endpoint.authority)])
            await #expect(throws: WireError.unreachable(endpoint, reason: "deadline exceeded")) {
                _ = try await HTTPTransport().send(request, to: endpoint, limit: 100, within: .milliseconds(500))
            }
        }
    }

    /// The half that came is no answer.
    @Test func whoIsCancelledMeanwhileIsNotAnswered() async throws {
        try await withServer { endpoint in
            let request = WireRequest(.get, "/x", headers: [.init("host", endpoint.authority)])
            let asking = Task {
                try await HTTPTransport().send(request, to: endpoint, limit: 100, within: .seconds(3600))
            }
            try await Task.sleep(for: .milliseconds(300))
            asking.cancel()
            await #expect(throws: CancellationError.self) { try await asking.value }
        }
    }
}
