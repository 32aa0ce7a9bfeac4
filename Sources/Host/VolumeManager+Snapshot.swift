// Snapshots of this host's volumes, with their filesystems holding still if that is asked for.

import Driver
import Platform

extension VolumeManager {
    /// Makes snapshots of one instant, which take over what is known of the volumes' filesystems.
    ///
    /// - Parameter freeze: whether those that are mounted here are made consistent first, and kept so meanwhile.
    ///   Writers wait. Refused with `IncorrectState` for a volume that is attached elsewhere, and with `DeviceBusy` for a
    ///   filesystem that is frozen already. With `DeadlineExceeded` when it could not be kept frozen for long enough;
    ///   there are no snapshots then.
    public func createSnapshots(_ request: CreateSnapshotsRequest, freeze: Bool) async throws -> [Snapshot] {
        let ids = request.sources.map(\.volumeID)
        let request = request.inheriting(from: try await region.volumes(ids: ids))
        guard freeze else { return try await region.createSnapshots(request) }
        try requirePrivilege("Freezing")
        return try await exclusively(ids) { volumes in
            let targets = try await self.freezeTargets(volumes)
            if targets.isEmpty { return try await self.region.createSnapshots(request) }
            return try await self.createSnapshots(request, freezing: targets)
        }
    }

    /// The snapshot of that name; `InvalidSnapshot.NotFound` if there is none.
    public func snapshotID(named name: String) async throws -> SnapshotID {
        try await region.snapshot(named: name).id
    }

    // MARK: Volumes from them

    /// What is known of the source's filesystem is known of the volume too.
    ///
    /// - Throws: `InvalidParameterCombination` for another filesystem than the source has.
    func inheritFileSystem(_ request: inout CreateVolumeRequest) async throws {
        let asked = try request.tags[Tag.fsType].map { try FileSystemType(validating: $0).rawValue }
        let known = try await sourceTags(of: request).ofFileSystem
        if let asked, let present = known[Tag.fsType], asked != present, known[Tag.formatting] == nil {
            throw StorageError(
                .invalidParameterCombination,
                "The filesystem cannot be \(asked): the volume is made from one with \(present)",
                advice: "leave the filesystem out")
        }
        request.tags.merge(known) { given, _ in given }
        request.tags[Tag.fsType] = asked ?? known[Tag.fsType]
    }

    private func sourceTags(of request: CreateVolumeRequest) async throws -> [String: String] {
        if let id = request.sourceVolumeID { return try await region.volume(.id(id)).tags }
        guard let id = request.snapshotID else { return [:] }
        do {
            return try await region.snapshots(SnapshotQuery(ids: [id])).first?.tags ?? [:]
        } catch let error as StorageError where error.code == .unsupportedOperation {
            // Who cannot tell about snapshots refuses the volume in words of its own.
            return [:]
        }
    }

    // MARK: Freezing

    /// A volume whose filesystem is mounted here.
    private struct FreezeTarget: Sendable {
        var id: VolumeID
        var title: String
        var place: FrozenPlace
    }

    /// What has no filesystem here is as good as frozen.
    private func freezeTargets(_ volumes: [Volume]) async throws -> [FreezeTarget] {
        var targets: [FreezeTarget] = []
        for volume in volumes {
            if let other = volume.attachments.first(where: { $0.instanceID != instance.id }) {
                throw StorageError(
                    .incorrectState,
                    "Volume \(title(volume)) is attached to '\(other.instanceID)' and cannot be frozen from '\(instance.id)'",
                    advice: "take the snapshot there, or without freezing")
            }
            guard let attachment = attachmentHere(volume), let device = try await findDevice(attachment),
                let place = try frozenPlace(of: device.number)
            else { continue }
            try store.update { book in
                book[volume.id, default: ReferenceBook.Record(name: volume.name, isAttachedByMount: false)].device =
                    device
            }
            targets.append(FreezeTarget(id: volume.id, title: title(volume), place: place))
        }
        return targets
    }

    /// Where the device's filesystem can be reached; `nil` where nobody has it mounted.
    private func frozenPlace(of number: DeviceNumber) throws -> FrozenPlace? {
        let mounts = try machine.mounts()
        let own = mounts.first { mount in
            mount.deviceNumber == number
                && mounts.last { $0.mountPoint == mount.mountPoint }?.deviceNumber == number
        }
        if let own { return FrozenPlace(number: number, path: own.mountPoint) }
        guard let foreign = try machine.foreignMounts(of: number).first else { return nil }
        return FrozenPlace(number: number, path: "/proc/\(foreign.pid)/root\(foreign.mountPoint)")
    }

    private func createSnapshots(
        _ request: CreateSnapshotsRequest, freezing targets: [FreezeTarget]
    ) async throws -> [Snapshot] {
        let region = region
        let titles = targets.map(\.title).joined(separator: ", ")
        // Known before it is so: whoever finds the book after us thaws.
        try mark(targets.map(\.id), frozen: true)
        let held: HeldStill<[Snapshot]>
        do {
            held = try await machine.whileFrozen(targets.map(\.place), atMost: settings.freezeLimit) {
                try await region.createSnapshots(request)
            }
        } catch {
            for target in targets { await thawMarked(target.id) }
            throw error
        }
        try mark(targets.map(\.id), frozen: false)
        guard held.lasted else {
            for snapshot in held.value { await withdraw(snapshot) }
            throw StorageError(
                .deadlineExceeded, "\(titles) could not be kept frozen until the snapshots were made",
                advice: "try again, or do without freezing")
        }
        logger.info("made \(held.value.map(\.id)) while \(titles) was frozen")
        return held.value
    }

    private func mark(_ ids: [VolumeID], frozen: Bool) throws {
        try store.update { book in
            for id in ids { book[id]?.isFrozen = frozen ? true : nil }
        }
    }

    /// A snapshot that is not what was asked for.
    private func withdraw(_ snapshot: Snapshot) async {
        do {
            try await region.deleteSnapshot(snapshot.id)
        } catch {
            logger.error("'\(snapshot.id)' was made too late, when its volume was frozen no more, and stays: \(error)")
        }
    }

    /// Thaws what the book calls frozen. That it cannot be done now is said, and tried again with the next sweep.
    func thawMarked(_ id: VolumeID) async {
        guard let record = store.current[id], record.isFrozen == true else { return }
        do {
            if let number = record.device?.number, let place = try frozenPlace(of: number) {
                try await machine.thaw([place])
            }
            try mark([id], frozen: false)
        } catch {
            logger.error("the filesystem of '\(id)' may still be frozen: \(error)")
        }
    }
}

extension CreateSnapshotsRequest {
    /// Says of each volume's snapshot what filesystem it holds.
    fileprivate func inheriting(from volumes: [Volume]) -> CreateSnapshotsRequest {
        let tags = Dictionary(volumes.map { ($0.id, $0.tags.ofFileSystem) }) { first, _ in first }
        var request = self
        for index in request.sources.indices {
            let known = tags[request.sources[index].volumeID] ?? [:]
            request.sources[index].tags.merge(known) { given, _ in given }
        }
        return request
    }
}

extension [String: String] {
    /// Those that a copy of a volume's bytes has with them.
    var ofFileSystem: [String: String] {
        filter { [Tag.fsType, Tag.mountOptions, Tag.formatting].contains($0.key) }
    }
}
