// How tasks on snapshots are begun, watched and ended, whatever they do. What each does stands in Region+Export,
// Region+Import, Region+Places and Region+Check: a function that looks at the request, refuses what can be refused at once, and begins
// a task with the rest of the work.
import Driver

extension Region {
    /// The rest of a task's work, which goes on though nobody watches.
    typealias SnapshotTaskWork =
        @Sendable (isolated Region, SnapshotTaskProgress) async throws -> SnapshotTaskResult

    func startSnapshotTask(_ request: SnapshotTaskRequest) async throws -> SnapshotTask {
        work.tasks.forget(at: currentTime())
        try work.tasks.checkCount()
        return switch request.action {
        case .export: try await startExport(request)
        case .import: try await startImport(request)
        case .check: try startCheck()
        case .push: try await startPush(request)
        case .pull: try await startPull(request)
        }
    }

    func snapshotTasks(ids: [SnapshotTaskID]) throws -> [SnapshotTask] {
        work.tasks.forget(at: currentTime())
        if ids.isEmpty { return work.tasks.entries.map(\.report) }
        return try ids.map { try work.tasks.entry($0).report }
    }

    func cancelSnapshotTask(_ id: SnapshotTaskID) throws {
        try work.tasks.entry(id).progress.cancel()
    }

    /// - Parameter task: its beginning; the id, the state and the times are given here.
    func begin(
        _ action: SnapshotTask.Action, of snapshot: SnapshotID? = nil, at location: String? = nil,
        _ body: @escaping SnapshotTaskWork
    ) throws -> SnapshotTask {
        // Others may have begun since the request came.
        try work.tasks.checkCount()
        let task = SnapshotTask(
            id: SnapshotTaskID("task-" + random.hexDigits(17)), action: action, snapshotID: snapshot,
            location: location, state: .active, startTime: currentTime())
        let progress = SnapshotTaskProgress(end: work.end)
        work.tasks.begin(task, progress, Task { await carryOut(task, progress, body) })
        return task
    }

    private func carryOut(_ task: SnapshotTask, _ progress: SnapshotTaskProgress, _ body: SnapshotTaskWork) async {
        do {
            let result = try await body(self, progress)
            work.tasks.update(task.id) { task in
                task.state = .completed
                task.snapshotID = result.snapshotID ?? task.snapshotID
                task.report = result.report
            }
        } catch is CancellationError {
            work.tasks.update(task.id) { $0.state = .cancelled }
        } catch {
            logger.error("\(task.id), \(task.action.rawValue), failed: \(error)")
            let reason = error as? StorageError ?? .taskFailed(task.action, error)
            work.tasks.update(task.id) { task in
                task.state = .error
                task.error = reason
            }
        }
        let time = currentTime()
        work.tasks.update(task.id) { $0.endTime = time }
    }

    func finishSnapshotTasks() async {
        while let job = work.tasks.active.first?.job { await job.value }
    }
}
