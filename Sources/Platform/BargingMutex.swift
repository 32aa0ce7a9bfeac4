import Glibc

/// A mutex for the way of the data, where a thread with precedence and many without share a lock for moments.
///
/// `Synchronization.Mutex` is a priority-inheriting futex: once somebody waits in the kernel, unlocking hands the
/// lock over to a thread that still has to be woken, and all others wait for that. With this one, POSIX's adaptive
/// mutex, whoever runs takes it first.
@safe public final class BargingMutex<Value>: @unchecked Sendable {
    // Unchecked: the value is touched only by whoever holds the lock.
    private let lock: UnsafeMutablePointer<pthread_mutex_t>
    private let value: UnsafeMutablePointer<Value>

    public init(_ value: sending Value) {
        unsafe lock = .allocate(capacity: 1)
        unsafe self.value = .allocate(capacity: 1)
        unsafe self.value.initialize(to: value)
        var attributes = pthread_mutexattr_t()
        unsafe pthread_mutexattr_init(&attributes)
        unsafe pthread_mutexattr_settype(&attributes, CInt(PTHREAD_MUTEX_ADAPTIVE_NP))
        let error = unsafe pthread_mutex_init(lock, &attributes)
        precondition(error == 0, "an adaptive mutex can be made: errno \(error)")
        unsafe pthread_mutexattr_destroy(&attributes)
    }

    deinit {
        unsafe pthread_mutex_destroy(lock)
        unsafe lock.deallocate()
        unsafe value.deinitialize(count: 1)
        unsafe value.deallocate()
    }

    /// Calls `body` while no other thread does so with this value.
    public func withLock<Result, Failure>(
        _ body: (inout Value) throws(Failure) -> sending Result
    ) throws(Failure) -> sending Result {
        unsafe pthread_mutex_lock(lock)
        defer { unsafe pthread_mutex_unlock(lock) }
        return try unsafe body(&value.pointee)
    }

    /// Calls `body` as `withLock` does until it gives something, and gives the lock back between two calls, until
    /// `condition` is signalled.
    func wait<Result>(
        on condition: UnsafeMutablePointer<pthread_cond_t>, _ body: (inout Value) -> Result?
    ) -> Result {
        unsafe pthread_mutex_lock(lock)
        defer { unsafe pthread_mutex_unlock(lock) }
        while true {
            if let result = unsafe body(&value.pointee) { return result }
            unsafe pthread_cond_wait(condition, lock)
        }
    }
}
