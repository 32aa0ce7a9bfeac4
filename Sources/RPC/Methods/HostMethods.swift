import Driver

/// The `Ebb.` methods that carry the host side: what the daemon does with volumes on its own machine, as the
/// instance that it is. The command line speaks these.
extension Ebb {
    /// Who answers: the instance, the driver and the program.
    public enum DescribeHost: RPCMethod {
        public static let name = "Ebb.DescribeHost"
        public static let isRepeatable = true
        public typealias Parameters = Empty
        public struct Result: Hashable, Sendable, Codable {
            /// The instance that volumes attach to when this daemon mounts them.
            public var instance: Instance
            public var driver: DriverDescription
            public var version: String
            /// The answering process, which is the worker's and changes when a worker is replaced.
            public var pid: Int32

            public init(instance: Instance, driver: DriverDescription, version: String, pid: Int32) {
                self.instance = instance
                self.driver = driver
                self.version = version
                self.pid = pid
            }
        }
    }

    /// All volumes of the region with their places on this machine, in one answer.
    public enum ListHostVolumes: RPCMethod {
        public static let name = "Ebb.ListHostVolumes"
        public static let isRepeatable = true
        public typealias Parameters = Empty
        public struct Result: Hashable, Sendable, Codable {
            public var volumes: [HostVolume]
            public init(volumes: [HostVolume]) { self.volumes = volumes }
        }
    }

    /// One volume by id or name; `InvalidVolume.NotFound` when there is none.
    public enum GetHostVolume: RPCMethod {
        public static let name = "Ebb.GetHostVolume"
        public static let isRepeatable = true
        public typealias Parameters = VolumeParameters
        public typealias Result = HostVolume
    }

    /// Makes a volume with this host's defaults for whatever is left out. Repeatable with a client token.
    public enum CreateHostVolume: RPCMethod {
        public static let name = "Ebb.CreateHostVolume"
        public typealias Parameters = HostVolumeRequest
        public typealias Result = HostVolume
    }

    /// Deletes a volume by id or name. `force` unmounts and detaches it from this machine first.
    public enum RemoveHostVolume: RPCMethod {
        public static let name = "Ebb.RemoveHostVolume"
        public typealias Parameters = ForceableParameters
        public typealias Result = Empty
    }

    /// Moves a volume that is attached nowhere to another zone, and answers with the volume that it is there: it has
    /// another id. Not repeatable.
    public enum MigrateHostVolume: RPCMethod {
        public static let name = "Ebb.MigrateHostVolume"
        public struct Parameters: Hashable, Sendable, Codable {
            public var volume: VolumeReference
            public var zone: ZoneName
            public init(volume: VolumeReference, zone: ZoneName) {
                self.volume = volume
                self.zone = zone
            }
        }
        public typealias Result = HostVolume
    }

    /// Modifies a volume by id or name, and answers when that is in effect; with `sizeGiB`, when device and
    /// filesystem on this machine have grown too. Not repeatable.
    public enum ModifyHostVolume: RPCMethod {
        public static let name = "Ebb.ModifyHostVolume"
        public struct Parameters: Hashable, Sendable, Codable {
            public var volume: VolumeReference
            public var sizeGiB: Int?
            public var type: VolumeType?
            public var iops: Int?
            public var throughputMiBps: Int?
            public init(
                volume: VolumeReference, sizeGiB: Int? = nil, type: VolumeType? = nil, iops: Int? = nil,
                throughputMiBps: Int? = nil
            ) {
                self.volume = volume
                self.sizeGiB = sizeGiB
                self.type = type
                self.iops = iops
                self.throughputMiBps = throughputMiBps
            }
        }
        public typealias Result = VolumeModification
    }

    /// Makes snapshots of volumes by id or name, all of one instant, with what this host knows of their filesystems.
    /// Repeatable only together with a client token.
    public enum CreateHostSnapshots: RPCMethod {
        public static let name = "Ebb.CreateHostSnapshots"
        public typealias Parameters = HostSnapshotsRequest
        public typealias Result = CreateSnapshots.Result
    }

    /// Attaches a volume to this instance and shows its device, without mounting it.
    public enum AttachHostVolume: RPCMethod {
        public static let name = "Ebb.AttachHostVolume"
        public struct Parameters: Hashable, Sendable, Codable {
            public var volume: VolumeReference
            /// `nil` for the next free name.
            public var device: DeviceName?
            public var preempt: Bool?
            public init(volume: VolumeReference, device: DeviceName? = nil, preempt: Bool? = nil) {
                self.volume = volume
                self.device = device
                self.preempt = preempt
            }
        }
        public typealias Result = Attachment
    }

    /// Detaches a volume from this instance; refused while it is mounted here.
    public enum DetachHostVolume: RPCMethod {
        public static let name = "Ebb.DetachHostVolume"
        public typealias Parameters = ForceableParameters
        public typealias Result = Empty
    }

    /// Attaches, formats if blank, and mounts, for a holder; repeated mounts count references.
    public enum MountVolume: RPCMethod {
        public static let name = "Ebb.MountVolume"
        public struct Parameters: Hashable, Sendable, Codable {
            public var volume: VolumeReference
            /// `nil` for the command line's.
            public var holder: MountHolder?
            public var options: MountOptions?
            public init(volume: VolumeReference, holder: MountHolder? = nil, options: MountOptions? = nil) {
                self.volume = volume
                self.holder = holder
                self.options = options
            }
        }
        public typealias Result = MountedVolume
    }

    /// Gives a holder's reference back; the last one unmounts and detaches.
    public enum UnmountVolume: RPCMethod {
        public static let name = "Ebb.UnmountVolume"
        public struct Parameters: Hashable, Sendable, Codable {
            public var volume: VolumeReference
            /// `nil` for the command line's.
            public var holder: MountHolder?
            public init(volume: VolumeReference, holder: MountHolder? = nil) {
                self.volume = volume
                self.holder = holder
            }
        }
        public typealias Result = Empty
    }

    /// Who keeps which volumes mounted: volume id → holder → count.
    public enum ListReferences: RPCMethod {
        public static let name = "Ebb.ListReferences"
        public static let isRepeatable = true
        public typealias Parameters = Empty
        public struct Result: Hashable, Sendable, Codable {
            public var references: [String: [String: Int]]
            public init(references: [String: [String: Int]]) { self.references = references }
        }
    }
}

/// A volume that a call is about.
public struct VolumeParameters: Hashable, Sendable, Codable {
    public var volume: VolumeReference
    public init(volume: VolumeReference) { self.volume = volume }
}

/// A volume that a call is about, and whether to insist.
public struct ForceableParameters: Hashable, Sendable, Codable {
    public var volume: VolumeReference
    public var force: Bool?
    public init(volume: VolumeReference, force: Bool? = nil) {
        self.volume = volume
        self.force = force
    }
}

/// Volumes to make snapshots of.
public struct HostSnapshotsRequest: ClientTokenRequest, Hashable, Sendable, Codable {
    /// At most 64 ASCII characters. Repeating it repeats the answer, not the work.
    public var clientToken: String?
    public var sources: [Source]
    /// For all of them.
    public var description: String?
    /// Whether filesystems that are mounted on this machine are made consistent first, and kept so meanwhile.
    public var freeze: Bool?

    public init(clientToken: String? = nil, sources: [Source], description: String? = nil, freeze: Bool? = nil) {
        self.clientToken = clientToken
        self.sources = sources
        self.description = description
        self.freeze = freeze
    }

    public struct Source: Hashable, Sendable, Codable {
        public var volume: VolumeReference
        /// The snapshot's.
        public var tags: [String: String]?

        public init(volume: VolumeReference, tags: [String: String]? = nil) {
            self.volume = volume
            self.tags = tags
        }
    }
}

/// A volume to make; what is `nil` takes the host's default.
public struct HostVolumeRequest: ClientTokenRequest, Hashable, Sendable, Codable {
    /// At most 64 ASCII characters. Repeating it repeats the answer, not the work.
    public var clientToken: String?
    /// The `Name` tag; `nil` for a volume without one.
    public var name: String?
    /// `nil` for this instance's zone.
    public var zone: ZoneName?
    public var sizeGiB: Int?
    public var type: VolumeType?
    public var iops: Int?
    public var throughputMiBps: Int?
    /// What it is made from, as `CreateVolumeRequest` has these three.
    public var snapshotID: SnapshotID?
    public var sourceVolumeID: VolumeID?
    public var volumeInitializationRateMiBps: Int?
    public var isEncrypted: Bool?
    /// What it will be formatted with at its first mount: `ext4` or `xfs`.
    public var fsType: String?
    /// Comma-separated, as `mount -o` takes them.
    public var mountOptions: String?
    /// Further tags.
    public var tags: [String: String]?

    public init(
        clientToken: String? = nil, name: String? = nil, zone: ZoneName? = nil, sizeGiB: Int? = nil,
        type: VolumeType? = nil, iops: Int? = nil, throughputMiBps: Int? = nil,
        snapshotID: SnapshotID? = nil, sourceVolumeID: VolumeID? = nil, volumeInitializationRateMiBps: Int? = nil,
        isEncrypted: Bool? = nil, fsType: String? = nil,
        mountOptions: String? = nil, tags: [String: String]? = nil
    ) {
        self.clientToken = clientToken
        self.name = name
        self.zone = zone
        self.sizeGiB = sizeGiB
        self.type = type
        self.iops = iops
        self.throughputMiBps = throughputMiBps
        self.snapshotID = snapshotID
        self.sourceVolumeID = sourceVolumeID
        self.volumeInitializationRateMiBps = volumeInitializationRateMiBps
        self.isEncrypted = isEncrypted
        self.fsType = fsType
        self.mountOptions = mountOptions
        self.tags = tags
    }
}
