// Snapshots' blocks: listed, compared, read, and snapshots written of them. Blocks have to be whole, and each driver
// knows SHA-256, so the cases bring two blocks' checksums along.
import Driver

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// What cases put: blocks that hold one number everywhere.
enum SampleBlock {
    static let ones = block(1, checksum: "M6FQvOsTwamSIx5ltPrRaBUhL8Bs20CJltMu6yzvnrs=")
    static let twos = block(2, checksum: "Ioxb8/mw3beyMReNfgZ6/5ZqGRsfzT7Q4uNx7KM/zfw=")
    static let zeros = block(0, checksum: "B4VNL+8pega6gWheZgwzLeNtXRjVRpJ9MNqtbX/aFUE=")

    private static func block(_ number: UInt8, checksum: String) -> SnapshotBlock {
        SnapshotBlock(data: Data(repeating: number, count: SnapshotBlock.bytes), checksum: checksum)
    }
}

extension ConformanceSubject {
    /// Begins a snapshot that is written block by block for `body`, and deletes it afterwards, however that ends.
    fileprivate func withUpload<Result: Sendable>(
        _ request: StartSnapshotRequest = StartSnapshotRequest(volumeSizeGiB: 1),
        _ body: (Snapshot) async throws -> Result
    ) async throws -> Result {
        let snapshot = try await driver.startSnapshot(request)
        return try await ending({ try await discard(snapshot) }, after: { try await body(snapshot) })
    }

    /// A snapshot that was written block by block, completed.
    func withBlocks<Result: Sendable>(
        _ blocks: [(Int, SnapshotBlock)], parent: SnapshotID? = nil, _ body: (Snapshot) async throws -> Result
    ) async throws -> Result {
        try await withUpload(StartSnapshotRequest(volumeSizeGiB: 1, parentSnapshotID: parent)) { snapshot in
            for (index, block) in blocks { try await put(block, at: index, into: snapshot) }
            _ = try await driver.completeSnapshot(
                CompleteSnapshotRequest(snapshotID: snapshot.id, changedBlocksCount: Set(blocks.map(\.0)).count))
            let completed = try await completed(snapshot)
            try expect("the state", completed.state, is: .completed)
            return try await body(completed)
        }
    }

    fileprivate func put(_ block: SnapshotBlock, at index: Int, into snapshot: Snapshot) async throws {
        try await driver.putSnapshotBlock(
            PutSnapshotBlockRequest(snapshotID: snapshot.id, index: SnapshotBlockIndex(index), block: block))
    }

    /// What a snapshot holds, by index.
    func blocks(of snapshot: Snapshot) async throws -> [Int: SnapshotBlock] {
        var blocks: [Int: SnapshotBlock] = [:]
        for entry in try await driver.listSnapshotBlocks(SnapshotBlockQuery(snapshotID: snapshot.id)).blocks {
            blocks[entry.index.rawValue] = try await driver.getSnapshotBlock(
                GetSnapshotBlockRequest(snapshotID: snapshot.id, index: entry.index, token: entry.token))
        }
        return blocks
    }
}

extension ConformanceCase {
    static let snapshotBlocks = blockReading + blockWriting

    private static let blockReading: [ConformanceCase] = [
        ConformanceCase("a snapshot lists its written blocks, page by page", needs: [.snapshotBlocks]) { subject in
            let indexes = (0..<110).map { $0 * 3 }
            try await subject.withBlocks(indexes.map { ($0, SampleBlock.ones) }) { snapshot in
                var query = SnapshotBlockQuery(snapshotID: snapshot.id, maxResults: 100)
                var found: [Int] = []
                repeat {
                    let page = try await subject.driver.listSnapshotBlocks(query)
                    try expect("the block size", page.blockSizeBytes, is: SnapshotBlock.bytes)
                    try expect("the volume size", page.volumeSizeGiB, is: 1)
                    try expect("at most 100 blocks", page.blocks.count <= 100, found: page.blocks.count)
                    found += page.blocks.map(\.index.rawValue)
                    query.nextToken = page.nextToken
                } while query.nextToken != nil
                try expect("the indexes", found, is: indexes)
                query.startingBlockIndex = SnapshotBlockIndex(4)
                let first = try await subject.driver.listSnapshotBlocks(query).blocks.first
                try expect("the first block from 4 on", first?.index.rawValue, is: 6)
            }
        },
        ConformanceCase("a token fits its block alone", needs: [.snapshotBlocks]) { subject in
            try await subject.withBlocks([(0, SampleBlock.ones), (1, SampleBlock.twos)]) { snapshot in
                let entries = try await subject.driver.listSnapshotBlocks(SnapshotBlockQuery(snapshotID: snapshot.id))
                    .blocks
                try expect("the count", entries.count, is: 2)
                let wrong = GetSnapshotBlockRequest(
                    snapshotID: snapshot.id, index: entries[0].index, token: entries[1].token)
                try await expectRefusal(.validation, saying: ["INVALID_BLOCK_TOKEN"]) {
                    try await subject.driver.getSnapshotBlock(wrong)
                }
            }
        },
        ConformanceCase("two snapshots' differences have the tokens of both", needs: [.snapshotBlocks]) { subject in
            let blocks = [(0, SampleBlock.ones), (1, SampleBlock.ones), (2, SampleBlock.ones)]
            try await subject.withBlocks(blocks) { first in
                let changes = [(1, SampleBlock.twos), (2, SampleBlock.zeros), (700, SampleBlock.ones)]
                try await subject.withBlocks(changes, parent: first.id) { second in
                    let query = ChangedBlockQuery(firstSnapshotID: first.id, secondSnapshotID: second.id)
                    let found = try await subject.driver.listChangedBlocks(query).blocks
                    try expect("the indexes", found.map(\.index.rawValue), is: [1, 2, 700])
                    try expect("in the first", found.map { $0.firstToken != nil }, is: [true, true, false])
                    try expect("in the second", found.map { $0.secondToken != nil }, is: [true, false, true])
                    let expected = [0: SampleBlock.ones, 1: SampleBlock.twos, 700: SampleBlock.ones]
                    try expect("the blocks", try await subject.blocks(of: second) == expected, found: "others")
                }
            }
        },
        ConformanceCase("snapshots of different lineages are not compared", needs: [.snapshotBlocks]) { subject in
            try await subject.withBlocks([]) { first in
                try await subject.withBlocks([]) { second in
                    let query = ChangedBlockQuery(firstSnapshotID: first.id, secondSnapshotID: second.id)
                    try await expectRefusal(.validation, saying: ["UNRELATED_SNAPSHOTS"]) {
                        try await subject.driver.listChangedBlocks(query)
                    }
                }
            }
        },
        ConformanceCase("blocks of an unknown snapshot are refused", needs: [.snapshotBlocks]) { subject in
            let unknown: SnapshotID = "snap-00000000000000000"
            try await expectRefusal(.resourceNotFound, saying: [unknown.rawValue, "SNAPSHOT_NOT_FOUND"]) {
                try await subject.driver.listSnapshotBlocks(SnapshotBlockQuery(snapshotID: unknown))
            }
        },
    ]

    private static let blockWriting: [ConformanceCase] = [
        ConformanceCase(
            "a volume of what was written block by block is made of it", needs: [.snapshotBlocks, .snapshots]
        ) { subject in
            let written = [
                (0, SampleBlock.ones), (2047, SampleBlock.twos), (0, SampleBlock.twos), (5, SampleBlock.zeros),
            ]
            try await subject.withBlocks(written) { snapshot in
                try expect("the full size", snapshot.fullSizeBytes, is: Int64(2 * SnapshotBlock.bytes))
                try expect("the volume", snapshot.volumeID, is: .ofNoVolume)
                let expected = [0: SampleBlock.twos, 2047: SampleBlock.twos]
                try expect("the blocks", try await subject.blocks(of: snapshot) == expected, found: "others")
                var request = subject.request()
                request.snapshotID = snapshot.id
                try await subject.withVolume(request) { volume in
                    try expect("the source", volume.snapshotID, is: snapshot.id)
                }
            }
        },
        ConformanceCase("a block that is not what its checksum says is refused", needs: [.snapshotBlocks]) { subject in
            try await subject.withUpload { snapshot in
                try expect("the state", snapshot.state, is: .pending)
                let wrong = SnapshotBlock(data: SampleBlock.ones.data, checksum: SampleBlock.twos.checksum)
                try await expectRefusal(.validation) { try await subject.put(wrong, at: 0, into: snapshot) }
                let short = SnapshotBlock(data: Data([1]), checksum: SampleBlock.ones.checksum)
                try await expectRefusal(.validation) { try await subject.put(short, at: 0, into: snapshot) }
                try await expectRefusal(.validation) {
                    try await subject.put(SampleBlock.ones, at: 2048, into: snapshot)
                }
            }
        },
        ConformanceCase("a snapshot is completed with the number of its blocks", needs: [.snapshotBlocks]) { subject in
            try await subject.withUpload { snapshot in
                try await subject.put(SampleBlock.ones, at: 0, into: snapshot)
                var complete = CompleteSnapshotRequest(snapshotID: snapshot.id, changedBlocksCount: 2)
                try await expectRefusal(.validation) { [complete] in
                    try await subject.driver.completeSnapshot(complete)
                }
                complete.changedBlocksCount = 1
                _ = try await subject.driver.completeSnapshot(complete)
                try await expectRefusal(.validation) { try await subject.put(SampleBlock.ones, at: 1, into: snapshot) }
                try expect("the state", try await subject.completed(snapshot).state, is: .completed)
            }
        },
        ConformanceCase("a repeated token begins one snapshot", needs: [.snapshotBlocks]) { subject in
            let token = subject.unique()
            let request = StartSnapshotRequest(clientToken: token, volumeSizeGiB: 1)
            try await subject.withUpload(request) { snapshot in
                try expect("the id", try await subject.driver.startSnapshot(request).id, is: snapshot.id)
                var other = request
                other.volumeSizeGiB = 2
                try await expectRefusal(.conflict) { [other] in try await subject.driver.startSnapshot(other) }
            }
        },
        ConformanceCase("a pending snapshot of blocks cannot be used, and goes", needs: [.snapshotBlocks]) { subject in
            try await subject.withUpload { snapshot in
                try await expectRefusal(.validation) {
                    try await subject.driver.listSnapshotBlocks(SnapshotBlockQuery(snapshotID: snapshot.id))
                }
                try await subject.driver.deleteSnapshot(snapshot.id)
                try await expectRefusal(.resourceNotFound) {
                    try await subject.put(SampleBlock.ones, at: 0, into: snapshot)
                }
            }
        },
    ]
}
