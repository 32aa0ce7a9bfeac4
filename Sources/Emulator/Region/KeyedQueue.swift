// Who works on what: one operation at a time for each key, in the order of asking.
//
// Part of the region actor's state, so it needs no lock of its own. Order of keys, outermost first, so that
// nobody waits in a circle: token, volumes (by id), references, snapshots (the older first), fastRestores or
// uploads, names; or `instances` or `blockTokenKey` alone.
import Driver

struct KeyedQueue {
    enum Key: Hashable, Sendable {
        case token(String)
        case volume(VolumeID)
        /// The counts of the snapshot store's objects: who needs to know them before he changes them.
        case references
        case snapshot(SnapshotID)
        /// Of how many snapshots there is fast restore.
        case fastRestores
        /// Of how many snapshots are written block by block.
        case uploads
        case name(String)
        case snapshotName(String, region: String)
        case instances
        case blockTokenKey
    }

    private struct Waiter {
        let ticket: Int
        let wake: CheckedContinuation<Void, any Error>
    }

    /// A key that is here is held.
    private var waiters: [Key: [Waiter]] = [:]
    private var lastTicket = 0

    /// Takes a key that is free.
    mutating func take(_ key: Key) -> Bool {
        guard waiters[key] == nil else { return false }
        waiters[key] = []
        return true
    }

    mutating func nextTicket() -> Int {
        lastTicket += 1
        return lastTicket
    }

    mutating func wait(for key: Key, ticket: Int, wake: CheckedContinuation<Void, any Error>) {
        waiters[key, default: []].append(Waiter(ticket: ticket, wake: wake))
    }

    /// Ends a wait, unless its turn has come already.
    mutating func cancel(_ key: Key, ticket: Int) {
        guard let index = waiters[key]?.firstIndex(where: { $0.ticket == ticket }) else { return }
        waiters[key]?.remove(at: index).wake.resume(throwing: CancellationError())
    }

    /// Hands the key to the next in line.
    mutating func release(_ key: Key) {
        guard let line = waiters[key], let next = line.first else {
            waiters[key] = nil
            return
        }
        waiters[key]?.removeFirst()
        next.wake.resume()
    }
}

extension Region {
    /// Runs `body` while no other operation holds `key`. Waiting ends with the caller's task; `body` does not.
    func exclusively<Result: Sendable>(
        _ key: KeyedQueue.Key, _ body: (isolated Region) async throws -> Result
    ) async throws -> Result {
        try await exclusively([key], body)
    }

    /// - Parameter keys: in their order.
    func exclusively<Result: Sendable>(
        _ keys: [KeyedQueue.Key], _ body: (isolated Region) async throws -> Result
    ) async throws -> Result {
        var held: [KeyedQueue.Key] = []
        defer { for key in held.reversed() { queue.release(key) } }
        for key in keys {
            if !queue.take(key) { try await wait(for: key) }
            held.append(key)
        }
        return try await body(self)
    }

    /// Runs `body` while nobody else can take `name`. No name is claimed by nobody.
    func claiming<Result: Sendable>(
        _ name: String, _ body: (isolated Region) async throws -> Result
    ) async throws -> Result {
        name.isEmpty ? try await body(self) : try await exclusively(.name(name), body)
    }

    private func wait(for key: KeyedQueue.Key) async throws {
        let ticket = queue.nextTicket()
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (wake: CheckedContinuation<Void, any Error>) in
                if Task.isCancelled {
                    wake.resume(throwing: CancellationError())
                } else {
                    queue.wait(for: key, ticket: ticket, wake: wake)
                }
            }
        } onCancel: {
            Task { await cancelWait(for: key, ticket: ticket) }
        }
    }

    private func cancelWait(for key: KeyedQueue.Key, ticket: Int) {
        queue.cancel(key, ticket: ticket)
    }
}
