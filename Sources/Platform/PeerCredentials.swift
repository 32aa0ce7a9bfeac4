import CPlatform
import SystemPackage

/// Who was at the other end of a Unix socket when it connected.
public struct PeerCredentials: Hashable, Sendable {
    /// 0 for a process that this process's pid namespace does not show.
    public var processID: Int32
    public var userID: UInt32
    public var groupID: UInt32
}

/// The corresponding C function is `getsockopt` with `SO_PEERCRED` (unix(7)).
public func peerCredentials(of socket: FileDescriptor) throws(Errno) -> PeerCredentials {
    var peer = PeerCredentials(processID: 0, userID: 0, groupID: 0)
    let result = unsafe cplatform_peer_credentials(
        socket.rawValue, &peer.processID, &peer.userID, &peer.groupID)
    if result < 0 { throw Errno(rawValue: -result) }
    return peer
}
