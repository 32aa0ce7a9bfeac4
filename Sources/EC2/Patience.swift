import Driver
import Platform

/// Looks again and again, after pauses that grow, until something is as it was asked for.
struct Patience: Sendable {
    let limits: EC2Limits
    let clock: any Clock
    let random: any RandomSource

    /// - Parameters:
    ///   - what: such as `vol-… to be attached`.
    ///   - look: `nil` while it is not so.
    /// - Throws: `DeadlineExceeded` when it is not so in time; what `look` throws; `CancellationError`.
    func wait<Value>(
        for what: String, atMost limit: Duration, advice: String? = nil, _ look: () async throws -> Value?
    ) async throws -> Value {
        let end = clock.uptime() + limit
        var attempt = 1
        while true {
            if let value = try await look() { return value }
            guard clock.uptime() < end else {
                throw StorageError(
                    .deadlineExceeded, "EC2 was waited for \(limit.components.seconds) s: \(what)", advice: advice)
            }
            try await clock.sleep(untilUptime: min(end, clock.uptime() + pause(after: attempt)))
            attempt += 1
        }
    }

    /// Waits until a change is seen, or as long as descriptions may lag behind: it has been made in any case.
    func waitUntilSeen(_ look: () async throws -> Bool) async throws {
        do {
            _ = try await wait(for: "", atMost: limits.consistencyTime) { try await look() ? true : nil }
        } catch is StorageError {
            // Not to have seen it undoes nothing.
            return
        }
    }

    /// At least half of what may be paused: looking costs calls of the whole account.
    private func pause(after attempt: Int) -> Duration {
        let longest = min(limits.longestPause, limits.firstPause * (1 << min(attempt - 1, 20)))
        return longest / 2 + .milliseconds(Int64(random.next() % UInt64(max(1, longest / 2 / .milliseconds(1)))))
    }
}
