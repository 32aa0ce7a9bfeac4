// What tasks on snapshots have in common: how they begin, are watched, end, and are forgotten.
import BlockStore
import Driver
import Foundation
import Platform
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import Emulator

/// Somebody who has a key for as long as a test wants it.
private final class KeyHolder: Sendable {
    let isHeld = Atomic(false)
    let isWanted = Atomic(true)
}

extension Region {
    fileprivate func occupyReferences(_ holder: KeyHolder) async throws {
        try await exclusively(.references) { _ in
            holder.isHeld.store(true, ordering: .releasing)
            while holder.isWanted.load(ordering: .acquiring) { try await Task.sleep(for: .milliseconds(1)) }
        }
    }
}

@Suite struct SnapshotTaskTests {
    private static let start = Date(milliseconds: 1_000_000_000)

    private func task(_ number: Int, endedAfterSeconds end: Double? = nil) -> SnapshotTask {
        SnapshotTask(
            id: SnapshotTaskID("task-\(number)"), action: .check, state: end == nil ? .active : .completed,
            startTime: Self.start, endTime: end.map { Self.start.addingTimeInterval($0) })
    }

    private func tasks(_ list: [SnapshotTask]) -> SnapshotTasks {
        var tasks = SnapshotTasks()
        for task in list {
            tasks.begin(task, SnapshotTaskProgress(end: EndOfWork()), Task {})
            tasks.update(task.id) { $0 = task }
        }
        return tasks
    }

    @Test("a task is forgotten an hour after its end, the oldest of too many at once, and none that is under way")
    func forgetting() {
        var few = tasks([task(1, endedAfterSeconds: 0), task(2), task(3, endedAfterSeconds: 1)])
        few.forget(at: Self.start.addingTimeInterval(3_599))
        #expect(few.entries.map(\.task.id.rawValue) == ["task-1", "task-2", "task-3"])
        few.forget(at: Self.start.addingTimeInterval(3_600))
        #expect(few.entries.map(\.task.id.rawValue) == ["task-2", "task-3"])
        few.forget(at: Self.start.addingTimeInterval(1e9))
        #expect(few.entries.map(\.task.id.rawValue) == ["task-2"])

        var many = tasks([task(0)] + (1...103).map { task($0, endedAfterSeconds: 0) })
        many.forget(at: Self.start)
        #expect(many.entries.map(\.task.id.rawValue) == ["task-0"] + (4...103).map { "task-\($0)" })
    }

    @Test("too many tasks at once are refused, and one that ended makes room")
    func limit() {
        var full = tasks((1...16).map { task($0) })
        #expect(throws: StorageError.tooManyTasks) { try full.checkCount() }
        full.update("task-3") { $0.state = .cancelled }
        #expect(throws: Never.self) { try full.checkCount() }
    }

    @Test("a task goes on until it is cancelled, tells how far it is, and stays as it ended")
    func cancelling() async throws {
        let hold = Hold(.exportRecord)
        try await withTemporaryDirectory { directory in
            let region = try await TestRegion.open(directory, beforeStep: hold.beforeStep)
            let volume = try await region.create("one")
            try region.write([0: 1, 1: 2], to: volume.id)
            let snapshot = try await region.completeSnapshot(volume.id)
            hold.begin()
            let file = directory.appending("file").string
            let begun = try await region.driver.startSnapshotTask(
                SnapshotTaskRequest(action: .export, snapshotID: snapshot, location: file))
            #expect(begun.state == .active && begun.endTime == nil && begun.doneBytes == 0)
            #expect(begun.id.rawValue.wholeMatch(of: #/task-[0-9a-f]{17}/#) != nil)
            // Until it knows what it is to do; then it waits in front of the second record.
            try await region.wait { try await region.driver.describeSnapshotTasks(ids: [begun.id])[0].totalBytes > 0 }
            try await region.driver.cancelSnapshotTask(begun.id)
            #expect(try await region.driver.describeSnapshotTasks(ids: [])[0].state == .active)
            hold.end()
            try await region.driver.finishSnapshotWork()
            let ended = try await region.driver.describeSnapshotTasks(ids: [begun.id])[0]
            #expect(ended.state == .cancelled && ended.endTime != nil && ended.error == nil)
            #expect(ended.doneBytes > 0 && ended.doneBytes < ended.totalBytes)

            region.clock.advance(by: .seconds(3_601))
            #expect(try await region.driver.describeSnapshotTasks(ids: []) == [])
            let forgotten = await refusal { try await region.driver.describeSnapshotTasks(ids: [begun.id]) }
            #expect(forgotten?.code == .invalidParameterValue)
            try await region.driver.close()
        }
    }

    @Test("a region that is closed ends the copying of cuts at once, though what it does now and then waits")
    func closingBesidesTheKeeper() async throws {
        let hold = Hold(.putBlock)
        let key = KeyHolder()
        try await withTemporaryDirectory { directory in
            let region = try await TestRegion.open(directory, beforeStep: hold.beforeStep)
            let volume = try await region.create("one")
            try region.write([0: 1, 1: 2], to: volume.id)
            _ = try await region.start()
            hold.begin()
            let id = try await region.createSnapshot(volume.id)
            let cut = try #require(await region.driver.region.work.cuts[.snapshot(id)])
            let busy = Task { try await region.driver.region.occupyReferences(key) }
            let release = {
                key.isWanted.store(false, ordering: .releasing)
                hold.end()
                try await busy.value
            }
            let closing = try await withCleanup(release) {
                try await region.wait { key.isHeld.load(ordering: .acquiring) }
                // The snapshot that nobody writes any more is given up, which waits for the key.
                try await region.wait {
                    region.clock.advance(by: .seconds(3_600))
                    return await region.driver.region.work.uploads.isEmpty
                }
                let closing = Task { try await region.driver.close() }
                try await region.wait { cut.isCancelled }
                return closing
            }
            try await closing.value
            let next = try await TestRegion.open(directory, clock: region.clock, random: region.random)
            try await next.checkStore("afterwards")
            #expect(try await next.blocks(of: id) == [0: 1, 1: 2])
            try await next.driver.close()
        }
    }

    @Test("a region that is closed ends its tasks, and the next one knows nothing of them")
    func closing() async throws {
        let hold = Hold(.exportRecord)
        try await withTemporaryDirectory { directory in
            let region = try await TestRegion.open(directory, beforeStep: hold.beforeStep)
            let snapshot = try await region.completeSnapshot(try await region.create("one").id)
            hold.begin()
            let file = directory.appending("file").string
            _ = try await region.driver.startSnapshotTask(
                SnapshotTaskRequest(action: .export, snapshotID: snapshot, location: file))
            let closing = Task { try await region.driver.close() }
            hold.end()
            try await closing.value
            let next = try await TestRegion.open(directory, clock: region.clock, random: region.random)
            #expect(try await next.driver.describeSnapshotTasks(ids: []) == [])
            try await next.driver.close()
        }
    }
}
