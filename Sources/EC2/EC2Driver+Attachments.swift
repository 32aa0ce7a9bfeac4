// Attachments: a name is chosen, EC2 is asked, and it is waited until it is so.
import Driver

extension EC2Driver {
    public func attachVolume(_ request: AttachVolumeRequest) async throws -> Attachment {
        let id = request.volumeID
        try await requireInScope([id])
        if request.preempt { try await takeFromHolder(id, request.instanceID) }
        guard let device = request.device else {
            let device = try await beginUnderFreeName(id, request.instanceID)
            return try await whenAttached(id, request.instanceID, device)
        }
        try await begin(id, request.instanceID, device)
        return try await whenAttached(id, request.instanceID, device)
    }

    private func takeFromHolder(_ id: VolumeID, _ instance: InstanceID) async throws {
        let volume = try await volume(id)
        let target = try await self.instance(instance)
        guard target.zone == volume.zone else { throw zoneMismatch(volume, target) }
        guard !volume.isMultiAttachEnabled else { return }
        for holder in volume.attachments {
            try await detachVolume(DetachVolumeRequest(volumeID: id, instanceID: holder.instanceID, force: true))
        }
    }

    private func beginUnderFreeName(_ id: VolumeID, _ instance: InstanceID) async throws -> DeviceName {
        var tried: Set<DeviceName> = []
        while true {
            let item = try await instanceItem(instance)
            let device = try names.reserve(on: instance, taken: Translator.takenSlots(item), except: tried)
            defer { names.release(device, on: instance) }
            do {
                try await begin(id, instance, device)
                // Until EC2 lists the name, nobody else is to be given it.
                try await patience.waitUntilSeen { try await self.lists(device, on: instance) }
                return device
            } catch let error as StorageError where error.isOfTakenDevice {
                names.distrust(device, on: instance)
                tried.insert(device)
            }
        }
    }

    private func lists(_ device: DeviceName, on instance: InstanceID) async throws -> Bool {
        guard let item = try await instanceBatches.item(instance.rawValue) else { return false }
        return Translator.takenSlots(item).contains(DeviceSlots.slot(device))
    }

    private func begin(_ id: VolumeID, _ instance: InstanceID, _ device: DeviceName) async throws {
        let action = AttachVolume(device: device.path, instanceId: instance.rawValue, volumeId: id.rawValue)
        do {
            try await client.sendUntilDone(action) { error in
                guard error.code == .volumeInUse || error.isOfTakenDevice else { return false }
                return try await becomesAttached(id, instance, device)
            }
        } catch let error as StorageError {
            throw try await explained(error, id, instance)
        }
    }

    /// Whether the volume is where it should be. Descriptions lag behind, unless they name another holder.
    private func becomesAttached(_ id: VolumeID, _ instance: InstanceID, _ device: DeviceName) async throws -> Bool {
        var holder: Attachment?
        try await patience.waitUntilSeen {
            holder = try await look(at: id)?.attachments.first
            return holder != nil
        }
        guard let holder, holder.instanceID == instance else { return false }
        return DeviceSlots.slot(holder.device) == DeviceSlots.slot(device)
    }

    /// EC2's refusal, and what it leaves out.
    private func explained(_ error: StorageError, _ id: VolumeID, _ instance: InstanceID) async throws -> StorageError {
        switch error.code {
        case .volumeInUse: return inUse(error, try await look(at: id))
        case .zoneMismatch:
            guard let volume = try await look(at: id) else { return error }
            return zoneMismatch(volume, try await self.instance(instance))
        default: return error
        }
    }

    private func zoneMismatch(_ volume: Volume, _ instance: Instance) -> StorageError {
        StorageError.zoneMismatch(volume.id, in: volume.zone, instance.id, in: instance.zone)
    }

    private func whenAttached(
        _ id: VolumeID, _ instance: InstanceID, _ device: DeviceName
    ) async throws -> Attachment {
        // An earlier holder may be listed for a while.
        let patienceWithOthers = client.clock.uptime() + client.limits.consistencyTime
        do {
            return try await patience.wait(
                for: "volume '\(id)' to be attached to '\(instance)' as \(device)", atMost: client.limits.waitTime,
                advice: "detach it, and attach it again under another name"
            ) {
                let volume = try await look(at: id)
                if client.clock.uptime() > patienceWithOthers, let volume { try refuseOther(volume, instance) }
                return volume?.attachments.first { attachment in
                    attachment.instanceID == instance && attachment.state == .attached
                        && DeviceSlots.slot(attachment.device) == DeviceSlots.slot(device)
                }
            }
        } catch {
            names.distrust(device, on: instance)
            throw error
        }
    }

    /// Somebody else has taken it meanwhile.
    private func refuseOther(_ volume: Volume, _ instance: InstanceID) throws {
        let holders = volume.attachments
        guard !holders.isEmpty, !holders.contains(where: { $0.instanceID == instance }) else { return }
        throw inUse(StorageError(.volumeInUse, "\(volume.id) is already attached to an instance"), volume)
    }

    // MARK: Detaching

    public func detachVolume(_ request: DetachVolumeRequest) async throws {
        let id = request.volumeID
        let volume = try await volume(id)
        guard let holder = try holder(of: volume, request.instanceID) else {
            throw StorageError.wrongState(id, volume.state)
        }
        try await client.sendUntilDone(
            DetachVolume(
                force: request.force ? true : nil, instanceId: holder.instanceID.rawValue, volumeId: id.rawValue)
        ) { [.incorrectState, .attachmentNotFound, .volumeNotFound].contains($0.code) }
        try await whenDetached(id, holder, force: request.force)
    }

    /// Who is meant; `nil` for a volume that is attached to nothing.
    private func holder(of volume: Volume, _ instance: InstanceID?) throws -> Attachment? {
        guard let instance else {
            guard volume.attachments.count < 2 else {
                throw StorageError.ambiguousDetach(volume.id, holders: volume.holders)
            }
            return volume.attachments.first
        }
        if let holder = volume.attachments.first(where: { $0.instanceID == instance }) { return holder }
        if volume.attachments.isEmpty { return nil }
        throw StorageError.attachmentNotFound(volume.id, instance, holders: volume.holders)
    }

    private func whenDetached(_ id: VolumeID, _ holder: Attachment, force: Bool) async throws {
        do {
            try await patience.wait(
                for: "volume '\(id)' to be detached from '\(holder.instanceID)'", atMost: client.limits.waitTime,
                advice: force ? nil : "unmount it on that instance, or detach it by force"
            ) {
                let volume = try await look(at: id)
                let isHeld = volume?.attachments.contains { $0.instanceID == holder.instanceID } ?? false
                return isHeld ? nil : ()
            }
        } catch {
            names.distrust(holder.device, on: holder.instanceID)
            throw error
        }
    }
}

extension StorageError {
    /// Source: the EC2 API's text for an attachment point that is in use, which has no code of its own.
    fileprivate var isOfTakenDevice: Bool {
        code == .invalidParameterValue && message.contains("already in use")
    }
}
