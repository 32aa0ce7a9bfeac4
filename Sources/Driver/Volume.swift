#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// A block volume as `DescribeVolumes` reports it.
public struct Volume: Hashable, Sendable, Codable {
    public var id: VolumeID
    public var zone: ZoneName
    public var state: State
    /// Why it is in `error`, where that is known.
    public var stateMessage: String?
    public var type: VolumeType
    public var sizeGiB: Int
    /// Reported for gp2 (the baseline), gp3, io1 and io2; absent for the others.
    public var iops: Int?
    /// MiB/s. Reported for gp3 only.
    public var throughputMiBps: Int?
    /// What it was made from.
    public var snapshotID: SnapshotID?
    /// What it is a copy of.
    public var sourceVolumeID: VolumeID?
    public var volumeInitializationRateMiBps: Int?
    /// Whether a credit of fast snapshot restore was spent on it; `nil` for one that was not made from a snapshot.
    public var isFastRestored: Bool?
    /// Present for a volume that was made from a snapshot or from another volume.
    public var initialization: VolumeInitialization?
    public var isEncrypted: Bool
    public var isMultiAttachEnabled: Bool
    public var createTime: Date
    public var attachments: [Attachment]
    public var tags: [String: String]

    public init(
        id: VolumeID, zone: ZoneName, state: State, stateMessage: String? = nil, type: VolumeType, sizeGiB: Int,
        iops: Int? = nil, throughputMiBps: Int? = nil, snapshotID: SnapshotID? = nil, sourceVolumeID: VolumeID? = nil,
        volumeInitializationRateMiBps: Int? = nil, isFastRestored: Bool? = nil,
        initialization: VolumeInitialization? = nil, isEncrypted: Bool = false, isMultiAttachEnabled: Bool = false,
        createTime: Date, attachments: [Attachment] = [], tags: [String: String] = [:]
    ) {
        self.id = id
        self.zone = zone
        self.state = state
        self.stateMessage = stateMessage
        self.type = type
        self.sizeGiB = sizeGiB
        self.iops = iops
        self.throughputMiBps = throughputMiBps
        self.snapshotID = snapshotID
        self.sourceVolumeID = sourceVolumeID
        self.volumeInitializationRateMiBps = volumeInitializationRateMiBps
        self.isFastRestored = isFastRestored
        self.initialization = initialization
        self.isEncrypted = isEncrypted
        self.isMultiAttachEnabled = isMultiAttachEnabled
        self.createTime = createTime
        self.attachments = attachments
        self.tags = tags
    }

    /// The `Name` tag, unique in a region; empty for a volume without one.
    public var name: String { tags[Tag.name] ?? "" }

    /// For those who have waited for it.
    ///
    /// - Throws: `IncorrectState` for one in `error`, with the reason.
    public func requireSound() throws(StorageError) {
        guard state == .error else { return }
        throw StorageError(
            .incorrectState, "Volume '\(id)' is in the 'error' state.", cause: stateMessage,
            advice: "delete it, and make another one")
    }

    public enum State: String, Sendable, Codable, CaseIterable {
        /// A copy of another volume, until it has all blocks of that.
        case creating
        case available
        case inUse = "in-use"
        case deleting
        case deleted
        case error
    }
}

/// One of EBS's volume types, by EC2's name for it. A driver says which ones it knows.
public struct VolumeType: Hashable, Sendable, TextValue {
    public let name: String

    public init(_ name: String) {
        self.name = name
    }

    public var description: String { name }

    public static let standard = VolumeType("standard")
    public static let gp2 = VolumeType("gp2")
    public static let gp3 = VolumeType("gp3")
    public static let io1 = VolumeType("io1")
    public static let io2 = VolumeType("io2")
    public static let st1 = VolumeType("st1")
    public static let sc1 = VolumeType("sc1")
    /// Not EBS's: as fast as the machine that holds the bytes.
    public static let local = VolumeType("local")

    /// Whether IOPS and, for gp3, throughput are asked for; other types have those that follow from their size.
    public var hasProvisionedIOPS: Bool { [.gp3, .io1, .io2].contains(self) }
}

/// Tag keys that mean something to Ebb itself. They live on the volume, so that every driver keeps them.
public enum Tag {
    public static let name = "Name"
    /// The filesystem that the volume is, or will be, formatted with: `ext4` or `xfs`.
    public static let fsType = "ebb:fsType"
    /// Mount options, comma-separated as `mount -o` takes them.
    public static let mountOptions = "ebb:mountOptions"
    /// The id of the group that a snapshot was made in, together with others of one instant.
    public static let snapshotGroup = "ebb:snapshotGroup"
    /// What the group is called.
    public static let snapshotGroupName = "ebb:snapshotGroupName"
}

/// A volume's place on an instance.
public struct Attachment: Hashable, Sendable, Codable {
    public var volumeID: VolumeID
    public var instanceID: InstanceID
    public var device: DeviceName
    public var state: State
    public var attachTime: Date
    public var deleteOnTermination: Bool
    /// Where the instance finds the bytes, once the state is `attached`.
    public var location: BlockLocation?

    public init(
        volumeID: VolumeID, instanceID: InstanceID, device: DeviceName, state: State, attachTime: Date,
        deleteOnTermination: Bool = false, location: BlockLocation? = nil
    ) {
        self.volumeID = volumeID
        self.instanceID = instanceID
        self.device = device
        self.state = state
        self.attachTime = attachTime
        self.deleteOnTermination = deleteOnTermination
        self.location = location
    }

    public enum State: String, Sendable, Codable, CaseIterable {
        case attaching
        case attached
        case detaching
        case detached
        case busy
    }
}

/// How the host side reaches an attached volume's bytes.
public enum BlockLocation: Hashable, Sendable, Codable {
    /// A regular file that holds the volume's bytes; a loop device makes a block device of it.
    case file(path: String)
    /// A block device that the machine shows by itself, as on EC2.
    case blockDevice(path: String)
}

/// A place that volumes attach to.
public struct Instance: Hashable, Sendable, Codable {
    public var id: InstanceID
    public var zone: ZoneName
    public var region: String
    /// The name people know it by, such as a host name.
    public var name: String
    /// Such as `m5.large`; `nil` where the instance has no limits of its own.
    public var type: String?
    public var state: State
    /// The name of the driver that knows this instance.
    public var providerName: String

    public init(
        id: InstanceID, zone: ZoneName, region: String, name: String, type: String? = nil, state: State,
        providerName: String
    ) {
        self.id = id
        self.zone = zone
        self.region = region
        self.name = name
        self.type = type
        self.state = state
        self.providerName = providerName
    }

    public enum State: String, Sendable, Codable, CaseIterable {
        case running
        case stopped
        case terminated
    }
}

/// An availability zone.
public struct Zone: Hashable, Sendable, Codable {
    public var name: ZoneName
    public var region: String

    public init(name: ZoneName, region: String) {
        self.name = name
        self.region = region
    }
}
