import Platform
import Synchronization

/// Counts those who are changing a volume's bytes, so that a cut can be between two changes.
///
/// Entering and leaving are one atomic addition each. A closed gate makes those who come wait, on their threads, until
/// it opens again; it is closed for microseconds.
final class WriterGate: Sendable {
    /// The number inside; the sign bit is set while the gate is closed.
    private let state = Atomic<Int>(0)
    /// For those who wait; the value means nothing.
    private let changes = Monitor(())

    /// Waits while the gate is closed. `leave` must follow.
    @inline(__always)
    func enter() {
        while state.add(1, ordering: .acquiring).oldValue < 0 {
            leave()
            changes.wait { _ in state.load(ordering: .relaxed) >= 0 ? () : nil }
        }
    }

    @inline(__always)
    func leave() {
        // Those who wait look again under the monitor's lock, so no wake-up is lost.
        if state.subtract(1, ordering: .releasing).newValue == Int.min { changes.withLock { _ in } }
    }

    /// Lets nobody in any more. By one thread at a time, until `open`.
    func close() {
        state.bitwiseOr(Int.min, ordering: .acquiring)
    }

    /// Waits until nobody is inside of the closed gate.
    func drain() {
        changes.wait { _ in state.load(ordering: .acquiring) == Int.min ? () : nil }
    }

    func open() {
        state.bitwiseAnd(Int.max, ordering: .releasing)
        changes.withLock { _ in }
    }
}
