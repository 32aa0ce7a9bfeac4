// The tasks on snapshots that a region knows of: those under way, and for a while those that ended. What a task does
// is not known here.
//
// In memory alone. A process that ends takes its tasks with it: what they left half done is taken up by the next task
// of the same kind, or removed at the next start.
import Driver
import Synchronization

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

struct SnapshotTasks: Sendable {
    struct Entry: Sendable {
        var task: SnapshotTask
        let progress: SnapshotTaskProgress
        /// Until it has ended.
        var job: Task<Void, Never>?
    }

    static let maximumActive = 16
    static let maximumEnded = 100
    static let retention = Duration.seconds(3600)

    /// In the order of their beginning.
    private(set) var entries: [Entry] = []

    var active: [Entry] { entries.filter { $0.job != nil } }

    func checkCount() throws(StorageError) {
        if active.count >= Self.maximumActive { throw .tooManyTasks }
    }

    mutating func begin(_ task: SnapshotTask, _ progress: SnapshotTaskProgress, _ job: Task<Void, Never>) {
        entries.append(Entry(task: task, progress: progress, job: job))
    }

    /// Changes what is known of a task.
    mutating func update(_ id: SnapshotTaskID, _ change: (inout SnapshotTask) -> Void) {
        guard let index = entries.firstIndex(where: { $0.task.id == id }) else { return }
        change(&entries[index].task)
        if entries[index].task.state != .active { entries[index].job = nil }
    }

    /// Forgets those that ended long ago, and the oldest of too many.
    mutating func forget(at time: Date) {
        let limit = time.adding(milliseconds: -Self.retention.wholeMilliseconds)
        var excess = entries.count { $0.job == nil } - Self.maximumEnded
        entries.removeAll { entry in
            guard let end = entry.task.endTime else { return false }
            excess -= 1
            return end <= limit || excess >= 0
        }
    }

    func entry(_ id: SnapshotTaskID) throws(StorageError) -> Entry {
        guard let entry = entries.first(where: { $0.task.id == id }) else { throw .taskNotFound(id) }
        return entry
    }
}

extension SnapshotTasks.Entry {
    /// What a user sees of it now.
    var report: SnapshotTask {
        var task = task
        let figures = progress.figures
        (task.doneBytes, task.totalBytes, task.presentBytes) =
            (figures.doneBytes, figures.totalBytes, figures.presentBytes)
        return task
    }
}

/// How far a task is: told by the thread that works on it, asked for by whoever watches.
final class SnapshotTaskProgress: Sendable {
    struct Figures: Sendable {
        var doneBytes: Int64 = 0
        /// 0 while it is not known.
        var totalBytes: Int64 = 0
        var presentBytes: Int64 = 0
    }

    private let state = Mutex(Figures())
    private let cancellation = EndOfWork()
    /// What ends work that waits for others.
    private let interruption = Mutex<(@Sendable () -> Void)?>(nil)
    private let end: EndOfWork

    /// - Parameter end: of the region, which ends its tasks too.
    init(end: EndOfWork) { self.end = end }

    var figures: Figures { state.withLock { $0 } }

    /// - Throws: `CancellationError` once nobody wants the task any more.
    func update(_ change: (inout Figures) -> Void) throws {
        state.withLock { change(&$0) }
        try check()
    }

    func check() throws {
        try end.check()
        try cancellation.check()
    }

    func set(_ figures: Figures) { state.withLock { $0 = figures } }

    func cancel() {
        cancellation.come()
        interrupt()
    }

    /// Ends what waits; to be called when the region's end has come, too.
    func interrupt() { interruption.withLock { $0 }?() }

    /// Runs what ends when its Swift task is cancelled, and cancels that when nobody wants this one any more.
    func untilCancelled<Value: Sendable>(
        _ body: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        let task = Task { try await body() }
        interruption.withLock { $0 = { task.cancel() } }
        defer { interruption.withLock { $0 = nil } }
        // Who came before that cancelled nothing.
        do { try check() } catch { task.cancel() }
        return try await task.value
    }
}

/// What a task that was completed gives.
struct SnapshotTaskResult: Sendable {
    var snapshotID: SnapshotID?
    var report: SnapshotReport?
}
