// The emulated region behind the driver protocol.
import BlockStore
import Driver
import Logging
import Platform
import SystemPackage

/// A region on this machine: `StorageDriver` over a catalog, sparse files and an `ExportTable`.
///
/// Ready when `init` returns: what a former process left half way has been finished or undone by then, and the
/// export table shows every volume and attachment.
public final class EmulatorDriver: StorageDriver {
    /// What `adapter types` prints and the configuration names.
    public static let name = "emulator"

    let region: Region
    private let description: DriverDescription
    /// Now and then keeps credit balances, and ends what volumes have restored, what imports have left and what nobody
    /// writes any more.
    private let keeper: Task<Void, Never>
    /// Makes a data point of CloudWatch's metrics each minute.
    private let metricKeeper: Task<Void, Never>

    /// - Parameters:
    ///   - stateDirectory: exists; holds `catalog.sqlite` and the store of snapshots.
    ///   - exports: has the volumes' files.
    ///   - places: where snapshots may be pushed to; `nil` for directories alone.
    /// - Throws: `StorageError`: `IncorrectState` when another daemon has the catalog or a newer version wrote it.
    public convenience init(
        configuration: RegionConfiguration, stateDirectory: FilePath, exports: ExportTable,
        places: SnapshotPlaceFinder? = nil, clock: any Clock, random: any RandomSource, logger: Logger
    ) async throws {
        try await self.init(
            configuration: configuration, stateDirectory: stateDirectory, exports: exports, volumes: exports.volumes,
            places: places, clock: clock, random: random, logger: logger)
    }

    /// As the public one, with any exports, small batches of references, and a hook that lets tests end the "process"
    /// before any step.
    init(
        configuration: RegionConfiguration, stateDirectory: FilePath, exports: any RegionExports,
        volumes: TrackedVolumes, places: SnapshotPlaceFinder? = nil, clock: any Clock, random: any RandomSource,
        logger: Logger, referencesPerBatch: Int = RegionEffects.defaultReferencesPerBatch,
        beforeStep: @escaping @Sendable (RegionEffects.Step) throws -> Void = { _ in }
    ) async throws {
        let catalog = try Catalog(path: stateDirectory.appending("catalog.sqlite"))
        let snapshots = try SnapshotStore(directory: stateDirectory.appending("snapshots"))
        let uploads = SnapshotUploads(
            snapshots, directory: stateDirectory.appending("snapshots").appending("uploads"), boot: volumes.boot)
        let effects = RegionEffects(
            catalog: catalog, volumes: volumes, snapshots: snapshots, uploads: uploads, exports: exports,
            tree: configuration.mountPoint, logger: logger, places: places ?? directoryPlaces(clock),
            copyWorkers: configuration.snapshots.copyWorkers, referencesPerBatch: referencesPerBatch,
            beforeStep: beforeStep)
        region = try await Region(
            configuration: configuration, effects: effects, clock: clock, random: random, logger: logger)
        keeper = Self.keep(region, clock, after: { _ in Region.creditInterval }) {
            await $0.keepCredits()
            await $0.endRestores()
            await $0.endLeftovers()
            await $0.expireUploads()
        }
        metricKeeper = Self.keep(region, clock, after: { $0.timeToNextMinute() }) { await $0.endMetricMinute() }
        description = DriverDescription(
            name: Self.name, region: configuration.name,
            capabilities: [
                .registerInstances, .multiAttach, .statistics, .metrics, .modifyVolumes, .snapshots,
                .snapshotBlocks, .snapshotTasks, .fastSnapshotRestores, .copyVolumes,
            ],
            volumeTypes: VolumeTypeLimits.all.map(\.type))
    }

    deinit {
        keeper.cancel()
        metricKeeper.cancel()
    }

    /// Does something for as long as the region is there, each time after a while.
    private static func keep(
        _ region: Region, _ clock: any Clock, after pause: @escaping @Sendable (isolated Region) -> Duration,
        _ work: @escaping @Sendable (Region) async -> Void
    ) -> Task<Void, Never> {
        Task { [weak region] in
            while true {
                guard let duration = await Self.duration(pause, region) else { return }
                do {
                    try await clock.sleep(for: duration)
                } catch {
                    // Cancelled: the driver is gone.
                    return
                }
                if let region { await work(region) }
            }
        }
    }

    private static func duration(
        _ pause: @Sendable (isolated Region) -> Duration, _ region: Region?
    ) async -> Duration? {
        guard let region else { return nil }
        return await pause(region)
    }

    /// A volume's credit bucket as it was written down last; for tests.
    func keptCredits(of number: VolumeNumber) async -> CreditBalance? {
        await region.keptCredits[number]
    }

    /// Returns when the work on snapshots in the background is done, as far as it has been begun; for tests.
    func finishSnapshotWork() async throws { try await region.finishSnapshotWork() }

    /// At a clean stop, once the filesystem is served no more: lets what is known of volumes' changes hold in the next
    /// boot, so that the first snapshots after it need not compare everything. `close` comes after it.
    public func settle() async throws {
        try await region.effects.settle()
    }

    /// Ends the work in the background, which the next driver takes up, and closes the catalog, so that it can open it;
    /// calls that change something fail afterwards.
    public func close() async throws {
        keeper.cancel()
        metricKeeper.cancel()
        // What is to end besides need not wait for them.
        await region.cancelSnapshotWork()
        // What they have begun uses the catalog.
        await keeper.value
        await metricKeeper.value
        try await region.close()
    }

    public func describeDriver() -> DriverDescription { description }

    public func describeZones() async -> [Zone] { await region.zones() }

    public func describeInstances() async -> [Instance] { await region.instances() }

    public func registerInstance(_ request: RegisterInstanceRequest) async throws -> Instance {
        try await region.register(request)
    }

    public func describeVolumes(_ query: VolumeQuery) async throws -> VolumePage {
        try await region.volumes(query)
    }

    public func createVolume(_ request: CreateVolumeRequest) async throws -> Volume {
        try await region.create(request)
    }

    public func deleteVolume(_ id: VolumeID) async throws {
        try await region.delete(id)
    }

    public func attachVolume(_ request: AttachVolumeRequest) async throws -> Attachment {
        try await region.attach(request)
    }

    public func detachVolume(_ request: DetachVolumeRequest) async throws {
        try await region.detach(request)
    }

    public func modifyTags(_ request: ModifyTagsRequest) async throws -> Volume {
        try await region.modifyTags(request)
    }

    public func describeVolumeStatistics(ids: [VolumeID]) async throws -> [VolumeStatistics] {
        try await region.statistics(ids: ids)
    }

    public func getMetricData(_ query: MetricDataQuery) async -> [MetricSeries] {
        await region.metricData(query)
    }

    /// Makes the data points of the minute that has passed, as happens by itself each minute of the clock.
    func endMetricMinute() async { await region.endMetricMinute() }

    public func modifyVolume(_ request: ModifyVolumeRequest) async throws -> VolumeModification {
        try await region.modify(request)
    }

    public func describeVolumeModifications(
        _ query: VolumeModificationQuery
    ) async throws -> VolumeModificationPage {
        try await region.modifications(query)
    }
}
