/// What the using side says about volumes: names for volumes, mounts and their holders.
///
/// These values stand here, and not with the host side that makes them, because the command line speaks them
/// over the RPC without linking the host side.

/// A volume by its id or by its `Name` tag.
public enum VolumeReference: Hashable, Sendable, Codable, CustomStringConvertible {
    case id(VolumeID)
    case name(String)

    public var description: String {
        switch self {
        case .id(let id): id.rawValue
        case .name(let name): name
        }
    }

    private enum CodingKeys: String, CodingKey {
        case id
        case name
    }

    /// `{"id": "vol-…"}` or `{"name": "…"}`.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        if let id = try container.decodeIfPresent(VolumeID.self, forKey: .id) {
            self = .id(id)
        } else {
            self = .name(try container.decode(String.self, forKey: .name))
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        switch self {
        case .id(let id): try container.encode(id, forKey: .id)
        case .name(let name): try container.encode(name, forKey: .name)
        }
    }
}

/// A volume, and where it is on this machine.
public struct HostVolume: Hashable, Sendable, Codable {
    public var volume: Volume
    /// Where it is mounted here, from mountinfo; `nil` when it is not.
    public var mountPath: String?
    /// Its device on this machine; `nil` when it is not attached to this instance.
    public var device: DeviceName?

    public init(volume: Volume, mountPath: String? = nil, device: DeviceName? = nil) {
        self.volume = volume
        self.mountPath = mountPath
        self.device = device
    }
}

/// One run of a process, such as of dockerd: a process id alone would be mistaken for its next user.
public struct Incarnation: Hashable, Sendable, Codable {
    /// 0 for a process that is not seen, and so counts as running: one of another pid namespace.
    public var pid: Int32
    /// Clock ticks after boot, field 22 of `/proc/PID/stat`.
    public var startTimeTicks: UInt64

    public init(pid: Int32, startTimeTicks: UInt64) {
        self.pid = pid
        self.startTimeTicks = startTimeTicks
    }
}

/// Who keeps a volume mounted: Docker's mount id and the dockerd that gave it, or `ebb` for the command line.
public struct MountHolder: Hashable, Sendable, Codable {
    public var id: String
    public var incarnation: Incarnation?

    public init(id: String, incarnation: Incarnation? = nil) {
        self.id = id
        self.incarnation = incarnation
    }

    /// The command line: one holder, however often it mounts.
    public static let commandLine = MountHolder(id: "ebb")
}

/// How a volume shall be mounted.
public struct MountOptions: Hashable, Sendable, Codable {
    /// What a blank volume is formatted with: `ext4` or `xfs`; `nil` for the volume's own, or the default.
    public var fsType: String?
    /// Comma-separated, as `mount -o` takes them; `nil` for the volume's own.
    public var mountOptions: String?
    /// Formats even what is not blank.
    public var overwriteFileSystem: Bool
    /// Takes the volume from the instance that holds it.
    public var preempt: Bool

    public init(
        fsType: String? = nil, mountOptions: String? = nil, overwriteFileSystem: Bool = false,
        preempt: Bool = false
    ) {
        self.fsType = fsType
        self.mountOptions = mountOptions
        self.overwriteFileSystem = overwriteFileSystem
        self.preempt = preempt
    }
}

/// A volume that is mounted here.
public struct MountedVolume: Hashable, Sendable, Codable {
    public var volume: Volume
    public var path: String
    public var device: DeviceName

    public init(volume: Volume, path: String, device: DeviceName) {
        self.volume = volume
        self.path = path
        self.device = device
    }
}

/// One line of `/proc/self/mountinfo` (proc_pid_mountinfo(5)), octal escapes undone.
public struct MountInfo: Hashable, Sendable, Codable {
    public var id: Int
    public var parent: Int
    public var major: Int
    public var minor: Int
    /// The directory of the filesystem that is this mount's root.
    public var root: String
    public var mountPoint: String
    /// The mount's options, comma-separated.
    public var options: String
    /// The optional fields, such as `shared:1`, space-separated; empty for none.
    public var optionalFields: String
    public var fsType: String
    public var source: String
    /// The filesystem's own options, comma-separated.
    public var superOptions: String

    public init(
        id: Int, parent: Int, major: Int, minor: Int, root: String, mountPoint: String, options: String,
        optionalFields: String, fsType: String, source: String, superOptions: String
    ) {
        self.id = id
        self.parent = parent
        self.major = major
        self.minor = minor
        self.root = root
        self.mountPoint = mountPoint
        self.options = options
        self.optionalFields = optionalFields
        self.fsType = fsType
        self.source = source
        self.superOptions = superOptions
    }
}

/// The space and the inodes of a mounted filesystem, from statfs(2).
public struct FileSystemUsage: Hashable, Sendable, Codable {
    public var totalBytes: Int64
    public var usedBytes: Int64
    /// What an unprivileged user can still write.
    public var availableBytes: Int64
    public var totalInodes: Int64
    public var usedInodes: Int64
    public var availableInodes: Int64

    public init(
        totalBytes: Int64, usedBytes: Int64, availableBytes: Int64, totalInodes: Int64, usedInodes: Int64,
        availableInodes: Int64
    ) {
        self.totalBytes = totalBytes
        self.usedBytes = usedBytes
        self.availableBytes = availableBytes
        self.totalInodes = totalInodes
        self.usedInodes = usedInodes
        self.availableInodes = availableInodes
    }
}
