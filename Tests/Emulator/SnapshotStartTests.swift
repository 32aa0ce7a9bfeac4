// What start-up does with the store of snapshots and with cuts, before anybody is served and afterwards.
import BlockStore
import Driver
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import Emulator

@Suite struct SnapshotStartTests {
    private func object(_ number: UInt8, in store: SnapshotStore) throws -> Digest {
        let writer = store.beginWriting()
        defer { writer.end() }
        let block = [UInt8](repeating: number, count: SnapshotBlock.bytes)
        return try #require(try unsafe writer.put(block.span.bytes))
    }

    private func names(in store: SnapshotStore) throws -> Set<Digest> {
        var names: Set<Digest> = []
        try store.forEachName { names.insert($0) }
        return names
    }

    @Test("what nothing refers to is removed from the store, and what the catalog knows stays")
    func litter() async throws {
        try await withTemporaryDirectory { directory in
            let region = try await TestRegion.open(directory)
            try await region.driver.close()
            let store = try SnapshotStore(directory: directory.appending("snapshots"))
            let objects = try (1...40).map { try object($0, in: store) }
            let needed = Set(objects.prefix(10))
            let catalog = try Catalog(path: region.catalogPath)
            let counts = Dictionary(uniqueKeysWithValues: needed.map { ($0, Int64(2)) })
            try await catalog.commit([.addReferences(ObjectReferences(kind: .block, changes: counts))])
            try catalog.close()

            let next = try await region.reopened()
            try await next.driver.finishSnapshotWork()
            #expect(try names(in: store) == needed)
            try await next.driver.close()
        }
    }

    /// An object that nobody needs may not be whole, and would be taken for one that is there.
    @Test("an export that is asked for at a start saves nothing from being removed")
    func exportAtStart() async throws {
        try await withTemporaryDirectory { directory in
            let region = try await TestRegion.open(directory)
            let volume = try await region.create("one")
            try region.write([3: 1], to: volume.id)
            let snapshot = try await region.completeSnapshot(volume.id)
            try await region.driver.close()
            let store = try SnapshotStore(directory: directory.appending("snapshots"))
            let before = try names(in: store)
            _ = try object(99, in: store)

            let hold = Hold(.sweep)
            hold.begin()
            let next = try await region.reopened(boot: "boot-2", beforeStep: hold.beforeStep)
            let file = directory.appending("file").string
            let export = Task {
                try await next.driver.startSnapshotTask(
                    SnapshotTaskRequest(action: .export, snapshotID: snapshot, location: file))
            }
            // Long enough for one that does not wait.
            try await Task.sleep(for: .milliseconds(200))
            hold.end()
            let task = try await export.value
            try await next.driver.finishSnapshotWork()
            #expect(try await next.driver.describeSnapshotTasks(ids: [task.id]).map(\.state) == [.completed])
            #expect(try names(in: store) == before)
            try await next.driver.close()
        }
    }

    @Test("a cut of a snapshot that nobody was told of is given back, and one of a pending snapshot goes on")
    func cuts() async throws {
        try await withTemporaryDirectory { directory in
            let region = try await TestRegion.open(directory)
            let volume = try await region.create("one")
            try await region.driver.close()
            let pending = Sample.snapshot(1, sizeGiB: 1, origin: .volume(volume.id))
            let cuts = ["snap-00000000000000009", pending.id.rawValue].map {
                TrackedVolumes.CutRequest(volume: volume.id.rawValue, cut: $0, base: nil)
            }
            for cut in cuts { _ = try region.volumes.cut([cut]) }
            let catalog = try Catalog(path: region.catalogPath)
            try await catalog.commit([.putSnapshot(pending)])
            try catalog.close()

            let next = try await region.reopened()
            #expect(
                try next.volumes.pendingCuts { _, error in Issue.record(error) }.map(\.name) == [pending.id.rawValue])
            try await next.driver.close()
        }
    }

    @Test("after a clean stop changes are known in the next boot", arguments: [true, false])
    func settled(_ isClean: Bool) async throws {
        try await withTemporaryDirectory { directory in
            let region = try await TestRegion.open(directory)
            let volume = try await region.create("one")
            let request = TrackedVolumes.CutRequest(volume: volume.id.rawValue, cut: "snap-1", base: nil)
            try region.volumes.finish(try region.volumes.cut([request])[0])
            if isClean { try await region.driver.settle() }
            try await region.driver.close()
            let next = try TrackedVolumes(store: region.store, boot: "boot-2") { _ in }
            #expect(try next.trackedBase(of: volume.id.rawValue) == (isClean ? "snap-1" : nil))
        }
    }

    @Test(
        "what failed, and could not even be written down, is kept for the next start whatever is removed meanwhile",
        arguments: [false, true])
    func unended(isUpload: Bool) async throws {
        struct Failed: Error {}
        try await withTemporaryDirectory { directory in
            let fails = Mutex(false)
            let hold = Hold(.putBlock)
            let region = try await TestRegion.open(directory) { step in
                hold.beforeStep(step)
                let isOver = fails.withLock { $0 }
                if isOver, step == .writeManifest || step == .commit { throw Failed() }
            }
            let blocks: Blocks = [0: 1, 64: 2]
            let id: SnapshotID
            if isUpload {
                id = try await region.start()
                try await region.put(blocks, into: id)
                fails.withLock { $0 = true }
                _ = try await region.seal(id, blockCount: blocks.count)
            } else {
                let volume = try await region.create("one")
                try region.write(blocks, to: volume.id)
                hold.begin()
                id = try await region.createSnapshot(volume.id)
                fails.withLock { $0 = true }
                hold.end()
            }
            try await region.driver.finishSnapshotWork()
            fails.withLock { $0 = false }
            #expect(try await region.snapshot(id).state == .pending)
            #expect(await region.driver.region.work.jobs.isEmpty)

            // Removes whatever nobody needs.
            let effects = await region.driver.region.effects
            _ = try object(9, in: effects.snapshots)
            #expect(try await effects.removeUnreferenced {} == 1)
            #expect(try names(in: effects.snapshots).count == blocks.count)
            let next = try await region.reopened()
            try await next.checkStore("afterwards")
            #expect(try await next.blocks(of: id) == blocks)
            try await next.driver.close()
        }
    }

    @Test("a pending snapshot whose blocks a failing disk may have lost is not completed by the next process")
    func lostBlocks() async throws {
        struct Died: Error {}
        try await withTemporaryDirectory { directory in
            let isDead = Mutex(false)
            let region = try await TestRegion.open(directory) { step in
                let isDead = isDead.withLock { isDead in
                    isDead = isDead || step == .synchronizeStore
                    return isDead
                }
                if isDead { throw Died() }
            }
            let volume = try await region.create("one")
            try region.write([0: 1, 64: 2], to: volume.id)
            let id = try await region.createSnapshot(volume.id)
            try await region.driver.finishSnapshotWork()
            try await region.driver.close()
            // As a process leaves it that could not make the store durable.
            let epoch = try FileDescriptor.open(directory.appending("snapshots/epoch"), .writeOnly)
            _ = try epoch.closeAfter { try epoch.writeAll([2]) }

            let next = try await region.reopened()
            try await next.driver.finishSnapshotWork()
            let snapshot = try await next.snapshot(id)
            #expect(snapshot.state == .error)
            #expect(snapshot.stateMessage?.contains("may have been lost") == true, "\(snapshot)")
            try await next.driver.deleteSnapshot(id)
            try await next.checkStore("afterwards")
            try await next.driver.close()
        }
    }
}
