import Glibc
import Synchronization

/// Threads for calls that block, so that these do not hold the few threads that all tasks of the process share.
///
/// At most `limit` run at a time; work beyond that waits its turn. A thread ends as soon as nothing waits, so that a
/// quiet pool costs nothing (making a thread is cheap, against a call that waits for a socket).
public final class BlockingThreads: Sendable {
    private struct State {
        var waiting: [@Sendable () -> Void] = []
        var threads = 0
    }

    private let state = Mutex(State())
    private let limit: Int

    public init(limit: Int) {
        precondition(limit > 0)
        self.limit = limit
    }

    /// Runs `body` on a thread of the pool and waits for it without blocking.
    public func run<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            submit { continuation.resume(with: Result { try body() }) }
        }
    }

    private func submit(_ work: @escaping @Sendable () -> Void) {
        let needsThread = state.withLock { state in
            state.waiting.append(work)
            if state.threads == limit { return false }
            state.threads += 1
            return true
        }
        if needsThread { startThread { [self] in workUntilIdle() } }
    }

    private func workUntilIdle() {
        while let work = nextWork() { work() }
    }

    private func nextWork() -> (@Sendable () -> Void)? {
        state.withLock { state in
            if state.waiting.isEmpty {
                state.threads -= 1
                return nil
            }
            return state.waiting.removeFirst()
        }
    }
}

/// Runs `body` on a new thread of its own, which nobody waits for.
///
/// The corresponding C function is `pthread_create`. Traps when the machine has no thread left.
public func startThread(_ body: @escaping @Sendable () -> Void) {
    let context = unsafe Unmanaged.passRetained(ThreadBody(body))
    var thread = pthread_t()
    let result = unsafe pthread_create(
        &thread, nil,
        { context in
            let body = unsafe Unmanaged<ThreadBody>.fromOpaque(context!).takeRetainedValue()
            body.run()
            return nil
        }, context.toOpaque())
    precondition(result == 0, "pthread_create: error \(result)")
    pthread_detach(thread)
}

private final class ThreadBody: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}
