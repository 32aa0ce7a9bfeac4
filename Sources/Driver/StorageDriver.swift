/// What a storage world can do: the one protocol above which nobody can tell an emulated volume from a real one.
///
/// Every call is asynchronous and may take as long as the region takes; callers set deadlines with task
/// cancellation. Every failure of the world is a `StorageError`. `StorageDriverConformance` holds each
/// implementation to the same behaviour.
public protocol StorageDriver: Sendable {
    /// What this driver can do and how it is called. Constant for the driver's life.
    func describeDriver() async throws -> DriverDescription

    /// The region's zones, by name.
    func describeZones() async throws -> [Zone]

    /// The instances that volumes can attach to, by id.
    func describeInstances() async throws -> [Instance]

    /// Makes an instance known, or confirms one that is. Needs `.registerInstances`.
    ///
    /// An instance that is known in another zone is refused with `IncorrectState`.
    func registerInstance(_ request: RegisterInstanceRequest) async throws -> Instance

    /// The volumes that match, by creation time and then id.
    ///
    /// An unknown id in `query.ids` is refused with `InvalidVolume.NotFound`; a name that matches nothing
    /// gives an empty page.
    func describeVolumes(_ query: VolumeQuery) async throws -> VolumePage

    /// Makes a volume; it is `available` when the call returns. A copy of another volume is `creating` then, whatever the
    /// size, and has the content of that instant: it becomes `available`, or `error` with a reason, in the background.
    ///
    /// A repeated client token gives the volume of the first call, or `IdempotentParameterMismatch` when the
    /// parameters differ. A name that is taken is refused with `InvalidVolume.Duplicate`.
    func createVolume(_ request: CreateVolumeRequest) async throws -> Volume

    /// Deletes a volume that is not attached; `VolumeInUse` otherwise. `IncorrectState` while it is `creating`.
    func deleteVolume(_ id: VolumeID) async throws

    /// Attaches a volume; the attachment is `attached` and has its location when the call returns.
    ///
    /// Refused with `VolumeInUse` when it is attached already (to whom, is in the message), with
    /// `InvalidVolume.ZoneMismatch` across zones, with `InvalidParameterValue` when the device is taken.
    func attachVolume(_ request: AttachVolumeRequest) async throws -> Attachment

    /// Detaches a volume; afterwards I/O through the old attachment fails. `IncorrectState` when it is
    /// attached to nothing, `InvalidAttachment.NotFound` when the pair does not match.
    func detachVolume(_ request: DetachVolumeRequest) async throws

    /// Sets and removes tags of a volume; gives the volume as it is then.
    func modifyTags(_ request: ModifyTagsRequest) async throws -> Volume

    /// What volumes did and may do, in the order of the ids; of all volumes, by creation time, for no ids. Needs
    /// `.statistics`.
    ///
    /// An unknown id is refused with `InvalidVolume.NotFound`.
    func describeVolumeStatistics(ids: [VolumeID]) async throws -> [VolumeStatistics]

    /// The last hours of CloudWatch's metrics, a data point for each minute in which a volume was attached. Needs
    /// `.metrics`.
    ///
    /// A volume without data points, also one that never was, has no series.
    func getMetricData(_ query: MetricDataQuery) async throws -> [MetricSeries]

    /// Begins to change a volume's size, type or performance, attached or not. Needs `.modifyVolumes`.
    ///
    /// The change is in effect once the modification is `optimizing`. Refused with `InvalidParameterValue` for a
    /// smaller size, with `IncorrectModificationState` while an earlier modification is not `completed` or
    /// `failed`, with `VolumeModificationRateExceeded` when there were too many lately. A repeated call is a
    /// further modification.
    func modifyVolume(_ request: ModifyVolumeRequest) async throws -> VolumeModification

    /// The latest modification of each volume that matches, by the volumes' creation times and then ids. Needs
    /// `.modifyVolumes`.
    ///
    /// An id of a volume that was never modified is refused with `InvalidVolumeModification.NotFound`.
    func describeVolumeModifications(_ query: VolumeModificationQuery) async throws -> VolumeModificationPage

    /// Fixes the content of volumes, all at one instant: exactly the writes that were acknowledged before the call.
    /// Needs `.snapshots`.
    ///
    /// Gives `pending` snapshots in the order of the sources at once, whatever the size; their bytes follow in the
    /// background. All are made or none. A repeated client token gives the snapshots of the first call. A name that
    /// is taken is refused with `InvalidSnapshot.Duplicate`; with too many pending ones of a volume,
    /// `ConcurrentSnapshotLimitExceeded`; too soon after the last one, `SnapshotCreationPerVolumeRateExceeded`.
    func createSnapshots(_ request: CreateSnapshotsRequest) async throws -> [Snapshot]

    /// The snapshots that match, by start time and then id. Needs `.snapshots`.
    ///
    /// An unknown id in `query.ids` is refused with `InvalidSnapshot.NotFound`.
    func describeSnapshots(_ query: SnapshotQuery) async throws -> SnapshotPage

    /// Deletes a snapshot of any region, also a pending one, and frees what no other one shares. Needs `.snapshots`.
    ///
    /// Volumes that were made from it keep their content.
    func deleteSnapshot(_ id: SnapshotID) async throws

    /// Copies a `completed` snapshot; the copy is `pending` first. Needs `.snapshots`.
    func copySnapshot(_ request: CopySnapshotRequest) async throws -> Snapshot

    /// Sets and removes tags of a snapshot; gives it as it is then. Needs `.snapshots`.
    func modifySnapshotTags(_ request: ModifySnapshotTagsRequest) async throws -> Snapshot

    /// Needs `.fastSnapshotRestores`, as the next two do. Gives what is asked for, as it is then.
    func enableFastSnapshotRestores(_ request: FastSnapshotRestoreRequest) async throws -> [FastSnapshotRestore]

    func disableFastSnapshotRestores(_ request: FastSnapshotRestoreRequest) async throws -> [FastSnapshotRestore]

    /// By snapshot and then zone.
    func describeFastSnapshotRestores(_ query: FastSnapshotRestoreQuery) async throws -> [FastSnapshotRestore]

    /// The written blocks of a `completed` snapshot, by index. Needs `.snapshotBlocks`, as the next five do; their
    /// errors are those of the EBS direct APIs, with the reason as the cause.
    func listSnapshotBlocks(_ query: SnapshotBlockQuery) async throws -> SnapshotBlockPage

    /// The blocks that differ between two `completed` snapshots of one lineage, by index.
    func listChangedBlocks(_ query: ChangedBlockQuery) async throws -> ChangedBlockPage

    func getSnapshotBlock(_ request: GetSnapshotBlockRequest) async throws -> SnapshotBlock

    /// Begins a snapshot that is written block by block. A repeated client token gives the snapshot of the first
    /// call, or `ConflictException` when the parameters differ.
    func startSnapshot(_ request: StartSnapshotRequest) async throws -> Snapshot

    /// Writes a block of a snapshot that was started and is not complete; the last one of an index counts.
    func putSnapshotBlock(_ request: PutSnapshotBlockRequest) async throws

    /// Seals a snapshot that was started. It may be `pending` for a while.
    func completeSnapshot(_ request: CompleteSnapshotRequest) async throws -> Snapshot

    /// Begins to carry a snapshot away, to fetch one, or to check the store. Needs `.snapshotTasks`.
    ///
    /// What can be told at once is refused at once; what shows on the way makes the task an `error`.
    func startSnapshotTask(_ request: SnapshotTaskRequest) async throws -> SnapshotTask

    /// The tasks of these ids, in their order; for no ids all that the driver remembers, by start time. Needs
    /// `.snapshotTasks`.
    ///
    /// An unknown id is refused with `InvalidParameterValue`. A driver remembers a task that ended for a while.
    func describeSnapshotTasks(ids: [SnapshotTaskID]) async throws -> [SnapshotTask]

    /// Stops a task; one that ended stays as it is. Needs `.snapshotTasks`.
    func cancelSnapshotTask(_ id: SnapshotTaskID) async throws
}

extension StorageDriver {
    /// For a driver without the capability.
    public func describeVolumeStatistics(ids: [VolumeID]) async throws -> [VolumeStatistics] {
        throw StorageError(.unsupportedOperation, "This driver does not tell what volumes did.")
    }

    /// For a driver without the capability.
    public func getMetricData(_ query: MetricDataQuery) async throws -> [MetricSeries] {
        throw StorageError(.unsupportedOperation, "This driver keeps no metrics.")
    }
}

/// A driver's name, region and abilities.
public struct DriverDescription: Hashable, Sendable, Codable {
    /// `emulator`, `ec2`: what `adapter types` prints and the configuration names.
    public var name: String
    public var region: String
    public var capabilities: Set<DriverCapability>
    /// The types that `createVolume` takes.
    public var volumeTypes: [VolumeType]

    public init(
        name: String, region: String, capabilities: Set<DriverCapability>, volumeTypes: [VolumeType]
    ) {
        self.name = name
        self.region = region
        self.capabilities = capabilities
        self.volumeTypes = volumeTypes
    }

    /// In one order, so that the same description is the same text.
    public func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: CodingKeys.self)
        try fields.encode(name, forKey: .name)
        try fields.encode(region, forKey: .region)
        try fields.encode(DriverCapability.allCases.filter(capabilities.contains), forKey: .capabilities)
        try fields.encode(volumeTypes, forKey: .volumeTypes)
    }

    private enum CodingKeys: String, CodingKey { case name, region, capabilities, volumeTypes }
}

/// What not every driver can do.
public enum DriverCapability: String, Sendable, Codable, CaseIterable {
    /// `registerInstance` makes instances; without it they come from the cloud.
    case registerInstances
    /// `multiAttach` volumes attach to several instances at once.
    case multiAttach
    /// `describeVolumeStatistics` tells what volumes did.
    case statistics
    /// `getMetricData` gives CloudWatch's metrics.
    case metrics
    /// `modifyVolume` changes volumes.
    case modifyVolumes
    /// Snapshots are made, described, copied and deleted, and volumes are made from them.
    case snapshots
    /// The blocks of snapshots are listed, read and written one by one.
    case snapshotBlocks
    /// Snapshots are exported, imported, pushed, pulled and checked.
    case snapshotTasks
    /// Volumes of a snapshot can be spared the first touch.
    case fastSnapshotRestores
    /// `createVolume` takes another volume as its source.
    case copyVolumes
}

public struct RegisterInstanceRequest: Hashable, Sendable, Codable {
    /// `nil` for an id that the region chooses and then keeps for the name.
    public var id: InstanceID?
    public var name: String
    public var zone: ZoneName
    /// The instance type, such as `m5.large`, whose limits all its volumes share; `nil` for none.
    public var type: String?

    public init(id: InstanceID? = nil, name: String, zone: ZoneName, type: String? = nil) {
        self.id = id
        self.name = name
        self.zone = zone
        self.type = type
    }
}

/// Which volumes to describe. Empty fields match everything; several fields must all match.
public struct VolumeQuery: Hashable, Sendable, Codable {
    public var ids: [VolumeID]
    public var names: [String]
    public var instanceID: InstanceID?
    /// At most this many in one page; `nil` for all.
    public var maxResults: Int?
    /// Where the previous page ended.
    public var nextToken: String?

    public init(
        ids: [VolumeID] = [], names: [String] = [], instanceID: InstanceID? = nil, maxResults: Int? = nil,
        nextToken: String? = nil
    ) {
        self.ids = ids
        self.names = names
        self.instanceID = instanceID
        self.maxResults = maxResults
        self.nextToken = nextToken
    }

    public static let all = VolumeQuery()
}

public struct VolumePage: Hashable, Sendable, Codable {
    public var volumes: [Volume]
    /// Present when there is more.
    public var nextToken: String?

    public init(volumes: [Volume], nextToken: String? = nil) {
        self.volumes = volumes
        self.nextToken = nextToken
    }
}

public struct CreateVolumeRequest: ClientTokenRequest, Hashable, Sendable, Codable {
    /// At most 64 ASCII characters. Repeating it repeats the answer, not the work.
    public var clientToken: String?
    public var zone: ZoneName
    /// `nil` only together with a snapshot or a source, whose size it is then; never less than that.
    public var sizeGiB: Int?
    /// `nil` for the driver's default.
    public var type: VolumeType?
    public var iops: Int?
    public var throughputMiBps: Int?
    /// A `completed` snapshot whose content it has at once; blocks come as they are touched.
    public var snapshotID: SnapshotID?
    /// A volume of the same zone whose content of this instant it will have, as EC2's CopyVolumes makes it. One copy of a
    /// volume at a time, or `CopyVolumesLimitExceeded`. Not together with a snapshot. Needs `.copyVolumes`.
    public var sourceVolumeID: VolumeID?
    /// How fast all blocks of the snapshot come in the background, 100 to 300; `nil` for only as they are touched.
    public var volumeInitializationRateMiBps: Int?
    public var isEncrypted: Bool
    public var isMultiAttachEnabled: Bool
    public var tags: [String: String]

    public init(
        clientToken: String? = nil, zone: ZoneName, sizeGiB: Int? = nil, type: VolumeType? = nil,
        iops: Int? = nil, throughputMiBps: Int? = nil, snapshotID: SnapshotID? = nil,
        sourceVolumeID: VolumeID? = nil, volumeInitializationRateMiBps: Int? = nil,
        isEncrypted: Bool = false, isMultiAttachEnabled: Bool = false, tags: [String: String] = [:]
    ) {
        self.clientToken = clientToken
        self.zone = zone
        self.sizeGiB = sizeGiB
        self.type = type
        self.iops = iops
        self.throughputMiBps = throughputMiBps
        self.snapshotID = snapshotID
        self.sourceVolumeID = sourceVolumeID
        self.volumeInitializationRateMiBps = volumeInitializationRateMiBps
        self.isEncrypted = isEncrypted
        self.isMultiAttachEnabled = isMultiAttachEnabled
        self.tags = tags
    }
}

public struct AttachVolumeRequest: Hashable, Sendable, Codable {
    public var volumeID: VolumeID
    public var instanceID: InstanceID
    /// `nil` for the instance's next free name.
    public var device: DeviceName?
    /// Takes the volume from whoever holds it, as pulling the power would.
    public var preempt: Bool

    public init(volumeID: VolumeID, instanceID: InstanceID, device: DeviceName? = nil, preempt: Bool = false) {
        self.volumeID = volumeID
        self.instanceID = instanceID
        self.device = device
        self.preempt = preempt
    }
}

public struct DetachVolumeRequest: Hashable, Sendable, Codable {
    public var volumeID: VolumeID
    /// `nil` when there is only one.
    public var instanceID: InstanceID?
    /// Fails what is in flight instead of waiting for it.
    public var force: Bool

    public init(volumeID: VolumeID, instanceID: InstanceID? = nil, force: Bool = false) {
        self.volumeID = volumeID
        self.instanceID = instanceID
        self.force = force
    }
}

public struct ModifyTagsRequest: Hashable, Sendable, Codable {
    public var volumeID: VolumeID
    public var set: [String: String]
    public var remove: Set<String>

    public init(volumeID: VolumeID, set: [String: String] = [:], remove: Set<String> = []) {
        self.volumeID = volumeID
        self.set = set
        self.remove = remove
    }
}
