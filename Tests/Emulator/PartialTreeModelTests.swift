// Snapshots with few different contents, so that they share manifests, segments and blocks, come and go at random, and
// the process dies between any two steps. Before each step all counts are worked out anew.
import BlockStore
import Driver
import Platform
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import Emulator

/// A process that may die, and whose counts are looked at before each of its steps.
private final class WatchedProcess: Sendable {
    let crash = Crash()
    private let store: CountedStore
    private let catalog = Mutex<Catalog?>(nil)
    private let comment: @Sendable () -> Comment

    init(_ store: CountedStore, _ comment: @escaping @Sendable () -> Comment) {
        self.store = store
        self.comment = comment
    }

    func watch(_ region: TestRegion) async {
        let catalog = await region.driver.region.effects.catalog
        self.catalog.withLock { $0 = catalog }
    }

    func beforeStep(_ step: RegionEffects.Step) throws {
        try look()
        try crash.beforeStep(step)
    }

    func look() throws {
        if let catalog = catalog.withLock({ $0 }) { try store.check(catalog, comment()) }
    }
}

@Suite struct PartialTreeModelTests {
    private static let seeds: [UInt64] = [1, 2, 3, SystemRandom().next()]

    @Test("snapshots that share trees come, go and die at any step: all counts are right", arguments: seeds)
    func agrees(seed: UInt64) async throws {
        try await withTemporaryDirectory { directory in
            let random = SeededRandom(seed: seed)
            let store = CountedStore(directory)
            let place = Atomic(0)
            var deleted: Set<SnapshotID> = []
            let comment: @Sendable () -> Comment = { "seed \(seed), step \(place.load(ordering: .relaxed))" }
            var process = WatchedProcess(store, comment)
            var region = try await TestRegion.open(
                directory, random: SeededRandom(seed: seed &+ 1), beforeStep: process.beforeStep)
            await process.watch(region)
            for step in 0..<60 {
                place.store(step, ordering: .relaxed)
                let dies = random.next() % 4 == 0
                if dies { process.crash.arm(after: Int(random.next() % 16)) }
                do {
                    try await act(region, random, &deleted)
                    if dies || random.next() % 3 == 0 { try await region.driver.finishSnapshotWork() }
                } catch  where process.crash.hasCome {
                }
                try process.look()
                guard dies else { continue }
                process = WatchedProcess(store, comment)
                let boot = "boot-\(random.next() % 8 == 0 ? step : 0)"
                region = try await region.reopened(boot: boot, beforeStep: process.beforeStep)
                await process.watch(region)
            }
            try await checkEnd(region, process, comment())
            try await region.driver.close()
        }
    }

    /// Contents of up to three segments, each of which is there in two forms.
    private func blocks(_ random: SeededRandom) -> Blocks {
        var blocks: Blocks = [:]
        for places in [[0, 1], [64], [700, 2047]] where random.next() % 4 != 0 {
            let form = UInt8(random.next() % 2)
            for place in places { blocks[place] = 1 + form }
        }
        return blocks
    }

    private func act(_ region: TestRegion, _ random: SeededRandom, _ deleted: inout Set<SnapshotID>) async throws {
        let snapshots = try await region.snapshots
        let volumes = try await region.driver.describeVolumes(.all).volumes
        let one = snapshots.isEmpty ? nil : snapshots[Int(random.next() % UInt64(snapshots.count))]
        switch (random.next() % 8, one) {
        case (0...2, let one?): try await delete(one.id, region, &deleted)
        case (3, let one?) where one.state == .completed:
            _ = try await region.driver.copySnapshot(CopySnapshotRequest(sourceSnapshotID: one.id))
        case (4, let one?) where one.state == .completed:
            _ = try await region.driver.createVolume(
                CreateVolumeRequest(zone: TestRegion.zone, type: .gp3, snapshotID: one.id))
        case (5, _) where !volumes.isEmpty:
            try await region.driver.deleteVolume(volumes[Int(random.next() % UInt64(volumes.count))].id)
        default:
            let blocks = blocks(random)
            let id = try await region.start(parent: one?.state == .completed ? one?.id : nil)
            try await region.put(blocks, into: id)
            _ = try await region.seal(id, blockCount: blocks.count)
        }
    }

    /// What was deleted while it was `pending` stays until its blocks are in the store. It may go between the list that it
    /// is from and its second deletion; nothing else may.
    ///
    /// - Parameter deleted: what was deleted so far.
    private func delete(_ id: SnapshotID, _ region: TestRegion, _ deleted: inout Set<SnapshotID>) async throws {
        let mayBeGone = !deleted.insert(id).inserted
        do {
            try await region.driver.deleteSnapshot(id)
        } catch let error as StorageError where error.code == .snapshotNotFound && mayBeGone {
        }
    }

    /// Nothing is left when everything has gone.
    private func checkEnd(_ region: TestRegion, _ process: WatchedProcess, _ comment: Comment) async throws {
        try await region.driver.finishSnapshotWork()
        try await region.checkStore(comment)
        for volume in try await region.driver.describeVolumes(.all).volumes {
            try await region.driver.deleteVolume(volume.id)
        }
        for snapshot in try await region.snapshots { try await region.driver.deleteSnapshot(snapshot.id) }
        try await region.driver.finishSnapshotWork()
        try process.look()
        try await region.expectEmptyStore(comment)
    }
}
