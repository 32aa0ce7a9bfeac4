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
    private func reason(
        line: SourceLocation = #_sourceLocation, _ body: () async throws -> some Sendable
    ) async -> String {
        let error = await refusal(line: line, body)
        return "\(error?.code.name ?? "") \(error?.cause ?? "")"
    }

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

    @Test("blocks that cannot be are refused, and change nothing")
    func badBlocks() async throws {
        try await withRegion { region in
            let id = try await region.start()
            func put(_ index: Int, _ block: SnapshotBlock) async -> String {
                await reason {
                    try await region.driver.putSnapshotBlock(
                        PutSnapshotBlockRequest(snapshotID: id, index: SnapshotBlockIndex(index), block: block))
                }
            }
            let bad = "ValidationException INVALID_BLOCK"
            let good = SnapshotBlock.of(1)
            for index in [-1, 2048, .max, .min] { #expect(await put(index, good) == bad) }
            for length in [0, SnapshotBlock.bytes - 1, SnapshotBlock.bytes + 1] {
                #expect(await put(0, SnapshotBlock(data: Data(count: length), checksum: good.checksum)) == bad)
            }
            for checksum in ["", "=", "AAAA", SnapshotBlock.of(2).checksum] {
                #expect(await put(0, SnapshotBlock(data: good.data, checksum: checksum)) == bad)
            }
            _ = try await region.seal(id, blockCount: 0)
            try await region.driver.finishSnapshotWork()
            #expect(try await region.read(id).isEmpty)
            #expect(await put(0, good) == "ValidationException INVALID_SNAPSHOT_ID")
        }
    }

    @Test("what is written in another way, or to its end, is not written block by block")
    func notWritable() async throws {
        try await withRegion { region in
            let cut = try await region.createSnapshot(region.create().id)
            let done = try await region.upload([:])
            let leaving = try await region.start()
            let refused = "ValidationException INVALID_SNAPSHOT_ID"
            for id in [cut, done] {
                #expect(await reason { try await region.put([0: 1], into: id) } == refused)
                #expect(await reason { try await region.seal(id, blockCount: 0) } == refused)
            }
            try await region.driver.deleteSnapshot(leaving)
            #expect(await reason { try await region.put([0: 1], into: leaving) } == Self.unknown)
            #expect(await reason { try await region.seal(leaving, blockCount: 0) } == Self.unknown)
            #expect(await reason { try await region.put([0: 1], into: "snap-1") } == refused)
        }
    }

    private static let unknown = "ResourceNotFoundException SNAPSHOT_NOT_FOUND"

    @Test("a snapshot is completed only if the number and the checksum of its blocks are right")
    func counted() async throws {
        try await withRegion { region in
            let id = try await region.start()
            try await region.put([3: 1, 700: 2, 4: 0], into: id)
            try await region.put([3: 5], into: id)
            func complete(_ count: Int, _ checksum: String?) async throws -> Snapshot {
                try await region.driver.completeSnapshot(
                    CompleteSnapshotRequest(snapshotID: id, changedBlocksCount: count, checksum: checksum))
            }
            let digests = [UInt8](arrayLiteral: 5, 0, 2).flatMap { Digest(of: SnapshotBlock.of($0).data.bytes).bytes }
            let checksum = Data(Digest(of: Data(digests).bytes).bytes).base64EncodedString()
            let refused = "ValidationException INVALID_PARAMETER_VALUE"
            for count in [-1, 0, 2, 4] { #expect(await reason { try await complete(count, checksum) } == refused) }
            for wrong in ["", "?", SnapshotBlock.of(1).checksum] {
                #expect(await reason { try await complete(3, wrong) } == refused)
            }
            #expect(try await complete(3, checksum).state == .pending)
            try await region.driver.finishSnapshotWork()
            #expect(try await region.read(id) == [3: 5, 700: 2])
            try await region.checkStore("what was replaced is gone")
        }
    }

    @Test("beginnings that cannot be are refused")
    func badStarts() async throws {
        try await withRegion { region in
            let parent = try await region.upload([:], "parent", sizeGiB: 2)
            let pending = try await region.start()
            func start(_ change: (inout StartSnapshotRequest) -> Void) async -> String {
                var request = StartSnapshotRequest(volumeSizeGiB: 2)
                change(&request)
                return await reason { [request] in try await region.driver.startSnapshot(request) }
            }
            let parameter = "ValidationException INVALID_PARAMETER_VALUE"
            for size in [-1, 0, 65_537, .max] {
                #expect(await start { $0.volumeSizeGiB = size } == "ValidationException INVALID_VOLUME_SIZE")
            }
            for minutes in [9, 4_321, .min] { #expect(await start { $0.timeoutMinutes = minutes } == parameter) }
            #expect(await start { $0.description = String(repeating: "d", count: 256) } == parameter)
            #expect(await start { $0.tags = ["aws:x": ""] } == "ValidationException INVALID_TAG")
            #expect(await start { $0.clientToken = String(repeating: "t", count: 65) } == parameter)
            #expect(
                await start { ($0.parentSnapshotID, $0.volumeSizeGiB) = (parent, 1) }
                    == "ValidationException INVALID_VOLUME_SIZE")
            #expect(await start { $0.parentSnapshotID = pending } == "ValidationException INVALID_SNAPSHOT_ID")
            #expect(await start { $0.parentSnapshotID = "snap-00000000" } == Self.unknown)
            let taken = await start { $0.tags = [Tag.name: "parent"] }
            #expect(taken.hasPrefix("InvalidSnapshot.Duplicate"))
            try await region.checkStore("nothing began")
        }
    }

    @Test("no more than 100 are written at a time")
    func quota() async throws {
        try await withRegion { region in
            var ids: [SnapshotID] = []
            for _ in 0..<100 { ids.append(try await region.start()) }
            #expect(await reason { try await region.start() } == "ServiceQuotaExceededException ")
            try await region.driver.deleteSnapshot(ids[0])
            _ = try await region.start()
        }
    }

    @Test("a repeated token gives the same snapshot, or a conflict")
    func clientTokens() async throws {
        try await withTemporaryDirectory { directory in
            let region = try await TestRegion.open(directory)
            let id = try await region.start("one", token: "t")
            #expect(try await region.start("one", token: "t") == id)
            #expect(await reason { try await region.start("two", token: "t") } == "ConflictException ")
            let next = try await region.reopened()
            #expect(try await next.start("one", token: "t") == id)
            try await next.driver.deleteSnapshot(id)
            #expect(await reason { try await next.start("one", token: "t") } == "ConflictException ")
            #expect(try await next.snapshots.isEmpty)
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
            #expect(
                await reason { try await region.put([0: 1], into: id) } == "ValidationException INVALID_SNAPSHOT_ID")
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
