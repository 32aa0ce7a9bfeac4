// What is refused of snapshots that are written block by block, and that nothing comes of it.
import BlockStore
import Driver
import TestSupport
import Testing

@testable import Emulator

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

@Suite struct SnapshotUploadRefusalTests {
    private static let unknown = "ResourceNotFoundException SNAPSHOT_NOT_FOUND"

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

    @Test("nor when more are begun at once")
    func quotaAtOnce() async throws {
        try await withRegion { region in
            let begun = await withTaskGroup(of: Bool.self) { group in
                for _ in 0..<110 {
                    group.addTask {
                        do {
                            _ = try await region.start()
                            return true
                        } catch {
                            #expect((error as? StorageError)?.code == .serviceQuotaExceeded)
                            return false
                        }
                    }
                }
                return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            #expect(begun == 100)
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
}
