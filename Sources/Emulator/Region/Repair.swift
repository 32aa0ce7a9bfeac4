// What start-up does about a process that died half way: a pure plan from the catalog and the files.
//
// A create that was not answered is finished when its file is whole, and undone otherwise. A copy of another volume that
// is `creating` was answered: it stays. A delete, detach or take-over that was decided is finished. A volume without its
// file is in `error`. Carrying the plan out twice, or half and then again, gives the same.
//
// A file of ours that belongs to no volume is removed when nothing was ever written to it: that is a create
// whose row the power took. One with bytes is left alone: the order of the steps (row before file, file's
// removal before row's) makes none, so it tells of a lost or exchanged catalog, and may be all that is left.
import BlockStore
import Driver

struct RepairPlan {
    /// Files of volumes that go.
    var filesToRemove: [String] = []
    /// One transaction, after the files are gone.
    var changes: [CatalogChange] = []
    /// Volumes that go and count as references; a transaction for each, once it is known who else needs the manifest.
    var releases: [(manifest: Digest, changes: [CatalogChange])] = []
    /// What remains.
    var volumes: [VolumeRecord] = []
    var tokens: [ClientTokenRecord] = []
    /// With the credits back of volumes that were not made.
    var fastRestores: [FastRestoreRecord]
    /// For the log.
    var remarks: [String] = []

    /// - Parameters:
    ///   - files: the names in the store.
    ///   - fits: whether the file of a volume has the volume's size.
    ///   - isBlank: whether a file has no bytes, only holes.
    init(
        volumes: [VolumeRecord], tokens: [ClientTokenRecord], fastRestores: [FastRestoreRecord] = [],
        files: Set<String>, fits: (VolumeRecord) throws -> Bool, isBlank: (String) throws -> Bool
    ) throws(StorageError) {
        self.fastRestores = fastRestores
        for volume in volumes { try repair(volume, files: files, fits: fits) }
        let kept = Set(self.volumes.map(\.id))
        forgetUnanswered(tokens, of: Set(volumes.filter { $0.state == .creating }.map(\.id)).subtracting(kept))
        do {
            try sortStrangers(files.subtracting(volumes.map(\.fileName)), isBlank: isBlank)
        } catch {
            remarks.append("files that belong to no volume cannot be looked at: \(error)")
        }
    }

    private mutating func repair(
        _ volume: VolumeRecord, files: Set<String>, fits: (VolumeRecord) throws -> Bool
    ) throws(StorageError) {
        var volume = volume
        switch volume.state {
        case .creating where volume.isBeingCopied:
            // Whether it can go on, its cut tells (SnapshotRepairPlan); what is there of its file is made anew.
            if files.contains(volume.fileName) { filesToRemove.append(volume.fileName) }
        case .creating where damage(of: volume, files: files, fits: fits) == nil:
            try volume.apply(.bytesMade)
            changes.append(.putVolume(volume))
            remarks.append("\(volume.id) was left in state 'creating' with a whole file; it is available")
        case .creating, .deleting:
            remove(volume)
            return
        case .available:
            let damage = damage(of: volume, files: files, fits: fits)
            try settleAttachments(of: &volume)
            if let damage { try lose(&volume, damage) }
        case .error:
            break
        }
        volumes.append(volume)
    }

    private mutating func remove(_ volume: VolumeRecord) {
        remarks.append("\(volume.id) was left in state '\(volume.state.rawValue)'; it is removed")
        filesToRemove.append(volume.fileName)
        var rows = volume.attachments.map { .deleteAttachment($0.number) } + [CatalogChange.deleteVolume(volume.number)]
        if volume.state == .creating, let restore = returnCredit(of: volume) { rows.append(.putFastRestore(restore)) }
        if let manifest = volume.neededManifest {
            releases.append((manifest, rows))
        } else {
            changes += rows
        }
    }

    private mutating func returnCredit(of volume: VolumeRecord) -> FastRestoreRecord? {
        guard let origin = volume.origin, origin.isFastRestored,
            let place = fastRestores.firstIndex(where: {
                $0.snapshot == origin.snapshotID && $0.zone == volume.zone
            })
        else { return nil }
        fastRestores[place] = fastRestores[place].givenBack
        return fastRestores[place]
    }

    /// The token of a create that is undone must make a volume when it comes again.
    private mutating func forgetUnanswered(_ tokens: [ClientTokenRecord], of undone: Set<VolumeID>) {
        for token in tokens {
            if undone.contains(token.volume) {
                changes.append(.deleteToken(token.token))
            } else {
                self.tokens.append(token)
            }
        }
    }

    /// Finishes what was begun: who was being detached is gone, who was to come is there.
    private mutating func settleAttachments(of volume: inout VolumeRecord) throws(StorageError) {
        for attachment in volume.attachments {
            switch attachment.state {
            case .attached:
                continue
            case .detaching:
                try volume.apply(.drained, to: attachment.number)
                changes.append(.deleteAttachment(attachment.number))
                remarks.append("\(volume.id) was being detached from \(attachment.instance); it is detached")
            case .attaching:
                try volume.apply(.exported, to: attachment.number)
                changes += volume.attachments.filter { $0.number == attachment.number }
                    .map { .putAttachment($0) }
                remarks.append("\(volume.id) was being attached to \(attachment.instance); it is attached")
            }
        }
    }

    private func damage(
        of volume: VolumeRecord, files: Set<String>, fits: (VolumeRecord) throws -> Bool
    ) -> String? {
        guard files.contains(volume.fileName) else { return "its file is missing" }
        do {
            return try fits(volume) ? nil : "its file has another size than the volume"
        } catch {
            return "its file cannot be read: \(error)"
        }
    }

    private mutating func lose(_ volume: inout VolumeRecord, _ damage: String) throws(StorageError) {
        changes += volume.attachments.map { .deleteAttachment($0.number) }
        try volume.apply(.bytesLost)
        volume.failure = damage
        changes.append(.putVolume(volume))
        remarks.append("\(volume.id) is in state 'error': \(damage)")
    }

    private mutating func sortStrangers(_ files: Set<String>, isBlank: (String) throws -> Bool) throws {
        let strangers = files.filter { VolumeID($0).isWellFormedVolumeID }.sorted()
        let blank = try strangers.filter(isBlank)
        filesToRemove += blank
        remarks += blank.map { "\($0) is an empty file of no volume; it is removed" }
        let (left, count) = (strangers.first { !blank.contains($0) }, strangers.count - blank.count)
        if let left { remarks.append("\(count) files with bytes, such as \(left), belong to no volume; they stay") }
    }
}
