import CPlatform
import Glibc
import SystemPackage

/// Takes the next connection of a listening socket; waits for one. It is closed on exec.
///
/// The corresponding C functions are `accept` and `fcntl`.
public func acceptConnection(on listener: FileDescriptor) throws(Errno) -> FileDescriptor {
    while true {
        let socket = accept(listener.rawValue, nil, nil)
        if socket >= 0 {
            _ = fcntl(socket, F_SETFD, FD_CLOEXEC)
            return FileDescriptor(rawValue: socket)
        }
        if errno != EINTR { throw Errno(rawValue: errno) }
    }
}

/// The user that this process acts as. The corresponding C function is `geteuid`.
public func effectiveUserID() -> UInt32 { geteuid() }

/// This process. The corresponding C function is `getpid`.
public func currentProcessID() -> Int32 { getpid() }

/// Gives the file at `path` to a group. The corresponding C function is `chown`.
public func changeGroup(of path: FilePath, to groupID: UInt32) throws(Errno) {
    let unchanged = uid_t.max
    if unsafe chown(path.string, unchanged, groupID) < 0 { throw Errno(rawValue: errno) }
}

/// The group that owns the file at `path`. The corresponding C function is `stat`.
public func owningGroupID(of path: FilePath) throws(Errno) -> UInt32 {
    var status = stat()
    if unsafe stat(path.string, &status) < 0 { throw Errno(rawValue: errno) }
    return status.st_gid
}

/// The supplementary groups of the process at the other end of a Unix socket, as they were when it connected.
///
/// The corresponding C function is `getsockopt` with `SO_PEERGROUPS`.
public func peerGroupIDs(of socket: FileDescriptor) throws(Errno) -> Set<UInt32> {
    var groups = [UInt32](repeating: 0, count: 64)
    while true {
        let count = unsafe Int(cplatform_peer_groups(socket.rawValue, &groups, Int32(groups.count)))
        if count < 0 { throw Errno(rawValue: Int32(-count)) }
        if count <= groups.count { return Set(groups[..<count]) }
        groups = [UInt32](repeating: 0, count: count)
    }
}
