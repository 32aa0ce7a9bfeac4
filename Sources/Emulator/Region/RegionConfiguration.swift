// How a region is laid out.
import Driver
import SystemPackage

/// A region's name, its zones, and where its filesystem is seen.
public struct RegionConfiguration: Sendable, Hashable {
    public var name: String
    public var zones: [ZoneName]
    /// Where the FUSE tree is mounted; attachments' locations lie below it.
    public var mountPoint: FilePath
    /// What `createVolume` takes when the request names no type.
    public var defaultType: VolumeType
    public var performance: PerformancePolicy
    public var modification: ModificationPolicy
    public var limits: LimitsProfile
    public var snapshots: SnapshotPolicy
    public var fastRestore: FastRestorePolicy

    /// - Parameter zones: `nil` for `a` to `f` of the region.
    public init(
        name: String = "us-east-1", zones: [ZoneName]? = nil, mountPoint: FilePath,
        defaultType: VolumeType? = nil, performance: PerformancePolicy = .on,
        modification: ModificationPolicy = ModificationPolicy(), limits: LimitsProfile = .gp3Since2025,
        snapshots: SnapshotPolicy = SnapshotPolicy(), fastRestore: FastRestorePolicy = FastRestorePolicy()
    ) {
        self.name = name
        self.zones = zones ?? ["a", "b", "c", "d", "e", "f"].map { ZoneName(name + $0) }
        self.mountPoint = mountPoint
        self.defaultType = defaultType ?? VolumeTypeLimits.defaultType
        self.performance = performance
        self.modification = modification
        self.limits = limits
        self.snapshots = snapshots
        self.fastRestore = fastRestore
    }
}

/// How true to EBS volumes perform.
public enum PerformancePolicy: String, Sendable, Hashable, CaseIterable {
    /// As fast as this machine can.
    case off
    /// As what is provisioned for them, all of the time.
    case on
    /// As AWS promises it: 90 % of what is provisioned, 99 % of the time, and 99.9 % for io1 and io2.
    case promise
}
