// Snapshots' blocks, listed, compared and read one by one.
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

@Suite struct BlockReadingTests {
    @Test("the written blocks of a cut are listed and read, and no others")
    func listed() async throws {
        try await withRegion { region in
            let volume = try await region.create()
            let blocks: Blocks = [0: 1, 2: 2, 64: 3, 2047: 4]
            try region.write(blocks.merging([1: 9]) { $1 }, to: volume.id)
            try region.write([1: 0], to: volume.id)
            let id = try await region.completeSnapshot(volume.id)
            #expect(try await region.read(id) == blocks)
            let page = try await region.driver.listSnapshotBlocks(
                SnapshotBlockQuery(snapshotID: id, startingBlockIndex: SnapshotBlockIndex(2)))
            #expect(page.blocks.map(\.index.rawValue) == [2, 64, 2047])
            #expect(page.volumeSizeGiB == 1 && page.blockSizeBytes == 524_288 && page.nextToken == nil)
            #expect(page.expiryTime == region.clock.now().addingTimeInterval(7 * 24 * 3600))
            let beyond = SnapshotBlockQuery(snapshotID: id, startingBlockIndex: SnapshotBlockIndex(.max))
            #expect(try await region.driver.listSnapshotBlocks(beyond).blocks.isEmpty)
        }
    }

    @Test("pages follow one another, a token wins over an index, and is good for 60 minutes")
    func pages() async throws {
        try await withRegion { region in
            let blocks = Blocks(uniqueKeysWithValues: (0..<250).map { ($0 * 7, UInt8(1 + $0 % 3)) })
            let id = try await region.upload(blocks)
            let indexes = blocks.keys.sorted()
            #expect(try await region.listed(id).map(\.index.rawValue) == indexes)
            #expect(try await region.listed(id, maxResults: 100).map(\.index.rawValue) == indexes)
            let all = ChangedBlockQuery(secondSnapshotID: id, maxResults: 250)
            #expect(try await region.driver.listChangedBlocks(all).nextToken == nil)

            var query = SnapshotBlockQuery(snapshotID: id, maxResults: 100)
            query.nextToken = try await region.driver.listSnapshotBlocks(query).nextToken
            query.startingBlockIndex = SnapshotBlockIndex(3)
            #expect(
                try await region.driver.listSnapshotBlocks(query).blocks.map(\.index.rawValue)
                    == Array(indexes[100..<200]))
            let changes = ChangedBlockQuery(secondSnapshotID: id, nextToken: query.nextToken)
            #expect(await reason { try await region.driver.listChangedBlocks(changes) } == Self.pageToken)
            region.clock.advance(by: .seconds(3599))
            _ = try await region.driver.listSnapshotBlocks(query)
            region.clock.advance(by: .seconds(1))
            #expect(await reason { try await region.driver.listSnapshotBlocks(query) } == Self.pageToken)
        }
    }

    private static let pageToken = "ValidationException INVALID_PAGE_TOKEN"
    private static let blockToken = "ValidationException INVALID_BLOCK_TOKEN"

    @Test("what cannot be listed is refused")
    func badLists() async throws {
        try await withRegion { region in
            let id = try await region.upload([1: 1])
            let pending = try await region.start()
            let driver = region.driver
            for count in [-1, 0, 99, 10_001] {
                let query = SnapshotBlockQuery(snapshotID: id, maxResults: count)
                #expect(
                    await reason { try await driver.listSnapshotBlocks(query) }
                        == "ValidationException INVALID_PARAMETER_VALUE")
            }
            let negative = ChangedBlockQuery(secondSnapshotID: id, startingBlockIndex: SnapshotBlockIndex(-1))
            #expect(
                await reason { try await driver.listChangedBlocks(negative) }
                    == "ValidationException INVALID_PARAMETER_VALUE")
            let malformed = SnapshotBlockQuery(snapshotID: "vol-1")
            #expect(
                await reason { try await driver.listSnapshotBlocks(malformed) }
                    == "ValidationException INVALID_SNAPSHOT_ID")
            let unknown = ChangedBlockQuery(firstSnapshotID: "snap-00000000", secondSnapshotID: id)
            let error = await refusal { try await driver.listChangedBlocks(unknown) }
            #expect(error?.message == "The snapshot 'snap-00000000' does not exist.")
            #expect(error?.code == .resourceNotFound && error?.cause == "SNAPSHOT_NOT_FOUND")
            let unfinished = SnapshotBlockQuery(snapshotID: pending)
            #expect(
                await reason { try await driver.listSnapshotBlocks(unfinished) }
                    == "ValidationException INVALID_SNAPSHOT_ID")
        }
    }

    @Test("a block's token fits that block alone, for 7 days, also after a restart")
    func tokens() async throws {
        try await withTemporaryDirectory { directory in
            let region = try await TestRegion.open(directory)
            let id = try await region.upload([0: 1, 5: 2])
            let twin = try await region.upload([0: 1, 5: 2])
            let entry = try await region.listed(id)[1]
            func get(_ region: TestRegion, _ index: Int, _ id: SnapshotID) async -> String {
                await reason {
                    try await region.driver.getSnapshotBlock(
                        GetSnapshotBlockRequest(
                            snapshotID: id, index: SnapshotBlockIndex(index), token: entry.token))
                }
            }
            #expect(await get(region, 0, id) == Self.blockToken)
            #expect(await get(region, 6, id) == Self.blockToken)
            #expect(await get(region, 5, twin) == Self.blockToken)
            let next = try await region.reopened(boot: "boot-2")
            next.clock.advance(by: .seconds(7 * 24 * 3600 - 1))
            #expect(try await next.number(entry.index, of: id, entry.token) == 2)
            next.clock.advance(by: .seconds(1))
            #expect(await get(next, 5, id) == Self.blockToken)
            try await next.driver.deleteSnapshot(id)
            #expect(await get(next, 5, id) == "ResourceNotFoundException SNAPSHOT_NOT_FOUND")
            try await next.driver.close()
        }
    }

    @Test("changes are told with the tokens of those that have the block")
    func changes() async throws {
        try await withRegion { region in
            let volume = try await region.create()
            try region.write([0: 1, 1: 2, 64: 3, 700: 4], to: volume.id)
            let first = try await region.completeSnapshot(volume.id)
            try region.write([1: 5, 64: 0, 2047: 6], to: volume.id)
            let second = try await region.completeSnapshot(volume.id)
            let changes = try await region.changed(first, second)
            #expect(changes.map(\.index.rawValue) == [1, 64, 2047])
            var before: Blocks = [:]
            var after: Blocks = [:]
            for change in changes {
                if let token = change.firstToken {
                    before[change.index.rawValue] = try await region.number(change.index, of: first, token)
                }
                if let token = change.secondToken {
                    after[change.index.rawValue] = try await region.number(change.index, of: second, token)
                }
            }
            #expect(before == [1: 2, 64: 3])
            #expect(after == [1: 5, 2047: 6])
            // The other way round the tokens change places.
            #expect(try await region.changed(second, first).map { ($0.firstToken != nil) } == [true, false, true])
            #expect(try await region.changed(first, first).isEmpty)
            #expect(try await region.changed(nil, second).map(\.index.rawValue) == [0, 1, 700, 2047])
        }
    }

    @Test("segments that two snapshots share are not read to compare them")
    func sharedSegments() async throws {
        try await withRegion { region in
            let first = try await region.upload([0: 1, 64: 2])
            let second = try await region.upload([64: 3], parent: first)
            let content = try #require(await region.driver.region.state.snapshots.snapshots[first]?.content)
            let shared = try await segmentName(0, of: content.manifest, in: region)
            try damage(shared, in: region)
            #expect(try await region.changed(first, second).map(\.index.rawValue) == [64])
            let error = await refusal { try await region.listed(first) }
            #expect(error?.code == .snapshotDamaged)
            #expect(error?.description.contains(first.rawValue) == true)
        }
    }

    @Test("a damaged or missing block is an error that names it, and harms no other")
    func damagedBlocks() async throws {
        try await withRegion { region in
            let id = try await region.upload([0: 1, 5: 2])
            let entries = try await region.listed(id)
            try damage(Digest(of: SnapshotBlock.of(2).data.bytes), in: region)
            let error = await refusal { try await region.number(entries[1].index, of: id, entries[1].token) }
            #expect(error?.code == .snapshotDamaged)
            #expect(error?.message == "Block 5 of the snapshot '\(id)' cannot be read.")
            #expect(error?.cause?.hasSuffix("is damaged") == true)
            #expect(try await region.number(entries[0].index, of: id, entries[0].token) == 1)
            try removeFile(at: path(of: Digest(of: SnapshotBlock.of(1).data.bytes), in: region))
            let missing = await refusal { try await region.number(entries[0].index, of: id, entries[0].token) }
            #expect(missing?.cause?.hasSuffix("is missing") == true)
        }
    }

    // MARK: Lineages

    @Test(
        "snapshots of a volume, of what was made from it, copies and children are of one lineage, also when what was between is gone"
    )
    func lineage() async throws {
        try await withTemporaryDirectory { directory in
            var region = try await TestRegion.open(directory)
            let volume = try await region.create()
            let first = try await region.completeSnapshot(volume.id)
            let between = try await region.completeSnapshot(volume.id)
            let restored = try await region.driver.createVolume(
                CreateVolumeRequest(zone: TestRegion.zone, type: .gp3, snapshotID: between))
            let ofRestored = try await region.completeSnapshot(restored.id)
            let copied = try await region.copied(restored.id)
            let ofCopied = try await region.completeSnapshot(copied.id)
            let copy = try await region.driver.copySnapshot(CopySnapshotRequest(sourceSnapshotID: ofCopied)).id
            try await region.driver.finishSnapshotWork()
            let child = try await region.upload([3: 3], parent: copy)
            let related = [first, ofRestored, ofCopied, child]
            let stranger = try await region.upload([3: 3])
            let other = try await region.completeSnapshot(region.create().id)
            for id in [restored.id, copied.id] { try await region.driver.deleteVolume(id) }
            for id in [between, copy] { try await region.driver.deleteSnapshot(id) }
            region = try await region.reopened()
            for one in related {
                for another in related { _ = try await region.changed(one, another) }
                for unrelated in [stranger, other] {
                    let why = await reason { try await region.changed(unrelated, one) }
                    #expect(why == "ValidationException UNRELATED_SNAPSHOTS")
                }
            }
            try await region.driver.close()
        }
    }

    // MARK: Damage

    private func path(of name: Digest, in region: TestRegion) -> FilePath {
        let hex = name.hex
        return region.directory.appending("snapshots/objects/\(hex.prefix(2))/\(hex.dropFirst(2))")
    }

    private func damage(_ name: Digest, in region: TestRegion) throws {
        let file = try FileDescriptor.openFile(path(of: name, in: region), .readWrite)
        defer { file.closeIgnoringErrors() }
        let byte: [UInt8] = [try file.bytes(at: 40, count: 1)[0] ^ 1]
        try unsafe file.writeAll(byte.span.bytes, at: 40)
    }

    private func segmentName(_ index: Int, of manifest: Digest, in region: TestRegion) async throws -> Digest {
        var names: [Digest] = []
        let store = await region.driver.region.effects.snapshots
        let whole = try store.manifest(manifest)
        try store.forEachReference(of: whole, segments: 0..<whole.segmentCount) { name, kind in
            if kind == .segment { names.append(name) }
            return true
        }
        return names[index]
    }
}
