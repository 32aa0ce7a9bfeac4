import Synchronization

/// One lock for each key: who holds one runs alone, the others wait in the order of asking. Keys do not wait for each
/// other, and take no memory while nobody has them.
public final class KeyedLocks<Key: Hashable & Sendable>: Sendable {
    private struct Waiter {
        let ticket: Int
        let wake: CheckedContinuation<Void, any Error>
    }

    private struct State {
        /// The keys that are locked, each with those who wait for it.
        var queues: [Key: [Waiter]] = [:]
        var nextTicket = 0
    }

    /// When waiting ends, and what is thrown then.
    public struct Deadline: Sendable {
        let uptime: Duration
        let clock: any Clock
        let error: any Error

        public init(uptime: Duration, clock: any Clock, error: any Error) {
            self.uptime = uptime
            self.clock = clock
            self.error = error
        }
    }

    private enum Fate { case holds, waits, cancelled }

    private let state = Mutex(State())

    public init() {}

    /// Runs `body` while nobody else holds the key. Waiting ends with the caller's task.
    public func withLock<Value: Sendable>(
        _ key: Key, until deadline: Deadline? = nil, _ body: @Sendable () async throws -> Value
    ) async throws -> Value {
        try await acquire(key, until: deadline)
        defer { release(key) }
        return try await body()
    }

    /// How many wait for the key.
    public func waiterCount(_ key: Key) -> Int { state.withLock { $0.queues[key]?.count ?? 0 } }

    private func acquire(_ key: Key, until deadline: Deadline?) async throws {
        let ticket = state.withLock { state in
            state.nextTicket += 1
            return state.nextTicket
        }
        var alarm: Task<Void, Never>?
        defer { alarm?.cancel() }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { wake in
                let waits = enqueue(key, Waiter(ticket: ticket, wake: wake))
                // Not before it waits, for a deadline that has passed would find nobody.
                if waits, let deadline { alarm = self.alarm(deadline, key, ticket) }
            }
        } onCancel: {
            giveUp(key, ticket, CancellationError())
        }
    }

    private func alarm(_ deadline: Deadline, _ key: Key, _ ticket: Int) -> Task<Void, Never> {
        Task {
            do { try await deadline.clock.sleep(untilUptime: deadline.uptime) } catch { return }  // It was got.
            self.giveUp(key, ticket, deadline.error)
        }
    }

    /// - Returns: whether it waits.
    private func enqueue(_ key: Key, _ waiter: Waiter) -> Bool {
        let fate = state.withLock { state -> Fate in
            if Task.isCancelled { return .cancelled }
            guard state.queues[key] != nil else {
                state.queues[key] = []
                return .holds
            }
            state.queues[key]?.append(waiter)
            return .waits
        }
        switch fate {
        case .holds: waiter.wake.resume()
        case .cancelled: waiter.wake.resume(throwing: CancellationError())
        case .waits: return true
        }
        return false
    }

    private func giveUp(_ key: Key, _ ticket: Int, _ error: any Error) {
        let waiter = state.withLock { state -> Waiter? in
            guard let index = state.queues[key]?.firstIndex(where: { $0.ticket == ticket }) else { return nil }
            return state.queues[key]?.remove(at: index)
        }
        waiter?.wake.resume(throwing: error)
    }

    private func release(_ key: Key) {
        let next = state.withLock { state -> Waiter? in
            guard let queue = state.queues[key], !queue.isEmpty else {
                state.queues[key] = nil
                return nil
            }
            return state.queues[key]?.removeFirst()
        }
        next?.wake.resume()
    }
}
