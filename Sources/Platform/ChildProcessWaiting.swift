import Glibc
import SystemPackage

extension ChildProcess {
    /// Waits until the process has ended, and reaps it.
    ///
    /// The corresponding C function is `waitpid`.
    public func wait() throws(Errno) -> Termination {
        var status: Int32 = 0
        try systemCall { unsafe waitpid(pid, &status, 0) }
        return Termination(status: status)
    }
}
