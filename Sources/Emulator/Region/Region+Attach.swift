// Attaching, detaching, and taking a volume from whoever holds it.
//
// A new attachment's row is kept before the filesystem shows it; an old one's row says `detaching` before the
// filesystem takes it away. A take-over keeps both in one transaction, so that after a crash start-up finishes
// it: the old holder never comes back once the new one was decided.
//
// A detach waits for what is in flight. A forced one, and a take-over, answer it with an error: its bytes are in the
// file or on their way there, and a new holder never sees them arrive late.
import Driver

extension Region {
    func attach(_ request: AttachVolumeRequest) async throws -> Attachment {
        try await exclusively(.volume(request.volumeID)) { try await $0.attachAlone(request) }
    }

    func detach(_ request: DetachVolumeRequest) async throws {
        try await exclusively(.volume(request.volumeID)) { try await $0.detachAlone(request) }
    }

    // MARK: Attach

    private func attachAlone(_ request: AttachVolumeRequest) async throws -> Attachment {
        let volume = try state.volume(request.volumeID)
        let instance = try state.instance(request.instanceID)
        guard volume.zone == instance.zone else { throw StorageError.zoneMismatch(volume, instance) }
        if !request.preempt { try checkFree(volume, for: instance) }
        let coming = AttachmentRecord(
            number: nextAttachmentNumber(), volume: volume.number, instance: instance.id,
            device: try chooseDevice(request.device, on: instance), attachTime: currentTime())
        return volume.attachments.isEmpty || !request.preempt
            ? try await add(coming, to: volume) : try await replaceHolders(of: volume, by: coming)
    }

    private func checkFree(_ volume: VolumeRecord, for instance: InstanceRecord) throws(StorageError) {
        let holder =
            volume.isMultiAttachEnabled
            ? volume.attachments.first { $0.instance == instance.id } : volume.attachments.first
        if let holder { throw .attachingInUse(volume.id, holder: holder, label: label(holder.instance)) }
        guard volume.attachments.count < VolumeTypeLimits.multiAttachInstances else {
            throw .multiAttachLimit(volume.id)
        }
    }

    /// The device asked for, or the first free one. What is being detached still has its device.
    private func chooseDevice(
        _ wanted: DeviceName?, on instance: InstanceRecord
    ) throws(StorageError) -> DeviceName {
        var holders = [DeviceSlots.root: "it is the root device's"]
        for (volume, attachment) in state.attachments(on: instance.id) {
            holders[DeviceSlots.slot(attachment.device)] = "\(volume.id) is attached there"
        }
        if let wanted {
            guard DeviceSlots.isValid(wanted) else { throw .invalidDevice(wanted) }
            if let holder = holders[DeviceSlots.slot(wanted)] { throw .deviceTaken(wanted, by: holder) }
        }
        let limit = DeviceSlots.maximumPerInstance
        guard holders.count <= limit else { throw .attachmentLimit(instance, limit) }
        guard let device = wanted ?? DeviceSlots.firstFree(taken: Set(holders.keys)) else {
            throw .attachmentLimit(instance, DeviceSlots.automatic.count)
        }
        return device
    }

    /// Nobody has to leave: one commit.
    private func add(_ coming: AttachmentRecord, to former: VolumeRecord) async throws -> Attachment {
        var volume = former
        try volume.attach(coming)
        state.put(volume)
        do {
            var attached = volume
            try attached.apply(.exported, to: coming.number)
            try await effects.commit(attached.rows(of: [coming.number]))
            volume = attached
        } catch {
            state.put(former)
            throw error
        }
        return try await present(coming.number, of: volume)
    }

    /// Intent for all, then the old holders' last I/O, then the new one.
    private func replaceHolders(
        of former: VolumeRecord, by coming: AttachmentRecord
    ) async throws -> Attachment {
        let leaving = former.attachments.map(\.number)
        var volume = former
        try volume.beginDetaching(leaving)
        try volume.attach(coming)
        state.put(volume)
        do {
            try await effects.commit(volume.rows(of: leaving + [coming.number]))
        } catch {
            state.put(former)
            throw error
        }
        for attachment in former.attachments {
            logger.notice("\(volume.id) is taken from \(label(attachment.instance)) for \(label(coming.instance))")
            try await effects.fence(attachment, force: true)
        }
        for number in leaving { try volume.apply(.drained, to: number) }
        try volume.apply(.exported, to: coming.number)
        try await effects.commit(leaving.map { .deleteAttachment($0) } + volume.rows(of: [coming.number]))
        return try await present(coming.number, of: volume)
    }

    /// Shows what was committed. A volume whose bytes cannot be opened is not attached after all.
    private func present(_ number: AttachmentNumber, of volume: VolumeRecord) async throws -> Attachment {
        state.put(volume)
        guard let attachment = volume.attachments.first(where: { $0.number == number }) else {
            throw StorageError.wrongState(volume.id, volume.reportedState)
        }
        do {
            try effects.show(attachment, of: volume)
        } catch {
            try await effects.commit([.deleteAttachment(number)])
            var detached = volume
            try detached.beginDetaching([number])
            try detached.apply(.drained, to: number)
            state.put(detached)
            throw error
        }
        beginMetrics(of: volume)
        return report(attachment, of: volume)
    }

    // MARK: Detach

    private func detachAlone(_ request: DetachVolumeRequest) async throws {
        let former = try state.volume(request.volumeID)
        let leaving = try attachmentsToDetach(request, of: former)
        let numbers = leaving.map(\.number)
        var volume = former
        try volume.beginDetaching(numbers)
        state.put(volume)
        do {
            try await effects.commit(volume.rows(of: numbers))
        } catch {
            state.put(former)
            throw error
        }
        // Open until it is known how far it has been restored.
        let blocks = effects.volumes.volumeIfOpen(volume.fileName)
        for attachment in leaving { try await effects.fence(attachment, force: request.force) }
        noteRestore(of: volume, blocks)
        await keepCredits()
        for number in numbers { try volume.apply(.drained, to: number) }
        try await effects.commit(numbers.map { .deleteAttachment($0) })
        state.put(volume)
    }

    private func attachmentsToDetach(
        _ request: DetachVolumeRequest, of volume: VolumeRecord
    ) throws(StorageError) -> [AttachmentRecord] {
        guard !volume.attachments.isEmpty else { throw .wrongState(volume.id, volume.reportedState) }
        guard let id = request.instanceID else {
            guard Set(volume.attachments.map(\.instance)).count == 1 else { throw .ambiguousDetach(volume) }
            return volume.attachments
        }
        let instance = try state.instance(id)
        let found = volume.attachments.filter { $0.instance == instance.id }
        guard !found.isEmpty else { throw .attachmentNotFound(volume, instance.id) }
        return found
    }
}

extension VolumeRecord {
    /// Moves these towards their end; one that is on its way already (after a failure) stays there.
    fileprivate mutating func beginDetaching(_ numbers: [AttachmentNumber]) throws(StorageError) {
        for attachment in attachments where numbers.contains(attachment.number) && attachment.state != .detaching {
            try apply(.detachBegan, to: attachment.number)
        }
    }

    fileprivate func rows(of numbers: [AttachmentNumber]) -> [CatalogChange] {
        attachments.filter { numbers.contains($0.number) }.map { .putAttachment($0) }
    }
}
