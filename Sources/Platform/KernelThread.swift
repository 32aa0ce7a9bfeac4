import CPlatform
import Glibc
import Synchronization
public import SystemPackage

/// A thread of its own, for work that blocks in the kernel and so has no place among Swift's tasks.
public final class KernelThread: Sendable {
    private let body: @Sendable () -> Void
    private let name: String
    private let handle = Mutex<pthread_t?>(nil)
    private let hasEnded = Atomic(false)

    /// - Parameter name: for `ps` and `top`; the kernel takes 15 bytes.
    public init(name: String, _ body: @escaping @Sendable () -> Void) {
        self.name = name
        self.body = body
    }

    /// Starts the thread, once. `interrupt` and `join` come after it.
    ///
    /// The corresponding C function is `pthread_create`.
    public func start() {
        Self.prepareInterruption()
        var thread = pthread_t()
        let context = unsafe Unmanaged.passRetained(self).toOpaque()
        let error = unsafe pthread_create(&thread, nil, runThread, context)
        precondition(error == 0, "a thread cannot be made: errno \(error)")
        handle.withLock { [thread] in $0 = thread }
    }

    fileprivate func run() {
        unsafe cplatform_name_thread(name)
        Self.unblockInterruption()
        body()
        hasEnded.store(true, ordering: .releasing)
    }

    /// Lets the thread run before all ordinary ones as soon as it has something to do. For what is short and late at
    /// once; needs root. Called on a thread that has been started.
    ///
    /// The corresponding C function is `pthread_setschedparam`, with `SCHED_FIFO`.
    public func becomeUrgent() throws(Errno) {
        var parameters = sched_param()
        parameters.sched_priority = 1
        let error = handle.withLock { [parameters] handle in
            var parameters = parameters
            return handle.map { unsafe pthread_setschedparam($0, SCHED_FIFO, &parameters) } ?? ESRCH
        }
        if error != 0 { throw Errno(rawValue: error) }
    }

    /// Lets the calling thread run when threads that somebody waits for leave it time, and still get a share of a machine
    /// that is never idle. A system that refuses lets it run as they do.
    ///
    /// A thread that wakes up takes the processor at once from one that may run for longer at a stretch (Linux 6.12);
    /// otherwise it waits until that one's stretch is over, some milliseconds.
    ///
    /// The corresponding C function is `sched_setattr`.
    public static func becomeBackground() {
        // 100 ms: the longest that Linux takes.
        _ = cplatform_set_batch_policy(10, 100_000_000)
    }

    /// Makes a system call that blocks the thread fail with EINTR, if it is in one just now.
    ///
    /// The corresponding C function is `pthread_kill`.
    public func interrupt() {
        handle.withLock { handle in
            if let handle { pthread_kill(handle, Self.interruption) }
        }
    }

    /// Waits until the body has returned, making calls that block it fail until then. `body` must end once it
    /// sees EINTR and what the caller has told it.
    ///
    /// The corresponding C functions are `pthread_kill` and `pthread_join`.
    public func interruptAndJoin() {
        // A signal that comes just before the thread blocks is lost, so it is repeated.
        while !hasEnded.load(ordering: .acquiring) {
            interrupt()
            usleep(1000)
        }
        join()
    }

    /// Waits until the body has returned.
    ///
    /// The corresponding C function is `pthread_join`.
    public func join() {
        let thread = handle.withLock { handle in
            defer { handle = nil }
            return handle
        }
        if let thread { pthread_join(thread, nil) }
    }

    /// Nobody sends it by itself, and its handler does nothing.
    private static let interruption = SIGURG

    /// A thread has its maker's mask, and libdispatch's threads block every signal.
    private static func unblockInterruption() {
        var signals = sigset_t()
        unsafe sigemptyset(&signals)
        unsafe sigaddset(&signals, interruption)
        unsafe pthread_sigmask(SIG_UNBLOCK, &signals, nil)
    }

    private static func prepareInterruption() {
        var action = sigaction()
        // Without SA_RESTART, so that the call is not taken up again.
        unsafe action.__sigaction_handler.sa_handler = { _ in }
        unsafe sigaction(interruption, &action, nil)
    }
}

/// A thread's first function.
private func runThread(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    unsafe Unmanaged<KernelThread>.fromOpaque(context!).takeRetainedValue().run()
    return nil
}
