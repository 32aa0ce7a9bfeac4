// Snapshots of a region: what they hold, how they end, and what is refused.
import BlockStore
import Driver
import Platform
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import Emulator

/// Holds steps up until it is told to let them go on, as a slow disk would.
final class Hold: Sendable {
    private let step: RegionEffects.Step
    private let isHolding = Monitor(false)

    init(_ step: RegionEffects.Step) { self.step = step }

    func begin() { isHolding.withLock { $0 = true } }
    func end() { isHolding.withLock { $0 = false } }

    func beforeStep(_ step: RegionEffects.Step) {
        if step == self.step { isHolding.wait { $0 ? nil : () } }
    }
}

@Suite struct SnapshotTests {
    private func withVolume(
        beforeStep: @escaping @Sendable (RegionEffects.Step) throws -> Void = { _ in },
        _ body: (TestRegion, Volume) async throws -> Void
    ) async throws {
        try await withTemporaryDirectory { directory in
            let region = try await TestRegion.open(directory, beforeStep: beforeStep)
            let volume = try await region.create("one")
            try await body(region, volume)
            try await region.checkStore("at the end")
            try await region.driver.close()
        }
    }

    @Test("a snapshot holds what was written before it, and nothing of what is written after it")
    func pointInTime() async throws {
        let hold = Hold(.putBlock)
        try await withVolume(beforeStep: hold.beforeStep) { region, volume in
            try region.write([0: 1, 1: 2, 64: 3, 2047: 4], to: volume.id)
            hold.begin()
            let id = try await region.createSnapshot(volume.id)
            let pending = try await region.snapshot(id)
            #expect(pending.state == .pending && pending.progressPercent == 0 && pending.fullSizeBytes == nil)
            try region.write([0: 9, 1: 0, 2: 9, 2047: 4], to: volume.id)
            hold.end()
            try await region.driver.finishSnapshotWork()
            let completed = try await region.snapshot(id)
            #expect(completed.state == .completed && completed.progressPercent == 100)
            #expect(completed.fullSizeBytes == 4 << 19)
            #expect(completed.completionTime != nil)
            #expect(try await region.blocks(of: id) == [0: 1, 1: 2, 64: 3, 2047: 4])
            #expect(try region.blocks(of: volume.id) == [0: 9, 2: 9, 64: 3, 2047: 4])
        }
    }

    @Test("a further snapshot reads only what changed, and shares the rest")
    func incremental() async throws {
        let puts = Mutex(0)
        try await withVolume { step in
            if step == .putBlock { puts.withLock { $0 += 1 } }
        } _: { region, volume in
            try region.write([0: 1, 1: 2, 64: 3, 700: 4, 2047: 5], to: volume.id)
            let first = try await region.completeSnapshot(volume.id)
            #expect(puts.withLock { $0 } == 5)
            try region.write([1: 7, 64: 0], to: volume.id)
            let second = try await region.completeSnapshot(volume.id)
            #expect(puts.withLock { $0 } == 6)
            #expect(try await region.blocks(of: second) == [0: 1, 1: 7, 700: 4, 2047: 5])
            #expect(try await region.snapshot(second).fullSizeBytes == 4 << 19)
            let third = try await region.completeSnapshot(volume.id)
            #expect(puts.withLock { $0 } == 6)
            let contents = await region.driver.region.state.snapshots.snapshots
            #expect(contents[third]?.content == contents[second]?.content, "nothing changed: the same manifest")
            try await region.driver.deleteSnapshot(first)
            try await region.driver.deleteSnapshot(third)
            #expect(try await region.blocks(of: second) == [0: 1, 1: 7, 700: 4, 2047: 5])
        }
    }

    @Test("snapshots of several volumes are of one instant, and all are made or none")
    func group() async throws {
        try await withVolume { region, volume in
            let other = try await region.create("two")
            try region.write([0: 1], to: volume.id)
            try region.write([0: 2], to: other.id)
            let ids = try await region.createSnapshots([other.id, volume.id], names: ["b", "a"])
            try await region.driver.finishSnapshotWork()
            #expect(try await region.blocks(of: ids[0]) == [0: 2])
            #expect(try await region.blocks(of: ids[1]) == [0: 1])
            #expect(try await region.snapshot(ids[0]).startTime == region.snapshot(ids[1]).startTime)
            #expect(try await region.snapshot(ids[0]).name == "b")
            await #expect(throws: StorageError.self) {
                try await region.createSnapshots([volume.id, "vol-00000000000000001"])
            }
            await #expect(throws: StorageError.self) {
                try await region.createSnapshots([volume.id, other.id], names: ["c", "a"])
            }
            #expect(try await region.snapshots.count == 2)
        }
    }

    @Test("five snapshots of a volume may be pending, each counting from the one before")
    func chain() async throws {
        let hold = Hold(.putBlock)
        let puts = Mutex(0)
        try await withVolume { step in
            hold.beforeStep(step)
            if step == .putBlock { puts.withLock { $0 += 1 } }
        } _: { region, volume in
            hold.begin()
            var ids: [SnapshotID] = []
            for number in UInt8(1)...5 {
                try region.write([0: number, 1 + Int(number % 2): number], to: volume.id)
                ids.append(try await region.createSnapshot(volume.id))
            }
            let error = await refusal { try await region.createSnapshot(volume.id) }
            #expect(error?.code == .concurrentSnapshotLimitExceeded)
            hold.end()
            try await region.driver.finishSnapshotWork()
            var expected: Blocks = [:]
            for (number, id) in zip(UInt8(1)...5, ids) {
                expected[0] = number
                expected[1 + Int(number % 2)] = number
                #expect(try await region.blocks(of: id) == expected, "snapshot \(number)")
            }
            #expect(puts.withLock { $0 } == 10, "each only what changed")
        }
    }

    @Test("a pending snapshot that is deleted is gone once its blocks are in or given up", arguments: [true, false])
    func deletedWhilePending(_ isBase: Bool) async throws {
        let hold = Hold(.putBlock)
        try await withVolume(beforeStep: hold.beforeStep) { region, volume in
            try region.write([0: 1, 1: 2], to: volume.id)
            hold.begin()
            let first = try await region.createSnapshot(volume.id)
            try region.write([1: 3], to: volume.id)
            let second = isBase ? try await region.createSnapshot(volume.id) : nil
            try await region.driver.deleteSnapshot(first)
            try await region.driver.deleteSnapshot(first)
            #expect(try await region.snapshot(first).state == .pending)
            hold.end()
            try await region.driver.finishSnapshotWork()
            #expect(try await region.snapshots.map(\.id) == [second].compactMap { $0 })
            if let second { #expect(try await region.blocks(of: second) == [0: 1, 1: 3]) }
            let third = try await region.completeSnapshot(volume.id)
            #expect(try await region.blocks(of: third) == [0: 1, 1: 3])
        }
    }

    @Test("what a pending snapshot counts from may be deleted")
    func baseDeleted() async throws {
        let hold = Hold(.putBlock)
        try await withVolume(beforeStep: hold.beforeStep) { region, volume in
            try region.write([0: 1, 1: 2, 700: 3], to: volume.id)
            let first = try await region.completeSnapshot(volume.id)
            try region.write([1: 3], to: volume.id)
            hold.begin()
            let second = try await region.createSnapshot(volume.id)
            try await region.driver.deleteSnapshot(first)
            #expect(try await region.snapshots.map(\.id) == [second])
            hold.end()
            try await region.driver.finishSnapshotWork()
            #expect(try await region.blocks(of: second) == [0: 1, 1: 3, 700: 3])
        }
    }

    @Test("a snapshot outlives its volume, also one that is pending")
    func volumeDeleted() async throws {
        let hold = Hold(.putBlock)
        try await withVolume(beforeStep: hold.beforeStep) { region, volume in
            try region.write([0: 1, 2: 2], to: volume.id)
            hold.begin()
            let id = try await region.createSnapshot(volume.id)
            try await region.driver.deleteVolume(volume.id)
            hold.end()
            try await region.driver.finishSnapshotWork()
            #expect(try await region.blocks(of: id) == [0: 1, 2: 2])
            #expect(try await region.snapshot(id).volumeID == volume.id)
        }
    }

    @Test("the last snapshot gone, the store is empty")
    func emptied() async throws {
        try await withVolume { region, volume in
            var ids: [SnapshotID] = []
            for number in UInt8(1)...4 {
                try region.write([0: number, 64: number, 700: 9], to: volume.id)
                ids.append(try await region.completeSnapshot(volume.id))
            }
            for id in [ids[1], ids[3], ids[0], ids[2]] {
                try await region.driver.deleteSnapshot(id)
                try await region.checkStore("after \(id)")
            }
            var count = 0
            try await region.driver.region.effects.snapshots.forEachName { _ in count += 1 }
            #expect(count == 0)
        }
    }

    @Test(
        "a snapshot whose blocks cannot be kept is in error with a reason, those that count from it too, and the volume goes on"
    )
    func failure() async throws {
        let isFull = Mutex(false)
        let hold = Hold(.putBlock)
        try await withVolume { step in
            hold.beforeStep(step)
            if step == .writeManifest, isFull.withLock({ $0 }) { throw Errno.noSpace }
        } _: { region, volume in
            try region.write([0: 1], to: volume.id)
            hold.begin()
            let first = try await region.createSnapshot(volume.id)
            try region.write([1: 1], to: volume.id)
            let second = try await region.createSnapshot(volume.id)
            isFull.withLock { $0 = true }
            hold.end()
            try await region.driver.finishSnapshotWork()
            isFull.withLock { $0 = false }
            for id in [first, second] {
                let snapshot = try await region.snapshot(id)
                #expect(snapshot.state == .error && snapshot.progressPercent == 0)
                #expect(snapshot.stateMessage?.isEmpty == false)
            }
            try region.write([2: 1], to: volume.id)
            let third = try await region.completeSnapshot(volume.id)
            #expect(try await region.blocks(of: third) == [0: 1, 1: 1, 2: 1])
            try await region.driver.deleteSnapshot(first)
            try await region.driver.deleteSnapshot(second)
            #expect(try await region.snapshots.map(\.id) == [third])
        }
    }

    @Test("a copy holds the same, in any region, and outlives its source")
    func copies() async throws {
        try await withVolume { region, volume in
            try region.write([0: 1, 64: 2], to: volume.id)
            let source = try await region.completeSnapshot(volume.id)
            let copy = try await region.driver.copySnapshot(
                CopySnapshotRequest(
                    sourceSnapshotID: source, destinationRegion: "eu-west-1", tags: [Tag.name: "elsewhere"]))
            #expect(copy.state == .pending && copy.region == "eu-west-1" && copy.volumeID == .ofNoVolume)
            #expect(copy.description == "[Copied \(source) from us-east-1]")
            try await region.driver.deleteSnapshot(source)
            try await region.driver.finishSnapshotWork()
            #expect(try await region.snapshots.isEmpty)
            let there = try await region.driver.describeSnapshots(SnapshotQuery(region: "eu-west-1")).snapshots
            #expect(there.map(\.id) == [copy.id] && there.map(\.state) == [.completed])
            #expect(there.first?.fullSizeBytes == 2 << 19)
            #expect(try await region.blocks(of: copy.id) == [0: 1, 64: 2])
            let error = await refusal {
                try await region.driver.copySnapshot(CopySnapshotRequest(sourceSnapshotID: copy.id))
            }
            #expect(error?.code == .snapshotNotFound, "it is in the other region")
            try await region.driver.deleteSnapshot(copy.id)
        }
    }

    @Test("a volume that grows has snapshots of its new size, and those of before keep theirs")
    func growth() async throws {
        try await withVolume { region, volume in
            try region.write([0: 1], to: volume.id)
            let before = try await region.completeSnapshot(volume.id)
            try await region.modify(volume.id, sizeGiB: 2)
            region.clock.advance(by: .seconds(2))
            _ = try await region.modification(of: volume.id)
            try region.write([2047: 5], to: volume.id)
            let after = try await region.completeSnapshot(volume.id)
            #expect(try await region.snapshot(before).volumeSizeGiB == 1)
            #expect(try await region.snapshot(after).volumeSizeGiB == 2)
            #expect(try await region.blocks(of: after) == [0: 1, 2047: 5])
        }
    }

    @Test("the same token gives the same snapshots, also after a restart, and other parameters are refused")
    func tokens() async throws {
        try await withTemporaryDirectory { directory in
            let former = try await TestRegion.open(directory)
            let volume = try await former.create("one")
            var request = CreateSnapshotsRequest(clientToken: "t", sources: [.init(volumeID: volume.id)])
            let first = try await former.driver.createSnapshots(request).map(\.id)
            try await former.driver.finishSnapshotWork()
            #expect(try await former.driver.createSnapshots(request).map(\.id) == first)
            let region = try await former.reopened()
            #expect(try await region.driver.createSnapshots(request).map(\.id) == first)
            request.description = "another"
            let mismatch = await refusal { try await region.driver.createSnapshots(request) }
            #expect(mismatch?.code == .idempotentParameterMismatch)
            request.description = ""
            try await region.driver.deleteSnapshot(first[0])
            let gone = await refusal { try await region.driver.createSnapshots(request) }
            #expect(gone?.message.contains(first[0].rawValue) == true)
            try await region.driver.close()
        }
    }
}
