// Copies of volumes, as EC2's CopyVolumes makes them: the content of the instant of the call.
//
// The original is cut, then the copy has a row in state `creating`, then the answer goes out. In the background the cut
// is brought into the store as a snapshot's is (Region+SnapshotCopying), and the volume is made from its manifest, as
// from a snapshot that nobody sees: its file, then one transaction that makes it `available`. If that cannot be, it is
// in `error` and says why, and the original goes on. The changes of the original go on to be counted from its last
// snapshot.
//
// What the original has not restored itself is in no cut. So the copy counts as a reference of the original's manifest
// until it has its own, and the original may be deleted meanwhile.
//
// Source: EC2's API reference, CopyVolumes: five copies at once, one of a volume.
import BlockStore
import Driver

extension Region {
    private static let maximumVolumeCopies = 5

    func copy(_ original: VolumeID, to blank: VolumeRecord, _ token: ClientTokenRecord?) async throws -> Volume {
        try await exclusively([.volume(original)] + blank.ownKeys) {
            try await $0.beginCopy(of: original, blank, token)
        }
    }

    /// Nothing else happens to both meanwhile.
    private func beginCopy(
        of id: VolumeID, _ blank: VolumeRecord, _ token: ClientTokenRecord?
    ) async throws -> Volume {
        let original = try state.volume(id)
        try checkCopy(of: original, blank)
        var volume = blank
        volume.origin = VolumeOrigin(
            source: .volume(id), manifest: original.neededManifest, lineage: original.origin?.lineage ?? id.rawValue)
        // From here on it has its name, and counts as a copy.
        state.put(volume)
        work.unsettled.insert(volume.id)
        defer { work.unsettled.remove(volume.id) }
        do {
            let cut = try await cutForCopy(original, volume, token)
            if let token { state.put(token) }
            beginCopying(.volume(volume.id), cut)
        } catch {
            state.remove(volume.id)
            throw error
        }
        return report(volume)
    }

    private func checkCopy(of original: VolumeRecord, _ blank: VolumeRecord) throws(StorageError) {
        let source = VolumeSource.volume(original)
        _ = try source.sizeGiB(asked: blank.specification.sizeGiB)
        try source.checkUsable(in: blank.zone)
        try state.checkName(blank.name)
        let copies = state.volumes.values.filter(\.isBeingCopied)
        guard copies.count < Self.maximumVolumeCopies else {
            throw .tooManyCopies("\(Self.maximumVolumeCopies) copies of volumes are in progress")
        }
        guard !copies.contains(where: { $0.origin?.volumeID == original.id }) else {
            throw .tooManyCopies("a copy of \(original.id) is in progress")
        }
    }

    private func cutForCopy(
        _ original: VolumeRecord, _ volume: VolumeRecord, _ token: ClientTokenRecord?
    ) async throws -> Cut {
        let request = TrackedVolumes.CutRequest(
            volume: original.fileName, cut: volume.id.rawValue, base: nil, becomesBase: false)
        let cut = try await effects.cut([request])[0]
        do {
            try await effects.commit(try await rows(ofNew: volume, token))
        } catch {
            await giveBack(cut)
            throw error
        }
        return cut
    }

    // MARK: How it ends

    /// All blocks are in the store, durable.
    func complete(_ id: VolumeID, _ content: SnapshotContent) async throws {
        try await countTree(of: content.manifest, check: work.end.check)
        try await exclusively(.volume(id)) { try await $0.completeAlone(id, content) }
    }

    private func completeAlone(_ id: VolumeID, _ content: SnapshotContent) async throws {
        let copy = try state.volume(id)
        var volume = copy
        volume.origin?.manifest = content.manifest
        let missing = try await effects.makeBytes(of: volume)
        try volume.apply(.bytesMade)
        try await exchange(copy, for: volume)
        work.restores[id] = RestoreJob(progress: missing)
        try show(volume)
    }

    /// It will never have its content.
    func fail(_ id: VolumeID, _ reason: String) async throws {
        try await exclusively(.volume(id)) { region in
            let copy = try region.state.volume(id)
            guard copy.isBeingCopied else { return }
            try await region.effects.removeBytes(copy.fileName)
            try await region.exchange(copy, for: copy.failed(reason))
        }
    }

    /// Commits what becomes of a copy, and which manifest it refers to. The caller has its key.
    private func exchange(_ copy: VolumeRecord, for volume: VolumeRecord) async throws {
        try await exclusively(.references) { region in
            let references = try await region.effects.referenceChanges(
                coming: [volume.neededManifest].compactMap { $0 }, going: [copy.neededManifest].compactMap { $0 })
            try await region.effects.commit(volume.ownRows + references)
        }
        state.put(volume)
        removeLitter()
    }
}

extension VolumeRecord {
    /// Whether it is a copy of another volume that does not have its content yet.
    var isBeingCopied: Bool { state == .creating && origin?.volumeID != nil }

    /// A copy that will never have its content. It needs nothing any more.
    func failed(_ reason: String) -> VolumeRecord {
        var volume = self
        volume.giveUp(reason)
        volume.origin?.manifest = nil
        return volume
    }

    /// Those that tell of a volume without attachments and modifications.
    var ownRows: [CatalogChange] { [.putVolume(self)] + (origin.map { [.putOrigin(number, $0)] } ?? []) }
}

extension StorageError {
    /// EC2's text for this code is not known to us.
    fileprivate static func tooManyCopies(_ cause: String) -> Self {
        Self(
            .copyVolumesLimitExceeded, "The limit of volume copies in progress is reached.", cause: cause,
            advice: "wait until one is completed")
    }
}
