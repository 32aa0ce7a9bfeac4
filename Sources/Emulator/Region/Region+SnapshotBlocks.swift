// Reading snapshots' blocks one by one, as the EBS direct APIs give them.
//
// Nothing is kept of a list between its pages, nor of the tokens in it (`BlockTokens`). A snapshot never changes; one
// that is deleted while it is read is not there any more, and not damaged.
import BlockStore
import Driver

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

extension Region {
    // MARK: Lists

    func listSnapshotBlocks(_ query: SnapshotBlockQuery) async throws -> SnapshotBlockPage {
        let snapshot = try readableSnapshot(query.snapshotID)
        let list = BlockTokens.List.blocks(of: snapshot.id)
        let tokens = try await tokens()
        let (start, limit) = try page(list, tokens, query.startingBlockIndex, query.nextToken, query.maxResults)
        let manifest = try snapshot.usableContent().manifest
        let found = try await reading([snapshot.id], StorageError.damagedList) {
            try await effects.blocks(of: manifest, from: start, limit: limit + 1)
        }
        return blockPage(found, list, tokens, limit, of: snapshot, index: { $0 }) { block, expiry in
            let index = SnapshotBlockIndex(block)
            return SnapshotBlockEntry(index: index, token: tokens.token(of: index, of: snapshot.id, until: expiry))
        }
    }

    func listChangedBlocks(_ query: ChangedBlockQuery) async throws -> ChangedBlockPage {
        let second = try readableSnapshot(query.secondSnapshotID)
        let first = try query.firstSnapshotID.map(readableSnapshot)
        if let first, first.lineage != second.lineage { throw StorageError.unrelated(first.id, second.id) }
        let list = BlockTokens.List.changes(from: first?.id, to: second.id)
        let tokens = try await tokens()
        let (start, limit) = try page(list, tokens, query.startingBlockIndex, query.nextToken, query.maxResults)
        let (old, new) = (try first?.usableContent().manifest, try second.usableContent().manifest)
        let found = try await reading([first?.id, second.id].compactMap { $0 }, StorageError.damagedList) {
            guard let old else {
                return try await effects.blocks(of: new, from: start, limit: limit + 1)
                    .map { BlockDifference(index: $0, isInFirst: false, isInSecond: true) }
            }
            return try await effects.differences(from: old, to: new, startingAt: start, limit: limit + 1)
        }
        return blockPage(found, list, tokens, limit, of: second, index: \.index) { block, expiry in
            let index = SnapshotBlockIndex(block.index)
            return ChangedBlockEntry(
                index: index,
                firstToken: first.flatMap { first in
                    block.isInFirst ? tokens.token(of: index, of: first.id, until: expiry) : nil
                },
                secondToken: block.isInSecond ? tokens.token(of: index, of: second.id, until: expiry) : nil)
        }
    }

    /// Where a page begins, and how many blocks it has at most.
    private func page(
        _ list: BlockTokens.List, _ tokens: BlockTokens, _ start: SnapshotBlockIndex?, _ token: String?,
        _ maxResults: Int?
    ) throws(StorageError) -> (start: Int, limit: Int) {
        let sizes = SnapshotLimits.blockPageSizes
        let limit = maxResults ?? sizes.upperBound
        guard sizes.contains(limit) else { throw .pageSize(limit, sizes) }
        if let token { return (try tokens.pageStart(token, of: list, at: clock.now()), limit) }
        let start = start ?? SnapshotBlockIndex(0)
        guard start.rawValue >= 0 else { throw .startingIndex(start) }
        return (start.rawValue, limit)
    }

    /// - Parameters:
    ///   - found: one more than fit, if there are more.
    ///   - entry: gets the time until which tokens are good.
    private func blockPage<Found, Entry>(
        _ found: [Found], _ list: BlockTokens.List, _ tokens: BlockTokens, _ limit: Int, of snapshot: SnapshotRecord,
        index: (Found) -> Int, _ entry: (Found, Date) -> Entry
    ) -> BlockPage<Entry> {
        let time = currentTime()
        let expiry = time.adding(milliseconds: BlockTokens.blockLifetimeMilliseconds)
        let next = found.count > limit ? found.last : nil
        return BlockPage(
            blocks: found.prefix(limit).map { entry($0, expiry) }, volumeSizeGiB: snapshot.sizeGiB, expiryTime: expiry,
            nextToken: next.map {
                tokens.token(
                    ofPageAt: index($0), of: list,
                    until: time.adding(milliseconds: BlockTokens.pageLifetimeMilliseconds))
            })
    }

    // MARK: Blocks

    func getSnapshotBlock(_ request: GetSnapshotBlockRequest) async throws -> SnapshotBlock {
        let snapshot = try readableSnapshot(request.snapshotID)
        try await tokens().check(request.token, of: request.index, of: snapshot.id, at: clock.now())
        let manifest = try snapshot.usableContent().manifest
        let block = try await reading([snapshot.id], { .damaged(request.index, of: $0[0], $1) }) {
            try await effects.block(request.index.rawValue, of: manifest)
        }
        guard let block else { throw StorageError.invalidBlockToken(request.index, snapshot.id) }
        return block
    }

    /// Their key is made when the first one is wanted.
    private func tokens() async throws -> BlockTokens {
        if let blockTokens { return blockTokens }
        return try await exclusively(.blockTokenKey) { region in
            if let made = region.blockTokens { return made }
            let key = TokenKey.made(from: region.random)
            try await region.effects.commit([.putTokenKey(key)])
            let tokens = BlockTokens(key)
            region.blockTokens = tokens
            return tokens
        }
    }

    // MARK: Which snapshots

    /// As the direct APIs refuse an id.
    func blockSnapshot(_ id: SnapshotID) throws(StorageError) -> SnapshotRecord {
        guard let snapshot = state.snapshots.snapshots[id], snapshot.region == configuration.name else {
            throw id.isWellFormedSnapshotID ? .blockSnapshotNotFound(id) : .malformedBlockSnapshotID(id)
        }
        return snapshot
    }

    private func readableSnapshot(_ id: SnapshotID) throws(StorageError) -> SnapshotRecord {
        let snapshot = try blockSnapshot(id)
        guard snapshot.content != nil else { throw .notCompleted(snapshot) }
        return snapshot
    }

    /// Logs what cannot be read.
    private func reading<Found: Sendable>(
        _ ids: [SnapshotID], _ refusal: ([SnapshotID], any Error) -> StorageError, _ body: () async throws -> Found
    ) async throws -> Found {
        do {
            return try await body()
        } catch {
            for id in ids { _ = try blockSnapshot(id) }
            let refusal = error.isDamage ? refusal(ids, error) : .notRead(ids, error)
            logger.error("\(refusal)")
            throw refusal
        }
    }
}
