#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
import Glibc
import Platform
import SystemPackage

/// A process that speaks AWS' protocols, S3's among them: moto, as PyPI has it. What it holds is in its memory.
///
/// A keeper ends it, and removes what it wrote, when this process ends or dies: it waits for the end of a pipe.
public final class MotoServer: Sendable {
    public let port: UInt16
    public let isSecure: Bool
    private let directory: FilePath
    private let keeper: ChildProcess
    private let keeperInput: FileDescriptor

    /// `scripts/test` installs it, and says where.
    private static let program = ProcessInfo.processInfo.environment["EBB_MOTO_SERVER"] ?? "moto_server"

    private static let script = """
        exec <&"$1"
        directory=$2
        shift 2
        "$@" >"$directory/log" 2>&1 </dev/null &
        echo $! >"$directory/pid"
        read -r _
        kill -KILL $!
        rm -r "$directory"
        """

    /// Starts it on a free port and waits until it answers.
    ///
    /// - Parameter certificate: the paths of a certificate and its key, for TLS.
    public init(certificate: (path: FilePath, key: FilePath)? = nil) async throws {
        directory = try makeTemporaryDirectory()
        port = try Self.freePort()
        isSecure = certificate != nil
        let pipe = try makePipe()
        keeperInput = pipe.writeEnd
        let server = [Self.program, "--host", "127.0.0.1", "--port", "\(port)"]
        let security = certificate.map { ["--ssl-cert", $0.path.string, "--ssl-key", $0.key.string] } ?? []
        keeper = try ChildProcess.spawn(
            "/bin/bash",
            arguments: ["-c", Self.script, "bash", "\(pipe.readEnd.rawValue)", directory.string] + server + security,
            inherited: [pipe.readEnd])
        try pipe.readEnd.close()
        let path = directory.appending("log")
        var log = ""
        let started = try await eventually(within: .seconds(60)) {
            guard FileManager.default.fileExists(atPath: path.string) else { return false }
            log = String(decoding: try readFile(path), as: UTF8.self)
            // The line comes when it listens.
            return log.contains("Running on http")
        }
        if !started {
            try await stop()
            throw DidNotStart(program: Self.program, log: log)
        }
    }

    /// `http://127.0.0.1:41234`.
    public var endpoint: String { "\(isSecure ? "https" : "http")://127.0.0.1:\(port)" }

    /// The server itself.
    public func send(_ signal: Signal) throws {
        let text = String(decoding: try readFile(directory.appending("pid")), as: UTF8.self)
        guard let pid = Int32(text.filter(\.isNumber)) else { throw DidNotStart(program: Self.program, log: text) }
        if kill(pid, signal.rawValue) < 0, errno != ESRCH { throw Errno(rawValue: errno) }
    }

    /// By whose scope it knows the service and the region; it looks at no signature unless it is told to.
    public static func authorization(for service: String) -> String {
        "AWS4-HMAC-SHA256 Credential=AKIDANYBODY/20260101/us-east-1/\(service)/aws4_request, "
            + "SignedHeaders=host, Signature=none"
    }

    /// Asks it for an action of a Query API, and gives the answer.
    @discardableResult
    public func ask(_ service: String, _ fields: [String: String]) async throws -> String {
        let header = ["-H", "Authorization: " + Self.authorization(for: service)]
        let form = fields.sorted { $0.key < $1.key }.flatMap { ["--data-urlencode", "\($0.key)=\($0.value)"] }
        let answer = try await runCommand("curl", ["-sSf"] + header + form + [endpoint])
        if answer.status != 0 { throw Refused(answer: "\(answer)") }
        return answer.output
    }

    /// Starts an instance of an image that it has, and gives its id.
    public func runInstance(in zone: String) async throws -> String {
        let answer = try await ask(
            "ec2",
            [
                "Action": "RunInstances", "Version": "2016-11-15", "ImageId": "ami-12c6146b", "MinCount": "1",
                "MaxCount": "1", "Placement.AvailabilityZone": zone,
            ])
        return try Self.element("instanceId", of: answer)
    }

    /// The text of the first element of that name.
    public static func element(_ name: String, of answer: String) throws -> String {
        let found = answer.split(separator: "<\(name)>").dropFirst().first?.split(separator: "<").first
        guard let found else { throw Refused(answer: answer) }
        return String(found)
    }

    public struct Refused: Error, CustomStringConvertible {
        public let answer: String
        public var description: String { "moto answers \(answer)" }
    }

    /// Kills it, and waits until it has ended.
    public func stop() async throws {
        try keeperInput.close()
        if try await !eventually(within: .seconds(20), { try keeper.poll() != nil }) { try keeper.send(.kill) }
    }

    public static func freePort() throws -> UInt16 {
        let socket = try bindLoopback(port: 0)
        defer { socket.closeIgnoringErrors() }
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe getsockname(socket.rawValue, $0, &length)
            }
        }
        if result < 0 { throw Errno(rawValue: errno) }
        return UInt16(bigEndian: address.sin_port)
    }

    public struct DidNotStart: Error, CustomStringConvertible {
        public let program: String
        public let log: String
        public var description: String { "\(program) did not start; its log:\n\(log)" }
    }
}

/// Runs `body` with a server, and stops it also when `body` fails.
public func withMotoServer<Result>(
    certificate: (path: FilePath, key: FilePath)? = nil, _ body: (MotoServer) async throws -> Result
) async throws -> Result {
    let server = try await MotoServer(certificate: certificate)
    return try await withCleanup({ try await server.stop() }) { try await body(server) }
}
