#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// What a volume shall become. A field that is `nil` stays as it is, or takes the new type's default.
public struct ModifyVolumeRequest: Hashable, Sendable, Codable {
    public var volumeID: VolumeID
    /// Never less than the volume has.
    public var sizeGiB: Int?
    public var type: VolumeType?
    public var iops: Int?
    public var throughputMiBps: Int?
    public var isMultiAttachEnabled: Bool?

    public init(
        volumeID: VolumeID, sizeGiB: Int? = nil, type: VolumeType? = nil, iops: Int? = nil,
        throughputMiBps: Int? = nil, isMultiAttachEnabled: Bool? = nil
    ) {
        self.volumeID = volumeID
        self.sizeGiB = sizeGiB
        self.type = type
        self.iops = iops
        self.throughputMiBps = throughputMiBps
        self.isMultiAttachEnabled = isMultiAttachEnabled
    }
}

/// The course of one `modifyVolume`, as `DescribeVolumesModifications` reports it.
public struct VolumeModification: Hashable, Sendable, Codable {
    public var volumeID: VolumeID
    public var state: State
    /// Why it failed.
    public var statusMessage: String?
    public var original: Configuration
    public var target: Configuration
    /// Percent, 0 to 100.
    public var progress: Int
    public var startTime: Date
    /// Present once it is `completed` or `failed`.
    public var endTime: Date?

    public init(
        volumeID: VolumeID, state: State, statusMessage: String? = nil, original: Configuration,
        target: Configuration, progress: Int, startTime: Date, endTime: Date? = nil
    ) {
        self.volumeID = volumeID
        self.state = state
        self.statusMessage = statusMessage
        self.original = original
        self.target = target
        self.progress = progress
        self.startTime = startTime
        self.endTime = endTime
    }

    public enum State: String, Sendable, Codable, CaseIterable {
        /// Begun; the volume is as it was.
        case modifying
        /// The new size and type hold; performance is on its way to the new one.
        case optimizing
        case completed
        case failed
    }

    /// What a modification can change, before and after.
    public struct Configuration: Hashable, Sendable, Codable {
        public var sizeGiB: Int
        public var type: VolumeType
        /// Reported as `Volume.iops` is.
        public var iops: Int?
        /// MiB/s. Reported for gp3 only.
        public var throughputMiBps: Int?
        public var isMultiAttachEnabled: Bool

        public init(
            sizeGiB: Int, type: VolumeType, iops: Int? = nil, throughputMiBps: Int? = nil,
            isMultiAttachEnabled: Bool = false
        ) {
            self.sizeGiB = sizeGiB
            self.type = type
            self.iops = iops
            self.throughputMiBps = throughputMiBps
            self.isMultiAttachEnabled = isMultiAttachEnabled
        }
    }
}

/// Which modifications to describe: of each volume that has ever been modified, the latest.
public struct VolumeModificationQuery: Hashable, Sendable, Codable {
    /// Empty for all.
    public var volumeIDs: [VolumeID]
    /// Empty for any.
    public var states: Set<VolumeModification.State>
    /// At most this many in one page; `nil` for all.
    public var maxResults: Int?
    /// Where the previous page ended.
    public var nextToken: String?

    public init(
        volumeIDs: [VolumeID] = [], states: Set<VolumeModification.State> = [], maxResults: Int? = nil,
        nextToken: String? = nil
    ) {
        self.volumeIDs = volumeIDs
        self.states = states
        self.maxResults = maxResults
        self.nextToken = nextToken
    }
}

public struct VolumeModificationPage: Hashable, Sendable, Codable {
    public var modifications: [VolumeModification]
    /// Present when there is more.
    public var nextToken: String?

    public init(modifications: [VolumeModification], nextToken: String? = nil) {
        self.modifications = modifications
        self.nextToken = nextToken
    }
}

/// What drivers without `.modifyVolumes` answer.
extension StorageDriver {
    public func modifyVolume(_ request: ModifyVolumeRequest) async throws -> VolumeModification {
        throw StorageError(.unsupportedOperation, "Volumes cannot be modified here.")
    }

    public func describeVolumeModifications(
        _ query: VolumeModificationQuery
    ) async throws -> VolumeModificationPage {
        throw StorageError(.unsupportedOperation, "Volumes cannot be modified here.")
    }
}
