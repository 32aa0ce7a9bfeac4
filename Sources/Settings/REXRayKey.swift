/// What the keys of REX-Ray's configuration files mean here, so that its users keep their files.
///
/// Source: REX-Ray's user guides of 0.3.3 and 0.11.4, "Configuration", "libStorage Server" and "Amazon Web Services";
/// libStorage's keys, and its own mapping of older ones.
enum REXRayKey {
    enum Meaning {
        /// Of several keys that say the same thing, the one of the lowest rank holds.
        case setting(Setting, rank: Int, REXRayValue)
        /// Something about a plugin socket.
        case module(name: String, key: String)
        /// What was heeded before any key was read.
        case heeded
        /// Nothing, and why not.
        case nothing(String)
    }

    /// Roots of the file that only REX-Ray has: with one of them it is taken for REX-Ray's.
    static let ownRoots: Set<String> = ["rexray", "libstorage"]

    /// What every file of REX-Ray's says by saying nothing: containers get a directory within each volume. Source:
    /// REX-Ray's user guide, `linux.volume.rootPath`.
    static let rootPath = "/data"

    /// The module that there is without being named; Docker knows it as `rexray`.
    static let defaultModule = "default-docker"

    /// - Returns: `nil` for a key that is not known.
    static func meaning(of path: [String], _ service: REXRayService) -> Meaning? {
        switch REXRayPlace(path) {
        case .plain(let path, let rank): return meaning(of: path, rank: rank, service)
        case .service(let name, let path, let rank):
            guard name == service.name else { return .nothing("of the services, \(service.name ?? "none") is used") }
            return path == ["driver"]
                ? .setting(.driver, rank: rank, .driver) : meaning(of: path, rank: rank, service)
        case .module(let name, let path):
            let isOfModule = path.count == 1 && ["type", "host", "disabled", "spec", "desc"].contains(path.first)
            return isOfModule
                ? .module(name: name, key: path.first ?? "") : .nothing("all of Docker's names share their settings")
        }
    }

    private static func meaning(of path: ArraySlice<String>, rank: Int, _ service: REXRayService) -> Meaning? {
        let key = path.joined(separator: ".")
        if key == "libstorage.service" { return service.namesDriver ? .heeded : .setting(.driver, rank: rank, .driver) }
        if path.count == 2, let section = AmazonSection(rawValue: path[path.startIndex]), let last = path.last {
            return section.meaning(of: last, rank: rank)
        }
        if let (setting, own, value) = settings[key] {
            return .setting(setting, rank: own * REXRayPlace.nameRank + rank, value)
        }
        if otherDrivers.contains(String(path.first ?? "")) { return .nothing("the driver is another one") }
        return nothing.first { $0.keys.contains(key) || $0.prefixes.contains(where: key.hasPrefix) }
            .map { .nothing($0.reason) }
    }

    private static let settings: [String: (Setting, rank: Int, REXRayValue)] = [
        "loglevel": (.logLevel, 0, .plain),
        "storagedrivers": (.driver, 2, .driver),
        "libstorage.storage.driver": (.driver, 1, .driver),
        "volume.mount.preempt": (.mountPreempt, 0, .plain),
        "volume.mount.rootpath": (.volumeRootPath, 0, .plain),
        "linux.volume.rootpath": (.volumeRootPath, 1, .plain),
        "volume.create.disable": (.dockerCreate, 0, .disabling),
        "volume.remove.disable": (.dockerRemove, 0, .disabling),
        "volume.create.default.size": (.volumeSizeGiB, 0, .plain),
        "volume.create.default.iops": (.volumeIops, 0, .iops),
        "volume.create.default.type": (.volumeType, 0, .plain),
        "volume.create.default.fstype": (.fsType, 0, .plain),
        "volume.create.default.availabilityzone": (.zone, 0, .plain),
        "docker.size": (.volumeSizeGiB, 1, .plain),
        "docker.iops": (.volumeIops, 1, .iops),
        "docker.volumetype": (.volumeType, 1, .plain),
        "docker.fstype": (.fsType, 1, .plain),
        "docker.availabilityzone": (.zone, 1, .plain),
        "libstorage.device.attachtimeout": (.attachTimeout, 9, .duration),
    ]

    /// The sections of REX-Ray's other drivers.
    private static let otherDrivers: Set<String> = [
        "azureud", "ceph", "cinder", "csi", "digitalocean", "do", "dobs", "efs", "fittedcloud", "gce", "gcepd",
        "isilon",
        "local", "openstack", "rackspace", "rbd", "s3fs", "scaleio", "vbox", "vfs", "virtualbox", "vmax", "xtremio",
    ]

    private static let nothing: [(keys: Set<String>, prefixes: [String], reason: String)] = [
        (
            [
                "host", "tls", "libstorage.tls", "libstorage.host", "libstorage.embedded",
                "libstorage.server.autoendpointmode",
            ],
            [
                "tls.", "auth.", "libstorage.client.", "libstorage.tls.", "libstorage.http.",
                "libstorage.server.endpoints.",
                "libstorage.server.auth.",
            ], "the daemon answers on a Unix socket alone, see the setting socket"
        ),
        ([], ["logging.", "libstorage.logging."], "what is logged is the setting logLevel"),
        (["libstorage.server.parserequestopts"], ["libstorage.server.tasks."], "no call is left to run behind another"),
        (["libstorage.device.scantype"], ["libstorage.executor.", "libstorage.schema."], "there is nothing like it"),
        (
            ["osdrivers", "volumedrivers", "libstorage.os.driver", "libstorage.integration.driver"], [],
            "there is one, and it is always there"
        ),
        (
            ["volume.unmount.ignoreusedcount"], [],
            "uses are counted per container, and written down, so that the count is right"
        ),
        (
            ["volume.path.disablecache", "volume.path.cache"], ["volume.path.cache."],
            "nothing is cached that could be wrong"
        ),
        (
            ["volume.mount.path", "volume.mount.retrycount", "volume.mount.retrywait", "docker.mountdirpath"], [],
            "volumes are mounted below stateDirectory, and waited for until attachTimeout"
        ),
        (["volume.create.implicit"], [], "Docker creates what it mounts"),
        (["volume.remove.force"], [], "a volume that is in use is not removed"),
        (["linux.volume.filemode"], [], "what a volume holds keeps its mode"),
        (["docker.legacy"], [], "all engines are served alike"),
    ]
}

/// The names that the Amazon driver's section has had, the last one first.
private enum AmazonSection: String {
    case ebs, aws, ec2

    private var rank: Int {
        switch self {
        case .ebs: 0
        case .aws: 1
        case .ec2: 2
        }
    }

    func meaning(of key: String, rank outer: Int) -> REXRayKey.Meaning? {
        let rank = rank * REXRayPlace.nameRank + outer
        return switch key {
        case "accesskey": .setting(.awsAccessKey, rank: rank, .plain)
        case "secretkey": .setting(.awsSecretKey, rank: rank, .plain)
        case "region": .setting(.region, rank: rank, .plain)
        case "endpoint": .setting(.ec2Endpoint, rank: rank, .endpoint)
        case "kmskeyid": .setting(.ec2KmsKey, rank: rank, .plain)
        case "rexraytag": .setting(.ec2Tag, rank: rank, .tag)
        case "statustimeout": .setting(.attachTimeout, rank: rank, .duration)
        case "tag": .nothing("names have no prefix here; to share an account, set ec2Tag")
        case "maxretries", "statusmaxattempts", "statusinitialdelay":
            .nothing("how often is asked follows from how long is waited")
        case "uselargedevicerange", "nvmebinpath": .nothing("devices are found without it")
        default: nil
        }
    }
}

/// Where a key stands: libStorage looks for each in the service first, then outwards.
enum REXRayPlace {
    case plain(ArraySlice<String>, rank: Int)
    case service(String, ArraySlice<String>, rank: Int)
    case module(String, ArraySlice<String>)

    private static let services = ["libstorage", "server", "services"]
    private static let integration = ["integration", "volume"]
    /// What is below `libstorage.server` and no key of the server's own has come inwards from the root.
    private static let ofServer: Set<String> = [
        "services", "endpoints", "tasks", "auth", "autoendpointmode", "parserequestopts",
    ]

    /// A newer name comes before an older one wherever they stand; of one name, the inner one before the outer.
    static let nameRank = 1000
    private static let serverRank = -1
    private static let serviceRank = -10
    private static let moduleRank = -100

    init(_ path: [String]) { self.init(path.map { $0.lowercased() }[...], rank: 0) }

    private init(_ path: ArraySlice<String>, rank: Int) {
        let rest = path.dropFirst()
        if path.first == "rexray" {
            self.init(rest, rank: rank)
        } else if path.first == "modules", path.count > 2, let name = rest.first {
            self.init(module: name, rest.dropFirst(), rank: rank)
        } else if path.starts(with: Self.services), path.count > 4 {
            let (key, rank) = Self.operation(path.dropFirst(4), rank: rank + Self.serviceRank)
            self = .service(path[path.startIndex + 3], key, rank: rank)
        } else if path.starts(with: Self.services.dropLast()), path.count > 3,
            !Self.ofServer.contains(path[path.startIndex + 2])
        {
            self.init(path.dropFirst(2), rank: rank + Self.serverRank)
        } else {
            let (key, rank) = Self.operation(path, rank: rank)
            self = .plain(key, rank: rank)
        }
    }

    private init(module name: String, _ path: ArraySlice<String>, rank: Int) {
        let isScope = name == REXRayKey.defaultModule && path.count > 1
        if isScope { self.init(path, rank: rank + Self.moduleRank) } else { self = .module(name, path) }
    }

    /// What an operation is told by its newer, long name, under the older, short one, before which it comes.
    private static func operation(
        _ path: ArraySlice<String>, rank: Int
    ) -> (path: ArraySlice<String>, rank: Int) {
        let inner = path.first == "libstorage" ? path.dropFirst() : path
        guard inner.starts(with: integration), inner.count > integration.count else { return (path, rank) }
        let rest = inner.dropFirst(integration.count)
        return (["volume"] + (rest.first == "operations" ? rest.dropFirst() : rest), rank - nameRank)
    }
}

/// The one service of libStorage's that the file is about.
struct REXRayService {
    /// `nil` where none is named.
    private(set) var name: String?
    /// Whether the file says which driver it has; if not, its name is the driver's.
    private(set) var namesDriver = false

    /// - Throws: `SettingsError` if there are several, and the file does not say which, or for one without a driver.
    init(_ entries: [ConfigurationEntry], file: String) throws(SettingsError) {
        var drivers: [String: Bool] = [:]
        var other: ConfigurationEntry?
        var nameRank = Int.max
        for entry in entries {
            switch REXRayPlace(entry.path) {
            case .plain(["libstorage", "service"], let rank) where rank < nameRank && entry.words != [""]:
                name = entry.words.first?.lowercased()
                nameRank = rank
            case .service(let service, let path, _):
                if drivers[service] == nil { other = drivers.isEmpty ? other : other ?? entry }
                drivers[service] = drivers[service] == true || path == ["driver"]
            default: break
            }
        }
        if name == nil, let other {
            throw SettingsError("\(file):\(other.line): a second service; libstorage.service has to say which is used")
        }
        if name == nil, let service = drivers.first {
            guard service.value else { throw SettingsError("\(file): the service \(service.key) has no driver") }
            name = service.key
        }
        namesDriver = name.flatMap { drivers[$0] } ?? false
    }
}
