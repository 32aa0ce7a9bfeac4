import Driver

/// What a host's side of the volumes can be told: where things live, how long to wait, what to create by default.
public struct HostSettings: Hashable, Sendable, Codable {
    /// Holds the references and, under `mounts`, the mount points.
    public var stateDirectory: String
    /// Where the device nodes `xvdb` … are made: `/dev`, or a private directory in tests.
    public var deviceDirectory: String
    /// `ext4` or `xfs`: what a blank volume becomes when nothing else is asked for.
    public var fsType: String
    /// As `mount -o` takes them; for mounts and volumes that name none. `nil` leaves it to the filesystem.
    public var mountOptions: String?
    /// The directory within a volume that its users get, such as `/data`, made where it is missing; `nil` for all of it.
    public var volumeRootPath: String?
    /// How long a volume stays mounted after Docker's last reference to it has gone. `docker run` mounts twice
    /// (copy-up, then start), and each round would otherwise attach and detach.
    public var linger: Duration
    /// How long a mount or a removal waits for a volume that is held elsewhere, before it is refused: somewhat
    /// longer than another host's linger.
    public var inUseWait: Duration
    /// At most this long for a whole mount, unmount, attach, … Docker gives up after 2 minutes.
    public var operationDeadline: Duration
    /// At most this long for one program (mount, losetup, blkid, …) and one call of the driver.
    public var commandDeadline: Duration
    /// At most this long for one mkfs.
    public var formatDeadline: Duration
    /// At most this long until filesystems hold still: what is not on their volumes yet is written there first.
    public var freezeDeadline: Duration
    /// At most this long filesystems are kept frozen, and their writers wait.
    public var freezeLimit: Duration
    /// What keeps them frozen: a program, and what stands before the arguments of `FreezeGuardian.run`.
    public var guardianProgram: [String]
    /// How often leftovers of dead Docker daemons are looked for.
    public var sweepInterval: Duration
    /// Takes a volume from another instance at each mount, as pulling its power would.
    public var preempt: Bool
    /// For created volumes that name no size and no snapshot.
    public var volumeSizeGiB: Int
    /// For created volumes that name no type; `nil` leaves it to the driver.
    public var volumeType: VolumeType?
    /// For created volumes that name neither a type nor IOPS.
    public var volumeIOPS: Int?

    public init(
        stateDirectory: String = "/var/lib/ebb", deviceDirectory: String = "/dev", fsType: String = "ext4",
        mountOptions: String? = nil, volumeRootPath: String? = nil, linger: Duration = .seconds(3),
        inUseWait: Duration = .seconds(4),
        operationDeadline: Duration = .seconds(110), commandDeadline: Duration = .seconds(30),
        formatDeadline: Duration = .seconds(90), freezeDeadline: Duration = .seconds(60),
        freezeLimit: Duration = .seconds(10), guardianProgram: [String] = ["/proc/self/exe", "guard-frozen"],
        sweepInterval: Duration = .seconds(30), preempt: Bool = false,
        volumeSizeGiB: Int = 16, volumeType: VolumeType? = nil, volumeIOPS: Int? = nil
    ) {
        self.stateDirectory = stateDirectory
        self.deviceDirectory = deviceDirectory
        self.fsType = fsType
        self.mountOptions = mountOptions
        self.volumeRootPath = volumeRootPath
        self.linger = linger
        self.inUseWait = inUseWait
        self.operationDeadline = operationDeadline
        self.commandDeadline = commandDeadline
        self.formatDeadline = formatDeadline
        self.freezeDeadline = freezeDeadline
        self.freezeLimit = freezeLimit
        self.guardianProgram = guardianProgram
        self.sweepInterval = sweepInterval
        self.preempt = preempt
        self.volumeSizeGiB = volumeSizeGiB
        self.volumeType = volumeType
        self.volumeIOPS = volumeIOPS
    }

    /// Refuses with `InvalidParameterValue` what no mount could use.
    public func validate() throws(StorageError) {
        _ = try FileSystemType(validating: fsType)
        if let mountOptions { try VolumeManager.validate(mountOptions: mountOptions) }
        if let volumeRootPath, !volumeRootPath.hasPrefix("/") || volumeRootPath.split(separator: "/").contains("..") {
            throw StorageError(
                .invalidParameterValue, "The root path '\(volumeRootPath)' leads out of the volume",
                advice: "name a directory within it, such as /data")
        }
    }

    /// Where volumes are mounted, each under its name.
    public var mountRoot: String { stateDirectory + "/mounts" }
    /// Where the users of a volume find it that is mounted at `mountPoint`.
    func userPath(at mountPoint: String) -> String { mountPoint + (volumeRootPath ?? "") }
    var referencesPath: String { stateDirectory + "/references.json" }
}
