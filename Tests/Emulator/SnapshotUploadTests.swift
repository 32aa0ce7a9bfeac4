// Snapshots that are written block by block, from their beginning to their end.
import BlockStore
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

@Suite struct SnapshotUploadTests {
    @Test("what was put is in the snapshot, and in a volume that is made from it")
    func written() async throws {
        try await withRegion { region in
            let id = try await region.start("uploaded")
            let begun = try await region.snapshot(id)
            #expect(begun.state == .pending && begun.progressPercent == 0 && begun.volumeSizeGiB == 1)
            #expect(begun.volumeID == .ofNoVolume && begun.name == "uploaded")
            let blocks: Blocks = [0: 1, 63: 2, 64: 3, 2047: 4]
            try await region.put(blocks, into: id)
            #expect(try await region.seal(id, blockCount: 4).state == .pending)
            try await region.driver.finishSnapshotWork()
            let completed = try await region.snapshot(id)
            #expect(completed.state == .completed && completed.progressPercent == 100)
            #expect(completed.fullSizeBytes == 4 << 19)
            #expect(try await region.read(id) == blocks)
            let volume = try await region.driver.createVolume(
                CreateVolumeRequest(zone: TestRegion.zone, type: .gp3, snapshotID: id))
            #expect(try region.blocks(of: volume.id) == blocks)
            try await region.checkStore("written")
        }
    }

    @Test("a child has its parent's blocks where none was put; zeros are put over them")
    func parent() async throws {
        try await withRegion { region in
            let parent = try await region.upload([0: 1, 1: 2, 64: 3])
            let child = try await region.upload([1: 0, 2: 5, 700: 6, 5: 0], parent: parent, sizeGiB: 2)
            #expect(try await region.read(child) == [0: 1, 2: 5, 64: 3, 700: 6])
            #expect(try await region.snapshot(child).fullSizeBytes == 4 << 19)
            #expect(try await region.snapshot(child).volumeSizeGiB == 2)
            #expect(try await region.changed(parent, child).map(\.index.rawValue) == [1, 2, 700])
            let same = try await region.upload([:], parent: parent)
            #expect(try await region.changed(parent, same).isEmpty)
            #expect(try await region.read(parent) == [0: 1, 1: 2, 64: 3])
            try await region.checkStore("children")
        }
    }

    @Test("a parent that is deleted before its child is complete is still in it")
    func deletedParent() async throws {
        try await withTemporaryDirectory { directory in
            let region = try await TestRegion.open(directory)
            let parent = try await region.upload([0: 1, 64: 3])
            let child = try await region.start(parent: parent)
            try await region.put([1: 2], into: child)
            try await region.driver.deleteSnapshot(parent)
            try await region.checkStore("deleted")
            let next = try await region.reopened()
            try await next.put([2: 4], into: child)
            _ = try await next.seal(child, blockCount: 2)
            try await next.driver.finishSnapshotWork()
            #expect(try await next.read(child) == [0: 1, 1: 2, 2: 4, 64: 3])
            try await next.checkStore("completed")
            try await next.driver.deleteSnapshot(child)
            try await next.checkStore("gone")
            try await next.driver.close()
        }
    }

    @Test("without a block for its timeout it fails, also over a restart; each block begins the time anew")
    func timeouts() async throws {
        try await withTemporaryDirectory { directory in
            var region = try await TestRegion.open(directory)
            let id = try await region.start(timeoutMinutes: 10)
            let lasting = try await region.start(timeoutMinutes: 4_320)
            region.clock.advance(by: .seconds(599))
            try await region.put([0: 1], into: id)
            region.clock.advance(by: .seconds(400))
            region = try await region.reopened()
            region.clock.advance(by: .seconds(199))
            await region.driver.region.expireUploads()
            #expect(try await region.snapshot(id).state == .pending)
            region.clock.advance(by: .seconds(1))
            let refused = await refusal { try await region.put([0: 1], into: id) }
            #expect(refused?.cause == "INVALID_SNAPSHOT_ID")
            let failed = try await region.snapshot(id)
            #expect(failed.state == .error)
            #expect(failed.stateMessage == "No block was written for 10 minutes.")
            #expect(try await region.snapshot(lasting).state == .pending)
            try await region.driver.deleteSnapshot(id)
            try await region.checkStore("expired")
            region.clock.advance(by: .seconds(4_320 * 60))
            await region.driver.region.expireUploads()
            #expect(try await region.snapshot(lasting).state == .error)
            try await region.driver.close()
        }
    }

    @Test("deleted while it is written or completed, nothing is left of it")
    func deleted() async throws {
        try await withRegion { region in
            let parent = try await region.upload([0: 1])
            let writing = try await region.start(parent: parent)
            try await region.put([0: 2, 1: 3], into: writing)
            try await region.put([0: 4], into: writing)
            try await region.driver.deleteSnapshot(writing)
            let completing = try await region.start(parent: parent)
            try await region.put([0: 5, 9: 6], into: completing)
            _ = try await region.seal(completing, blockCount: 2)
            try await region.driver.deleteSnapshot(completing)
            try await region.driver.finishSnapshotWork()
            #expect(try await region.snapshots.map(\.id) == [parent])
            try await region.checkStore("deleted")
            try await region.driver.deleteSnapshot(parent)
            try await region.checkStore("empty")
            #expect(try await region.objectCount == 0)
        }
    }

    @Test("a damaged parent makes the snapshot fail, with a reason")
    func damagedParent() async throws {
        try await withRegion { region in
            let parent = try await region.upload([0: 1])
            let child = try await region.start(parent: parent)
            try await region.put([1: 2], into: child)
            try await region.driver.region.effects.snapshots.forEachName { name in
                let hex = name.hex
                let path = region.directory.appending("snapshots/objects/\(hex.prefix(2))/\(hex.dropFirst(2))")
                // Segment and manifest; blocks are larger.
                if try FileStatus(of: path).sizeBytes < 1 << 16 { try removeFile(at: path) }
            }
            _ = try await region.seal(child, blockCount: 1)
            try await region.driver.finishSnapshotWork()
            let failed = try await region.snapshot(child)
            #expect(failed.state == .error)
            #expect(failed.stateMessage?.contains("is missing") == true)
        }
    }

    @Test("a snapshot that finds no room while it completes is in error, and its blocks are gone")
    func noRoomToComplete() async throws {
        try await withTemporaryDirectory { directory in
            let region = try await TestRegion.open(directory) { step in
                if step == .writeManifest { throw Errno.noSpace }
            }
            let id = try await region.start()
            try await region.put([0: 1, 9: 2], into: id)
            _ = try await region.seal(id, blockCount: 2)
            try await region.driver.finishSnapshotWork()
            let failed = try await region.snapshot(id)
            #expect(failed.state == .error && failed.stateMessage == "No space left on device")
            #expect(try await region.objectCount == 0)
            try await region.checkStore("full")
            try await region.driver.close()
        }
    }

    @Test("on a full disk a block is refused and can be put again; what was put stays")
    func fullDisk() async throws {
        try await withTemporaryDirectory { directory in
            try await withMounted(["-t", "tmpfs", "-o", "size=24M", "tmpfs"], at: directory) {
                let region = try await TestRegion.open(directory)
                let id = try await region.start()
                var count = 0
                var error: StorageError?
                while error == nil, count < 100 {
                    do {
                        try await region.put(UInt8(count + 1), at: count, into: id)
                        count += 1
                    } catch let refusal as StorageError {
                        error = refusal
                    }
                }
                #expect(error?.code == .insufficientCapacity)
                #expect(error?.message == "Block \(count) of the snapshot '\(id)' could not be written.")
                #expect(error?.advice == "free space in the state directory")
                try await region.put(1, at: count, into: id)  // Its bytes are there already.
                _ = try await region.seal(id, blockCount: count + 1)
                try await region.driver.finishSnapshotWork()
                #expect(try await region.read(id).count == count + 1)
                try await region.driver.close()
            }
        }
    }

    @Test("many put at the same time, each into a place of its own or all into one")
    func concurrent() async throws {
        try await withRegion { region in
            let id = try await region.start()
            try await withThrowingTaskGroup { group in
                for number in 1...24 {
                    group.addTask {
                        try await region.put(UInt8(number), at: number, into: id)
                        try await region.put(UInt8(number), at: 0, into: id)
                    }
                }
                try await group.waitForAll()
            }
            _ = try await region.seal(id, blockCount: 25)
            try await region.driver.finishSnapshotWork()
            var blocks = try await region.read(id)
            let last = blocks.removeValue(forKey: 0)
            #expect(blocks == Blocks(uniqueKeysWithValues: (1...24).map { ($0, UInt8($0)) }))
            #expect((1...24).contains(last ?? 0))
            try await region.checkStore("concurrent")
        }
    }
}

extension TestRegion {
    fileprivate var objectCount: Int {
        get async throws {
            var count = 0
            try await driver.region.effects.snapshots.forEachName { _ in count += 1 }
            return count
        }
    }
}
