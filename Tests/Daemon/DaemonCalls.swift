import Glibc
import Platform
import RPC
import TestSupport
import Testing

extension RunningDaemon {
    /// Calls the daemon by its socket; `body` may block.
    func calling<Value: Sendable>(
        _ body: @escaping @Sendable (RPCClient) throws -> Value
    ) async throws -> Value {
        let client = RPCClient(socketPath: rpcSocket.string)
        return try await BlockingThreads(limit: 1).run { try body(client) }
    }

    /// Kills supervisor and worker at once: the supervisor stands still meanwhile, since it would start the next
    /// worker, or end this one in order.
    func killTogether() async throws {
        #expect(kill(process.pid, SIGSTOP) == 0)
        for worker in try workers() {
            #expect(kill(worker, SIGKILL) == 0)
            let isGone = try await eventually { try ProcessStatus(of: worker)?.hasEnded ?? true }
            #expect(isGone)
        }
        try process.send(.kill)
        _ = try await waitForEnd(within: .seconds(10))
    }
}
