import CPlatform
import Glibc
import SystemPackage

/// A process that this one started and must reap.
public struct ChildProcess: Sendable {
    public let pid: Int32

    /// Starts `executable` with `arguments` (without the program's own name) in this process's environment.
    ///
    /// Only `inherited` descriptors reach the child beside the standard ones, under the same numbers, when
    /// all others are close-on-exec. The corresponding C function is `posix_spawn`.
    public static func spawn(
        _ executable: String, arguments: [String], inherited: [FileDescriptor]
    ) throws(Errno) -> ChildProcess {
        var argv = unsafe ([executable] + arguments).map { unsafe strdup($0) }
        unsafe argv.append(nil)
        defer { unsafe argv.forEach { unsafe free($0) } }
        let keep = inherited.map(\.rawValue)
        let pid = unsafe cplatform_spawn(executable, argv, keep, Int32(keep.count))
        return ChildProcess(pid: try checked(pid))
    }

    /// Sends a signal; a process that has ended already is no error.
    ///
    /// The corresponding C function is `kill`.
    public func send(_ signal: Signal) throws(Errno) {
        if kill(pid, signal.rawValue) < 0, errno != ESRCH { throw Errno(rawValue: errno) }
    }

    /// How the process ended, or `nil` while it runs. Reaps it.
    ///
    /// The corresponding C function is `waitpid` with `WNOHANG`.
    public func poll() throws(Errno) -> Termination? {
        var status: Int32 = 0
        while true {
            let result = unsafe waitpid(pid, &status, WNOHANG)
            if result == 0 { return nil }
            if result > 0 { return Termination(status: status) }
            if errno != EINTR { throw Errno(rawValue: errno) }
        }
    }

    /// An exit code, or the signal that killed.
    public enum Termination: Hashable, Sendable, CustomStringConvertible {
        case exited(code: Int32)
        case killed(Signal)

        init(status: Int32) {
            // The layout of a wait status on Linux: the low seven bits name the signal, the next byte the code.
            let signal = status & 0x7F
            self = signal == 0 ? .exited(code: (status >> 8) & 0xFF) : .killed(Signal(rawValue: signal))
        }

        public var description: String {
            switch self {
            case .exited(let code): "exit code \(code)"
            case .killed(let signal): signal.description
            }
        }
    }
}
