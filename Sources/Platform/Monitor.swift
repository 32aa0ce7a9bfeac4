import Glibc

/// A value behind a lock on which threads can wait until it has become something: a mutex and a condition.
///
/// For threads that may block; a task never waits here. The lock is not held while a thread waits, nor is it meant
/// to be held over a system call.
@safe public final class Monitor<Value: Sendable>: @unchecked Sendable {
    // Unchecked: the condition is made for several threads, and stays where it is until `deinit`.
    private let mutex: BargingMutex<Value>
    private let condition: UnsafeMutablePointer<pthread_cond_t>

    public init(_ value: Value) {
        mutex = BargingMutex(value)
        unsafe condition = .allocate(capacity: 1)
        unsafe pthread_cond_init(condition, nil)
    }

    deinit {
        unsafe pthread_cond_destroy(condition)
        unsafe condition.deallocate()
    }

    /// Looks at the value or changes it, and lets those who wait look again.
    public func withLock<Result, Failure>(
        _ body: (inout Value) throws(Failure) -> sending Result
    ) throws(Failure) -> sending Result {
        defer { unsafe pthread_cond_broadcast(condition) }
        return try mutex.withLock(body)
    }

    /// Blocks the thread until `body` gives something; it is called again each time the value may have changed.
    public func wait<Result>(_ body: (inout Value) -> Result?) -> Result {
        defer { unsafe pthread_cond_broadcast(condition) }
        return unsafe mutex.wait(on: condition, body)
    }
}
