// Copies of volumes: what they hold, what may be done to them while they are `creating`, and what a restart makes of them.
import BlockStore
import Driver
import Platform
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import Emulator

@Suite struct VolumeCopyTests {
    private static let blocks: Blocks = [0: 1, 1: 2, 64: 3, 2047: 4]

    private func withSnapshot(
        beforeStep: @escaping @Sendable (RegionEffects.Step) throws -> Void = { _ in },
        _ body: (TestRegion, Volume, SnapshotID) async throws -> Void
    ) async throws {
        try await TestRegion.withSnapshot(of: Self.blocks, beforeStep: beforeStep, body)
    }

    @Test("a copy of a volume has the content of that instant, and the original's changes go on to be counted")
    func copied() async throws {
        let puts = Mutex(0)
        let hold = Hold(.putBlock)
        try await withSnapshot { step in
            hold.beforeStep(step)
            if step == .putBlock { puts.withLock { $0 += 1 } }
        } _: { region, original, snapshot in
            try region.write([1: 7], to: original.id)
            hold.begin()
            defer { hold.end() }
            let answer = try await region.driver.createVolume(CreateVolumeRequest(copyOf: original.id, sizeGiB: 2))
            #expect(answer.state == .creating && answer.initialization?.state == .initializing)
            try region.write([0: 8, 700: 9], to: original.id)
            let busy = await refusal { try await region.driver.createVolume(CreateVolumeRequest(copyOf: original.id)) }
            #expect(busy?.code == .copyVolumesLimitExceeded)
            hold.end()
            try await region.driver.finishSnapshotWork()
            let copy = try await region.volume(answer.id)
            #expect(
                copy.state == .available && copy.sourceVolumeID == original.id && copy.snapshotID == nil
                    && copy.sizeGiB == 2)
            #expect(copy.initialization?.kind == .volumeCopy && copy.isFastRestored == nil)
            #expect(try region.blocks(of: copy.id) == [0: 1, 1: 7, 64: 3, 2047: 4])
            #expect(try region.blocks(of: original.id) == [0: 8, 1: 7, 64: 3, 700: 9, 2047: 4])
            #expect(try await region.snapshots.map(\.id) == [snapshot], "the copy's snapshot is nobody's")
            puts.withLock { $0 = 0 }
            let next = try await region.completeSnapshot(original.id)
            #expect(puts.withLock { $0 } == 3, "what changed since the last snapshot, the copy notwithstanding")
            #expect(try await region.blocks(of: next) == [0: 8, 1: 7, 64: 3, 700: 9, 2047: 4])
            let elsewhere = await refusal {
                try await region.driver.createVolume(
                    CreateVolumeRequest(zone: "us-east-1a", type: .gp3, sourceVolumeID: original.id))
            }
            #expect(elsewhere?.code == .zoneMismatch)
        }
    }

    @Test("a copy of a restoring volume has what that has not restored yet, also when it is deleted meanwhile")
    func copyOfRestoring() async throws {
        let hold = Hold(.putBlock)
        try await withSnapshot(beforeStep: hold.beforeStep) { region, original, snapshot in
            let volume = try await region.driver.createVolume(CreateVolumeRequest(snapshot))
            try region.write([1: 7], to: volume.id)
            try await region.driver.deleteSnapshot(snapshot)
            try await region.driver.deleteVolume(original.id)
            hold.begin()
            defer { hold.end() }
            let copy = try await region.driver.createVolume(CreateVolumeRequest(copyOf: volume.id))
            try await region.driver.deleteVolume(volume.id)
            hold.end()
            try await region.driver.finishSnapshotWork()
            #expect(try await region.volume(copy.id).state == .available)
            #expect(try region.blocks(of: copy.id) == [0: 1, 1: 7, 64: 3, 2047: 4])
        }
    }

    @Test("nobody uses a copy before it is made, and its token gives it each time")
    func creating() async throws {
        let hold = Hold(.putBlock)
        try await withSnapshot(beforeStep: hold.beforeStep) { region, original, _ in
            try region.write([1: 7], to: original.id)
            let host = try await region.registerHost()
            hold.begin()
            defer { hold.end() }
            var wish = CreateVolumeRequest(copyOf: original.id)
            wish.clientToken = "t"
            let copy = try await region.driver.createVolume(wish)
            let driver = region.driver
            let uses: [@Sendable () async throws -> Void] = [
                { _ = try await driver.attachVolume(AttachVolumeRequest(volumeID: copy.id, instanceID: host.id)) },
                { _ = try await region.createSnapshot(copy.id) }, { try await region.modify(copy.id, sizeGiB: 2) },
                { _ = try await driver.createVolume(CreateVolumeRequest(copyOf: copy.id)) },
                { try await driver.deleteVolume(copy.id) },
            ]
            for use in uses { #expect(await refusal { try await use() }?.code == .incorrectState) }
            let tagged = try await driver.modifyTags(ModifyTagsRequest(volumeID: copy.id, set: ["team": "a"]))
            #expect(tagged.state == .creating)
            #expect(try await driver.createVolume(wish) == tagged)
            hold.end()
            try await driver.finishSnapshotWork()
            let made = try await driver.createVolume(wish)
            #expect(made.id == copy.id && made.state == .available && made.tags == ["team": "a"])
            try await driver.deleteVolume(copy.id)
        }
    }

    @Test("five copies are made at a time, and those of before a restart count")
    func copyLimit() async throws {
        let hold = Hold(.putBlock)
        try await withTemporaryDirectory { directory in
            let first = try await TestRegion.open(directory)
            var volumes: [VolumeID] = []
            for number in 1...6 {
                let volume = try await first.create("\(number)")
                try first.write([0: UInt8(number)], to: volume.id)
                volumes.append(volume.id)
            }
            hold.begin()
            defer { hold.end() }
            let region = try await first.reopened(beforeStep: hold.beforeStep)
            for id in volumes.prefix(5) { _ = try await region.driver.createVolume(CreateVolumeRequest(copyOf: id)) }
            let last = volumes[5]
            let busy = await refusal { try await region.driver.createVolume(CreateVolumeRequest(copyOf: last)) }
            #expect(busy?.code == .copyVolumesLimitExceeded)
            hold.end()
            try await region.driver.finishSnapshotWork()
            #expect(try await region.copied(last).state == .available)
            try await region.driver.close()
        }
    }

    @Test("a copy goes on after a restart, and without its cut is in error, which can be deleted", arguments: [1, 2])
    func interruptedCopy(boot: Int) async throws {
        let holds = Atomic(false)
        try await withTemporaryDirectory { directory in
            let first = try await TestRegion.open(directory) { step in
                // As if the process ended there.
                if step == .putBlock, holds.load(ordering: .acquiring) { throw Errno.interrupted }
            }
            let original = try await first.create("one")
            try first.write(Self.blocks, to: original.id)
            holds.store(true, ordering: .releasing)
            let copy = try await first.driver.createVolume(CreateVolumeRequest(copyOf: original.id))
            let region = try await first.reopened(boot: "boot-\(boot)")
            try region.write([0: 9], to: original.id)
            try await region.driver.finishSnapshotWork()
            let found = try await region.volume(copy.id)
            if boot == 1 {
                #expect(found.state == .available && found.stateMessage == nil)
                #expect(try region.blocks(of: copy.id) == Self.blocks)
            } else {
                #expect(found.state == .error && found.stateMessage == SnapshotRepairPlan.lostInstant)
                #expect(found.initialization == nil)
            }
            try await region.driver.deleteVolume(copy.id)
            try await region.checkStore("at the end")
            try await region.driver.close()
        }
    }
}
