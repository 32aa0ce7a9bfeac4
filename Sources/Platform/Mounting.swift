// Mounting and unmounting, and the help that a process without root's rights gets.

import CPlatform
import Glibc
import SystemPackage

/// Mounts a filesystem, without set-user-id programs and device nodes.
///
/// The corresponding C function is `mount`.
public func mountFilesystem(
    type: String, source: String, at target: FilePath, options: String
) throws(Errno) {
    try shimCall { unsafe cplatform_mount(source, target.string, type, options) }
}

/// Unmounts a filesystem; `lazily` hides it at once and frees it when nobody uses it any more.
///
/// The corresponding C function is `umount2`.
public func unmountFilesystem(at target: FilePath, lazily: Bool = false) throws(Errno) {
    try shimCall { unsafe cplatform_unmount(target.string, lazily ? 1 : 0) }
}

/// Whether this process may do what root may.
///
/// The corresponding C function is `geteuid`.
public var isRoot: Bool { geteuid() == 0 }

/// The user and group that this process acts as.
///
/// The corresponding C functions are `geteuid` and `getegid`.
public var effectiveOwner: (user: UInt32, group: UInt32) { (geteuid(), getegid()) }

/// Tells the kernel that this process serves a filesystem or a block device: it will not try to free memory for
/// it by writing to what it serves. `.notPermitted` without CAP_SYS_RESOURCE.
///
/// The corresponding C function is `prctl` with `PR_SET_IO_FLUSHER`.
public func becomeIOFlusher() throws(Errno) {
    try shimCall { cplatform_set_io_flusher() }
}

/// Two connected sockets, over which processes pass descriptors.
public struct SocketPair: Sendable {
    public let ours: FileDescriptor
    public let theirs: FileDescriptor

    /// The corresponding C function is `socketpair`.
    public init() throws(Errno) {
        var ends: [Int32] = [-1, -1]
        _ = try checked(unsafe cplatform_socket_pair(&ends))
        ours = FileDescriptor(rawValue: ends[0])
        theirs = FileDescriptor(rawValue: ends[1])
    }

    /// Waits for a descriptor; `.brokenPipe` when the other side has gone without sending one.
    ///
    /// The corresponding C function is `recvmsg`.
    public func receiveDescriptor() throws(Errno) -> FileDescriptor {
        FileDescriptor(rawValue: try shimCall { cplatform_receive_descriptor(ours.rawValue) })
    }
}
