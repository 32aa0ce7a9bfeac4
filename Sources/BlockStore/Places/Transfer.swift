import Synchronization

/// How far a push or a pull is. Counts blocks where they stand: one that a snapshot has twice counts twice.
public struct TransferProgress: Hashable, Sendable {
    /// Of all blocks of the snapshot that hold anything.
    public var totalBytes: Int64
    public var doneBytes: Int64 = 0
    /// What was there already; part of `doneBytes`.
    public var presentBytes: Int64 = 0
}

/// Why a snapshot could not be pushed or pulled, beside a `PlaceError`. Nothing of it can be seen as a snapshot.
public enum TransferError: Error, Hashable, Sendable, CustomStringConvertible {
    case noSuchSnapshot(id: String, location: String)
    /// The place has a snapshot of this id with other content, or two.
    case otherContent(id: String, location: String)
    /// The file that tells of a snapshot.
    case malformed(key: String, location: String, reason: String)
    /// An object there.
    case object(SnapshotStoreError, location: String)

    public var description: String {
        switch self {
        case .noSuchSnapshot(let id, let location): "there is no snapshot \(id) in \(location)"
        case .otherContent(let id, let location): "\(location) has other content under the id \(id)"
        case .malformed(let key, let location, let reason): "\(key) in \(location) cannot be understood: \(reason)"
        case .object(let error, let location): "\(error), in \(location)"
        }
    }
}

/// How many objects are on their way at a time, so that a distant place's latency does not count, and memory is bounded.
enum Transfer {
    static let objectsInFlight = 8
}

/// Adds up what several tasks have done.
final class TransferCounter: Sendable {
    private let progress: Mutex<TransferProgress>
    private let report: @Sendable (TransferProgress) -> Void

    /// - Parameter report: called after each step, one call at a time, with numbers that never fall.
    init(totalBytes: Int64, _ report: @escaping @Sendable (TransferProgress) -> Void) {
        progress = Mutex(TransferProgress(totalBytes: totalBytes))
        self.report = report
    }

    func add(blocks: Int, arePresent: Bool) {
        let bytes = Int64(blocks) * VolumeBlock.bytes
        progress.withLock { progress in
            progress.doneBytes += bytes
            if arePresent { progress.presentBytes += bytes }
            report(progress)
        }
    }
}

/// Lets so many tasks do something at a time; the others wait in the order in which they came.
final class Slots: Sendable {
    private struct State {
        var free: Int
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let state: Mutex<State>

    init(_ count: Int) { state = Mutex(State(free: count)) }

    func withSlot<Value>(_ body: () async throws -> Value) async throws -> Value {
        await take()
        defer { giveBack() }
        // Who was cancelled meanwhile begins nothing. (Who has a slot soon ends, so waiting needs no end of its own.)
        try Task.checkCancellation()
        return try await body()
    }

    private func take() async {
        await withCheckedContinuation { continuation in
            let isFree = state.withLock { state in
                if state.free == 0 {
                    state.waiting.append(continuation)
                    return false
                }
                state.free -= 1
                return true
            }
            if isFree { continuation.resume() }
        }
    }

    private func giveBack() {
        let next = state.withLock { state -> CheckedContinuation<Void, Never>? in
            if state.waiting.isEmpty {
                state.free += 1
                return nil
            }
            return state.waiting.removeFirst()
        }
        next?.resume()
    }
}

extension Sequence where Element: Sendable {
    /// Runs `body` for the elements, begun in their order, some at a time. The first failure cancels the others, and
    /// is thrown when they have ended.
    func forEach(atATime limit: Int, _ body: @escaping @Sendable (Element) async throws -> Void) async throws {
        try await withThrowingTaskGroup { group in
            var rest = makeIterator()
            for _ in 0..<limit {
                guard let element = rest.next() else { break }
                group.addTask { try await body(element) }
            }
            while try await group.next() != nil {
                guard let element = rest.next() else { continue }
                group.addTask { try await body(element) }
            }
        }
    }
}
