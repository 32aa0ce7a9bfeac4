import Platform
import Testing

/// Runs `body` beside a server in Python that prints the port it listens on, and ends that afterwards.
public func withPythonServer(
    _ script: String, arguments: [String] = [], _ body: (_ port: Int) async throws -> Void
) async throws {
    try await withTemporaryDirectory { directory in
        let output = directory.appending("port")
        let server = try TestProcess(["python3", "-c", script] + arguments, output: output)
        try await withCleanup({ try await server.kill() }) {
            var port: Int?
            let isThere = try await eventually(within: .seconds(60)) {
                let text = String(decoding: try readFile(output), as: UTF8.self)
                port = text.hasSuffix("\n") ? Int(text.dropLast()) : nil
                return port != nil
            }
            try #require(isThere)
            try await body(try #require(port))
        }
    }
}
