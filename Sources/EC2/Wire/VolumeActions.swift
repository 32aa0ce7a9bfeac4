// Volumes, their attachments and modifications on the wire. Source: the API's actions of the same names.
#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

struct CreateVolume: EC2Action {
    typealias Answer = VolumeItem

    var availabilityZone: String
    var clientToken: String
    var encrypted: Bool?
    var iops: Int?
    var kmsKeyId: String?
    var multiAttachEnabled: Bool?
    var size: Int?
    var snapshotId: String?
    var tagSpecification: [TagSpecification]
    var throughput: Int?
    var volumeInitializationRate: Int?
    var volumeType: String?

    /// By its token.
    var isRepeatable: Bool { true }
}

/// A volume with the content that another one has now.
struct CopyVolumes: EC2Action {
    struct Answer: Codable, Sendable { let volumeSet: [VolumeItem] }

    var clientToken: String
    var iops: Int?
    var multiAttachEnabled: Bool?
    var size: Int?
    var sourceVolumeId: String
    var tagSpecification: [TagSpecification]
    var throughput: Int?
    var volumeType: String?

    /// By its token.
    var isRepeatable: Bool { true }
}

struct DeleteVolume: EC2Action {
    typealias Answer = Done

    var volumeId: String

    var isRepeatable: Bool { false }
}

/// Ids are not given together with a number of results.
struct DescribeVolumes: EC2Question {
    struct Answer: Codable, Sendable {
        let volumeSet: [VolumeItem]
        let nextToken: String?
    }

    var volumeId: [String] = []
    var filter: [Filter] = []
    var maxResults: Int?
    var nextToken: String?
}

struct AttachVolume: EC2Action {
    typealias Answer = AttachmentItem

    var device: String
    var instanceId: String
    var volumeId: String

    var isRepeatable: Bool { false }
}

struct DetachVolume: EC2Action {
    typealias Answer = AttachmentItem

    var force: Bool?
    var instanceId: String?
    var volumeId: String

    var isRepeatable: Bool { false }
}

struct ModifyVolume: EC2Action {
    struct Answer: Codable, Sendable { let volumeModification: ModificationItem }

    var iops: Int?
    var multiAttachEnabled: Bool?
    var size: Int?
    var throughput: Int?
    var volumeId: String
    var volumeType: String?

    var isRepeatable: Bool { false }
}

struct DescribeVolumesModifications: EC2Question {
    struct Answer: Codable, Sendable {
        let volumeModificationSet: [ModificationItem]
        let nextToken: String?
    }

    var volumeId: [String] = []
    var filter: [Filter] = []
    var maxResults: Int?
    var nextToken: String?
}

struct DescribeVolumeStatus: EC2Question {
    struct Answer: Codable, Sendable {
        let volumeStatusSet: [VolumeStatusItem]
        let nextToken: String?
    }

    var volumeId: [String]
}

struct VolumeItem: Codable, Sendable, Hashable {
    let volumeId: String
    /// GiB.
    let size: Int
    let snapshotId: String?
    let sourceVolumeId: String?
    let availabilityZone: String
    /// `creating`, `available`, `in-use`, `deleting`, `deleted`, `error`.
    let status: String
    let createTime: Date
    let attachmentSet: [AttachmentItem]
    let volumeType: String
    let iops: Int?
    /// MiB/s.
    let throughput: Int?
    let encrypted: Bool?
    let multiAttachEnabled: Bool?
    let tagSet: [TagItem]
    let fastRestored: Bool?
    let volumeInitializationRate: Int?
}

struct AttachmentItem: Codable, Sendable, Hashable {
    let volumeId: String?
    let instanceId: String?
    let device: String?
    /// `attaching`, `attached`, `detaching`, `detached`, `busy`.
    let status: String?
    let attachTime: Date?
    let deleteOnTermination: Bool?
}

struct ModificationItem: Codable, Sendable, Hashable {
    let volumeId: String
    /// `modifying`, `optimizing`, `completed`, `failed`.
    let modificationState: String?
    let statusMessage: String?
    let targetSize: Int?
    let targetIops: Int?
    let targetVolumeType: String?
    let targetThroughput: Int?
    let targetMultiAttachEnabled: Bool?
    let originalSize: Int?
    let originalIops: Int?
    let originalVolumeType: String?
    let originalThroughput: Int?
    let originalMultiAttachEnabled: Bool?
    /// Percent.
    let progress: Int?
    let startTime: Date?
    let endTime: Date?
}

struct VolumeStatusItem: Codable, Sendable, Hashable {
    let volumeId: String
    let volumeStatus: Status?
    let initializationStatusDetails: Initialization?

    struct Status: Codable, Sendable, Hashable {
        let details: [Detail]?
    }

    struct Detail: Codable, Sendable, Hashable {
        /// `io-enabled`, `io-performance`, `initialization-state`.
        let name: String
        let status: String
    }

    struct Initialization: Codable, Sendable, Hashable {
        let initializationType: String?
        /// Percent.
        let progress: Int?
        let estimatedTimeToCompleteInSeconds: Int?
    }
}
