import Synchronization

/// Counts those inside, and once closed lets nobody in and says when the last one has left.
///
/// Entering and leaving are one atomic addition each: no lock is held over what is done inside.
struct Gate: ~Copyable, Sendable {
    /// The number inside; the sign bit is set once the gate is closed.
    private let state = Atomic<Int>(0)
    private let waiters = Mutex<[CheckedContinuation<Void, Never>]>([])

    /// False when the gate is closed; otherwise `leave` must follow.
    func enter() -> Bool {
        if state.add(1, ordering: .acquiring).oldValue >= 0 { return true }
        leave()
        return false
    }

    func leave() {
        let left = state.subtract(1, ordering: .acquiringAndReleasing).newValue
        if left == Int.min { wakeWaiters() }
    }

    /// Lets nobody in any more.
    func close() {
        state.bitwiseOr(Int.min, ordering: .acquiringAndReleasing)
    }

    /// Closes the gate and returns when nobody is inside. May be called again.
    func closeAndDrain() async {
        close()
        await withCheckedContinuation { continuation in
            let isEmpty = waiters.withLock { waiters in
                // Whoever leaves last wakes under the same lock, so no wake-up falls between these two lines.
                if state.load(ordering: .acquiring) == Int.min { return true }
                waiters.append(continuation)
                return false
            }
            if isEmpty { continuation.resume() }
        }
    }

    private func wakeWaiters() {
        let woken = waiters.withLock { waiters in
            defer { waiters = [] }
            return waiters
        }
        for waiter in woken { waiter.resume() }
    }
}
