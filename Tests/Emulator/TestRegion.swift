// A region in a temporary directory, which can be "restarted" as after a crash.
import BlockStore
import Driver
import Logging
import Platform
import SystemPackage
import TestSupport
import Testing

@testable import Emulator

struct TestRegion: Sendable {
    static let zone: ZoneName = "us-east-1b"

    let directory: FilePath
    let clock: VirtualClock
    let random: SeededRandom
    let exports: RecordedExports
    let volumes: TrackedVolumes
    let driver: EmulatorDriver
    let modification: ModificationPolicy

    var store: VolumeStore { volumes.store }

    var catalogPath: FilePath { directory.appending("catalog.sqlite") }

    /// Opens the region whose state lies in `directory`, with the clock and ids of an earlier life.
    ///
    /// - Parameter referencesPerBatch: so few that the smallest tree of more than a segment is counted in batches.
    static func open(
        _ directory: FilePath, clock: VirtualClock = VirtualClock(), random: SeededRandom = SeededRandom(seed: 1),
        modification: ModificationPolicy = ModificationPolicy(), boot: String = "boot-1", referencesPerBatch: Int = 1,
        beforeStep: @escaping @Sendable (RegionEffects.Step) throws -> Void = { _ in },
        places: SnapshotPlaceFinder? = nil
    ) async throws -> TestRegion {
        let store = try VolumeStore(directory: directory.appending("volumes"))
        let volumes = try TrackedVolumes(store: store, boot: boot) { _ in }
        let exports = RecordedExports(volumes)
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let driver = try await EmulatorDriver(
            configuration: RegionConfiguration(mountPoint: "/mnt/ebb", modification: modification),
            stateDirectory: directory,
            exports: exports, volumes: volumes, places: places, clock: clock, random: random, logger: logger,
            referencesPerBatch: referencesPerBatch, beforeStep: beforeStep)
        return TestRegion(
            directory: directory, clock: clock, random: random, exports: exports, volumes: volumes, driver: driver,
            modification: modification)
    }

    /// Opens the same state again; the driver of the former life must be unused by then.
    ///
    /// - Parameter boot: another one stands for a loss of power, in which everything was durable by chance.
    func reopened(
        boot: String = "boot-1", beforeStep: @escaping @Sendable (RegionEffects.Step) throws -> Void = { _ in }
    ) async throws -> TestRegion {
        try await driver.close()
        return try await .open(
            directory, clock: clock, random: random, modification: modification, boot: boot, beforeStep: beforeStep)
    }

    func registerHost(_ name: String = "hosta", zone: ZoneName = zone) async throws -> Instance {
        try await driver.registerInstance(RegisterInstanceRequest(name: name, zone: zone))
    }

    func create(_ name: String = "", sizeGiB: Int = 1) async throws -> Volume {
        try await driver.createVolume(
            CreateVolumeRequest(
                zone: Self.zone, sizeGiB: sizeGiB, type: .gp3, tags: name.isEmpty ? [:] : [Tag.name: name]))
    }
}

extension TestRegion {
    @discardableResult
    func modify(
        _ id: VolumeID, sizeGiB: Int? = nil, type: VolumeType? = nil, iops: Int? = nil, throughputMiBps: Int? = nil,
        isMultiAttachEnabled: Bool? = nil
    ) async throws -> VolumeModification {
        try await driver.modifyVolume(
            ModifyVolumeRequest(
                volumeID: id, sizeGiB: sizeGiB, type: type, iops: iops, throughputMiBps: throughputMiBps,
                isMultiAttachEnabled: isMultiAttachEnabled))
    }

    func modification(of id: VolumeID) async throws -> VolumeModification {
        let page = try await driver.describeVolumeModifications(VolumeModificationQuery(volumeIDs: [id]))
        return try #require(page.modifications.first)
    }

    func volume(_ id: VolumeID) async throws -> Volume {
        try #require(try await driver.describeVolumes(VolumeQuery(ids: [id])).volumes.first)
    }
}

/// Runs a test in a directory that is removed afterwards.
func withRegion<Result: Sendable>(_ body: (TestRegion) async throws -> Result) async throws -> Result {
    try await withTemporaryDirectory { directory in
        let region = try await TestRegion.open(directory)
        return try await body(region)
    }
}
