import Driver
import Platform
import RPC
import SystemPackage

/// Who may use the socket: root, the user that the daemon runs as, and the members of the socket's group.
///
/// The socket's mode 0660 says the same, but only to those who come by its path, and only as long as nobody changes it.
public struct Access: Sendable {
    private let userID: UInt32
    private let groupID: UInt32?

    /// - Parameter groupID: the socket's group; `nil` for no group.
    public init(userID: UInt32 = effectiveUserID(), groupID: UInt32?) {
        self.userID = userID
        self.groupID = groupID
    }

    public func allows(userID: UInt32, groupIDs: Set<UInt32>) -> Bool {
        if userID == 0 || userID == self.userID { return true }
        guard let groupID else { return false }
        return groupIDs.contains(groupID)
    }

    /// Asks the kernel who connected.
    func allows(_ socket: FileDescriptor) throws(Errno) -> Bool {
        let peer = try peerCredentials(of: socket)
        if allows(userID: peer.userID, groupIDs: [peer.groupID]) { return true }
        return allows(userID: peer.userID, groupIDs: try peerGroupIDs(of: socket))
    }
}
