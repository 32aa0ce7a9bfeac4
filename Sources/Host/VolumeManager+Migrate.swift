// Moving a volume to another zone: a snapshot of it, and a volume made from that under the same name.
//
// The old volume goes once the new one can be used, and the name follows. Until then the new volume and the snapshot
// say by their tags who moves what. So a daemon that died in between finds at its next start what it has to take back,
// or, when the old volume has gone already, to finish.

import Driver
import Platform

extension Tag {
    /// The instance that moves a volume to another zone, on what it makes for that.
    static let migrationHost = "ebb:migrationHost"
    /// The volume that is moved.
    static let migrationSource = "ebb:migrationSource"
    /// The moved volume's name, until the new one has it.
    static let migrationName = "ebb:migrationName"
}

extension VolumeManager {
    /// Moves a volume that nobody uses to another zone. What comes out is another volume, with an id of its own and the
    /// old one's name, content, size, type, performance and tags. It can be used at once; blocks come as they are touched.
    ///
    /// Returns when the blocks are in the snapshot store, which takes as long as the volume has changed since its last
    /// snapshot.
    ///
    /// An earlier move that ended half way is finished first, and the volume then moved on if that went elsewhere.
    ///
    /// - Throws: `VolumeInUse` for an attached volume, `InvalidZone.NotFound`, and `InvalidParameterValue` for a zone in
    ///   which it is already. Then the old volume is as it was.
    public func migrate(_ reference: VolumeReference, to zone: ZoneName) async throws -> HostVolume {
        try await checkExistence(of: zone)
        let moved = try await moveOrFinish(reference, to: zone)
        return moved.zone == zone ? HostVolume(volume: moved) : try await migrate(.id(moved.id), to: zone)
    }

    /// What a move that is to end in `zone` has made of the volume; or, in any zone, one that had ended half way.
    private func moveOrFinish(_ reference: VolumeReference, to zone: ZoneName) async throws -> Volume {
        try await exclusively(reference) { volume in
            let volume = try await self.endLingerNow(volume)
            let others = try await self.region.allVolumes()
            if !volume.isThere, let moved = others.first(where: { self.isMigrated($0, from: volume.id) }) {
                return try await self.endMigration(of: volume.id, to: moved)
            }
            try self.checkMigration(of: volume, to: zone)
            try await self.takeBackMigration(of: volume.id, among: others)
            let moved: Volume
            do {
                moved = try await self.remake(volume, in: zone)
            } catch {
                await self.takeBackMigration(of: volume.id, after: error)
                throw error
            }
            return try await self.endMigration(of: volume.id, to: moved)
        }
    }

    private func checkExistence(of zone: ZoneName) async throws {
        let zones = try await region.zones()
        guard zones.contains(where: { $0.name == zone }) else {
            throw StorageError(
                .zoneNotFound, "The zone '\(zone)' does not exist.",
                advice: "choose one of \(zones.map(\.name.rawValue).joined(separator: ", "))")
        }
    }

    private func checkMigration(of volume: Volume, to zone: ZoneName) throws {
        if volume.zone == zone {
            throw StorageError(.invalidParameterValue, "Volume \(title(volume)) is in \(zone) already")
        }
        guard volume.isThere else {
            throw StorageError(.incorrectState, "Volume \(title(volume)) is '\(volume.state.rawValue)'")
        }
        if let attachment = volume.attachments.first {
            throw StorageError(
                .volumeInUse, "Volume \(title(volume)) is attached to '\(attachment.instanceID)'",
                advice: "unmount and detach it first")
        }
    }

    // MARK: Forth

    /// The same volume in another zone, but for the name.
    private func remake(_ volume: Volume, in zone: ZoneName) async throws -> Volume {
        let marks = [Tag.migrationHost: instance.id.rawValue, Tag.migrationSource: volume.id.rawValue]
        let request = CreateSnapshotsRequest(
            sources: [.init(volumeID: volume.id, tags: marks)], description: "\(volume.id) on its way to \(zone)")
        guard let snapshot = try await region.createSnapshots(request).first else {
            throw StorageError(.internalError, "No snapshot was made of \(title(volume))")
        }
        try await waitUntilCompleted(snapshot.id)
        var tags = volume.tags
        tags[Tag.migrationName] = tags.removeValue(forKey: Tag.name)
        let isProvisioned = volume.type.hasProvisionedIOPS
        let made = try await region.create(
            CreateVolumeRequest(
                zone: zone, sizeGiB: volume.sizeGiB, type: volume.type, iops: isProvisioned ? volume.iops : nil,
                throughputMiBps: isProvisioned ? volume.throughputMiBps : nil, snapshotID: snapshot.id,
                isEncrypted: volume.isEncrypted, isMultiAttachEnabled: volume.isMultiAttachEnabled,
                tags: tags.merging(marks) { $1 }))
        return try await sound(made)
    }

    private func waitUntilCompleted(_ id: SnapshotID) async throws {
        while true {
            guard let snapshot = try await region.snapshots(SnapshotQuery(ids: [id])).first else {
                throw StorageError(.snapshotNotFound, "The snapshot '\(id)' was deleted meanwhile")
            }
            switch snapshot.state {
            case .completed: return
            case .error:
                throw StorageError(.internalError, "'\(id)' could not be completed", cause: snapshot.stateMessage)
            case .pending: try await clock.sleep(for: Self.pollInterval)
            }
        }
    }

    private static let pollInterval = Duration.milliseconds(200)

    /// The new volume has everything: the old one goes.
    private func endMigration(of id: VolumeID, to moved: Volume) async throws -> Volume {
        try await removeSource(id)
        let finished = try await finishMigration(to: moved)
        logger.info("moved '\(id)' to \(finished.zone), where it is '\(finished.id)'")
        do {
            try await removeSnapshots(ofMigrating: id.rawValue)
        } catch {
            logger.error("'\(finished.id)' has moved; a snapshot made for that stays until the next start: \(error)")
        }
        return finished
    }

    /// When it is refused, since somebody attached the volume meanwhile, all goes back. After any other error nobody
    /// knows whether the volume is there: then both stay, and the next try or start finds out.
    private func removeSource(_ id: VolumeID) async throws {
        do {
            try await region.delete(id)
        } catch let error as StorageError where error.code == .volumeNotFound {
            // That is what was wanted.
        } catch let error as StorageError where [.volumeInUse, .incorrectState].contains(error.code) {
            let volumes = try await region.allVolumes()
            guard let source = volumes.first(where: { $0.id == id }), source.isThere else { throw error }
            await takeBackMigration(of: id, after: error)
            throw error
        }
    }

    /// The old volume is gone: the new one gets its name.
    private func finishMigration(to volume: Volume) async throws -> Volume {
        let name = volume.tags[Tag.migrationName]
        return try await region.modifyTags(
            ModifyTagsRequest(
                volumeID: volume.id, set: name.map { [Tag.name: $0] } ?? [:],
                remove: [Tag.migrationHost, Tag.migrationSource, Tag.migrationName]))
    }

    // MARK: Back

    /// What was made to move a volume that is still there goes away.
    private func takeBackMigration(of id: VolumeID, among volumes: [Volume]) async throws {
        for volume in volumes where isMigrated(volume, from: id) {
            try await region.delete(volume.id)
        }
        try await removeSnapshots(ofMigrating: id.rawValue)
    }

    private func takeBackMigration(of id: VolumeID, after cause: any Error) async {
        do {
            try await takeBackMigration(of: id, among: try await region.allVolumes())
        } catch {
            logger.error("after '\(cause)', what was made to move '\(id)' could not be removed: \(error)")
        }
    }

    /// - Parameter source: the moved volume; `nil` for all that this host has moved.
    private func removeSnapshots(ofMigrating source: String?) async throws {
        var marks = [Tag.migrationHost: instance.id.rawValue]
        marks[Tag.migrationSource] = source
        for snapshot in try await region.snapshots(SnapshotQuery(tags: marks)) {
            try await region.deleteSnapshot(snapshot.id)
        }
    }

    private func isMigrated(_ volume: Volume, from id: VolumeID) -> Bool {
        volume.tags[Tag.migrationSource] == id.rawValue && isMigratedHere(volume.tags)
    }

    private func isMigratedHere(_ tags: [String: String]) -> Bool {
        tags[Tag.migrationHost] == instance.id.rawValue
    }

    // MARK: At start

    /// Finishes or takes back what this host's last daemon was moving when it ended.
    func settleMigrations() async {
        do {
            let volumes = try await region.allVolumes()
            for volume in volumes where isMigratedHere(volume.tags) {
                await settleMigration(to: volume, among: volumes)
            }
            try await removeSnapshots(ofMigrating: nil)
        } catch let error as StorageError where error.code == .unsupportedOperation {
            // A driver without snapshots has moved nothing.
        } catch {
            logger.error("what was being moved to another zone could not be settled: \(error)")
        }
    }

    /// One that cannot be settled stays for the next start, and holds no other up.
    private func settleMigration(to volume: Volume, among volumes: [Volume]) async {
        guard let source = volume.tags[Tag.migrationSource].map({ VolumeID($0) }) else { return }
        do {
            if volumes.contains(where: { $0.id == source && $0.isThere }) {
                logger.notice("moving '\(source)' ended early, and is taken back")
                try await region.delete(volume.id)
            } else {
                logger.notice("'\(source)' has been moved, and is '\(volume.id)' now")
                try await removeSource(source)
                _ = try await finishMigration(to: volume)
            }
        } catch {
            let name = volume.tags[Tag.migrationName] ?? ""
            logger.error("'\(source)' was being moved as '\(volume.id)' ('\(name)'), which is not settled: \(error)")
        }
    }
}

extension Volume {
    /// Whether it has its content: one that is `deleting` has lost it, however long it is listed.
    fileprivate var isThere: Bool { state == .available || state == .inUse }
}
