// A region whose snapshots are read and written block by block: blocks that hold one number each.
import BlockStore
import Driver
import Platform
import Testing

@testable import Emulator

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

extension SnapshotBlock {
    /// A block that holds one number everywhere, with its checksum.
    static func of(_ number: UInt8) -> SnapshotBlock {
        let data = Data(repeating: number, count: bytes)
        return SnapshotBlock(data: data, checksum: Data(Digest(of: data.bytes).bytes).base64EncodedString())
    }
}

extension TestRegion {
    func start(
        _ name: String = "", parent: SnapshotID? = nil, sizeGiB: Int = 1, token: String? = nil, timeoutMinutes: Int = 60
    ) async throws -> SnapshotID {
        try await driver.startSnapshot(
            StartSnapshotRequest(
                clientToken: token, volumeSizeGiB: sizeGiB, parentSnapshotID: parent,
                tags: name.isEmpty ? [:] : [Tag.name: name], timeoutMinutes: timeoutMinutes)
        ).id
    }

    func put(_ number: UInt8, at block: Int, into id: SnapshotID) async throws {
        try await driver.putSnapshotBlock(
            PutSnapshotBlockRequest(snapshotID: id, index: SnapshotBlockIndex(block), block: .of(number)))
    }

    /// In order, so that each run is the same.
    func put(_ blocks: Blocks, into id: SnapshotID) async throws {
        for (block, number) in blocks.sorted(by: { $0.key < $1.key }) { try await put(number, at: block, into: id) }
    }

    func seal(_ id: SnapshotID, blockCount: Int) async throws -> Snapshot {
        try await driver.completeSnapshot(CompleteSnapshotRequest(snapshotID: id, changedBlocksCount: blockCount))
    }

    /// Writes a snapshot from its beginning to its end.
    func upload(_ blocks: Blocks, _ name: String = "", parent: SnapshotID? = nil, sizeGiB: Int = 1) async throws
        -> SnapshotID
    {
        let id = try await start(name, parent: parent, sizeGiB: sizeGiB)
        try await put(blocks, into: id)
        _ = try await seal(id, blockCount: blocks.count)
        try await driver.finishSnapshotWork()
        return id
    }

    /// The written blocks that a snapshot has, page by page, as the API gives them.
    func listed(_ id: SnapshotID, maxResults: Int? = nil) async throws -> [SnapshotBlockEntry] {
        var query = SnapshotBlockQuery(snapshotID: id, maxResults: maxResults)
        return try await allPages { token in
            query.nextToken = token
            return try await driver.listSnapshotBlocks(query)
        }
    }

    func changed(
        _ first: SnapshotID?, _ second: SnapshotID, maxResults: Int? = nil
    ) async throws -> [ChangedBlockEntry] {
        var query = ChangedBlockQuery(firstSnapshotID: first, secondSnapshotID: second, maxResults: maxResults)
        return try await allPages { token in
            query.nextToken = token
            return try await driver.listChangedBlocks(query)
        }
    }

    private func allPages<Entry>(
        _ page: (_ nextToken: String?) async throws -> BlockPage<Entry>
    ) async throws -> [Entry] {
        var found = try await page(nil)
        var entries = found.blocks
        while let token = found.nextToken {
            found = try await page(token)
            entries += found.blocks
        }
        return entries
    }

    /// The number that a block holds, got with its token.
    func number(_ index: SnapshotBlockIndex, of id: SnapshotID, _ token: String) async throws -> UInt8 {
        let block = try await driver.getSnapshotBlock(
            GetSnapshotBlockRequest(snapshotID: id, index: index, token: token))
        let number = block.data[0]
        #expect(block == .of(number))
        return number
    }

    /// What a snapshot holds, as the API gives it.
    func read(_ id: SnapshotID) async throws -> Blocks {
        var blocks: Blocks = [:]
        for entry in try await listed(id) {
            blocks[entry.index.rawValue] = try await number(entry.index, of: id, entry.token)
        }
        return blocks
    }
}

/// What a call is refused with, as the direct APIs name it: its code and its reason.
func reason(
    line: SourceLocation = #_sourceLocation, _ body: () async throws -> some Sendable
) async -> String {
    let error = await refusal(line: line, body)
    return "\(error?.code.name ?? "") \(error?.cause ?? "")"
}
