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
            // Looking costs calls of the whole account.
            let pause = limits.backoff.pause(after: attempt, random, atLeastHalf: true)
            try await clock.sleep(untilUptime: min(end, clock.uptime() + pause))
            attempt += 1
        }
    }

    /// Waits until a change is seen, or as long as descriptions may lag behind: it has been made in any case.
    func waitUntilSeen(_ look: () async throws -> Bool) async throws {
        _ = try await seen { try await look() ? true : nil }
    }

    /// What a change is seen in; `nil` when descriptions lag behind for too long. A later look may see less again.
    ///
    /// - Parameter look: `nil` while the change is not seen.
    func seen<Value>(_ look: () async throws -> Value?) async throws -> Value? {
        do {
            return try await wait(for: "", atMost: limits.consistencyTime, look)
        } catch is StorageError {
            // Not to have seen it undoes nothing.
            return nil
        }
    }

    /// What a lost call has made, if it has; it is not made again.
    ///
    /// - Parameters:
    ///   - advice: what whoever asked is to look for.
    ///   - look: `nil` while it is not seen.
    /// - Throws: why the call was lost, if nothing is seen for as long as descriptions may lag behind.
    func resolve<Value>(_ lost: UncertainCall, advice: String, _ look: () async throws -> Value?) async throws -> Value
    {
        do {
            return try await wait(for: "", atMost: limits.consistencyTime, look)
        } catch let error as StorageError where error.code == .deadlineExceeded {
            throw StorageError(lost.reason.code, lost.reason.message, cause: lost.reason.cause, advice: advice)
        }
    }
}
