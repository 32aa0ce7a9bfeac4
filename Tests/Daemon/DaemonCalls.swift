import Driver
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

/// Asks until a successor of a killed worker answers.
func untilAnswered<Value: Sendable>(_ question: () async throws -> Value) async throws -> Value {
    let deadline = ContinuousClock.now + .seconds(30)
    while true {
        do {
            return try await question()
        } catch let error as StorageError where error.code == .unavailable {
            if ContinuousClock.now > deadline { throw error }
            try await Task.sleep(for: .milliseconds(20))
        }
    }
}
