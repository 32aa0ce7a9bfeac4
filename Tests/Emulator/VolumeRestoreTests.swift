// Volumes that are made from snapshots and from other volumes: what they hold, when, and what they keep alive.
import BlockStore
import Driver
import Platform
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import Emulator

@Suite struct VolumeRestoreTests {
    private static let blocks: Blocks = [0: 1, 1: 2, 64: 3, 2047: 4]

    private func withSnapshot(
        beforeStep: @escaping @Sendable (RegionEffects.Step) throws -> Void = { _ in },
        _ body: (TestRegion, Volume, SnapshotID) async throws -> Void
    ) async throws {
        try await TestRegion.withSnapshot(of: Self.blocks, beforeStep: beforeStep, body)
    }

    private func storeIsEmpty(_ region: TestRegion) async throws -> Bool {
        try await region.driver.finishSnapshotWork()
        var isEmpty = true
        try await region.driver.region.effects.snapshots.forEachName { _ in isEmpty = false }
        return isEmpty
    }

    @Test(
        "a volume has its snapshot's content at once, block by block as it is touched, and keeps it without the snapshot"
    )
    func onTouch() async throws {
        try await withSnapshot { region, original, snapshot in
            let volume = try await region.driver.createVolume(CreateVolumeRequest(snapshot, sizeGiB: 3))
            #expect(volume.state == .available && volume.sizeGiB == 3 && volume.snapshotID == snapshot)
            #expect(volume.isFastRestored == false && volume.sourceVolumeID == nil)
            #expect(
                volume.initialization == VolumeInitialization(kind: .onTouch, state: .initializing, progressPercent: 0))
            try await region.driver.deleteSnapshot(snapshot)
            try await region.driver.deleteVolume(original.id)
            try await region.checkStore("the snapshot is gone, the volume needs it")
            try region.write([1: 0, 64: 9], to: volume.id)
            #expect(try region.blocks(of: volume.id) == [0: 1, 64: 9, 2047: 4])
            #expect(try await !storeIsEmpty(region), "the rest of the segments was not touched")
            // Whoever has it attached knows how far it is.
            let open = try region.volumes.open(volume.id.rawValue)
            try open.hydrate(clock: SystemClock())
            let done = VolumeInitialization(kind: .onTouch, state: .completed, progressPercent: 100)
            #expect(try await region.volume(volume.id).initialization == done)
            #expect(try await storeIsEmpty(region))
            #expect(try await region.volume(volume.id).initialization == done)
            #expect(try await region.volume(volume.id).snapshotID == snapshot)
            #expect(try region.blocks(of: volume.id) == [0: 1, 64: 9, 2047: 4])
        }
    }

    @Test("with a rate all blocks come in the background")
    func inTheBackground() async throws {
        try await withSnapshot { region, _, snapshot in
            let volume = try await region.driver.createVolume(CreateVolumeRequest(snapshot, rate: 100))
            #expect(volume.volumeInitializationRateMiBps == 100)
            #expect(volume.initialization?.kind == .provisionedRate)
            try await region.driver.finishSnapshotWork()
            #expect(try await region.volume(volume.id).initialization?.state == .completed)
            try await region.driver.deleteSnapshot(snapshot)
            #expect(try await storeIsEmpty(region))
            #expect(try region.blocks(of: volume.id) == Self.blocks)
        }
    }

    @Test(
        "a restart finds restoring volumes as they were, and goes on with those that have a rate",
        arguments: [nil, 300])
    func restarted(rate: Int?) async throws {
        try await withTemporaryDirectory { directory in
            let crash = Crash()
            let first = try await TestRegion.open(directory, beforeStep: crash.beforeStep)
            let original = try await first.create("one")
            try first.write(Self.blocks, to: original.id)
            let snapshot = try await first.completeSnapshot(original.id)
            let volume = try await first.driver.createVolume(CreateVolumeRequest(snapshot, rate: rate))
            crash.arm(after: 0)
            try first.write([0: 8], to: volume.id)
            let region = try await first.reopened()
            try await region.driver.deleteSnapshot(snapshot)
            try await region.driver.finishSnapshotWork()
            let initialization = try await region.volume(volume.id).initialization
            if rate == nil {
                #expect(initialization?.state == .initializing)
            } else {
                #expect(initialization?.state == .completed)
            }
            #expect(try region.blocks(of: volume.id) == [0: 8, 1: 2, 64: 3, 2047: 4])
            try await region.checkStore("after the restart")
            try await region.driver.close()
        }
    }

    @Test("a snapshot of a restoring volume counts from what the volume is made from, whatever is deleted")
    func lineage() async throws {
        let puts = Mutex(0)
        let hold = Hold(.putBlock)
        try await withSnapshot { step in
            hold.beforeStep(step)
            if step == .putBlock { puts.withLock { $0 += 1 } }
        } _: { region, _, snapshot in
            let volume = try await region.driver.createVolume(CreateVolumeRequest(snapshot))
            try region.write([1: 7, 700: 8], to: volume.id)
            puts.withLock { $0 = 0 }
            hold.begin()
            let next = try await region.createSnapshot(volume.id)
            try await region.driver.deleteSnapshot(snapshot)
            try await region.driver.deleteVolume(volume.id)
            hold.end()
            try await region.driver.finishSnapshotWork()
            #expect(puts.withLock { $0 } == 2)
            #expect(try await region.blocks(of: next) == [0: 1, 1: 7, 64: 3, 700: 8, 2047: 4])
        }
    }

    @Test("a block that is damaged in the store is an I/O error, and harms nothing else")
    func damage() async throws {
        try await withTemporaryDirectory { directory in
            let region = try await TestRegion.open(directory)
            let original = try await region.create("one")
            try region.write(Self.blocks, to: original.id)
            let snapshot = try await region.completeSnapshot(original.id)
            let volume = try await region.driver.createVolume(CreateVolumeRequest(snapshot))
            try await damageBlock(64, of: snapshot, region)
            #expect(throws: Errno.ioError) { try region.blocks(of: volume.id) }
            let open = try region.volumes.open(volume.id.rawValue)
            var bytes = [UInt8](repeating: 0, count: 512)
            var elements = bytes.mutableSpan
            var span = unsafe elements.mutableBytes
            try open.read(into: &span, count: 512, at: 0)
            #expect(bytes[0] == 1)
            try region.write([64: 5], to: volume.id)
            #expect(try region.blocks(of: volume.id) == [0: 1, 1: 2, 64: 5, 2047: 4])
            try await region.driver.close()
        }
    }

    private func damageBlock(_ block: Int, of id: SnapshotID, _ region: TestRegion) async throws {
        let content = try #require(await region.driver.region.state.snapshots.snapshots[id]?.content)
        let store = await region.driver.region.effects.snapshots
        let name = try #require(try SnapshotSource(store, store.manifest(content.manifest)).blockName(block))
        let path = region.directory.appending("snapshots").appending("objects").appending(String(name.hex.prefix(2)))
            .appending(String(name.hex.dropFirst(2)))
        let file = try FileDescriptor.open(path, .writeOnly)
        try file.closeAfter { _ = try file.writeAll(toAbsoluteOffset: 1_000, [0xFF]) }
    }

    @Test("sizes, states and parameters that do not go with a snapshot are refused in EC2's words")
    func refused() async throws {
        let hold = Hold(.putBlock)
        try await withSnapshot(beforeStep: hold.beforeStep) { region, volume, snapshot in
            let larger = try await region.create("larger", sizeGiB: 2)
            let large = try await region.completeSnapshot(larger.id)
            let small = await refusal { try await region.driver.createVolume(CreateVolumeRequest(large, sizeGiB: 1)) }
            #expect(small?.message == "Volume of size 1GB is smaller than snapshot '\(large)', expect size >= 2GB")
            try region.write([0: 7], to: volume.id)
            hold.begin()
            let pending = try await region.createSnapshot(volume.id)
            let early = await refusal { try await region.driver.createVolume(CreateVolumeRequest(pending)) }
            #expect(early?.code == .incorrectState)
            #expect(early?.message == "Snapshot is in invalid state - pending")
            hold.end()
            let both = await refusal {
                try await region.driver.createVolume(CreateVolumeRequest(snapshot, copyOf: volume.id))
            }
            #expect(both?.code == .invalidParameterCombination)
            let rate = await refusal { try await region.driver.createVolume(CreateVolumeRequest(snapshot, rate: 99)) }
            #expect(rate?.code == .invalidParameterValue)
            let none = await refusal {
                try await region.driver.createVolume(CreateVolumeRequest(sizeGiB: 1, rate: 100))
            }
            #expect(none?.code == .invalidParameterCombination)
            #expect(try await region.driver.describeVolumes(.all).volumes.count == 2)
        }
    }

    // MARK: Fast snapshot restore

    @Test("a block's first touch costs its latency, its second nothing, and fast snapshot restore spares it")
    func firstTouch() async throws {
        try await withSnapshot { region, _, snapshot in
            let volume = try await region.driver.createVolume(CreateVolumeRequest(snapshot))
            let clock = VirtualClock()
            let table = try ExportTable(volumes: region.volumes, clock: clock)
            table.setFirstTouchLatency(.milliseconds(7))
            for (number, isFastRestored) in [(1, false), (2, true)] as [(Int64, Bool)] {
                table.addVolume(
                    VolumeNumber(number), id: volume.id, zone: volume.zone, sizeBytes: 1 << 30,
                    createTime: volume.createTime, isFastRestored: isFastRestored)
                try table.attach(
                    AttachmentNumber(number), volume: VolumeNumber(number), zone: volume.zone, instance: "i-1",
                    device: DeviceName("xvd\(number == 1 ? "b" : "c")"))
            }
            #expect(try latency(of: 1, block: 0, table, clock) == 7_000_000)
            #expect(try latency(of: 1, block: 0, table, clock) == 0)
            #expect(try latency(of: 2, block: 64, table, clock) == 0)
            #expect(try latency(of: 1, block: 64, table, clock) == 0, "touched already")
            for number in [1, 2] as [Int64] { await table.detach(AttachmentNumber(number)) }
        }
    }

    /// How long a read takes.
    private func latency(
        of attachment: Int64, block: Int, _ table: ExportTable, _ clock: VirtualClock
    ) throws -> Int64 {
        let door = try #require(table.state.withLock { $0.attachments[AttachmentNumber(attachment)]?.door })
        let admitted = try door.beginRead(count: 512, at: Int64(block) * Int64(SnapshotBlock.bytes))
        guard var io = consume admitted else { return -1 }
        var bytes = [UInt8](repeating: 0, count: 512)
        var elements = bytes.mutableSpan
        var span = unsafe elements.mutableBytes
        _ = try io.read(into: &span)
        return io.deadline - clock.uptimeNanoseconds()
    }

    @Test("fast snapshot restore becomes enabled, gathers credits, and new volumes spend them")
    func fastRestore() async throws {
        try await withSnapshot { region, _, snapshot in
            let wish = FastSnapshotRestoreRequest(snapshotIDs: [snapshot], zones: [TestRegion.zone])
            let enabling = try await region.driver.enableFastSnapshotRestores(wish)
            #expect(enabling.map(\.state) == [.enabling] && enabling.map(\.creditsCapacity) == [10])
            region.clock.advance(by: .seconds(6))
            let enabled = try await region.driver.describeFastSnapshotRestores(.init(snapshotIDs: [snapshot]))
            #expect(enabled.map(\.state) == [.enabled] && enabled.map(\.creditsBalance) == [0])
            #expect(try await region.driver.createVolume(CreateVolumeRequest(snapshot)).isFastRestored == false)
            region.clock.advance(by: .seconds(720))
            let paced = try await region.driver.createVolume(CreateVolumeRequest(snapshot, rate: 100))
            #expect(paced.isFastRestored == false, "a rate takes its place")
            let fast = (
                try await region.driver.createVolume(CreateVolumeRequest(snapshot)),
                try await region.driver.createVolume(CreateVolumeRequest(snapshot))
            )
            #expect(fast.0.isFastRestored == true && fast.0.initialization?.state == .completed)
            #expect(fast.1.isFastRestored == true)
            #expect(
                try await region.driver.createVolume(CreateVolumeRequest(snapshot)).isFastRestored == false,
                "two credits in 720 s")
            #expect(try region.blocks(of: fast.0.id) == Self.blocks)
            let disabling = try await region.driver.disableFastSnapshotRestores(wish)
            #expect(disabling.map(\.state) == [.disabling])
            region.clock.advance(by: .seconds(2))
            #expect(try await region.driver.describeFastSnapshotRestores(.init()).map(\.state) == [.disabled])
            try await region.driver.deleteSnapshot(snapshot)
            #expect(try await region.driver.describeFastSnapshotRestores(.init()).isEmpty)
        }
    }

    @Test("five snapshots of a region have fast restore at most, each in as many zones as there are")
    func fastRestoreLimit() async throws {
        try await withRegion { region in
            let driver = region.driver
            let volume = try await region.create("one")
            var ids: [SnapshotID] = []
            for _ in 0..<6 { ids.append(try await region.completeSnapshot(volume.id)) }
            let zones: [ZoneName] = [TestRegion.zone, "us-east-1c"]
            func enable(_ ids: [SnapshotID]) async throws -> [FastSnapshotRestore] {
                try await driver.enableFastSnapshotRestores(.init(snapshotIDs: ids, zones: zones))
            }
            let all = ids
            #expect(await refusal { try await enable(all) }?.code == .resourceLimitExceeded)
            #expect(try await driver.describeFastSnapshotRestores(.init()).isEmpty, "all or none")
            #expect(try await enable(Array(ids.prefix(5))).count == 10)
            #expect(try await enable([ids[0]]).count == 2, "nothing new")
            #expect(await refusal { try await enable([all[5]]) }?.code == .resourceLimitExceeded)
            _ = try await driver.disableFastSnapshotRestores(.init(snapshotIDs: [ids[0]], zones: [zones[0]]))
            #expect(await refusal { try await enable([all[5]]) }?.code == .resourceLimitExceeded, "in the other zone")
            _ = try await driver.disableFastSnapshotRestores(.init(snapshotIDs: [ids[0]], zones: [zones[1]]))
            #expect(try await enable([ids[5]]).count == 2)
            // Many at once do not get past it together.
            try await driver.deleteSnapshot(ids[1])
            let made = try await region.completeSnapshot(volume.id)
            let refused = try await withThrowingTaskGroup(of: Bool.self) { group in
                for id in [all[0], made] {
                    group.addTask {
                        do {
                            return try await enable([id]).isEmpty
                        } catch let error as StorageError where error.code == .resourceLimitExceeded {
                            return true
                        }
                    }
                }
                return try await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
            }
            #expect(refused == 1)
            try await driver.close()
        }
    }

    @Test("a volume that could not be made has spent no credit")
    func failedFastRestore() async throws {
        let refuses = Atomic(false)
        try await withTemporaryDirectory { directory in
            let first = try await TestRegion.open(directory) { step in
                if step == .makeBytes, refuses.load(ordering: .acquiring) { throw Errno.noSpace }
            }
            let snapshot = try await first.completeSnapshot(first.create("one").id)
            _ = try await first.driver.enableFastSnapshotRestores(
                .init(snapshotIDs: [snapshot], zones: [TestRegion.zone]))
            first.clock.advance(by: .seconds(6 + 360))
            let before = try await first.driver.describeFastSnapshotRestores(.init())
            #expect(before.map(\.creditsBalance) == [1])
            refuses.store(true, ordering: .releasing)
            await #expect(throws: Errno.noSpace) { try await first.driver.createVolume(CreateVolumeRequest(snapshot)) }
            #expect(try await first.driver.describeFastSnapshotRestores(.init()) == before)
            let region = try await first.reopened()
            #expect(try await region.driver.describeFastSnapshotRestores(.init()) == before)
            #expect(try await region.driver.createVolume(CreateVolumeRequest(snapshot)).isFastRestored == true)
            #expect(try await region.driver.createVolume(CreateVolumeRequest(snapshot)).isFastRestored == false)
            try await region.driver.close()
        }
    }

    @Test("fast snapshot restore of what is unknown, or in an unknown zone, is refused, and credits outlive a restart")
    func fastRestoreRefused() async throws {
        try await withTemporaryDirectory { directory in
            let first = try await TestRegion.open(directory)
            let volume = try await first.create("one")
            let snapshot = try await first.completeSnapshot(volume.id)
            let driver = first.driver
            let unknown = await refusal {
                try await driver.enableFastSnapshotRestores(
                    .init(snapshotIDs: ["snap-00000001"], zones: [TestRegion.zone]))
            }
            #expect(unknown?.code == .snapshotNotFound)
            let mars = await refusal {
                try await driver.enableFastSnapshotRestores(.init(snapshotIDs: [snapshot], zones: ["mars-1a"]))
            }
            #expect(mars?.code == .zoneNotFound)
            let never = await refusal {
                try await driver.disableFastSnapshotRestores(.init(snapshotIDs: [snapshot], zones: [TestRegion.zone]))
            }
            #expect(never?.code == .incorrectState)
            _ = try await driver.enableFastSnapshotRestores(.init(snapshotIDs: [snapshot], zones: [TestRegion.zone]))
            first.clock.advance(by: .seconds(6 + 360))
            #expect(try await driver.createVolume(CreateVolumeRequest(snapshot)).isFastRestored == true)
            let before = try await driver.describeFastSnapshotRestores(.init())
            let region = try await first.reopened()
            #expect(try await region.driver.describeFastSnapshotRestores(.init()) == before)
            #expect(try await region.driver.createVolume(CreateVolumeRequest(snapshot)).isFastRestored == false)
            try await region.driver.close()
        }
    }
}
