import CPlatform
import Glibc
import SystemPackage

extension ChildProcess {
    /// Starts a program that outlives this one and its terminal: in a session of its own, without input, with
    /// its output going to `log`.
    public static func spawnDetached(
        _ executable: String, arguments: [String], log: FileDescriptor
    ) throws(Errno) -> ChildProcess {
        var argv = unsafe ([executable] + arguments).map { unsafe strdup($0) }
        unsafe argv.append(nil)
        defer { unsafe argv.forEach { unsafe free($0) } }
        return ChildProcess(pid: try checked(unsafe cplatform_spawn_detached(executable, argv, log.rawValue)))
    }
}

/// Becomes another program; returns only when that fails. The corresponding C function is `execv`.
public func replaceProcess(with executable: String, arguments: [String]) -> Errno {
    var argv = unsafe ([executable] + arguments).map { unsafe strdup($0) }
    unsafe argv.append(nil)
    defer { unsafe argv.forEach { unsafe free($0) } }
    unsafe execv(executable, argv)
    return Errno(rawValue: errno)
}

/// Sends a signal to a process that is not a child. The corresponding C function is `kill`.
public func send(_ signal: Signal, toProcess pid: Int32) throws(Errno) {
    if kill(pid, signal.rawValue) < 0 { throw Errno(rawValue: errno) }
}

/// Whether a person looks at what is written there. The corresponding C function is `isatty`.
public func isTerminal(_ descriptor: FileDescriptor) -> Bool { isatty(descriptor.rawValue) == 1 }

/// Whether this process may do anything. The corresponding C function is `geteuid`.
public func runsAsRoot() -> Bool { geteuid() == 0 }
