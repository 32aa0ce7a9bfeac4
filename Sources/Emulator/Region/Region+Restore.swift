// Volumes that are made from snapshots: their making, their background, and their end as such.
//
// A volume counts as one reference of its manifest until it has all its blocks; so the snapshot may be deleted at once.
// Blocks come at their first touch, which is the work of `VolumeBlocks`, and in the background if that was asked for.
// When nothing is missing any more, the files say so first, then one transaction marks the volume as restored and gives
// the reference back. A process that dies between the two finds a volume that has its blocks, and goes on from there.
import BlockStore
import Driver

/// A volume that needs its manifest.
struct RestoreJob: Sendable {
    /// As it was when the volume was closed last; `nil` when nobody has looked yet.
    var progress: RestoreProgress?
    /// Brings its blocks in the background.
    var hydration: Hydration?
}

struct Hydration: Sendable {
    let stop: EndOfWork
    /// Ends when the volume's bytes are not used any more.
    let task: Task<Void, Never>
}

extension Region {
    /// Makes a volume of a snapshot; the caller has the keys of both.
    ///
    /// - Parameter rate: MiB/s.
    func restore(
        _ blank: VolumeRecord, from id: SnapshotID, rateMiBps rate: Int?, _ token: ClientTokenRecord?
    ) async throws -> Volume {
        let snapshot = try state.snapshots.snapshot(id, in: configuration.name)
        let content = try snapshot.usableContent()
        var volume = blank
        // A rate takes the place of fast snapshot restore.
        let credit = rate == nil ? spentCredit(of: id, in: volume.zone) : nil
        volume.origin = VolumeOrigin(
            source: .snapshot(id), manifest: content.manifest, initializationRateMiBps: rate,
            isFastRestored: credit != nil, lineage: snapshot.lineage)
        let made = try await make(volume, token, spending: credit)
        beginHydration(of: volume)
        return made
    }

    // MARK: In the background

    /// Goes on with what the last process left.
    func takeUpRestores() {
        let restoring = state.listed().filter { $0.neededManifest != nil && $0.state == .available }
        for volume in restoring { work.restores[volume.id] = RestoreJob() }
        work.restoreStart = Task {
            for volume in restoring where !work.end.isHere {
                await look(at: volume)
                beginHydration(of: volume)
            }
            await endRestores()
        }
    }

    private func look(at volume: VolumeRecord) async {
        do {
            let progress = try await effects.restoreProgress(of: volume)
            work.restores[volume.id]?.progress = progress
        } catch {
            logger.error("\(volume.id) cannot be restored now: \(error)")
        }
    }

    private func beginHydration(of volume: VolumeRecord) {
        guard let rate = volume.origin?.initializationRateMiBps, let job = work.restores[volume.id],
            job.hydration == nil, !work.end.isHere
        else { return }
        let stop = EndOfWork()
        let task = Task { await hydrate(volume, bytesPerSecond: Int64(rate) << 20, stop) }
        work.restores[volume.id]?.hydration = Hydration(stop: stop, task: task)
    }

    private func hydrate(_ volume: VolumeRecord, bytesPerSecond: Int64, _ stop: EndOfWork) async {
        do {
            let progress = try await effects.hydrate(volume, bytesPerSecond: bytesPerSecond, clock: clock) {
                [end = work.end] in stop.isHere || end.isHere
            }
            work.restores[volume.id]?.progress = progress
        } catch {
            logger.error("\(volume.id) is not restored in the background any more: \(error)")
        }
        work.restores[volume.id]?.hydration = nil
    }

    /// Returns when nothing in the background uses the volume's bytes.
    func stopHydration(of id: VolumeID) async {
        guard let hydration = work.restores[id]?.hydration else { return }
        hydration.stop.come()
        await hydration.task.value
    }

    func finishHydrations() async {
        await work.restoreStart?.value
        for task in work.restores.values.compactMap(\.hydration?.task) { await task.value }
    }

    // MARK: The end of a restore

    /// Volumes that have all their blocks need their snapshots no more.
    func endRestores() async {
        for id in work.restores.keys.sorted() where !work.end.isHere {
            guard let volume = state.volumes[id], restoreProgress(of: volume)?.missingBlocks == 0 else { continue }
            do {
                try await exclusively(.volume(id)) { try await $0.endRestoreAlone(id) }
            } catch {
                logger.error("\(id) still needs its snapshot, though it has all blocks: \(error)")
            }
        }
    }

    private func endRestoreAlone(_ id: VolumeID) async throws {
        guard var volume = state.volumes[id], volume.state == .available, var origin = volume.origin,
            !origin.isRestored, try await effects.endRestore(of: volume)
        else { return }
        origin.isRestored = true
        volume.origin = origin
        try await release(origin.manifest, with: [.putOrigin(volume.number, origin)])
        state.put(volume)
        effects.volumes.forgetSource(of: volume.fileName)
        work.restores[id] = nil
    }

    /// Commits changes with which a volume does not need its manifest any more. The caller has the volume's key.
    func release(_ manifest: Digest?, with changes: [CatalogChange]) async throws {
        guard let manifest else { return try await effects.commit(changes) }
        try await exclusively(.references) { region in
            try await region.handOver(manifest, of: [manifest.hex], going: [manifest], with: changes)
        }
        removeLitter()
    }

    // MARK: How far it is

    /// `nil` when nobody knows, or the volume needs no snapshot.
    func restoreProgress(of volume: VolumeRecord) -> RestoreProgress? {
        guard let blocks = effects.volumes.volumeIfOpen(volume.fileName) else {
            return work.restores[volume.id]?.progress
        }
        return blocks.restoreProgress ?? .complete
    }

    /// Keeps what is known of a volume that is about to be closed.
    func noteRestore(of volume: VolumeRecord, _ blocks: VolumeBlocks?) {
        if let blocks { work.restores[volume.id]?.progress = blocks.restoreProgress ?? .complete }
    }

    /// As `DescribeVolumeStatus` has it.
    func initialization(of volume: VolumeRecord) -> VolumeInitialization? {
        guard let origin = volume.origin, volume.state != .error else { return nil }
        if volume.isBeingCopied {
            let percent = work.cuts[.volume(volume.id)]?.progress.percent ?? 0
            return VolumeInitialization(kind: origin.kind, state: .initializing, progressPercent: min(percent, 99))
        }
        let progress = restoreProgress(of: volume)
        guard !origin.isRestored, !origin.isFastRestored, progress?.missingBlocks != 0 else {
            return VolumeInitialization(kind: origin.kind, state: .completed, progressPercent: 100)
        }
        let secondsLeft = progress.flatMap { progress in
            origin.initializationRateMiBps.map { rate in
                let bytes = progress.missingBlocks * SnapshotBlock.bytes
                return (bytes + rate << 20 - 1) / (rate << 20)
            }
        }
        return VolumeInitialization(
            kind: origin.kind, state: .initializing, progressPercent: progress?.percent ?? 0,
            estimatedSecondsLeft: secondsLeft)
    }
}

extension RestoreProgress {
    /// Nothing is missing.
    static let complete = RestoreProgress(missingBlocks: 0, totalBlocks: 0)

    /// Below 100 while anything is missing.
    fileprivate var percent: Int {
        totalBlocks == 0 ? 0 : min(99, (totalBlocks - missingBlocks) * 100 / totalBlocks)
    }
}

extension VolumeOrigin {
    fileprivate var kind: VolumeInitialization.Kind {
        switch source {
        case .volume: .volumeCopy
        case .snapshot: initializationRateMiBps == nil ? .onTouch : .provisionedRate
        }
    }

    var snapshotID: SnapshotID? {
        guard case .snapshot(let id) = source else { return nil }
        return id
    }

    var volumeID: VolumeID? {
        guard case .volume(let id) = source else { return nil }
        return id
    }
}
