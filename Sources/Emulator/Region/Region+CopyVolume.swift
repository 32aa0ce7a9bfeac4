// Copies of volumes, as EC2's CopyVolumes makes them: the content of the instant of the call.
//
// The original is cut, the cut is copied into the store, and the new volume is made from its manifest, as from a
// snapshot that nobody sees. So the call takes as long as what is in the original; a repeated token waits for it. The
// changes of the original go on to be counted from its last snapshot. A process that dies on the way leaves a cut of
// no snapshot, which start-up gives back.
//
// Source: EC2's API reference, CopyVolumes: five copies at once, one of a volume.
import BlockStore
import Driver

extension Region {
    private static let maximumVolumeCopies = 5

    func copy(_ original: VolumeRecord, to blank: VolumeRecord, _ token: ClientTokenRecord?) async throws -> Volume {
        try state.checkName(blank.name)
        let cut = try await exclusively(.volume(original.id)) { try await $0.cutForCopy(original.id, blank) }
        // Until then what the original has not restored itself stays for its copy too.
        defer { queue.release(.copying(original.id)) }
        let writer = effects.snapshots.beginWriting()
        do {
            let manifest = try await bringIn(cut, writer)
            var volume = blank
            volume.origin = VolumeOrigin(
                source: .volume(original.id), manifest: manifest,
                lineage: original.origin?.lineage ?? original.id.rawValue)
            let keys = [.volume(volume.id), .references] + volume.ownKeys.dropFirst()
            let made = try await exclusively(keys) { [volume] in try await $0.make(volume, token) }
            await endCopy(cut, writer)
            return made
        } catch {
            await endCopy(cut, writer)
            if let error = error as? StorageError { throw error }
            throw StorageError.notCopied(original.id, error)
        }
    }

    private func cutForCopy(_ id: VolumeID, _ blank: VolumeRecord) async throws -> Cut {
        let original = try state.volume(id)
        let source = VolumeSource.volume(original)
        _ = try source.sizeGiB(asked: blank.specification.sizeGiB)
        try source.checkUsable(in: blank.zone)
        guard work.copies.count < Self.maximumVolumeCopies else {
            throw StorageError.tooManyCopies("\(Self.maximumVolumeCopies) copies of volumes are in progress")
        }
        guard queue.take(.copying(id)) else { throw StorageError.tooManyCopies("a copy of \(id) is in progress") }
        do {
            let request = TrackedVolumes.CutRequest(
                volume: original.fileName, cut: blank.id.rawValue, base: nil, becomesBase: false)
            let cuts = try await effects.cut([request])
            work.copies[blank.id] = cuts[0]
            return cuts[0]
        } catch {
            queue.release(.copying(id))
            throw error
        }
    }

    private func bringIn(_ cut: Cut, _ writer: SnapshotWriter) async throws -> Digest {
        try await work.preparation?.value
        let parent = cut.base.flatMap { Digest(hex: $0) }.map { SnapshotParent(manifest: $0, fullSizeBytes: nil) }
        try await effects.copy(cut, into: writer)
        return try await effects.writeManifest(of: cut, over: parent, writer).manifest
    }

    /// What the copy did not need after all is removed.
    private func endCopy(_ cut: Cut, _ writer: SnapshotWriter) async {
        work.copies[VolumeID(cut.name)] = nil
        do {
            let names = try await effects.names(in: cut)
            await giveBack(cut)
            writer.end()
            remove(names)
        } catch {
            logger.error("the copy of \(cut.volume) left something that the next start removes: \(error)")
        }
    }
}

extension StorageError {
    /// EC2's text for this code is not known to us.
    fileprivate static func tooManyCopies(_ cause: String) -> Self {
        Self(
            .copyVolumesLimitExceeded, "The limit of volume copies in progress is reached.", cause: cause,
            advice: "wait until one is completed")
    }

    fileprivate static func notCopied(_ id: VolumeID, _ error: any Error) -> Self {
        let message = "The volume '\(id)' could not be copied."
        return switch error {
        case CutFailure.noSpace:
            Self(.insufficientCapacity, message, cause: "\(error)", advice: "free space in the state directory")
        case let error as SnapshotStoreError where error.isDamage:
            Self(.snapshotDamaged, message, cause: "\(error)")
        default: Self(.internalError, message, cause: "\(error)")
        }
    }
}
