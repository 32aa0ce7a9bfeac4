import AWSWire
import BlockStore
import DockerPlugin
import Driver
import Emulator
import Glibc
import Host
import Logging
import Platform
import RPC
import RPCServer
import S3
import Settings
import SystemPackage

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Everything that a worker runs, in the order that it must come up: the region, then its filesystem, since
/// mounts wait for their bytes; then the host side, which looks at the mounts; then the fronts.
struct Services {
    let plan: DaemonPlan
    let inheritance: Inheritance
    let logger: Logger
    private let clock = SystemClock()
    private let random = SystemRandom()

    init(plan: DaemonPlan, inheritance: Inheritance, logger: Logger) {
        self.plan = plan
        self.inheritance = inheritance
        self.logger = logger
    }

    /// What is left when the services have ended: the host side, which still has its mounts, and the world below.
    struct Remains: Sendable {
        let volumes: VolumeManager
        /// To be called when the daemon ends, and volumes are put away; not before a successor takes over.
        let endWorld: @Sendable () async throws -> Void
    }

    struct World: Sendable {
        let driver: any StorageDriver
        /// This machine.
        let instance: RegisterInstanceRequest
        let end: @Sendable () async throws -> Void
    }

    /// Serves until the task is cancelled.
    func run() async throws -> Remains {
        let world = try await openWorld()
        let driver = world.driver
        let instance = try await driver.registerInstance(world.instance)
        let volumes = try await VolumeManager(
            driver: driver, instance: instance, settings: plan.hostSettings, clock: clock, random: random,
            logger: logger)
        try await serveFronts(driver: driver, instance: instance, volumes: volumes)
        return Remains(volumes: volumes, endWorld: world.end)
    }

    private func openWorld() async throws -> World {
        switch plan.world {
        case .remote(let socket):
            let driver = RemoteDriver(socketPath: socket, clock: clock, random: random)
            return World(driver: driver, instance: instanceBySettings) {}
        case .region: return try await openEmulator()
        case .ec2: return try await EC2World(settings: plan.settings, clock: clock, random: random).open()
        }
    }

    private var instanceBySettings: RegisterInstanceRequest {
        RegisterInstanceRequest(
            name: plan.settings.instance, zone: ZoneName(plan.settings.zone), type: plan.settings.instanceType)
    }

    /// As the kernel shows the files of loop devices: without symbolic links. The mount itself is not looked up, for nobody
    /// answers there yet.
    private func resolvedMount() throws -> FilePath {
        try resolvedPath(plan.settings.runDirectory).appending(DaemonPlan.filesystemName)
    }

    private func openEmulator() async throws -> World {
        let store = try VolumeStore(directory: plan.volumesDirectory)
        let exports = try ExportTable(store: store, clock: clock) { [logger] in
            logger.error("a read or write failed", metadata: ["error": "\($0)"])
        }
        exports.setFirstTouchLatency(plan.settings.firstTouchLatency)
        let region = RegionConfiguration(
            name: plan.settings.region, zones: plan.settings.zones.map { ZoneName($0) },
            mountPoint: try resolvedMount(),
            performance: PerformancePolicy(rawValue: plan.settings.performance) ?? .on,
            modification: ModificationPolicy(
                modifying: plan.settings.modifyingTime, optimizing: plan.settings.optimizingTime,
                rate: ModificationPolicy.Rate(rawValue: plan.settings.modificationRate) ?? .fourADay),
            limits: LimitsProfile(rawValue: plan.settings.volumeLimits) ?? .gp3Since2025,
            snapshots: SnapshotPolicy(creationInterval: plan.settings.snapshotInterval, copyWorkers: plan.copyWorkers),
            fastRestore: FastRestorePolicy(
                enabling: plan.settings.fastRestoreEnablingTime, optimizing: plan.settings.fastRestoreOptimizingTime,
                disabling: plan.settings.fastRestoreDisablingTime))
        let driver = try await EmulatorDriver(
            configuration: region, stateDirectory: plan.settings.stateDirectory, exports: exports,
            places: try snapshotPlaces(), clock: clock, random: random, logger: logger)
        guard let initRecord = inheritance.initRecord else {
            throw StorageError(.internalError, "The supervisor gave no filesystem to serve")
        }
        let filesystem = try FilesystemServer(
            lanes: inheritance.lanes.map(FileDescriptor.init(rawValue:)),
            initRecord: FileDescriptor(rawValue: initRecord),
            takesOver: inheritance.takesOver, exports: exports, logger: logger)
        try filesystem.start()
        return World(driver: driver, instance: instanceBySettings) {
            // What comes from now on waits in the kernel until the supervisor has unmounted, and fails then.
            filesystem.stop()
            try await driver.settle()
            try await driver.close()
        }
    }

    /// Directories, and buckets of the server that the settings name, with the credentials of this process.
    private func snapshotPlaces() throws -> SnapshotPlaceFinder {
        let settings = plan.settings
        var access = S3Access(
            region: settings.s3Region,
            credentials: try AWSCredentials(environment: ProcessInfo.processInfo.environment),
            certificateAuthorities: settings.s3Authorities)
        do throws(WireError) {
            access.endpoint = try settings.s3Endpoint.map { (text) throws(WireError) in try Endpoint(text) }
        } catch {
            throw StorageError(.invalidParameterValue, "The setting s3Endpoint is not valid", cause: "\(error)")
        }
        access.proxies = try ProxySettings(environment: ProcessInfo.processInfo.environment)
        let places = SnapshotPlaces(access: access, clock: clock, random: random)
        return { (location, endpoint) throws(PlaceError) in try places.place(location, endpoint: endpoint) }
    }

    /// Serves the RPC and Docker, says so to the supervisor, and returns when the task is cancelled.
    private func serveFronts(
        driver: any StorageDriver, instance: Instance, volumes: VolumeManager
    ) async throws {
        let metrics = try openMetrics(of: driver)
        try await withThrowingTaskGroup { group in
            if let metrics { group.addTask { try await metrics.serve() } }
            let rpc = FileDescriptor(rawValue: inheritance.rpcListener)
            let service = RPCService(
                driver: driver, host: volumes, instance: instance, version: ebbVersion, clock: clock, random: random)
            let access = Access(groupID: effectiveOwner.group)
            group.addTask {
                try await RPCServer(service: service, access: access, clock: clock, logger: logger).serve(listener: rpc)
            }
            for (name, listener) in inheritance.dockerListeners {
                group.addTask {
                    try await DockerPlugin(
                        name: name, volumes: volumes, zone: instance.zone,
                        policy: plan.dockerPolicy, clock: clock, logger: logger
                    ).serve(FileDescriptor(rawValue: listener))
                }
            }
            try sayReady()
            // A front ends with the task's cancellation, or because it cannot go on, and then nor can the rest.
            do {
                try await group.next()
            } catch is CancellationError {}
            group.cancelAll()
        }
    }

    /// A user hears at the start that a port is taken. Later it is no reason to leave volumes without their daemon.
    private func openMetrics(of driver: any StorageDriver) throws -> MetricsDoors? {
        do {
            let doors = try MetricsDoors(settings: plan.settings, driver: driver, logger: logger)
            return doors.isEmpty ? nil : doors
        } catch {
            guard inheritance.takesOver else { throw error }
            logger.error("no metrics are served: \(error)")
            return nil
        }
    }

    private func sayReady() throws {
        let readiness = FileDescriptor(rawValue: inheritance.readiness)
        try readiness.closeAfter { _ = try readiness.writeAll([1]) }
    }
}
