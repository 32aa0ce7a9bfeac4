import Driver
import Platform
import Synchronization
import SystemPackage

/// A blocking client of the daemon's socket: small, without threads or an event loop, so that a command starts in
/// milliseconds.
///
/// Concurrency model: calls wait for each other, since one request is under way at a time. The connection is made by
/// the first call and kept. Use `RemoteDriver` from asynchronous code.
public final class RPCClient: Sendable {
    public let socketPath: String
    private let timeout: Duration
    private let clock: any Clock
    private let connection = Mutex<Connection?>(nil)

    /// - Parameter timeout: how long one call may take, connecting included.
    public init(socketPath: String, timeout: Duration = .seconds(120), clock: any Clock = SystemClock()) {
        self.socketPath = socketPath
        self.timeout = timeout
        self.clock = clock
    }

    /// Makes one call and waits for its answer.
    ///
    /// A call whose connection breaks is made again only if that can do no harm.
    ///
    /// - Parameters:
    ///   - time: how long it may take, if not the usual time.
    ///   - interruption: once this can be read, an answer that does not come within a second is not waited for.
    /// - Throws: what the daemon answered; `Unavailable` when no daemon answers on the socket, or when it went away
    ///   in the middle; `DeadlineExceeded` when it takes longer than the timeout, or was interrupted.
    public func call<Method: RPCMethod>(
        _ method: Method.Type, _ parameters: Method.Parameters, within time: Duration? = nil,
        interruptedBy interruption: FileDescriptor? = nil
    ) throws(StorageError) -> Method.Result {
        let deadline = clock.uptime() + (time ?? timeout)
        return try connection.withLock { kept throws(StorageError) in
            try repeatingIfHarmless(method, parameters) { () throws(CallFailure) in
                let connection = if let usable = kept.takeUsable() { usable } else { try connect(until: deadline) }
                let result = try connection.call(
                    method, parameters, until: deadline, clock: clock, interruptedBy: interruption)
                kept = connection
                return result
            }
        }
    }

    public func call<Method: RPCMethod>(
        _ method: Method.Type
    ) throws(StorageError) -> Method.Result where Method.Parameters == Empty {
        try call(method, Empty())
    }

    /// Every volume of the region with its place on this machine.
    public func hostVolumes() throws(StorageError) -> [HostVolume] {
        try call(Ebb.ListHostVolumes.self).volumes
    }

    private func connect(until deadline: Duration) throws(CallFailure) -> Connection {
        do throws(StorageError) {
            return try Connection(socketPath: socketPath, timeout: deadline - clock.uptime())
        } catch {
            throw CallFailure(error, stage: .answered)
        }
    }
}

/// Makes a call up to three times: again when the request was not sent, or when it may be repeated and was not answered.
func repeatingIfHarmless<Method: RPCMethod>(
    _ method: Method.Type, _ parameters: Method.Parameters,
    _ attempt: () throws(CallFailure) -> Method.Result
) throws(StorageError) -> Method.Result {
    var attemptsLeft = 3
    while true {
        attemptsLeft -= 1
        do throws(CallFailure) {
            return try attempt()
        } catch {
            let isHarmless =
                switch error.stage {
                case .notSent: true
                case .unanswered: Method.isRepeatable(parameters)
                case .answered: false
                }
            if !isHarmless || attemptsLeft == 0 || error.error.code == .deadlineExceeded { throw error.error }
        }
    }
}

extension Optional<Connection> {
    /// The connection, if it is still of use. It is given back after the call, unless that fails.
    fileprivate mutating func takeUsable() -> Connection? {
        defer { self = nil }
        return self?.isStale == false ? self : nil
    }
}
