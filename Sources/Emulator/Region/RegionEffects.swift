// What the region does to the world: catalog, files, filesystem. Nothing else in Region/ leaves the actor.
//
// Blocking work runs on threads of its own, so that a slow disk stops neither the region nor the program's
// other tasks. No step notices a cancelled caller: what has begun is finished.
import BlockStore
import Dispatch
import Driver
import Logging
import Platform
import SystemPackage

struct RegionEffects: Sendable {
    /// The steps at which a process may die, for tests that let it.
    enum Step: Sendable, Hashable {
        case commit, makeBytes, growBytes, removeBytes, show, hide, fence
        case cut, putBlock, writeManifest, synchronizeStore, finishCut, removeObjects, sweep
        case hydrate, endRestore
        case openFile, exportRecord, importRecord
        case beginUpload, sealUpload, endUpload
        case countReferences, takeBackReferences
    }

    let catalog: Catalog
    let volumes: TrackedVolumes
    let snapshots: SnapshotStore
    let uploads: SnapshotUploads
    let exports: any RegionExports
    /// Where the filesystem of `exports` is mounted.
    let tree: FilePath
    let logger: Logger
    let places: SnapshotPlaceFinder
    /// How many blocks of a cut are copied at a time (`SnapshotPolicy`).
    let copyWorkers: Int
    /// How many counts of objects one transaction changes, but for those of a segment more.
    var referencesPerBatch = Self.defaultReferencesPerBatch
    /// Called before each step; by throwing it pretends that the process ended there.
    var beforeStep: @Sendable (Step) throws -> Void = { _ in }
    /// For what takes as long as a volume has bytes; a step of a call does not wait behind it.
    let copiers = BlockingThreads(limit: 4)
    /// For tasks on snapshots, behind which no snapshot waits.
    let carriers = BlockingThreads(limit: 4)
    /// Of the snapshots whose blocks were asked for last.
    let sources = RecentSources()

    var store: VolumeStore { volumes.store }

    static let defaultReferencesPerBatch = 4_096

    private static let queue = DispatchQueue(label: "ebb.region.effects", attributes: .concurrent)

    /// All changes or none; safe from the loss of this process when it returns, and from that of power when
    /// it is `durable`.
    func commit(_ changes: [CatalogChange], durable: Bool = true) async throws {
        try beforeStep(.commit)
        try await catalog.commit(changes, durable: durable)
    }

    /// Makes the volume's sparse file, durable. What it is made from comes when it is wanted.
    ///
    /// - Returns: how much is missing; `nil` for a blank volume.
    func makeBytes(of volume: VolumeRecord) async throws -> RestoreProgress? {
        try beforeStep(.makeBytes)
        return try await blocking {
            do {
                guard let source = try source(of: volume) else {
                    try store.create(volume.fileName, sizeBytes: volume.sizeBytes)
                    return nil
                }
                try volumes.create(volume.fileName, sizeBytes: volume.sizeBytes, restoring: source)
                let count = source.writtenBlocks.reduce(0) { $0 + $1.count }
                return RestoreProgress(missingBlocks: count, totalBlocks: count)
            } catch let error as SnapshotStoreError where error.isDamage {
                throw StorageError.unusable(volume.origin, error)
            } catch {
                throw StorageError.bytes(volume.id, "created", error)
            }
        }
    }

    /// Makes the volume's file larger, durable. Doing it twice is doing it once.
    func growBytes(of volume: VolumeRecord, to sizeBytes: Int64) async throws {
        try beforeStep(.growBytes)
        try await blocking {
            do {
                try store.grow(volume.fileName, to: sizeBytes)
            } catch {
                throw StorageError.bytes(volume.id, "made larger", error)
            }
        }
    }

    /// Whether the file has the size that the volume has.
    func hasItsSize(_ volume: VolumeRecord) async throws -> Bool {
        try await blocking {
            do {
                return try store.sizeBytes(volume.fileName) == volume.sizeBytes
            } catch {
                throw StorageError.bytes(volume.id, "looked at", error)
            }
        }
    }

    /// Removes the volume's file, which may be missing.
    func removeBytes(_ fileName: String) async throws {
        try beforeStep(.removeBytes)
        try await blocking {
            do {
                try store.remove(fileName)
                volumes.forgetSource(of: fileName)
            } catch {
                throw StorageError.bytes(VolumeID(fileName), "removed", error)
            }
        }
    }

    func show(_ volume: VolumeRecord, _ plan: PerformancePlan?) throws {
        try beforeStep(.show)
        exports.addVolume(
            volume.number, id: volume.id, zone: volume.zone, sizeBytes: volume.sizeBytes,
            createTime: volume.createTime, xattrs: volume.extendedAttributes,
            isFastRestored: volume.origin?.isFastRestored ?? false)
        exports.setPerformance(of: volume.number, plan)
    }

    /// Lets those who have the volume attached reach its new end.
    func growExports(of volume: VolumeRecord) async throws {
        try beforeStep(.show)
        try await blocking {
            do {
                try exports.grow(volume.number, to: volume.sizeBytes)
            } catch {
                throw StorageError.bytes(volume.id, "opened", error)
            }
        }
    }

    func hide(_ volume: VolumeRecord) throws {
        try beforeStep(.hide)
        exports.removeVolume(volume.number)
    }

    func show(_ attachment: AttachmentRecord, of volume: VolumeRecord) throws {
        try beforeStep(.show)
        do {
            try exports.attach(
                attachment.number, volume: volume.number, zone: volume.zone, instance: attachment.instance,
                device: attachment.device)
        } catch {
            throw StorageError.bytes(volume.id, "opened", error)
        }
    }

    /// Returns when the last I/O through the attachment has been answered and the next will be refused.
    ///
    /// - Parameter force: what is under way is answered with an error, at once.
    func fence(_ attachment: AttachmentRecord, force: Bool) async throws {
        try beforeStep(.fence)
        await exports.detach(attachment.number, force: force)
    }

    func blocking<Result: Sendable>(_ work: @escaping @Sendable () throws -> Result) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            Self.queue.async { continuation.resume(with: Swift.Result(catching: work)) }
        }
    }
}

extension VolumeRecord {
    /// What `getfattr` shows under `user.ebb.`, besides what the filesystem itself knows.
    fileprivate var extendedAttributes: [String: String] {
        var attributes = [
            "type": specification.type.name, "size": String(specification.sizeGiB),
        ]
        if let iops = specification.iops { attributes["iops"] = String(iops) }
        if let throughput = specification.throughputMiBps { attributes["throughput"] = String(throughput) }
        if !name.isEmpty { attributes["name"] = name }
        return attributes
    }
}

extension StorageError {
    fileprivate static func bytes(_ id: VolumeID, _ verb: String, _ error: any Error) -> Self {
        let isFull = (error as? Errno) == .noSpace
        return Self(
            isFull ? .insufficientCapacity : .internalError,
            "The file of volume '\(id)' could not be \(verb).", cause: "\(error)",
            advice: isFull ? "free space in the state directory" : nil)
    }
}
