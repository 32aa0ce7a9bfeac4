// No wait is endless: what runs past its deadline is cancelled and left to itself, and the caller goes on.

import Driver
import Platform
import Synchronization

/// Gives what `operation` gives, or throws `DeadlineExceeded` once `limit` has passed.
///
/// The operation is cancelled then, but not waited for: a child process in an uninterruptible wait would otherwise
/// hold its caller for as long. Cancelling the caller cancels the operation.
func withDeadline<Value: Sendable>(
    _ limit: Duration, clock: any Clock, _ what: String,
    operation: @escaping @Sendable () async throws -> Value
) async throws -> Value {
    let outcome = FirstOutcome<Value>()
    let work = Task {
        do { outcome.settle(.success(try await operation())) } catch { outcome.settle(.failure(error)) }
    }
    let alarm = Task {
        do { try await clock.sleep(for: limit) } catch { return }  // Cancelled: the work is done.
        outcome.settle(.failure(StorageError(.deadlineExceeded, "\(what) took longer than \(limit)")))
        work.cancel()
    }
    defer { alarm.cancel() }
    return try await withTaskCancellationHandler {
        try await outcome.value()
    } onCancel: {
        work.cancel()
    }
}

/// The result of whoever comes first; later ones are dropped. One waiter.
final class FirstOutcome<Value: Sendable>: Sendable {
    private struct State {
        var result: Result<Value, any Error>?
        var waiter: CheckedContinuation<Value, any Error>?
    }

    private let state = Mutex(State())

    func settle(_ result: Result<Value, any Error>) {
        let waiter = state.withLock { state -> CheckedContinuation<Value, any Error>? in
            guard state.result == nil else { return nil }
            state.result = result
            return state.waiter.take()
        }
        waiter?.resume(with: result)
    }

    func value() async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            let result = state.withLock { state in
                if state.result == nil { state.waiter = continuation }
                return state.result
            }
            if let result { continuation.resume(with: result) }
        }
    }
}
