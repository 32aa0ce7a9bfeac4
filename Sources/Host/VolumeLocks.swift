// One lock a volume: operations on one volume come one after another, in order; volumes do not wait for each other.

import Driver
import Platform
import Synchronization

final class VolumeLocks: Sendable {
    private struct Waiter {
        let ticket: Int
        let wake: CheckedContinuation<Void, any Error>
    }

    private struct State {
        /// The volumes that are locked, each with those who wait for it.
        var queues: [VolumeID: [Waiter]] = [:]
        var nextTicket = 0
    }

    private let state = Mutex(State())
    private let clock: any Clock

    init(clock: any Clock) {
        self.clock = clock
    }

    /// Runs `body` while nobody else holds the volume.
    ///
    /// - Parameter end: the uptime at which waiting for the lock ends with `DeadlineExceeded`.
    func withLock<Value: Sendable>(
        _ id: VolumeID, until end: Duration, _ body: @Sendable () async throws -> Value
    ) async throws -> Value {
        try await acquire(id, until: end)
        defer { release(id) }
        return try await body()
    }

    /// How many wait for the volume; for tests.
    func waiterCount(_ id: VolumeID) -> Int { state.withLock { $0.queues[id]?.count ?? 0 } }

    private func acquire(_ id: VolumeID, until end: Duration) async throws {
        let ticket = state.withLock { state in
            state.nextTicket += 1
            return state.nextTicket
        }
        let alarm = Task { [clock] in
            do { try await clock.sleep(untilUptime: end) } catch { return }  // Cancelled: the lock was got.
            let error = StorageError(
                .deadlineExceeded, "Volume \(id) is busy with another operation", advice: "try again later")
            self.giveUp(id, ticket, error)
        }
        defer { alarm.cancel() }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { wake in
                enqueue(id, Waiter(ticket: ticket, wake: wake))
            }
        } onCancel: {
            giveUp(id, ticket, CancellationError())
        }
    }

    private func enqueue(_ id: VolumeID, _ waiter: Waiter) {
        enum Fate { case holds, waits, cancelled }
        let fate = state.withLock { state -> Fate in
            if Task.isCancelled { return .cancelled }
            guard state.queues[id] != nil else {
                state.queues[id] = []
                return .holds
            }
            state.queues[id]?.append(waiter)
            return .waits
        }
        switch fate {
        case .holds: waiter.wake.resume()
        case .cancelled: waiter.wake.resume(throwing: CancellationError())
        case .waits: break
        }
    }

    private func giveUp(_ id: VolumeID, _ ticket: Int, _ error: any Error) {
        let waiter = state.withLock { state -> Waiter? in
            guard let index = state.queues[id]?.firstIndex(where: { $0.ticket == ticket }) else { return nil }
            return state.queues[id]?.remove(at: index)
        }
        waiter?.wake.resume(throwing: error)
    }

    private func release(_ id: VolumeID) {
        let next = state.withLock { state -> Waiter? in
            guard let queue = state.queues[id], !queue.isEmpty else {
                state.queues[id] = nil
                return nil
            }
            return state.queues[id]?.removeFirst()
        }
        next?.wake.resume()
    }
}
