import Platform
import SystemPackage
import TestSupport
import Testing

@testable import AWSWire

/// Files of trusted authorities that are none, with the real transport.
@Suite(.timeLimit(.minutes(2))) struct AuthoritiesTests {
    /// Asks where nobody listens.
    private func error(_ path: FilePath, _ endpoint: Endpoint) async throws -> WireError {
        let client = WireClient(
            endpoint, signer: nil, transport: HTTPTransport(certificateAuthorities: path.string),
            clock: VirtualClock(), random: SeededRandom(seed: 1))
        // The clock stands still, so a second attempt would wait for ever.
        return try await #require(throws: WireError.self) {
            _ = try await client.send(WireRequest(.get, "/x"), limit: 100)
        }
    }

    @Test(
        arguments: [
            (nil, "no such file or directory"), ("", "it holds no certificate in PEM"),
            ("hello", "it holds no certificate in PEM"),
            (
                "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n",
                "it holds no certificate in PEM"
            ),
        ] as [(String?, String)])
    func aFileThatHoldsNoneIsToldAtOnce(text: String?, reason: String) async throws {
        try await withTemporaryDirectory { directory in
            let file = directory.appending("authorities.pem")
            if let text { try writeFile(file, text) }
            let error = try await error(file, try Endpoint("https://127.0.0.1:1"))
            #expect(error == .invalidAuthorities(path: file.string, reason: reason))
            #expect("\(error)" == "the authorities of \(file) cannot be had: \(reason)")
        }
    }

    @Test func aFolderIsNoFile() async throws {
        try await withTemporaryDirectory { directory in
            let error = try await error(directory, try Endpoint("https://127.0.0.1:1"))
            #expect(error == .invalidAuthorities(path: directory.string, reason: "is a directory"))
        }
    }

    /// Plain text needs no authorities.
    @Test func whoDoesNotSpeakTLSIsNotAskedForThem() async throws {
        let endpoint = try Endpoint("http://127.0.0.1:1")
        let error = try await #require(throws: WireError.self) {
            _ = try await HTTPTransport(certificateAuthorities: "/nowhere").send(
                WireRequest(.get, "/x", headers: [.init("host", endpoint.authority)]), to: endpoint, limit: 100,
                within: .seconds(30))
        }
        #expect(error == .unreachable(endpoint, reason: "Connection refused"))
    }
}
