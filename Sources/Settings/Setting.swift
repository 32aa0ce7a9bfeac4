/// The table of settings: one entry each, from which the loader, `ebb env`, the daemon's flags and
/// docs/configuration.md follow.

/// One thing that users can set.
public struct Setting: Sendable, Hashable {
    /// The name in `config.yml`, in camel case; matched without regard to case.
    public let key: String
    /// The environment variable.
    public let variable: String
    public let kind: Kind
    /// What holds when nobody sets it.
    public let fallback: Fallback
    /// One line for people.
    public let summary: String

    /// What a value may look like.
    public enum Kind: Sendable, Hashable {
        /// An absolute path.
        case path
        /// An absolute path, or empty for "none".
        case optionalPath
        case text
        /// Text that may be empty, which means "none".
        case optionalText
        /// The same, which is shown to nobody, and not taken from a command line, where all could read it.
        case secret
        case choice([String])
        case integer(ClosedRange<Int>)
        /// A whole number, or empty for "none".
        case optionalInteger(ClosedRange<Int>)
        /// GiB, as `VolumeSize` reads it.
        case size
        case boolean
        /// `500ms`, `5s`, `2m`, `1h`; a bare number is seconds.
        case duration
        /// Words, separated by commas or blanks, at least one.
        case list
    }

    public enum Fallback: Sendable, Hashable {
        case value(String)
        /// An absolute path, below `home` when that is set.
        case belowHome(String)
        /// A path below the run directory.
        case belowRunDirectory(String)
        /// This machine's name.
        case hostName
    }

    /// The name as `--flag`: `--state-directory` for `stateDirectory`.
    public var flag: String {
        variable.dropFirst("EBB_".count).lowercased().map { $0 == "_" ? "-" : String($0) }.joined()
    }

    public static func == (left: Setting, right: Setting) -> Bool { left.key == right.key }

    public func hash(into hasher: inout Hasher) { hasher.combine(key) }
}

/// What the setting `driver` may name.
public enum StorageWorld: String, Sendable, CaseIterable {
    case emulator
    case ec2
}

extension Setting {
    public static let home = Setting(
        key: "home", variable: "EBB_HOME", kind: .optionalPath, fallback: .value(""),
        summary: "Puts every directory below it, the configuration file's and Docker's sockets' too.")
    public static let stateDirectory = Setting(
        key: "stateDirectory", variable: "EBB_STATE_DIRECTORY", kind: .path, fallback: .belowHome("/var/lib/ebb"),
        summary: "The catalog, the volumes' bytes, and where volumes are mounted.")
    public static let runDirectory = Setting(
        key: "runDirectory", variable: "EBB_RUN_DIRECTORY", kind: .path, fallback: .belowHome("/run/ebb"),
        summary: "The daemon's socket, its pid file and the mount point of its filesystem.")
    public static let logDirectory = Setting(
        key: "logDirectory", variable: "EBB_LOG_DIRECTORY", kind: .path, fallback: .belowHome("/var/log/ebb"),
        summary: "The log of a daemon that `ebb service start` runs in the background.")
    public static let socket = Setting(
        key: "socket", variable: "EBB_SOCKET", kind: .path, fallback: .belowRunDirectory("ebb.sock"),
        summary: "Where the daemon answers its RPC, and where `ebb` asks.")
    public static let dockerDirectory = Setting(
        key: "dockerDirectory", variable: "EBB_DOCKER_DIRECTORY", kind: .path,
        fallback: .belowHome("/run/docker/plugins"),
        summary: "Where a Docker engine looks for the sockets of its volume drivers.")
    public static let dockerNames = Setting(
        key: "dockerNames", variable: "EBB_DOCKER_NAMES", kind: .list, fallback: .value("ebb"),
        summary: "The names by which Docker knows the volume driver, each a socket.")
    public static let metricsSocket = Setting(
        key: "metricsSocket", variable: "EBB_METRICS_SOCKET", kind: .optionalPath, fallback: .value(""),
        summary: "The Unix socket where Prometheus' text is served over HTTP; empty for none.")
    public static let metricsPort = Setting(
        key: "metricsPort", variable: "EBB_METRICS_PORT", kind: .optionalInteger(1...65_535), fallback: .value(""),
        summary: "The port of 127.0.0.1 where Prometheus' text is served over HTTP; empty for none.")
    public static let deviceDirectory = Setting(
        key: "deviceDirectory", variable: "EBB_DEVICE_DIRECTORY", kind: .path, fallback: .value("/dev"),
        summary: "Where nodes of attached volumes, such as xvdb, are made.")
    public static let driver = Setting(
        key: "driver", variable: "EBB_DRIVER", kind: .choice(StorageWorld.allCases.map(\.rawValue)),
        fallback: .value(StorageWorld.emulator.rawValue),
        summary: "The world that the volumes live in: `emulator`, a region of this daemon's own, or `ec2`, Amazon's.")
    public static let region = Setting(
        key: "region", variable: "EBB_REGION", kind: .text, fallback: .value("us-east-1"),
        summary: "The region's name; with `ec2`, unless it is set, what AWS' own settings or the instance say.")
    public static let zones = Setting(
        key: "zones", variable: "EBB_ZONES", kind: .list, fallback: .value("a b c d e f"),
        summary: "The region's zones: letters that follow the region's name, or whole names.")
    public static let zone = Setting(
        key: "zone", variable: "EBB_ZONE", kind: .text, fallback: .value("b"),
        summary: "The zone of this machine, and of new volumes unless they name theirs; with `ec2`, the instance's.")
    public static let instance = Setting(
        key: "instance", variable: "EBB_INSTANCE", kind: .text, fallback: .hostName,
        summary: "The name of the instance that this machine is; with `ec2` its id, which EC2 is asked for otherwise.")
    public static let instanceType = Setting(
        key: "instanceType", variable: "EBB_INSTANCE_TYPE", kind: .optionalText, fallback: .value(""),
        summary: "The instance type, such as m5.large, whose limits this machine's volumes share; empty for none.")
    public static let performance = Setting(
        key: "performance", variable: "EBB_PERFORMANCE", kind: .choice(["off", "on", "promise"]),
        fallback: .value("on"),
        summary: "Whether volumes are as fast as EBS's: on, as AWS promises with its slow seconds, or off.")
    public static let volumeLimits = Setting(
        key: "volumeLimits", variable: "EBB_VOLUME_LIMITS", kind: .choice(["gp3-2025", "gp3-legacy"]),
        fallback: .value("gp3-2025"),
        summary: "Which limits hold: gp3's since 2025-09, or those before, which Outposts still have.")
    public static let volumeSizeGiB = Setting(
        key: "volumeSizeGiB", variable: "EBB_VOLUME_SIZE_GIB", kind: .size, fallback: .value("16"),
        summary: "The size of a new volume that names none.")
    public static let volumeType = Setting(
        key: "volumeType", variable: "EBB_VOLUME_TYPE", kind: .text, fallback: .value("standard"),
        summary: "The type of a new volume that names none.")
    public static let volumeIops = Setting(
        key: "volumeIops", variable: "EBB_VOLUME_IOPS", kind: .optionalInteger(1...256_000), fallback: .value(""),
        summary: "The IOPS of a new volume that names none; empty for its type's own.")
    public static let fsType = Setting(
        key: "fsType", variable: "EBB_FS_TYPE", kind: .choice(["ext4", "xfs"]), fallback: .value("ext4"),
        summary: "The filesystem that a blank volume is formatted with.")
    public static let mountOptions = Setting(
        key: "mountOptions", variable: "EBB_MOUNT_OPTIONS", kind: .optionalText, fallback: .value(""),
        summary: "Options of `mount -o` for volumes that name none.")
    public static let anonymousVolumes = Setting(
        key: "anonymousVolumes", variable: "EBB_ANONYMOUS_VOLUMES", kind: .choice(["allow", "refuse"]),
        fallback: .value("allow"), summary: "Whether `docker run -v /path`, without a name, may make a volume.")
    public static let dockerCreate = Setting(
        key: "dockerCreate", variable: "EBB_DOCKER_CREATE", kind: .choice(["allow", "refuse", "ignore"]),
        fallback: .value("allow"),
        summary: "Whether `docker volume create` makes a volume: `ignore` answers as if it had.")
    public static let dockerRemove = Setting(
        key: "dockerRemove", variable: "EBB_DOCKER_REMOVE", kind: .choice(["allow", "refuse", "ignore"]),
        fallback: .value("allow"),
        summary: "Whether `docker volume rm` deletes a volume: `ignore` answers as if it had.")
    public static let volumeRootPath = Setting(
        key: "volumeRootPath", variable: "EBB_VOLUME_ROOT_PATH", kind: .optionalPath, fallback: .value(""),
        summary: "The directory within each volume that is used, such as /data; empty for all of it.")
    public static let mountPreempt = Setting(
        key: "mountPreempt", variable: "EBB_MOUNT_PREEMPT", kind: .boolean, fallback: .value("false"),
        summary: "Whether mounting takes a volume from another instance that holds it.")
    public static let detachLinger = Setting(
        key: "detachLinger", variable: "EBB_DETACH_LINGER", kind: .duration, fallback: .value("5s"),
        summary: "How long a volume stays attached after its last unmount.")
    public static let attachTimeout = Setting(
        key: "attachTimeout", variable: "EBB_ATTACH_TIMEOUT", kind: .duration, fallback: .value("30s"),
        summary: "How long attaching or detaching may take.")
    public static let modifyingTime = Setting(
        key: "modifyingTime", variable: "EBB_MODIFYING_TIME", kind: .duration, fallback: .value("1s"),
        summary: "How long a modified volume is `modifying`, until its new size and performance are in effect.")
    public static let optimizingTime = Setting(
        key: "optimizingTime", variable: "EBB_OPTIMIZING_TIME", kind: .duration, fallback: .value("5s"),
        summary: "How long it is then `optimizing`, until it may be modified again; EBS takes 6h for 1 TiB.")
    public static let modificationRate = Setting(
        key: "modificationRate", variable: "EBB_MODIFICATION_RATE", kind: .choice(["four-a-day", "six-hours", "none"]),
        fallback: .value("four-a-day"),
        summary: "How often a volume may be modified: as EC2 allows it, as it did before 2026-01-15, or at will.")
    public static let firstTouchLatency = Setting(
        key: "firstTouchLatency", variable: "EBB_FIRST_TOUCH_LATENCY", kind: .duration, fallback: .value("0s"),
        summary: "How much longer the first access to a block takes that a volume has still in its snapshot.")
    public static let snapshotInterval = Setting(
        key: "snapshotInterval", variable: "EBB_SNAPSHOT_INTERVAL", kind: .duration, fallback: .value("0s"),
        summary: "How long after a volume's last snapshot the next one is refused; EBS does not say for how long.")
    public static let fastRestoreEnablingTime = Setting(
        key: "fastRestoreEnablingTime", variable: "EBB_FAST_RESTORE_ENABLING_TIME", kind: .duration,
        fallback: .value("1s"),
        summary: "How long fast snapshot restore is `enabling`.")
    public static let fastRestoreOptimizingTime = Setting(
        key: "fastRestoreOptimizingTime", variable: "EBB_FAST_RESTORE_OPTIMIZING_TIME", kind: .duration,
        fallback: .value("5s"),
        summary: "How long it is then `optimizing`, until it gathers credits; EBS takes 1h for 1 TiB.")
    public static let fastRestoreDisablingTime = Setting(
        key: "fastRestoreDisablingTime", variable: "EBB_FAST_RESTORE_DISABLING_TIME", kind: .duration,
        fallback: .value("1s"),
        summary: "How long fast snapshot restore is `disabling`, until it is `disabled`.")
    public static let s3Endpoint = Setting(
        key: "s3Endpoint", variable: "EBB_S3_ENDPOINT", kind: .optionalText, fallback: .value(""),
        summary: "The URL of the server whose buckets snapshots are pushed to; empty for AWS' own.")
    public static let s3Region = Setting(
        key: "s3Region", variable: "EBB_S3_REGION", kind: .text, fallback: .value("us-east-1"),
        summary: "The region in which those buckets lie.")
    public static let s3Authorities = Setting(
        key: "s3Authorities", variable: "EBB_S3_AUTHORITIES", kind: .optionalPath, fallback: .value(""),
        summary: "A PEM file of the authorities that may vouch for that server; empty for the machine's.")
    public static let ec2Endpoint = Setting(
        key: "ec2Endpoint", variable: "EBB_EC2_ENDPOINT", kind: .optionalText, fallback: .value(""),
        summary: "The URL where EC2's API is asked; empty for what AWS' own settings say, or AWS' own of the region.")
    public static let ec2Profile = Setting(
        key: "ec2Profile", variable: "EBB_EC2_PROFILE", kind: .optionalText, fallback: .value(""),
        summary: "The profile of AWS' shared files that EC2 is asked with; empty for AWS' own settings.")
    public static let ec2KmsKey = Setting(
        key: "ec2KmsKey", variable: "EBB_EC2_KMS_KEY", kind: .optionalText, fallback: .value(""),
        summary: "The KMS key of new volumes in EC2 that are to be encrypted; empty for the account's own.")
    public static let awsAccessKey = Setting(
        key: "awsAccessKey", variable: "EBB_AWS_ACCESS_KEY", kind: .secret, fallback: .value(""),
        summary: "The id of the access key that EC2 is asked with; empty for AWS' own settings.")
    public static let awsSecretKey = Setting(
        key: "awsSecretKey", variable: "EBB_AWS_SECRET_KEY", kind: .secret, fallback: .value(""),
        summary: "The secret that belongs to `awsAccessKey`.")
    public static let ec2Tag = Setting(
        key: "ec2Tag", variable: "EBB_EC2_TAG", kind: .optionalText, fallback: .value(""),
        summary: "KEY=VALUE: the tag of all that this daemon makes in EC2, and sees there; empty for all volumes.")
    public static let logLevel = Setting(
        key: "logLevel", variable: "EBB_LOG_LEVEL",
        kind: .choice(["panic", "fatal", "error", "warn", "info", "debug", "trace"]), fallback: .value("info"),
        summary: "The least severe messages that are logged.")
    public static let lanes = Setting(
        key: "lanes", variable: "EBB_LANES", kind: .integer(1...64), fallback: .value("4"),
        summary: "How many threads answer the filesystem's requests, each on its own clone of /dev/fuse.")

    /// Every setting, in the order that people read them.
    public static let all: [Setting] = [
        home, stateDirectory, runDirectory, logDirectory, socket, dockerDirectory, dockerNames, metricsSocket,
        metricsPort, deviceDirectory,
        driver, region, zones, zone, instance, instanceType, performance, volumeLimits, volumeSizeGiB, volumeType,
        volumeIops, fsType, mountOptions, anonymousVolumes, dockerCreate, dockerRemove,
        volumeRootPath, mountPreempt, detachLinger, attachTimeout, modifyingTime,
        optimizingTime, modificationRate, firstTouchLatency, snapshotInterval, fastRestoreEnablingTime,
        fastRestoreOptimizingTime, fastRestoreDisablingTime, s3Endpoint, s3Region, s3Authorities, ec2Endpoint,
        ec2Profile, awsAccessKey, awsSecretKey, ec2KmsKey, ec2Tag, logLevel, lanes,
    ]

    /// The setting of that key, in any case.
    public static func named(_ key: String) -> Setting? {
        all.first { $0.key.lowercased() == key.lowercased() }
    }
}
