import Driver
import Platform
import SystemPackage

/// The daemon's doors: the RPC's socket, and one for each name that Docker knows the driver by.
struct Listeners {
    let rpc: UnixListener
    let docker: [String: UnixListener]

    /// Binds all of them, hidden; none stays when one cannot be bound.
    init(plan: DaemonPlan) throws {
        rpc = try Self.listen(at: plan.rpcSocket, mode: [.ownerReadWrite, .groupReadWrite])
        var docker: [String: UnixListener] = [:]
        do {
            for (name, path) in plan.dockerSockets {
                docker[name] = try Self.listen(at: path, mode: [.ownerReadWrite, .groupReadWrite])
            }
        } catch {
            try rpc.remove()
            for listener in docker.values { try listener.remove() }
            throw error
        }
        self.docker = docker
    }

    private static func listen(at path: FilePath, mode: FilePermissions) throws -> UnixListener {
        do {
            return try UnixListener(path: path, mode: mode)
        } catch {
            let advice =
                error == .addressInUse
                ? "another program listens there; stop it, or choose another directory or name"
                : "the path must be writable and at most 107 bytes long"
            throw StorageError(
                .unavailable, "Cannot listen on '\(path)'", cause: error.description, advice: advice)
        }
    }

    /// Shows all; the RPC's last, so that who sees it can use everything.
    func show() throws {
        for listener in docker.values { try listener.show() }
        try rpc.show()
    }

    func remove() throws {
        try rpc.remove()
        for listener in docker.values { try listener.remove() }
    }
}
