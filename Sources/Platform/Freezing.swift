// Filesystems that hold still for a moment, and the process that is to see to it.

import CPlatform
import Glibc
import SystemPackage

extension FileDescriptor {
    /// Makes the filesystem that holds this file durable and consistent, and lets nobody change it until it is thawed:
    /// whoever writes waits, and cannot be killed meanwhile.
    ///
    /// Stays frozen when this process ends. `.resourceBusy` for one that is frozen already. The corresponding C function
    /// is `ioctl` with `FIFREEZE`.
    public func freezeFilesystem() throws(Errno) {
        try shimCall { cplatform_freeze(rawValue) }
    }

    /// Ends what `freezeFilesystem` began; `.invalidArgument` for a filesystem that is not frozen.
    ///
    /// The corresponding C function is `ioctl` with `FITHAW`.
    public func thawFilesystem() throws(Errno) {
        try shimCall { cplatform_thaw(rawValue) }
    }

    /// The number of the device that the file lies on. The corresponding C function is `fstat`.
    public func filesystemDevice() throws(Errno) -> (major: UInt32, minor: UInt32) {
        var major: UInt32 = 0
        var minor: UInt32 = 0
        _ = try checked(unsafe cplatform_filesystem_device(rawValue, &major, &minor))
        return (major, minor)
    }
}

extension ChildProcess {
    /// Starts `executable` with these descriptors as its standard input and output, and with no other descriptor of
    /// this process but standard error, whether or not it would be inherited.
    ///
    /// The corresponding C function is `posix_spawn`.
    public static func spawn(
        _ executable: String, arguments: [String], input: FileDescriptor, output: FileDescriptor
    ) throws(Errno) -> ChildProcess {
        var argv = unsafe ([executable] + arguments).map { unsafe strdup($0) }
        unsafe argv.append(nil)
        defer { unsafe argv.forEach { unsafe free($0) } }
        let pid = unsafe cplatform_spawn_piped(executable, argv, input.rawValue, output.rawValue)
        return ChildProcess(pid: try checked(pid))
    }
}

/// Lets signals that ask a process to end pass without effect.
///
/// The corresponding C function is `signal`.
public func ignoreEndingSignals() {
    for number in [SIGHUP, SIGINT, SIGTERM] { _ = signal(number, SIG_IGN) }
}
