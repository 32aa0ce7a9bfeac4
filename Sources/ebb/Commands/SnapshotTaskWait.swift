import Driver
import Platform
import RPC
import SystemPackage

extension Session {
    /// Begins a task and, unless nobody waits, gives it when it is completed. Ctrl-C cancels it.
    ///
    /// - Throws: why it was not completed.
    func carryOut(_ request: SnapshotTaskRequest, doing what: String, isAwaited: Bool) throws -> SnapshotTask {
        // Before the task is there, so that no signal leaves it behind.
        let signals = isAwaited ? try SignalDescriptor([.interrupt, .terminate, .hangUp]) : nil
        let session = interruptible(by: signals)
        let begun = try session.call(Ebb.StartSnapshotTask.self, request, doing: what)
        guard let signals else { return begun }
        let ended = try session.ended(begun, doing: what, signals)
        switch ended.state {
        case .active, .completed: return ended
        case .error: throw ended.error ?? StorageError(.internalError, "\(ended.id) failed")
        case .cancelled: throw CommandFailure(Self.cancelled(what, ended))
        }
    }

    private func ended(
        _ begun: SnapshotTask, doing what: String, _ signals: SignalDescriptor
    ) throws -> SnapshotTask {
        let line = TaskLine(what)
        defer { line.end() }
        var task = begun
        while task.state == .active {
            line.show(task)
            if try !waitUntilReadable([signals.descriptor], timeout: .milliseconds(100)).isEmpty {
                try cancel(task, doing: what)
                // Only now: a daemon that does not answer is not waited for.
                _ = try signals.next()
            }
            do {
                task = try described(task, doing: what)
            } catch {
                // A signal may have ended this call, and then the task shall end too.
                if try !waitUntilReadable([signals.descriptor], timeout: .zero).isEmpty {
                    try cancel(task, doing: what)
                }
                throw error
            }
        }
        return task
    }

    private func described(_ task: SnapshotTask, doing what: String) throws -> SnapshotTask {
        let found = try call(
            Ebb.DescribeSnapshotTasks.self, .init(ids: [task.id]), doing: what, isShown: false
        ).tasks
        guard let now = found.first else { throw StorageError(.internalError, "The daemon forgot \(task.id)") }
        return now
    }

    private func cancel(_ task: SnapshotTask, doing what: String) throws {
        _ = try call(Ebb.CancelSnapshotTask.self, .init(id: task.id), doing: what, isShown: false)
    }

    private static func cancelled(_ what: String, _ task: SnapshotTask) -> String {
        let end = "\(what) was cancelled"
        return task.action == .check ? end : end + "; the same command goes on where it was"
    }
}

/// One line on a terminal that says how far a task is, and is gone afterwards. Elsewhere there is none.
struct TaskLine {
    private let what: String
    private let isShown = isTerminal(.standardError)

    init(_ what: String) { self.what = what }

    func show(_ task: SnapshotTask) {
        if isShown { writeToStandardError("\r\u{1B}[K" + Self.text(what, task)) }
    }

    func end() {
        if isShown { writeToStandardError("\r\u{1B}[K") }
    }

    /// `exporting snap-… … 45 %, 4.6 GiB of 10.2 GiB, 1.0 GiB of it was there`
    static func text(_ what: String, _ task: SnapshotTask) -> String {
        guard task.totalBytes > 0 else { return what + " …" }
        let share = Figures.percent(Double(task.doneBytes) / Double(task.totalBytes))
        let present = task.presentBytes > 0 ? ", \(Figures.bytes(task.presentBytes)) of it was there" : ""
        return "\(what) … \(share), \(Figures.bytes(task.doneBytes)) of \(Figures.bytes(task.totalBytes))\(present)"
    }
}
