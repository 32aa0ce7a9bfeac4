#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// A volume's content at one instant, as `DescribeSnapshots` reports it.
public struct Snapshot: Hashable, Sendable, Codable {
    public var id: SnapshotID
    /// What it was made of. `vol-ffffffff` for a copy and for one that was written block by block, as on EC2.
    public var volumeID: VolumeID
    public var volumeSizeGiB: Int
    public var state: State
    /// How much of it is in the store; 100 once it is `completed`.
    public var progressPercent: Int
    /// Why it is in `error`.
    public var stateMessage: String?
    /// The instant that it holds.
    public var startTime: Date
    public var completionTime: Date?
    public var description: String
    public var isEncrypted: Bool
    public var tags: [String: String]
    /// All its written blocks, also those that it shares with others; `nil` while it is not `completed`.
    public var fullSizeBytes: Int64?
    public var region: String

    public init(
        id: SnapshotID, volumeID: VolumeID, volumeSizeGiB: Int, state: State, progressPercent: Int,
        stateMessage: String? = nil, startTime: Date, completionTime: Date? = nil, description: String = "",
        isEncrypted: Bool = false, tags: [String: String] = [:], fullSizeBytes: Int64? = nil, region: String
    ) {
        self.id = id
        self.volumeID = volumeID
        self.volumeSizeGiB = volumeSizeGiB
        self.state = state
        self.progressPercent = progressPercent
        self.stateMessage = stateMessage
        self.startTime = startTime
        self.completionTime = completionTime
        self.description = description
        self.isEncrypted = isEncrypted
        self.tags = tags
        self.fullSizeBytes = fullSizeBytes
        self.region = region
    }

    /// The `Name` tag, unique among a region's snapshots; empty for one without.
    public var name: String { tags[Tag.name] ?? "" }

    public enum State: String, Sendable, Codable, CaseIterable {
        /// The instant is fixed; the blocks are on their way into the store.
        case pending
        /// Volumes can be made from it.
        case completed
        /// It will never be completed; it can only be deleted.
        case error
    }
}

extension VolumeID {
    /// What stands for the volume of a snapshot that was not made of one here. Source: EBS User Guide, "Copy an Amazon
    /// EBS snapshot".
    public static let ofNoVolume: VolumeID = "vol-ffffffff"
}

/// Makes a snapshot of each source, all of one instant.
public struct CreateSnapshotsRequest: ClientTokenRequest, Hashable, Sendable, Codable {
    /// At most 64 ASCII characters. Repeating it repeats the answer, not the work.
    public var clientToken: String?
    /// At least one, at most `maximumSources`, no volume twice.
    public var sources: [Source]
    /// For all of them; at most 255 characters.
    public var description: String

    /// Source: the EC2 API's CreateSnapshots.
    public static let maximumSources = 128

    public init(clientToken: String? = nil, sources: [Source], description: String = "") {
        self.clientToken = clientToken
        self.sources = sources
        self.description = description
    }

    /// Refuses no volume, too many of them, and one that is there twice.
    public func checkSources() throws(StorageError) {
        guard !sources.isEmpty else { throw .missing("volumeId") }
        guard sources.count <= Self.maximumSources else {
            throw StorageError(
                .invalidParameterValue, "At most \(Self.maximumSources) volumes can be in one call.",
                cause: "there are \(sources.count)")
        }
        var seen: Set<VolumeID> = []
        for source in sources where !seen.insert(source.volumeID).inserted {
            throw StorageError(
                .invalidParameterValue, "The volume '\(source.volumeID)' is there twice.",
                advice: "name each volume once")
        }
    }

    /// A volume, and what its snapshot shall be called.
    public struct Source: Hashable, Sendable, Codable {
        public var volumeID: VolumeID
        /// The snapshot's, among them its name.
        public var tags: [String: String]

        public init(volumeID: VolumeID, tags: [String: String] = [:]) {
            self.volumeID = volumeID
            self.tags = tags
        }
    }
}

/// Which snapshots to describe. Empty fields match everything; several fields must all match.
public struct SnapshotQuery: Hashable, Sendable, Codable {
    public var ids: [SnapshotID]
    public var names: [String]
    public var volumeIDs: [VolumeID]
    public var states: Set<Snapshot.State>
    /// Those that have all these tags with these values.
    public var tags: [String: String]
    /// `nil` for the driver's own.
    public var region: String?
    /// At most this many in one page; `nil` for all.
    public var maxResults: Int?
    /// Where the previous page ended.
    public var nextToken: String?

    public init(
        ids: [SnapshotID] = [], names: [String] = [], volumeIDs: [VolumeID] = [],
        states: Set<Snapshot.State> = [], tags: [String: String] = [:], region: String? = nil,
        maxResults: Int? = nil, nextToken: String? = nil
    ) {
        self.ids = ids
        self.names = names
        self.volumeIDs = volumeIDs
        self.states = states
        self.tags = tags
        self.region = region
        self.maxResults = maxResults
        self.nextToken = nextToken
    }

    public static let all = SnapshotQuery()
}

public struct SnapshotPage: Hashable, Sendable, Codable {
    public var snapshots: [Snapshot]
    /// Present when there is more.
    public var nextToken: String?

    public init(snapshots: [Snapshot], nextToken: String? = nil) {
        self.snapshots = snapshots
        self.nextToken = nextToken
    }
}

/// Makes another snapshot of the same content, here or in another region.
public struct CopySnapshotRequest: ClientTokenRequest, Hashable, Sendable, Codable {
    public var clientToken: String?
    public var sourceSnapshotID: SnapshotID
    /// `nil` for the driver's own, as is the destination's.
    public var sourceRegion: String?
    public var destinationRegion: String?
    /// `nil` for EC2's text, which names the source.
    public var description: String?
    /// The copy's; those of the source are not taken over.
    public var tags: [String: String]

    public init(
        clientToken: String? = nil, sourceSnapshotID: SnapshotID, sourceRegion: String? = nil,
        destinationRegion: String? = nil, description: String? = nil, tags: [String: String] = [:]
    ) {
        self.clientToken = clientToken
        self.sourceSnapshotID = sourceSnapshotID
        self.sourceRegion = sourceRegion
        self.destinationRegion = destinationRegion
        self.description = description
        self.tags = tags
    }
}

public struct ModifySnapshotTagsRequest: Hashable, Sendable, Codable {
    public var snapshotID: SnapshotID
    public var set: [String: String]
    public var remove: Set<String>

    public init(snapshotID: SnapshotID, set: [String: String] = [:], remove: Set<String> = []) {
        self.snapshotID = snapshotID
        self.set = set
        self.remove = remove
    }
}

/// How far a volume that was made from a snapshot or from another volume has its content, as `DescribeVolumeStatus`
/// reports it. Source: the EC2 API's InitializationStatusDetails.
public struct VolumeInitialization: Hashable, Sendable, Codable {
    public var kind: Kind
    public var state: State
    /// Percent, 0 to 100. While the volume is `creating`, of what is copied from the original; afterwards of the blocks
    /// that it has itself.
    public var progressPercent: Int
    /// Known while there is a rate.
    public var estimatedSecondsLeft: Int?

    public init(kind: Kind, state: State, progressPercent: Int, estimatedSecondsLeft: Int? = nil) {
        self.kind = kind
        self.state = state
        self.progressPercent = progressPercent
        self.estimatedSecondsLeft = estimatedSecondsLeft
    }

    public enum Kind: String, Sendable, Codable, CaseIterable {
        /// A block comes at its first touch.
        case onTouch = "default"
        /// Besides, all come in the background at `Volume.volumeInitializationRateMiBps`.
        case provisionedRate = "provisioned-rate"
        /// A copy of another volume.
        case volumeCopy = "volume-copy"
    }

    public enum State: String, Sendable, Codable, CaseIterable {
        case initializing
        case completed
    }
}
