// Modifications over time: states, progress, the rules of how many, restarts, and what cannot be done.
import Driver
import Platform
import SystemPackage
import TestSupport
import Testing

@testable import Emulator

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

@Suite struct ModificationLifecycleTests {
    private static let start = Date(milliseconds: 1_700_000_000_000)

    private func record(_ events: ModificationLifecycle.Event...) throws -> ModificationRecord {
        var record = ModificationRecord(
            number: ModificationNumber(1), volume: VolumeNumber(1), original: .init(sizeGiB: 1, type: .gp3),
            target: .init(sizeGiB: 2, type: .gp3), startTime: Self.start, modifyingMilliseconds: 1_000,
            optimizingMilliseconds: 5_000)
        for event in events { try record.apply(event) }
        return record
    }

    private func time(_ milliseconds: Int64) -> Date { Self.start.adding(milliseconds: milliseconds) }

    @Test("a modification is modifying until it takes effect, however long that takes")
    func pending() throws {
        let record = try record()
        for milliseconds in [-5_000, 0, 999, 1_000, 60_000] as [Int64] {
            #expect(record.reportedState(at: time(milliseconds)) == .modifying)
            #expect(record.progress(at: time(milliseconds)) == 0)
            #expect(record.endTime(at: time(milliseconds)) == nil)
        }
        #expect(!record.isDue(at: time(999)))
        #expect(record.isDue(at: time(1_000)))
    }

    @Test(
        "it optimizes from when it took effect, and is then completed",
        arguments: [
            (1_000, .optimizing, 0), (2_000, .optimizing, 0), (3_000, .optimizing, 20), (6_999, .optimizing, 99),
            (7_000, .completed, 100), (9_000_000, .completed, 100),
        ] as [(Int64, VolumeModification.State, Int)])
    func effective(_ milliseconds: Int64, _ state: VolumeModification.State, _ progress: Int) throws {
        let record = try record(.tookEffect(at: time(2_000)))
        #expect(record.reportedState(at: time(milliseconds)) == state)
        #expect(record.progress(at: time(milliseconds)) == progress)
        #expect(record.endTime(at: time(milliseconds)) == (state == .completed ? time(7_000) : nil))
        #expect(!record.isDue(at: time(milliseconds)))
    }

    @Test("one that failed says why, and stays so")
    func failed() throws {
        var record = try record(.failed(at: time(1_500), reason: "no room"))
        #expect(record.reportedState(at: time(9_000)) == .failed)
        #expect(record.endTime(at: time(9_000)) == time(1_500))
        #expect(record.failure == "no room")
        let before = record
        #expect(throws: StorageError.self) { try record.apply(.tookEffect(at: time(2_000))) }
        #expect(record == before)
    }
}

@Suite struct ModificationTests {
    @Test("states, progress and the volume go with the time")
    func course() async throws {
        try await withRegion { region in
            let volume = try await region.create(sizeGiB: 10)
            let begun = try await region.modify(volume.id, sizeGiB: 20, iops: 4_000)
            #expect(begun.state == .modifying)
            #expect(begun.startTime == region.clock.now())
            region.clock.advance(by: .milliseconds(999))
            #expect(try await region.modification(of: volume.id).state == .modifying)
            #expect(try await region.volume(volume.id) == volume)
            region.clock.advance(by: .milliseconds(1))
            #expect(try await region.modification(of: volume.id).state == .optimizing)
            let changed = try await region.volume(volume.id)
            #expect(changed.sizeGiB == 20 && changed.iops == 4_000 && changed.throughputMiBps == 125)
            #expect(region.exports.now.xattrs.values.map { $0["size"] } == ["20"])
            #expect(try region.store.sizeBytes(volume.id.rawValue) == 20 << 30)
            region.clock.advance(by: .milliseconds(2_500))
            #expect(try await region.modification(of: volume.id).progress == 50)
            region.clock.advance(by: .milliseconds(2_500))
            let completed = try await region.modification(of: volume.id)
            #expect(completed.state == .completed && completed.progress == 100)
            #expect(completed.endTime == region.clock.now())
        }
    }

    @Test("a modification takes effect without anybody's asking")
    func unasked() async throws {
        try await withRegion { region in
            let volume = try await region.create(sizeGiB: 10)
            try await region.modify(volume.id, sizeGiB: 20)
            region.clock.advance(by: .seconds(1))
            for _ in 0..<2_000 where try await region.volume(volume.id).sizeGiB == 10 {
                try await Task.sleep(for: .milliseconds(1))
            }
            #expect(try await region.volume(volume.id).sizeGiB == 20)
        }
    }

    @Test("a restart forgets neither what runs nor what was")
    func restarts() async throws {
        try await withTemporaryDirectory { directory in
            var region = try await TestRegion.open(directory)
            let volume = try await region.create(sizeGiB: 10)
            let begun = try await region.modify(volume.id, sizeGiB: 20)
            region = try await region.reopened()
            #expect(try await region.modification(of: volume.id) == begun)
            #expect(try await region.volume(volume.id).sizeGiB == 10)
            region.clock.advance(by: .seconds(3))
            region = try await region.reopened()
            #expect(try await region.volume(volume.id).sizeGiB == 20, "what is due is done at the start")
            #expect(try await region.modification(of: volume.id).state == .optimizing)
            region.clock.advance(by: .seconds(5))
            region = try await region.reopened()
            #expect(try await region.modification(of: volume.id).state == .completed)
            try await region.driver.close()
        }
    }

    @Test("four modifications in any 24 hours, and the fifth when the first is a day old")
    func fourADay() async throws {
        try await withTemporaryDirectory { directory in
            var region = try await TestRegion.open(directory)
            let volume = try await region.create()
            for count in 1...4 {
                // A request that changes nothing counts too.
                try await region.modify(volume.id, sizeGiB: count == 4 ? nil : count + 1)
                region.clock.advance(by: .seconds(1))
                _ = try await region.modification(of: volume.id)
                region.clock.advance(by: .seconds(3_599))
                region = try await region.reopened()
            }
            let error = await #expect(throws: StorageError.self) { try await region.modify(volume.id, sizeGiB: 9) }
            #expect(error?.code == .volumeModificationRateExceeded)
            #expect(error?.message.contains("Wait until 2023-11-15T22:13:20Z before") == true)
            region.clock.advance(by: .seconds(20 * 3_600 - 1))
            await #expect(throws: StorageError.self) { try await region.modify(volume.id, sizeGiB: 9) }
            region.clock.advance(by: .seconds(1))
            try await region.modify(volume.id, sizeGiB: 9)
            region.clock.advance(by: .seconds(1))
            _ = try await region.modification(of: volume.id)
            region.clock.advance(by: .seconds(5))
            let again = await #expect(throws: StorageError.self) { try await region.modify(volume.id, sizeGiB: 10) }
            #expect(again?.code == .volumeModificationRateExceeded, "the second is not a day old")
            try await region.driver.close()
        }
    }

    @Test("by the former rule, one modification six hours after the end of the last")
    func sixHours() async throws {
        try await withTemporaryDirectory { directory in
            let region = try await TestRegion.open(directory, modification: ModificationPolicy(rate: .sixHours))
            let volume = try await region.create()
            try await region.modify(volume.id, sizeGiB: 2)
            region.clock.advance(by: .seconds(1))
            _ = try await region.modification(of: volume.id)
            region.clock.advance(by: .seconds(6 * 3_600 + 4))
            let error = await #expect(throws: StorageError.self) { try await region.modify(volume.id, sizeGiB: 3) }
            #expect(error?.code == .volumeModificationRateExceeded)
            region.clock.advance(by: .seconds(1))
            try await region.modify(volume.id, sizeGiB: 3)
            try await region.driver.close()
        }
    }

    @Test("a bytes' failure fails the modification, and the volume stays as it was")
    func failure() async throws {
        try await withRegion { region in
            let volume = try await region.create(sizeGiB: 10)
            // In the place of the second file is what no file can replace.
            let obstacle = region.directory.appending("volumes").appending(volume.id.rawValue + ".1")
            try createDirectories(obstacle)
            try await region.modify(volume.id, sizeGiB: 20_000)
            region.clock.advance(by: .seconds(1))
            let failed = try await region.modification(of: volume.id)
            #expect(failed.state == .failed)
            #expect(failed.statusMessage?.contains("could not be made larger") == true, "\(failed)")
            #expect(failed.endTime == region.clock.now())
            #expect(try await region.volume(volume.id) == volume)
            try Directory.remove(obstacle)
            try await region.modify(volume.id, sizeGiB: 20_000)
            region.clock.advance(by: .seconds(1))
            #expect(try await region.modification(of: volume.id).state == .optimizing)
        }
    }

    @Test("a volume that is deleted while it changes is gone, and its modification with it")
    func deleted() async throws {
        try await withTemporaryDirectory { directory in
            var region = try await TestRegion.open(directory)
            let volume = try await region.create()
            try await region.modify(volume.id, sizeGiB: 2)
            try await region.driver.deleteVolume(volume.id)
            region.clock.advance(by: .seconds(2))
            #expect(try await region.driver.describeVolumeModifications(.init()).modifications.isEmpty)
            region = try await region.reopened()
            #expect(try region.store.names().isEmpty)
            try await region.driver.close()
        }
    }

    @Test("a Multi-Attach volume moves between io1 and io2, and nowhere else", arguments: [VolumeType.io1, .io2])
    func multiAttachMoves(_ type: VolumeType) async throws {
        try await withRegion { region in
            let volume = try await region.driver.createVolume(
                CreateVolumeRequest(
                    zone: TestRegion.zone, sizeGiB: 100, type: type, iops: 100, isMultiAttachEnabled: true))
            let error = await #expect(throws: StorageError.self) { try await region.modify(volume.id, type: .gp3) }
            #expect(error?.code == .invalidParameterCombination)
            let host = try await region.registerHost()
            _ = try await region.driver.attachVolume(AttachVolumeRequest(volumeID: volume.id, instanceID: host.id))
            let other: VolumeType = type == .io1 ? .io2 : .io1
            try await region.modify(volume.id, type: other)
            region.clock.advance(by: .seconds(1))
            _ = try await region.modification(of: volume.id)
            let changed = try await region.volume(volume.id)
            #expect(changed.type == other && changed.isMultiAttachEnabled, "between io1 and io2 also while attached")
        }
    }
}
