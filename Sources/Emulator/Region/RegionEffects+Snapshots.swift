// What the region does to cuts of volumes and to the store of snapshots.
import BlockStore
import Driver
import Platform
import SystemPackage

/// What a snapshot is written over.
struct SnapshotParent: Sendable {
    let manifest: Digest
    /// `nil` when it is not known.
    let fullSizeBytes: Int64?
}

extension RegionEffects {
    // MARK: Beginning and end

    /// Lets volumes that are not restored find their blocks. One whose snapshot cannot be read stays without, and fails
    /// when it is opened; that harms no other.
    func setSources(of volumes: [VolumeRecord], unreadable: (VolumeRecord, any Error) -> Void) {
        for volume in volumes where volume.state == .available {
            do {
                if let source = try source(of: volume) { self.volumes.setSource(source, of: volume.fileName) }
            } catch {
                unreadable(volume, error)
            }
        }
    }

    /// Where a volume's missing blocks are; `nil` when it has all.
    func source(of volume: VolumeRecord) throws -> SnapshotSource? {
        guard let origin = volume.origin, let manifest = volume.neededManifest else { return nil }
        return SnapshotSource(snapshots, try snapshots.manifest(manifest), title: origin.title)
    }

    /// Before anything is written into the store: holds what cuts and uploads that go on have put into it, and removes
    /// what the catalog does not know of. A cut or an upload that cannot be read fails, and does no harm to others.
    ///
    /// - Parameter check: throws to end it early.
    func prepareStore(
        holding written: [(cut: Cut, writer: SnapshotWriter)], _ uploads: [SnapshotUpload],
        check: @escaping @Sendable () throws -> Void
    ) async throws -> Int {
        return try await copiers.run {
            try beforeStep(.sweep)
            for (cut, writer) in written { writer.hold(cut) }
            for upload in uploads { upload.holdBlocks() }
            var known = KnownObjects(catalog: catalog, check: check)
            return try snapshots.sweep { try known.contains($0) }
        }
    }

    /// At a clean stop, once nothing changes volumes any more: the next start need not compare what they hold.
    func settle() async throws {
        try await blocking { try volumes.settle() }
    }

    // MARK: Cuts

    /// All are cut at one instant, or none.
    func cut(_ requests: [TrackedVolumes.CutRequest]) async throws -> [Cut] {
        try beforeStep(.cut)
        return try await blocking {
            do {
                return try volumes.cut(requests)
            } catch {
                throw StorageError.notCut(requests.map(\.volume), error)
            }
        }
    }

    /// Brings what a cut needs into the store. Takes as long as that has bytes.
    func copy(_ cut: Cut, into writer: SnapshotWriter) async throws {
        let sink = SteppedSink(writer: writer, beforeStep: beforeStep)
        try await copiers.run { try cut.copy(into: sink, workers: copyWorkers) }
    }

    /// Writes the manifest of blocks that are in the store; all of it is durable when this returns.
    func writeManifest(
        of blocks: any ChangedBlocks, over parent: SnapshotParent?, _ writer: SnapshotWriter
    ) async throws -> SnapshotContent {
        try beforeStep(.writeManifest)
        let content = try await copiers.run { try makeManifest(of: blocks, over: parent, writer) }
        try beforeStep(.synchronizeStore)
        try await copiers.run { try snapshots.synchronize() }
        return content
    }

    private func makeManifest(
        of blocks: any ChangedBlocks, over parent: SnapshotParent?, _ writer: SnapshotWriter
    ) throws -> SnapshotContent {
        var base: Manifest?
        if let parent { base = try snapshots.manifest(parent.manifest) }
        var builder = ManifestBuilder(writer, volumeSizeBytes: blocks.volumeSizeBytes, parent: base)
        try blocks.forEachChange { block, name in try builder.set(block, to: name) }
        let manifest = try builder.finish()
        let bytes = try fullSizeBytes(of: manifest, base, parent?.fullSizeBytes)
        return SnapshotContent(manifest: manifest.name, fullSizeBytes: bytes)
    }

    /// What a manifest that is in the store holds.
    func content(of manifest: Digest) async throws -> SnapshotContent {
        try await copiers.run {
            let bytes = try fullSizeBytes(of: snapshots.manifest(manifest), nil, nil)
            return SnapshotContent(manifest: manifest, fullSizeBytes: bytes)
        }
    }

    /// How many bytes the written blocks of a manifest have. Where those of its parent are known, only what differs is
    /// looked at.
    private func fullSizeBytes(of manifest: Manifest, _ parent: Manifest?, _ parentBytes: Int64?) throws -> Int64 {
        let block = Int64(SnapshotBlock.bytes)
        guard let parent, var bytes = parentBytes else {
            var count: Int64 = 0
            try snapshots.forEachBlock(of: manifest) { _, _ in
                count += 1
                return true
            }
            return count * block
        }
        try snapshots.forEachDifference(from: parent, to: manifest) { _, before, after in
            bytes += (after == nil ? 0 : block) - (before == nil ? 0 : block)
            return true
        }
        return bytes
    }

    /// What a cut has put into the store.
    func names(in cut: Cut) async throws -> [Digest] {
        try await copiers.run {
            var names: [Digest] = []
            try cut.forEachChange { _, name in
                if let name { names.append(name) }
            }
            return names
        }
    }

    /// Gives a cut's space back.
    func finish(_ cut: Cut) async throws {
        try beforeStep(.finishCut)
        try await blocking { try volumes.finish(cut) }
    }

    /// Removes those of the objects that nothing needs any more.
    ///
    /// - Returns: those that stay for now, since somebody may be about to refer to them.
    func remove(_ names: [Digest]) async throws -> [Digest] {
        try beforeStep(.removeObjects)
        return try await copiers.run {
            try snapshots.remove(names) { try catalog.referenceCount(of: $0) > 0 }
        }
    }

    // MARK: Restoring

    /// Gets a volume's missing blocks, on a thread of its own.
    ///
    /// - Throws: at a block that cannot be had; those after it are still missing then.
    /// - Returns: what is left, if it was ended early.
    func hydrate(
        _ volume: VolumeRecord, bytesPerSecond: Int64, clock: any Clock, isCancelled: @escaping @Sendable () -> Bool
    ) async throws -> RestoreProgress {
        try beforeStep(.hydrate)
        return try await withCheckedThrowingContinuation { continuation in
            startThread {
                continuation.resume(
                    with: Result {
                        let blocks = try volumes.open(volume.fileName)
                        try blocks.hydrate(bytesPerSecond: bytesPerSecond, clock: clock, isCancelled: isCancelled)
                        return blocks.restoreProgress ?? .complete
                    })
            }
        }
    }

    /// How far a volume is, looked up in its files if nobody has it open.
    func restoreProgress(of volume: VolumeRecord) async throws -> RestoreProgress {
        try await blocking { try volumes.open(volume.fileName).restoreProgress ?? .complete }
    }

    /// Lets a volume stand without its snapshot. False when something is missing yet.
    func endRestore(of volume: VolumeRecord) async throws -> Bool {
        try beforeStep(.endRestore)
        return try await blocking { try volumes.open(volume.fileName).endRestore() }
    }
}

/// A writer whose steps a test can end.
private struct SteppedSink: BlockSink {
    let writer: SnapshotWriter
    let beforeStep: @Sendable (RegionEffects.Step) throws -> Void

    var epoch: UInt64 { writer.epoch }

    func put(_ block: RawSpan) throws -> Digest? {
        do {
            try beforeStep(.putBlock)
        } catch {
            // A process that ends says nothing of the cut.
            throw CutFailure.cancelled
        }
        return try writer.put(block)
    }
}

extension StorageError {
    fileprivate static func notCut(_ volumes: [String], _ error: any Error) -> Self {
        let isFull = (error as? Errno) == .noSpace
        return Self(
            isFull ? .insufficientCapacity : .internalError,
            "No snapshot could be taken of \(volumes.joined(separator: ", ")).", cause: "\(error)",
            advice: isFull ? "free space in the state directory" : nil)
    }
}
