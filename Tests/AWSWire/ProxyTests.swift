import Platform
import SystemPackage
import TestSupport
import Testing

@testable import AWSWire

/// Requests through a real proxy, with the real transport.
@Suite(.timeLimit(.minutes(2))) struct ProxyTests {
    /// Takes one name and password, says whom it was asked for, and answers in the server's place.
    private static let proxy = """
        import base64, socket
        server = socket.create_server(("127.0.0.1", 0))
        print(server.getsockname()[1], flush=True)
        wanted = "Basic " + base64.b64encode(b"user:pass word").decode()
        def head(stream):
            return [stream.readline().decode().strip()] + list(iter(lambda: stream.readline().decode().strip(), ""))
        while True:
            connection = server.accept()[0]
            stream = connection.makefile("rb")
            asked = head(stream)
            if "proxy-authorization: " + wanted.lower() not in [line.lower() for line in asked]:
                connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\\r\\nContent-Length: 0\\r\\n\\r\\n")
                connection.close()
                continue
            connection.sendall(b"HTTP/1.1 200 Connected\\r\\n\\r\\n")
            inner = head(stream)
            secret = any(line.lower().startswith("proxy-") for line in inner)
            body = (asked[0] + "|" + inner[0] + "|" + str(secret)).encode()
            connection.sendall(b"HTTP/1.1 200 OK\\r\\nConnection: close\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body) + body)
            connection.close()
        """

    private func withProxy(_ body: (Int) async throws -> Void) async throws {
        try await withPythonServer(Self.proxy, body)
    }

    private func ask(through proxy: String) async throws -> String {
        // No name is looked up here: that is the proxy's work.
        let endpoint = try Endpoint("http://server.invalid:81")
        let transport = HTTPTransport(proxies: try ProxySettings(environment: ["http_proxy": proxy]))
        let request = WireRequest(.get, "/x", headers: [.init("host", endpoint.authority)])
        let answer = try await transport.send(request, to: endpoint, limit: 1000, within: .seconds(30))
        return String(decoding: answer.body, as: UTF8.self)
    }

    @Test func aServerIsAskedThroughTheProxyWithItsPassword() async throws {
        try await withProxy { port in
            let answer = try await ask(through: "http://user:pass%20word@127.0.0.1:\(port)")
            #expect(answer == "CONNECT server.invalid:81 HTTP/1.1|GET /x HTTP/1.1|False")
        }
    }

    @Test func aProxyThatRefusesIsTold() async throws {
        try await withProxy { port in
            let error = try await #require(throws: WireError.self) {
                _ = try await ask(through: "http://user:hidden@127.0.0.1:\(port)")
            }
            let endpoint = try Endpoint("http://server.invalid:81")
            #expect(error == .unreachable(endpoint, reason: "proxy authentication required"))
        }
    }
}
