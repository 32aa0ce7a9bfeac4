// The region: one actor that decides, keeps the decision in the catalog, and then acts on it.
//
// Every change has the same shape: a state machine agrees, the catalog commits, the filesystem is told, and
// memory takes the new record. Operations on one volume wait for each other; different volumes do not, and
// questions are answered from memory and wait for nobody.
import Driver
import Logging
import Platform

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

actor Region {
    let configuration: RegionConfiguration
    let effects: RegionEffects
    let clock: any Clock
    let random: any RandomSource
    let logger: Logger

    var state: RegionState
    var queue = KeyedQueue()
    var lastTokenPurge: Date
    /// The credit buckets as the catalog has them.
    var keptCredits: [VolumeNumber: CreditBalance]
    var metrics = MetricHistory()
    /// For volumes with a modification that has not taken effect yet.
    var alarms: [VolumeID: Task<Void, Never>] = [:]
    private var lastVolume: Int64
    private var lastAttachment: Int64
    private var lastModification: Int64
    private var lastSnapshot: Int64
    /// `nil` until the first one is wanted in a new catalog: see `tokens`.
    var blockTokens: BlockTokens?
    /// What is under way for snapshots.
    var work = SnapshotWork()

    /// Repairs what the catalog holds, and shows it in the filesystem.
    init(
        configuration: RegionConfiguration, effects: RegionEffects, clock: any Clock, random: any RandomSource,
        logger: Logger
    ) async throws {
        self.configuration = configuration
        self.effects = effects
        self.clock = clock
        self.random = random
        self.logger = logger
        let contents = try effects.catalog.contents()
        blockTokens = contents.blockTokenKey.map { BlockTokens($0) }
        let repaired = try await Self.repair(contents, effects, logger)
        state = RegionState(
            volumes: repaired.volumes, instances: contents.instances, tokens: repaired.tokens)
        state.snapshotTokens = Dictionary(uniqueKeysWithValues: contents.snapshotTokens.map { ($0.token, $0) })
        state.fastRestores = repaired.fastRestores
        lastVolume = contents.lastVolume
        lastAttachment = contents.lastAttachment
        lastModification = contents.lastModification
        lastSnapshot = contents.lastSnapshot
        lastTokenPurge = .distantPast
        keptCredits = contents.credits
        let unfinished = try await repairSnapshots(contents.snapshots)
        for (manifest, changes) in repaired.releases {
            try await handOver(manifest, of: [manifest.hex], going: [manifest], with: changes)
        }
        try await finishModifications()
        try showAll()
        beginMetrics()
        // Last: nobody would end it if something failed now.
        takeUp(unfinished)
    }

    private static func repair(
        _ contents: CatalogContents, _ effects: RegionEffects, _ logger: Logger
    ) async throws -> RepairPlan {
        let store = effects.store
        let plan = try RepairPlan(
            volumes: contents.volumes, tokens: contents.tokens, fastRestores: contents.fastRestores,
            files: try store.names(),
            fits: { $0.canHave(sizeBytes: try store.sizeBytes($0.fileName)) },
            isBlank: { try !store.exists($0) || store.allocatedBytes($0) == 0 })
        for remark in plan.remarks { logger.warning("start-up repair: \(remark)") }
        for file in plan.filesToRemove { try await effects.removeBytes(file) }
        if !plan.changes.isEmpty { try await effects.commit(plan.changes) }
        return plan
    }

    private func showAll() throws {
        for zone in configuration.zones { effects.exports.addZone(zone) }
        for instance in state.instances.values {
            effects.exports.addInstance(zone: instance.zone, instance: instance.id, type: instance.type)
        }
        for volume in state.listed() where volume.state == .available {
            try show(volume)
            for attachment in volume.attachments { try showAgain(attachment, of: volume) }
        }
    }

    /// One volume that cannot be opened is no reason to keep the others from their holders.
    private func showAgain(_ attachment: AttachmentRecord, of volume: VolumeRecord) throws {
        do {
            try effects.show(attachment, of: volume)
        } catch let error as StorageError {
            logger.error("\(volume.id) cannot be shown to \(attachment.instance): \(error)")
        }
    }

    func close() async throws {
        silenceAlarms()
        await endSnapshotWork()
        await keepCredits()
        try effects.catalog.close()
    }

    // MARK: What is new

    func nextVolumeNumber() -> VolumeNumber {
        lastVolume += 1
        return VolumeNumber(lastVolume)
    }

    func nextAttachmentNumber() -> AttachmentNumber {
        lastAttachment += 1
        return AttachmentNumber(lastAttachment)
    }

    func nextModificationNumber() -> ModificationNumber {
        lastModification += 1
        return ModificationNumber(lastModification)
    }

    func nextSnapshotNumber() -> SnapshotNumber {
        lastSnapshot += 1
        return SnapshotNumber(lastSnapshot)
    }

    /// An id that nothing in the region has.
    func newVolumeID() -> VolumeID {
        while true {
            let id = VolumeID("vol-" + random.hexDigits(17))
            if state.volumes[id] == nil { return id }
        }
    }

    func newInstanceID() -> InstanceID {
        while true {
            let id = InstanceID("i-" + random.hexDigits(17))
            if state.instances[id] == nil { return id }
        }
    }

    /// The time as the catalog keeps it, so that an answer is the same before and after a restart.
    func currentTime() -> Date {
        Date(milliseconds: clock.now().milliseconds)
    }

    func label(_ instance: InstanceID) -> String {
        state.instances[instance]?.label ?? instance.rawValue
    }
}
