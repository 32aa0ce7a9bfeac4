// Snapshots on the wire. Source: the API's actions of the same names.
#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// It has no token: a call that may have been done is found again by a tag.
struct CreateSnapshot: EC2Action {
    typealias Answer = SnapshotItem

    var description: String?
    var tagSpecification: [TagSpecification]
    var volumeId: String

    var isRepeatable: Bool { false }
}

/// Of all volumes of an instance at one instant, but for those that are excluded. Without a token, as above.
struct CreateSnapshots: EC2Action {
    struct Answer: Codable, Sendable { let snapshotSet: [SnapshotItem] }

    var description: String?
    var instanceSpecification: InstanceSpecification
    var tagSpecification: [TagSpecification]

    struct InstanceSpecification: Codable, Sendable {
        var excludeBootVolume: Bool?
        var excludeDataVolumeId: [String]
        var instanceId: String
    }

    var isRepeatable: Bool { false }
}

/// Asked in the region where the copy is to be. Without a token, as above.
struct CopySnapshot: EC2Action {
    struct Answer: Codable, Sendable { let snapshotId: String }

    var description: String?
    var destinationRegion: String?
    /// Of the same call to the source's region, by which EC2 reads an encrypted snapshot there for the caller.
    var presignedUrl: String?
    var sourceRegion: String
    var sourceSnapshotId: String
    var tagSpecification: [TagSpecification] = []

    var isRepeatable: Bool { false }
}

struct DeleteSnapshot: EC2Action {
    typealias Answer = Done

    var snapshotId: String

    var isRepeatable: Bool { false }
}

struct DescribeSnapshots: EC2Question {
    struct Answer: Codable, Sendable {
        let snapshotSet: [SnapshotItem]
        let nextToken: String?
    }

    var snapshotId: [String] = []
    var owner: [String] = []
    var filter: [Filter] = []
    var maxResults: Int?
    var nextToken: String?
}

struct SnapshotItem: Codable, Sendable, Hashable {
    let snapshotId: String
    let volumeId: String?
    /// `pending`, `completed`, `error`, `recoverable`, `recovering`. `CreateSnapshots` calls it `state`.
    let status: String?
    let state: String?
    let statusMessage: String?
    let startTime: Date
    let completionTime: Date?
    /// `45%`.
    let progress: String?
    let ownerId: String?
    /// GiB.
    let volumeSize: Int?
    let description: String?
    let encrypted: Bool?
    let fullSnapshotSizeInBytes: Int64?
    let tagSet: [TagItem]
}
