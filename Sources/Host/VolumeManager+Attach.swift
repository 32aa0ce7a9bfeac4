// Attaching, detaching and removing on request of a person.

import Driver

extension VolumeManager {
    /// Attaches to this instance. As root, the device node is there when this returns.
    public func attach(_ reference: VolumeReference, device: DeviceName?, preempt: Bool) async throws -> Attachment {
        try await exclusively(reference, sound: true) { volume in
            let volume = try await self.endLingerNow(volume)
            if self.machine.isPrivileged, self.attachmentHere(volume) == nil {
                return try await self.attachWithDevice(volume, device, preempt)
            }
            return try await self.attach(volume, device: device, preempt: preempt)
        }
    }

    private func attachWithDevice(_ volume: Volume, _ device: DeviceName?, _ preempt: Bool) async throws -> Attachment {
        if let record = store.current[volume.id] { try await forgetLost(volume.id, record) }
        // Ours to clean up until all of it is done.
        try store.update { $0[volume.id] = ReferenceBook.Record(name: volume.name, isAttachedByMount: true) }
        do {
            let attachment = try await attach(volume, device: device, preempt: preempt)
            _ = try await ensureDevice(attachment)
            try store.update { $0[volume.id]?.isAttachedByMount = false }
            return attachment
        } catch {
            await takeBack(volume.id, after: error)
            throw error
        }
    }

    /// A volume that only lingers counts as not attached.
    func endLingerNow(_ volume: Volume) async throws -> Volume {
        guard let record = store.current[volume.id], record.isAttachedByMount, record.holders.isEmpty else {
            return volume
        }
        stopLingering(volume.id)
        try await tearDown(volume)
        return try await region.volume(.id(volume.id))
    }

    /// Detaches from this instance. Refused with `DeviceBusy` while mounted.
    ///
    /// - Parameter force: takes it from whoever uses it, and from other instances too.
    public func detach(_ reference: VolumeReference, force: Bool) async throws {
        try await exclusively(reference) { volume in
            if force { return try await self.detachByForce(volume) }
            guard let attachment = self.attachmentHere(volume) else {
                return try await self.detachElsewhere(volume)
            }
            let device = self.machine.isPrivileged ? try await self.findDevice(attachment) : nil
            try self.refuseWhileMounted(volume, device)
            self.stopLingering(volume.id)
            if let device { try await self.unmountManaged(volume, device) }
            try await self.detach(volume.id, device)
        }
    }

    private func refuseWhileMounted(_ volume: Volume, _ device: ReferenceBook.Device?) throws {
        guard let device, let mount = try machine.mounts().first(where: { $0.deviceNumber == device.number }),
            store.current[volume.id] == nil || store.current.isHeld(volume.id) || !isManaged(mount)
        else { return }
        let holders = holders(of: volume.id)
        throw StorageError(
            .deviceBusy,
            "Volume \(title(volume)) is mounted at '\(mount.mountPoint)'" + (holders.isEmpty ? "" : " for \(holders)"),
            advice: "unmount it first")
    }

    private func detachElsewhere(_ volume: Volume) async throws {
        if let holder = volume.attachments.first(where: { $0.instanceID != instance.id }) {
            throw StorageError(
                .incorrectState,
                "Volume \(title(volume)) is attached to '\(holder.instanceID)', not to '\(instance.id)'",
                advice: "detach it there, or use force")
        }
        try await region.detach(DetachVolumeRequest(volumeID: volume.id))
    }

    private func detachByForce(_ volume: Volume) async throws {
        if attachmentHere(volume) != nil { try await tearOff(volume) }
        for attachment in volume.attachments {
            try await region.detach(
                DetachVolumeRequest(volumeID: volume.id, instanceID: attachment.instanceID, force: true))
        }
        if volume.attachments.isEmpty { try await region.detach(DetachVolumeRequest(volumeID: volume.id, force: true)) }
        if let record = store.current[volume.id] { try await forgetLost(volume.id, record) }
    }

    /// Takes mounts out of sight even while they are used.
    private func tearOff(_ volume: Volume) async throws {
        guard machine.isPrivileged, let attachment = attachmentHere(volume),
            let device = try await findDevice(attachment)
        else { return }
        stopLingering(volume.id)
        for user in try usesOutside(device.number, managed: []) {
            logger.warning("\(title(volume)) is taken away by force, it is \(user)")
        }
        for mount in try machine.mounts() where mount.deviceNumber == device.number {
            try await machine.unmount(mount.mountPoint, lazily: true)
        }
        try store.update { book in
            book[volume.id, default: ReferenceBook.Record(name: volume.name, isAttachedByMount: false)].device = device
        }
    }

    // MARK: Removing

    /// Removes a volume that nobody uses, as mountinfo says; references of dead engines do not count.
    ///
    /// - Parameters:
    ///   - force: also when it is in use: it is taken away from whoever uses it.
    ///   - engine: the engine that asks. Its own references do not count, for it says that it has none.
    /// - Throws: `VolumeInUse`, naming who uses it.
    public func remove(_ reference: VolumeReference, force: Bool, engine: Incarnation? = nil) async throws {
        try await exclusively(reference) { volume in
            if force, !volume.attachments.isEmpty {
                try await self.detachByForce(volume)
            } else if self.store.current[volume.id] != nil {
                try await self.releaseForRemoval(volume, engine)
            }
            try await self.delete(try await self.region.volume(.id(volume.id)))
            try self.store.update { $0[volume.id] = nil }
        }
    }

    private func delete(_ volume: Volume) async throws {
        // What is attached here will not be released by waiting.
        if attachmentHere(volume) != nil { return try await region.delete(volume.id) }
        try await waitingWhileInUse { try await self.region.delete(volume.id) }
    }

    private func releaseForRemoval(_ volume: Volume, _ engine: Incarnation?) async throws {
        let holders = try (store.current[volume.id]?.holders ?? [:]).filter { try isInForce($0.value, engine) }
        guard holders.isEmpty else {
            throw StorageError(
                .volumeInUse, "Volume \(title(volume)) is in use: mounted for \(self.holders(of: volume.id))",
                advice: "unmount it first, or remove it by force")
        }
        stopLingering(volume.id)
        do {
            try await tearDown(volume)
        } catch let error as StorageError where error.code == .deviceBusy {
            lingerIfUnheld(volume.id)
            throw StorageError(.volumeInUse, error.message, cause: error.cause, advice: error.advice)
        }
    }

    /// Whether a reference keeps a volume from being removed.
    private func isInForce(_ hold: ReferenceBook.Hold, _ engine: Incarnation?) throws -> Bool {
        guard let incarnation = hold.incarnation else { return true }
        return try incarnation != engine && machine.isRunning(incarnation)
    }
}
