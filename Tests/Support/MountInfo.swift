import Platform

/// What this process has mounted (proc_pid_mountinfo(5)), all of it: Foundation takes the kernel's first piece of a long
/// one for the whole.
public func mountInfo() throws -> String {
    String(decoding: try readFile("/proc/self/mountinfo"), as: UTF8.self)
}
