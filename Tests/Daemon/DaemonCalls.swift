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
        try await withCleanup(onFailure: { try process.send(Signal(rawValue: SIGCONT)) }) {
            for worker in try workers() {
                #expect(kill(worker, SIGKILL) == 0)
                let isGone = try await eventually { try ProcessStatus(of: worker)?.hasEnded ?? true }
                #expect(isGone)
            }
            try await process.kill()
        }
    }
}

/// Expects that a snapshot is completed, and waits long for it: all of the filesystem must be on the disk, which others
/// fill too.
func expectCompleted(_ id: SnapshotID, _ describe: (SnapshotQuery) async throws -> SnapshotPage) async throws {
    let isCompleted = try await eventually(within: .seconds(120)) {
        try await describe(SnapshotQuery(ids: [id])).snapshots.first?.state == .completed
    }
    #expect(isCompleted)
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
