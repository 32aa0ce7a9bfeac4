import Platform
import RPC
import TestSupport

extension RunningDaemon {
    /// Calls the daemon by its socket; `body` may block.
    func calling<Value: Sendable>(
        _ body: @escaping @Sendable (RPCClient) throws -> Value
    ) async throws -> Value {
        let client = RPCClient(socketPath: rpcSocket.string)
        return try await BlockingThreads(limit: 1).run { try body(client) }
    }
}
