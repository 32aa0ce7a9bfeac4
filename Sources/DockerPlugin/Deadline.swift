import Driver
import Platform
import Synchronization

/// Gives up waiting for `operation` after `limit`, even when it does not heed cancellation: a caller that waits
/// on a hung region must still be answered.
///
/// The operation outlives its caller: a client that hangs up does not stop half a mount.
///
/// - Parameter undo: what to do about a result that came when nobody waited for it any more.
/// - Throws: `DeadlineExceeded`, or the operation's error.
func withDeadline<Value: Sendable>(
    _ limit: Duration, for subject: String, clock: any Clock,
    undo: @escaping @Sendable (Value) async -> Void = { _ in },
    operation: @escaping @Sendable () async throws -> Value
) async throws -> Value {
    let race = Race<Value>()
    let work = Task {
        let result: Result<Value, any Error>
        do {
            result = .success(try await operation())
        } catch {
            result = .failure(error)
        }
        if !race.finish(result), case .success(let value) = result { await undo(value) }
    }
    let timer = Task {
        try await clock.sleep(for: limit)
        let late = StorageError(
            .deadlineExceeded, "\(subject) took longer than \(limit.components.seconds) seconds",
            advice: "see the daemon's log, and try again")
        if race.finish(.failure(late)) { work.cancel() }
    }
    defer { timer.cancel() }
    return try await race.result().get()
}

/// The first of several results, for one who waits.
private final class Race<Value: Sendable>: Sendable {
    private enum State {
        case running
        case awaited(CheckedContinuation<Result<Value, any Error>, Never>)
        case finished(Result<Value, any Error>)
    }

    private let state = Mutex(State.running)

    /// Whether this result is the first.
    func finish(_ result: Result<Value, any Error>) -> Bool {
        let (isFirst, waiter) = state.withLock { state in
            switch state {
            case .running:
                state = .finished(result)
                return (true, CheckedContinuation<Result<Value, any Error>, Never>?.none)
            case .awaited(let waiter):
                state = .finished(result)
                return (true, waiter)
            case .finished:
                return (false, nil)
            }
        }
        waiter?.resume(returning: result)
        return isFirst
    }

    func result() async -> Result<Value, any Error> {
        await withCheckedContinuation { continuation in
            let finished: Result<Value, any Error>? = state.withLock { state in
                if case .finished(let result) = state { return result }
                state = .awaited(continuation)
                return nil
            }
            if let finished { continuation.resume(returning: finished) }
        }
    }
}
