import CPlatform
import Glibc
import SystemPackage

/// Signals that are read like a file instead of interrupting whatever runs.
///
/// Make it early and on the main thread, and read it there: the signals are blocked in the calling thread and in every
/// thread started after it, and a thread that lets them in all the same hands them to this one. One in a process.
public struct SignalDescriptor: Sendable {
    /// Readable when a signal waits; for `poll`.
    public let descriptor: FileDescriptor

    /// The corresponding C function is `signalfd`.
    public init(_ signals: [Signal]) throws(Errno) {
        let numbers = signals.map(\.rawValue)
        let result = unsafe cplatform_signal_descriptor(numbers, Int32(numbers.count))
        descriptor = FileDescriptor(rawValue: try checked(result))
    }

    /// Takes one signal, waiting for it when there is none.
    public func next() throws(Errno) -> Signal {
        while true {
            let result = cplatform_read_signal(descriptor.rawValue)
            if result == -EINTR { continue }
            return Signal(rawValue: try checked(result))
        }
    }

    /// Lets the signals do again what they do by default: one that nobody has taken ends the process. For the thread that
    /// made the descriptor; does nothing where there is none.
    ///
    /// The corresponding C function is `pthread_sigmask`.
    public static func letIn() { cplatform_let_signals_in() }
}

/// A signal's number.
public struct Signal: Hashable, Sendable, CustomStringConvertible {
    public let rawValue: Int32

    public init(rawValue: Int32) {
        self.rawValue = rawValue
    }

    public static let hangUp = Signal(rawValue: SIGHUP)
    public static let interrupt = Signal(rawValue: SIGINT)
    public static let terminate = Signal(rawValue: SIGTERM)
    public static let kill = Signal(rawValue: SIGKILL)
    /// Ours: a worker is to make place for its successor.
    public static let handOver = Signal(rawValue: SIGUSR1)
    public static let child = Signal(rawValue: SIGCHLD)

    public var description: String { "signal \(rawValue)" }
}

/// Asks the kernel to send `signal` to this process when its parent dies.
///
/// The corresponding C function is `prctl` with `PR_SET_PDEATHSIG`.
public func setParentDeathSignal(_ signal: Signal) throws(Errno) {
    _ = try checked(cplatform_set_parent_death_signal(signal.rawValue))
}

/// Makes writes to a closed pipe or socket fail with EPIPE instead of ending the process.
public func ignoreBrokenPipes() {
    _ = signal(SIGPIPE, SIG_IGN)
}

/// A value of a shim: itself, or the errno that it carries as a negative number.
func checked(_ result: Int32) throws(Errno) -> Int32 {
    if result < 0 { throw Errno(rawValue: -result) }
    return result
}
