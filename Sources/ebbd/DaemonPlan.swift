import DockerPlugin
import Driver
import Host
import Platform
import Settings
import SystemPackage

/// What this daemon is to be, decided before anything is touched: its settings, its world, its paths.
struct DaemonPlan: Sendable {
    let settings: Settings
    let world: World
    /// The arguments that make this same plan again, for the worker.
    let arguments: [String]
    /// Where this program was started from.
    let executable: FilePath

    init(settings: Settings, world: World, arguments: [String]) throws {
        self.settings = settings
        self.world = world
        self.arguments = arguments
        executable = try resolvedPath("/proc/self/exe")
        try hostSettings.validate()
    }

    /// Where the volumes live.
    enum World: Sendable {
        /// Here: this daemon is the region, and its first instance.
        case region
        /// In Amazon's EC2, or whatever speaks its API: this machine is an instance there.
        case ec2
        /// In the daemon behind this socket: this one is another instance of its region.
        case remote(socket: String)
    }

    var servesRegion: Bool {
        if case .region = world { true } else { false }
    }

    var rpcSocket: FilePath { settings.socket }
    var pidFile: FilePath { settings.pidFile }
    static let filesystemName = "volumes"
    var filesystemMount: FilePath { settings.runDirectory.appending(Self.filesystemName) }
    var volumesDirectory: FilePath { settings.stateDirectory.appending("volumes") }
    var laneCount: Int { settings.lanes }
    /// Blocks of a snapshot that are copied at a time: two, and on a larger machine half of its processors
    /// (docs/performance.md).
    var copyWorkers: Int { min(processorCount(), max(2, processorCount() / 2)) }

    var dockerSockets: [String: FilePath] {
        Dictionary(
            settings.dockerNames.map { ($0, settings.dockerDirectory.appending("\($0).sock")) },
            uniquingKeysWith: { first, _ in first })
    }

    var dockerPolicy: DockerPolicy {
        DockerPolicy(
            allowsAnonymousVolumes: settings.allowsAnonymousVolumes,
            create: DockerPolicy.Call(rawValue: settings.dockerCreate) ?? .allow,
            remove: DockerPolicy.Call(rawValue: settings.dockerRemove) ?? .allow)
    }

    var hostSettings: HostSettings {
        HostSettings(
            stateDirectory: settings.stateDirectory.string, deviceDirectory: settings.deviceDirectory.string,
            fsType: settings.fsType, mountOptions: settings.mountOptions,
            volumeRootPath: settings.volumeRootPath, linger: settings.detachLinger,
            commandDeadline: settings.attachTimeout, preempt: settings.mountPreempt,
            volumeSizeGiB: settings.volumeSizeGiB, volumeType: VolumeType(settings.volumeType),
            volumeIOPS: settings.volumeIops)
    }

    /// How long the worker may take to unmount and to answer what it has begun.
    let stopTimeout = Duration.seconds(30)

    func makeDirectories() throws {
        for directory in [settings.stateDirectory, settings.runDirectory, settings.dockerDirectory] {
            try createDirectories(directory)
        }
    }

    /// The state directory's lock; `Unavailable`, naming the holder, when another daemon has it.
    func takeLock() throws -> LockFile {
        do {
            return try LockFile(acquiring: settings.stateDirectory.appending("lock"))
        } catch let held as LockFile.Held {
            throw StorageError(
                .unavailable, "Another ebbd (process \(held.holder)) uses the state in '\(settings.stateDirectory)'",
                advice: "stop it, or set EBB_HOME or --state-directory to another place")
        }
    }

    private func createDirectories(_ directory: FilePath) throws {
        do {
            try Platform.createDirectories(directory)
        } catch {
            throw StorageError(
                .unavailable, "Cannot make the directory '\(directory)'", cause: error.description,
                advice: "run as root, or set EBB_HOME to a directory of yours")
        }
    }
}
