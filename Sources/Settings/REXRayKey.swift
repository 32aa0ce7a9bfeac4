/// What the keys of REX-Ray's configuration files mean here, so that its users keep their files.
///
/// Source: REX-Ray's user guides of 0.3.3 and 0.11.4, "Configuration" and "Amazon Web Services"; libStorage's own
/// back-mapping of older keys.
enum REXRayKey {
    enum Meaning {
        /// Of several keys that say the same thing, the one of the lowest rank holds.
        case setting(Setting, rank: Int, Translation)
        /// A plugin socket for Docker, or what is said about one.
        case module(name: String, key: String)
        /// Nothing, and why not.
        case nothing(String)
    }

    /// REX-Ray's values in the words of the setting.
    enum Translation {
        case none
        /// `ebs` is what later versions call it.
        case driver
        /// `true` makes calls succeed without doing anything.
        case disabling
        /// A host's name, without a scheme.
        case endpoint
        /// The value of the tag `rexraySet`.
        case tag

        func callAsFunction(_ text: String) -> String {
            switch self {
            case .none: text
            case .driver: text.lowercased() == "ebs" ? StorageWorld.ec2.rawValue : text
            case .disabling: Setting.Kind.boolean(text).map { $0 ? "ignore" : "allow" } ?? text
            case .endpoint: text.contains("://") ? text : "https://" + text
            case .tag: "rexraySet=" + text
            }
        }
    }

    /// Roots of the file that only REX-Ray has: with one of them it is taken for REX-Ray's.
    static let ownRoots: Set<String> = ["rexray", "libstorage"]

    /// What every file of REX-Ray's says by saying nothing: Docker knows it as `rexray`, and containers get a directory
    /// within each volume. Source: REX-Ray's user guide, "Docker Integration", `linux.volume.rootPath`.
    static let defaults: [(setting: Setting, text: String)] = [
        (.dockerNames, "ebb rexray"), (.volumeRootPath, "/data"),
    ]

    /// - Returns: `nil` for a key that is not known.
    static func meaning(of path: [String]) -> Meaning? { meaning(of: path.map { $0.lowercased() }[...], rank: 0) }

    private static func meaning(of path: ArraySlice<String>, rank: Int) -> Meaning? {
        let path = unscoped(path)
        if path.starts(with: ["modules"]), path.count > 2 {
            return module(String(path.dropFirst().first ?? ""), path.dropFirst(2), rank: rank)
        }
        if path.starts(with: ["libstorage", "server", "services"]), path.count > 4 {
            // Whatever is said of one service holds for the only one that there is.
            return path.last == "driver" && path.count == 5
                ? .setting(.driver, rank: rank + serviceRank, .driver)
                : meaning(of: path.dropFirst(4), rank: rank + serviceRank)
        }
        let key = path.joined(separator: ".")
        if let section = path.first.flatMap(Section.init(rawValue:)), path.count == 2, let last = path.last {
            return amazon(last, rank: rank + section.rank)
        }
        if let (setting, own, translation) = settings[key] { return .setting(setting, rank: rank + own, translation) }
        return nothing.first { $0.keys.contains(key) || $0.prefixes.contains(where: key.hasPrefix) }
            .map { .nothing($0.reason) }
    }

    /// Without what stands before a key only to say where it belongs.
    private static func unscoped(_ path: ArraySlice<String>) -> ArraySlice<String> {
        let operations = ["libstorage", "integration", "volume", "operations"]
        if path.starts(with: operations) { return ["volume"] + path.dropFirst(operations.count) }
        return path.first == "rexray" ? unscoped(path.dropFirst()) : path
    }

    private static let serviceRank = 10
    private static let moduleRank = 20

    private static func module(_ name: String, _ rest: ArraySlice<String>, rank: Int) -> Meaning? {
        if rest.count == 1, let key = rest.first, ["type", "host", "disabled", "spec", "desc"].contains(key) {
            return .module(name: name, key: key)
        }
        // Whatever is said of one of Docker's names holds for all, so the first one's is taken.
        guard let meaning = meaning(of: rest, rank: rank + moduleRank) else { return nil }
        return name == defaultModule ? meaning : .nothing("all of Docker's names share their settings")
    }

    static let defaultModule = "default-docker"

    // MARK: Amazon

    /// The names that the driver's section has had, the last one first.
    private enum Section: String {
        case ebs, aws, ec2

        var rank: Int {
            switch self {
            case .ebs: 1
            case .aws: 2
            case .ec2: 3
            }
        }
    }

    private static func amazon(_ key: String, rank: Int) -> Meaning? {
        switch key {
        case "accesskey": .setting(.awsAccessKey, rank: rank, .none)
        case "secretkey": .setting(.awsSecretKey, rank: rank, .none)
        case "region": .setting(.region, rank: rank, .none)
        case "endpoint": .setting(.ec2Endpoint, rank: rank, .endpoint)
        case "kmskeyid": .setting(.ec2KmsKey, rank: rank, .none)
        case "rexraytag": .setting(.ec2Tag, rank: rank, .tag)
        case "statustimeout": .setting(.attachTimeout, rank: rank, .none)
        case "tag": .nothing("names have no prefix here; to share an account, set ec2Tag")
        case "maxretries", "statusmaxattempts", "statusinitialdelay":
            .nothing("how often is asked follows from how long is waited")
        case "uselargedevicerange", "nvmebinpath": .nothing("devices are found without it")
        default: nil
        }
    }

    // MARK: All others

    private static let settings: [String: (Setting, rank: Int, Translation)] = [
        "loglevel": (.logLevel, 1, .none),
        "storagedrivers": (.driver, 1, .driver),
        "libstorage.service": (.driver, 1, .driver),
        "volume.mount.preempt": (.mountPreempt, 1, .none),
        "volume.mount.rootpath": (.volumeRootPath, 1, .none),
        "linux.volume.rootpath": (.volumeRootPath, 2, .none),
        "volume.create.disable": (.dockerCreate, 1, .disabling),
        "volume.remove.disable": (.dockerRemove, 1, .disabling),
        "volume.create.default.size": (.volumeSizeGiB, 1, .none),
        "volume.create.default.iops": (.volumeIops, 1, .none),
        "volume.create.default.type": (.volumeType, 1, .none),
        "volume.create.default.fstype": (.fsType, 1, .none),
        "volume.create.default.availabilityzone": (.zone, 1, .none),
        "docker.size": (.volumeSizeGiB, 2, .none),
        "docker.iops": (.volumeIops, 2, .none),
        "docker.volumetype": (.volumeType, 2, .none),
        "docker.fstype": (.fsType, 2, .none),
        "docker.availabilityzone": (.zone, 2, .none),
        "libstorage.device.attachtimeout": (.attachTimeout, 9, .none),
    ]

    private static let nothing: [(keys: Set<String>, prefixes: [String], reason: String)] = [
        (["host"], ["libstorage.", "tls."], "the daemon answers on a Unix socket alone, see the setting socket"),
        (["osdrivers", "volumedrivers"], [], "there is one, and it is always there"),
        (
            ["volume.unmount.ignoreusedcount"], [],
            "uses are counted per container, and written down, so that the count is right"
        ),
        (["volume.path.disablecache"], ["volume.path.cache"], "nothing is cached that could be wrong"),
        (
            ["volume.mount.path", "volume.mount.retrycount", "volume.mount.retrywait"], [],
            "volumes are mounted below stateDirectory, and waited for until attachTimeout"
        ),
        (["volume.create.implicit"], [], "Docker creates what it mounts"),
        (["volume.remove.force"], [], "a volume that is in use is not removed"),
        (["linux.volume.filemode"], [], "what a volume holds keeps its mode"),
        (["docker.legacy"], [], "all engines are served alike"),
    ]
}
