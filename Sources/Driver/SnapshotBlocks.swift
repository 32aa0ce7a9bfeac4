/// A snapshot's blocks one by one, as the EBS direct APIs give and take them. Source: EBS User Guide, "Use EBS direct
/// APIs to access the contents of an Amazon EBS snapshot", and the API's reference.
#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// A block's place in its volume, counted in blocks of `SnapshotBlock.bytes`.
public struct SnapshotBlockIndex: RawRepresentable, Hashable, Sendable, Comparable, Codable, CustomStringConvertible {
    public let rawValue: Int

    public init(rawValue: Int) {
        self.rawValue = rawValue
    }

    public init(_ rawValue: Int) {
        self.init(rawValue: rawValue)
    }

    public var description: String { String(rawValue) }

    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// One block's bytes.
public struct SnapshotBlock: Hashable, Sendable, Codable {
    public static let bytes = 512 << 10

    /// `SnapshotBlock.bytes` long.
    public var data: Data
    /// The SHA-256 of `data`, in base64.
    public var checksum: String

    public init(data: Data, checksum: String) {
        self.data = data
        self.checksum = checksum
    }
}

/// Which of a snapshot's written blocks to list.
public struct SnapshotBlockQuery: Hashable, Sendable, Codable {
    public var snapshotID: SnapshotID
    /// `nil` for the first one. `nextToken` wins over it.
    public var startingBlockIndex: SnapshotBlockIndex?
    /// 100 to 10,000; `nil` for 10,000. A page may have fewer, and even none, while there is more.
    public var maxResults: Int?
    public var nextToken: String?

    public init(
        snapshotID: SnapshotID, startingBlockIndex: SnapshotBlockIndex? = nil, maxResults: Int? = nil,
        nextToken: String? = nil
    ) {
        self.snapshotID = snapshotID
        self.startingBlockIndex = startingBlockIndex
        self.maxResults = maxResults
        self.nextToken = nextToken
    }
}

/// A page of a list of blocks.
public struct BlockPage<Entry: Hashable & Sendable & Codable>: Hashable, Sendable, Codable {
    public var blocks: [Entry]
    /// The snapshot's; of two, the second one's.
    public var volumeSizeGiB: Int
    public var blockSizeBytes: Int
    /// Until when the blocks' tokens are good.
    public var expiryTime: Date
    public var nextToken: String?

    public init(
        blocks: [Entry], volumeSizeGiB: Int, blockSizeBytes: Int = SnapshotBlock.bytes, expiryTime: Date,
        nextToken: String? = nil
    ) {
        self.blocks = blocks
        self.volumeSizeGiB = volumeSizeGiB
        self.blockSizeBytes = blockSizeBytes
        self.expiryTime = expiryTime
        self.nextToken = nextToken
    }
}

public typealias SnapshotBlockPage = BlockPage<SnapshotBlockEntry>

public struct SnapshotBlockEntry: Hashable, Sendable, Codable {
    public var index: SnapshotBlockIndex
    /// What `getSnapshotBlock` wants to see.
    public var token: String

    public init(index: SnapshotBlockIndex, token: String) {
        self.index = index
        self.token = token
    }
}

/// Which blocks differ between two snapshots.
public struct ChangedBlockQuery: Hashable, Sendable, Codable {
    /// `nil` for all blocks of the second one.
    public var firstSnapshotID: SnapshotID?
    public var secondSnapshotID: SnapshotID
    public var startingBlockIndex: SnapshotBlockIndex?
    /// As `SnapshotBlockQuery` has it.
    public var maxResults: Int?
    public var nextToken: String?

    public init(
        firstSnapshotID: SnapshotID? = nil, secondSnapshotID: SnapshotID,
        startingBlockIndex: SnapshotBlockIndex? = nil, maxResults: Int? = nil, nextToken: String? = nil
    ) {
        self.firstSnapshotID = firstSnapshotID
        self.secondSnapshotID = secondSnapshotID
        self.startingBlockIndex = startingBlockIndex
        self.maxResults = maxResults
        self.nextToken = nextToken
    }
}

public typealias ChangedBlockPage = BlockPage<ChangedBlockEntry>

/// A token is absent where that snapshot does not have the block.
public struct ChangedBlockEntry: Hashable, Sendable, Codable {
    public var index: SnapshotBlockIndex
    public var firstToken: String?
    public var secondToken: String?

    public init(index: SnapshotBlockIndex, firstToken: String? = nil, secondToken: String? = nil) {
        self.index = index
        self.firstToken = firstToken
        self.secondToken = secondToken
    }
}

public struct GetSnapshotBlockRequest: Hashable, Sendable, Codable {
    public var snapshotID: SnapshotID
    public var index: SnapshotBlockIndex
    /// From a list of this snapshot.
    public var token: String

    public init(snapshotID: SnapshotID, index: SnapshotBlockIndex, token: String) {
        self.snapshotID = snapshotID
        self.index = index
        self.token = token
    }
}

/// Begins a snapshot that is written block by block.
public struct StartSnapshotRequest: ClientTokenRequest, Hashable, Sendable, Codable {
    public var clientToken: String?
    public var volumeSizeGiB: Int
    /// Whose blocks it has where none is put; of no larger volume.
    public var parentSnapshotID: SnapshotID?
    public var description: String
    public var tags: [String: String]
    /// Without a block for so long, the snapshot becomes `error`; 10 to 4,320.
    public var timeoutMinutes: Int

    public static let defaultTimeoutMinutes = 60

    public init(
        clientToken: String? = nil, volumeSizeGiB: Int, parentSnapshotID: SnapshotID? = nil,
        description: String = "", tags: [String: String] = [:], timeoutMinutes: Int = defaultTimeoutMinutes
    ) {
        self.clientToken = clientToken
        self.volumeSizeGiB = volumeSizeGiB
        self.parentSnapshotID = parentSnapshotID
        self.description = description
        self.tags = tags
        self.timeoutMinutes = timeoutMinutes
    }
}

public struct PutSnapshotBlockRequest: Hashable, Sendable, Codable {
    public var snapshotID: SnapshotID
    public var index: SnapshotBlockIndex
    /// Whose checksum is that of its data, or else it is refused.
    public var block: SnapshotBlock

    public init(snapshotID: SnapshotID, index: SnapshotBlockIndex, block: SnapshotBlock) {
        self.snapshotID = snapshotID
        self.index = index
        self.block = block
    }
}

public struct CompleteSnapshotRequest: Hashable, Sendable, Codable {
    public var snapshotID: SnapshotID
    /// How many blocks were put.
    public var changedBlocksCount: Int
    /// The SHA-256, in base64, over the blocks' SHA-256 in the order of their indexes; `nil` for no check.
    public var checksum: String?

    public init(snapshotID: SnapshotID, changedBlocksCount: Int, checksum: String? = nil) {
        self.snapshotID = snapshotID
        self.changedBlocksCount = changedBlocksCount
        self.checksum = checksum
    }
}
