import Driver
import Platform
import Synchronization
import SystemPackage

/// One connection to the daemon, on which one call is made at a time.
final class Connection: Sendable {
    /// Longer answers are a fault of the other side: a volume takes some 300 bytes.
    private static let answerLimit = 256 << 20
    /// How long an answer is waited for after an interruption: what was asked for may just be done.
    private static let patience = Duration.seconds(1)

    private let stream: UnixStream
    private let socketPath: String
    private let lastID = Mutex(0)

    /// - Throws: `Unavailable`, with the socket and what to do.
    init(socketPath: String, timeout: Duration) throws(StorageError) {
        self.socketPath = socketPath
        do throws(Errno) {
            stream = try UnixStream(connectingTo: FilePath(socketPath), timeout: timeout)
        } catch {
            throw Self.unreachable(socketPath, error)
        }
    }

    /// Whether it is of no more use, such as after the daemon's restart.
    var isStale: Bool { stream.isStale }

    /// Ends the call that is under way, from another thread.
    func interrupt() { stream.interrupt() }

    /// Makes one call.
    ///
    /// - Parameters:
    ///   - deadline: an uptime of `clock`.
    ///   - interruption: can be read once nobody wants to wait any more.
    func call<Method: RPCMethod>(
        _ method: Method.Type, _ parameters: Method.Parameters, until deadline: Duration, clock: any Clock,
        interruptedBy interruption: FileDescriptor? = nil
    ) throws(CallFailure) -> Method.Result {
        let id = lastID.withLock { lastID in
            lastID += 1
            return lastID
        }
        let line = try Self.request(method, parameters, id: id)
        do throws(Errno) {
            try stream.send(line, timeout: deadline - clock.uptime())
        } catch {
            try refuseIfTold(deadline - clock.uptime())
            // The server carries out whole lines only, so it has done nothing.
            throw CallFailure(lost(method, error), stage: .notSent)
        }
        let answer = try receiveLine(method, until: deadline, clock: clock, interruptedBy: interruption)
        return try Self.result(of: method, in: answer, id: id)
    }

    private static func request<Method: RPCMethod>(
        _ method: Method.Type, _ parameters: Method.Parameters, id: Int
    ) throws(CallFailure) -> [UInt8] {
        let json: [UInt8]
        do {
            json = try WireCoding.encode(parameters)
        } catch {
            let failure = StorageError(
                .internalError, "A request to \(Method.name) cannot be written", cause: "\(error)")
            throw CallFailure(failure, stage: .answered)
        }
        var writer = JSONWriter(capacity: json.count + 128)
        writer.object { writer in
            writer.field("jsonrpc", "2.0")
            writer.field("id", id)
            writer.field("method", Method.name)
            writer.field("params", json: json)
        }
        return writer.bytes + [UInt8(ascii: "\n")]
    }

    private func receiveLine<Method: RPCMethod>(
        _ method: Method.Type, until deadline: Duration, clock: any Clock, interruptedBy interruption: FileDescriptor?
    ) throws(CallFailure) -> [UInt8] {
        var buffer: [UInt8] = []
        var deadline = deadline
        while true {
            let count: Int
            do throws(Errno) {
                if let interruption { deadline = try waitForMore(until: deadline, clock: clock, or: interruption) }
                count = try stream.receive(into: &buffer, timeout: deadline - clock.uptime())
            } catch {
                throw CallFailure(lost(method, error), stage: .unanswered)
            }
            if count == 0 { throw CallFailure(lost(method, nil), stage: .unanswered) }
            // The server says nothing unasked, so the line's end is the end of what has come.
            if buffer.last == UInt8(ascii: "\n") { return buffer }
            if buffer.count > Self.answerLimit {
                throw CallFailure(Self.unintelligible(method, "it is too long"), stage: .answered)
            }
        }
    }

    /// Waits until something has come. Gives until when to wait for it if nothing has.
    private func waitForMore(
        until deadline: Duration, clock: any Clock, or interruption: FileDescriptor
    ) throws(Errno) -> Duration {
        while clock.uptime() < deadline {
            let readable = try waitUntilReadable(
                [stream.descriptor, interruption], timeout: deadline - clock.uptime())
            if readable.contains(stream.descriptor.rawValue) { break }
            if !readable.isEmpty { return min(deadline, clock.uptime() + Self.patience) }
        }
        return deadline
    }

    /// A daemon that refuses a caller says so before it closes.
    private func refuseIfTold(_ timeout: Duration) throws(CallFailure) {
        var buffer: [UInt8] = []
        do throws(Errno) {
            while try stream.receive(into: &buffer, timeout: min(timeout, .seconds(1))) > 0 {}
        } catch {
            return  // Nothing was said: the failure to send is what will be reported.
        }
        if let refusal = Envelope(buffer)?.error { throw CallFailure(refusal.storageError, stage: .answered) }
    }

    private static func result<Method: RPCMethod>(
        of method: Method.Type, in answer: [UInt8], id: Int
    ) throws(CallFailure) -> Method.Result {
        guard let envelope = Envelope(answer) else {
            throw CallFailure(unintelligible(method, "it is not JSON-RPC"), stage: .answered)
        }
        if let error = envelope.error { throw CallFailure(error.storageError, stage: .answered) }
        guard envelope.id == String(id), let range = envelope.result else {
            throw CallFailure(unintelligible(method, "it answers something else"), stage: .answered)
        }
        do {
            return try WireCoding.decode(Method.Result.self, from: answer, in: range)
        } catch {
            throw CallFailure(unintelligible(method, "\(error)"), stage: .answered)
        }
    }

    // MARK: What went wrong

    private static func unreachable(_ socketPath: String, _ error: Errno) -> StorageError {
        if error == .permissionDenied {
            return StorageError(
                .unauthorized, "The daemon's socket '\(socketPath)' is not open to this user",
                cause: "connect: \(error)",
                advice: "run as root, or as a member of the socket's group")
        }
        return StorageError(
            .unavailable, "No daemon answers on '\(socketPath)'", cause: "connect: \(error)",
            advice: "start it with 'ebb service start'")
    }

    /// - Parameter error: `nil` when the daemon closed the connection.
    private func lost<Method: RPCMethod>(_ method: Method.Type, _ error: Errno?) -> StorageError {
        if error == .timedOut {
            return StorageError(
                .deadlineExceeded, "The daemon on '\(socketPath)' has not answered \(Method.name) in time",
                advice: Method.isRepeatable ? nil : "the call may still take effect; look before you repeat it")
        }
        return StorageError(
            .unavailable, "The daemon on '\(socketPath)' went away during \(Method.name)",
            cause: error.map { "\($0)" } ?? "the connection was closed",
            advice: Method.isRepeatable
                ? "see 'ebb service status'" : "the call may have taken effect; look before you repeat it")
    }

    private static func unintelligible<Method: RPCMethod>(_ method: Method.Type, _ why: String) -> StorageError {
        StorageError(
            .internalError, "The daemon's answer to \(Method.name) is not to be understood", cause: why,
            advice: "see that 'ebb' and 'ebbd' are of one version")
    }
}

/// Why a call has no result, and how far it came.
struct CallFailure: Error {
    enum Stage {
        /// The daemon has not seen the whole request.
        case notSent
        /// The daemon may have carried out the request.
        case unanswered
        /// The daemon's word on the request.
        case answered
    }

    var error: StorageError
    var stage: Stage

    init(_ error: StorageError, stage: Stage) {
        self.error = error
        self.stage = stage
    }
}

/// An answer taken apart, its result not yet decoded.
private struct Envelope {
    /// As it stands in the text.
    var id: String?
    var result: Range<Int>?
    var error: RPCError?

    /// `nil` for what is not one JSON object.
    init?(_ answer: [UInt8]) {
        var reader = JSONReader(answer)
        do {
            try reader.object { reader, name throws(JSONError) in
                let range = try reader.skipValue()
                switch name {
                case "id": id = String(decoding: answer[range], as: UTF8.self)
                case "result": result = range
                case "error": error = try Self.error(answer, range, reader)
                default: break
                }
            }
            try reader.expectEnd()
        } catch {
            return nil
        }
    }

    private static func error(
        _ answer: [UInt8], _ range: Range<Int>, _ reader: JSONReader
    ) throws(JSONError) -> RPCError {
        do {
            return try WireCoding.decode(RPCError.self, from: answer, in: range)
        } catch {
            throw reader.failure("not an error object")
        }
    }
}
