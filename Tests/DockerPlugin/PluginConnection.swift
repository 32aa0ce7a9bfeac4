import Driver
import Logging
import Platform
import SystemPackage
import TestSupport

@testable import DockerPlugin

/// A client as bare as dockerd's: one HTTP/1.1 connection over a Unix socket, bytes as they go over it.
struct PluginConnection: Sendable {
    struct Answer: Sendable {
        var status: Int
        var head: String
        var body: String

        /// The text under `Err`; `nil` when there is none or the body is not JSON.
        var error: String? { self["Err"]?.text }

        subscript(_ field: String) -> JSONValue? { JSONValue(body)?[field] }
    }

    private let stream: UnixStream

    /// Waiting for an answer must not hold the threads that the answer is made on.
    private static let threads = BlockingThreads(limit: 256)

    init(_ path: FilePath) throws {
        stream = try UnixStream(connectingTo: path, timeout: .seconds(60))
    }

    /// A call with the headers that dockerd 28.2.2 sends: an empty Host, no Content-Type.
    func call(_ path: String, _ body: String = "") async throws -> Answer {
        try await send(
            "POST \(path) HTTP/1.1\r\nHost: \r\nUser-Agent: Go-http-client/1.1\r\nContent-Length: \(body.utf8.count)\r\n"
                + "Accept: application/vnd.docker.plugins.v1.2+json\r\n\r\n\(body)")
        return try await receive()
    }

    func send(_ text: String) async throws {
        try await Self.threads.run { [stream] in try stream.send(Array(text.utf8), timeout: .seconds(60)) }
    }

    /// The next answer. Throws `Closed` when the other end hangs up before it is whole.
    func receive() async throws -> Answer {
        try await Self.threads.run { [self] in try receiveNow() }
    }

    private func receiveNow() throws -> Answer {
        var bytes: [UInt8] = []
        let separator = Array("\r\n\r\n".utf8)
        while true {
            if let end = bytes.firstRange(of: separator) {
                let head = String(decoding: bytes[..<end.lowerBound], as: UTF8.self)
                let length = contentLength(head)
                let body = bytes[end.upperBound...]
                if body.count >= length {
                    let status = Int(head.split(separator: " ")[1]) ?? 0
                    return Answer(
                        status: status, head: head, body: String(decoding: body.prefix(length), as: UTF8.self))
                }
            }
            if try stream.receive(into: &bytes, timeout: .seconds(60)) == 0 { throw Closed() }
        }
    }

    func hangUp() {
        stream.interrupt()
    }

    struct Closed: Error {}

    private func contentLength(_ head: String) -> Int {
        for line in head.split(whereSeparator: \.isNewline) where line.lowercased().hasPrefix("content-length:") {
            return Int(line.dropFirst(15).drop(while: { $0 == " " })) ?? 0
        }
        return 0
    }
}

/// Serves a plugin on a socket of its own for as long as `body` runs.
func withPlugin(
    _ volumes: RecordingVolumes = RecordingVolumes(), name: String = "ebb", policy: DockerPolicy = DockerPolicy(),
    clock: any Clock = SystemClock(),
    _ body: (FilePath, RecordingVolumes) async throws -> Void
) async throws {
    try await withPluginTask(volumes, name: name, policy: policy, clock: clock) {
        path, volumes, _ in try await body(path, volumes)
    }
}

/// The same, with the task that serves; cancelling it ends the plugin.
func withPluginTask(
    _ volumes: RecordingVolumes = RecordingVolumes(), name: String = "ebb", policy: DockerPolicy = DockerPolicy(),
    clock: any Clock = SystemClock(),
    _ body: (FilePath, RecordingVolumes, Task<Void, any Error>) async throws -> Void
) async throws {
    try await withTemporaryDirectory { directory in
        let path = directory.appending("\(name).sock")
        let listener = try UnixListener(path: path, mode: .ownerReadWrite)
        try listener.show()
        let plugin = DockerPlugin(
            name: name, anyVolumes: volumes, zone: "us-east-1b", policy: policy,
            clock: clock, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let serving = Task { try await plugin.serve(listener.descriptor) }
        let result: Result<Void, any Error>
        do {
            try await body(path, volumes, serving)
            result = .success(())
        } catch {
            result = .failure(error)
        }
        serving.cancel()
        try await serving.value
        try result.get()
    }
}
