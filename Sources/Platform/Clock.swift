#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
import Glibc
import Synchronization

/// The one source of time below `ebbd`. Whoever needs the time is given a clock; nobody asks the system.
public protocol Clock: Sendable {
    /// Wall time, for what people and EC2 read. It may step.
    func now() -> Date

    /// Time since an arbitrary start, which never steps; for deadlines and durations.
    func uptime() -> Duration

    /// The same in whole nanoseconds, for the way of the data.
    func uptimeNanoseconds() -> Int64

    /// Waits until `uptime()` has reached `deadline`; throws `CancellationError` when cancelled.
    func sleep(untilUptime deadline: Duration) async throws
}

extension Clock {
    public func uptimeNanoseconds() -> Int64 {
        let (seconds, attoseconds) = uptime().components
        return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    }

    public func sleep(for duration: Duration) async throws {
        try await sleep(untilUptime: uptime() + duration)
    }
}

/// The machine's clocks. Uptime is the kernel's CLOCK_MONOTONIC, as `DeadlineTimer` takes it.
public struct SystemClock: Clock {
    public init() {}

    public func now() -> Date { Date() }

    public func uptime() -> Duration { .nanoseconds(uptimeNanoseconds()) }

    /// The corresponding C function is `clock_gettime`.
    public func uptimeNanoseconds() -> Int64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    public func sleep(untilUptime deadline: Duration) async throws {
        // Swift's suspending clock is CLOCK_MONOTONIC too; only its zero is another.
        try await Task.sleep(until: .now + (deadline - uptime()), clock: .suspending)
    }
}

/// A clock that stands still until it is told to advance, so that tests are exact and take no time.
public final class VirtualClock: Clock {
    private struct State {
        var uptime: Duration = .zero
        var nextTicket = 0
        var sleepers: [Int: (deadline: Duration, wake: CheckedContinuation<Void, any Error>)] = [:]
    }

    private let epoch: Date
    private let state = Mutex(State())

    /// - Parameter epoch: the wall time at uptime zero.
    public init(epoch: Date = Date(timeIntervalSince1970: 1_700_000_000)) {
        self.epoch = epoch
    }

    public func now() -> Date {
        let (seconds, attoseconds) = uptime().components
        return epoch.addingTimeInterval(Double(seconds) + Double(attoseconds) / 1e18)
    }

    public func uptime() -> Duration { state.withLock { $0.uptime } }

    /// Moves time forward and wakes those whose deadline has come, earliest first.
    public func advance(by step: Duration) {
        let due = state.withLock { state in
            state.uptime += step
            let due = state.sleepers.filter { $0.value.deadline <= state.uptime }
            for ticket in due.keys { state.sleepers[ticket] = nil }
            return due.sorted { ($0.value.deadline, $0.key) < ($1.value.deadline, $1.key) }
        }
        for sleeper in due { sleeper.value.wake.resume() }
    }

    public func sleep(untilUptime deadline: Duration) async throws {
        let ticket = state.withLock { state in
            state.nextTicket += 1
            return state.nextTicket
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let isDue = state.withLock { state in
                    if Task.isCancelled || state.uptime >= deadline { return true }
                    state.sleepers[ticket] = (deadline, continuation)
                    return false
                }
                if isDue { continuation.resume() }
            }
            try Task.checkCancellation()
        } onCancel: {
            let sleeper = state.withLock { $0.sleepers.removeValue(forKey: ticket) }
            sleeper?.wake.resume(throwing: CancellationError())
        }
    }
}
