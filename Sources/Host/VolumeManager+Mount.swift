// Mounting: attach, device, filesystem, mount, reference; each step finds what an earlier one left, so that a
// repeated mount repeats nothing.

import Driver

extension VolumeManager {
    /// Mounts a volume under the mount root and counts a reference for `holder`.
    ///
    /// Attaches it first if it is not attached here, and formats it if it is blank. Whatever fails, what this call
    /// did is undone. A mount whose caller was cancelled meanwhile counts no reference.
    public func mount(
        _ reference: VolumeReference, holder: MountHolder, options: MountOptions = MountOptions()
    ) async throws -> MountedVolume {
        try requirePrivilege("Mounting")
        if let fsType = options.fsType { _ = try FileSystemType(validating: fsType) }
        if let mountOptions = options.mountOptions { try Self.validate(mountOptions: mountOptions) }
        let mounted = try await exclusively(reference, sound: true) { volume in
            self.stopLingering(volume.id)
            do {
                return try await self.mountHeld(volume, holder, options)
            } catch {
                if !self.store.current.isHeld(volume.id) { await self.takeBack(volume.id, after: error) }
                throw error
            }
        }
        if Task.isCancelled {
            // Nobody is there any more to unmount it.
            try await Task { try await self.unmount(.id(mounted.volume.id), holder: holder) }.value
            throw CancellationError()
        }
        return mounted
    }

    private func mountHeld(
        _ volume: Volume, _ holder: MountHolder, _ options: MountOptions
    ) async throws -> MountedVolume {
        let attachment = try await attachForMount(volume, preempt: options.preempt || settings.preempt)
        let device = try await ensureDevice(attachment)
        try await growDevice(device, of: volume)
        let mountPoint = try await ensureMounted(volume, device, options)
        let path = settings.userPath(at: mountPoint)
        if let rootPath = settings.volumeRootPath { try await machine.makeDirectory(rootPath, below: mountPoint) }
        let mounted = MountedVolume(
            volume: try await region.volume(.id(volume.id)), path: path, device: attachment.device)
        // Last, for a mount that fails is not unmounted by anybody.
        try store.update { book in
            book[volume.id]?.mountPoint = mountPoint
            book.addReference(volume.id, holder)
        }
        return mounted
    }

    /// The attachment to this instance; made if there is none, and then in the book before it exists.
    private func attachForMount(_ volume: Volume, preempt: Bool) async throws -> Attachment {
        if let attachment = attachmentHere(volume) {
            try store.update { book in
                if book[volume.id] == nil {
                    book[volume.id] = ReferenceBook.Record(name: volume.name, isAttachedByMount: false)
                }
            }
            return attachment
        }
        if let record = store.current[volume.id] { try await forgetLost(volume.id, record) }
        try store.update { $0[volume.id] = ReferenceBook.Record(name: volume.name, isAttachedByMount: true) }
        return try await attach(volume, device: nil, preempt: preempt)
    }

    func attach(_ volume: Volume, device: DeviceName?, preempt: Bool) async throws -> Attachment {
        let request = AttachVolumeRequest(
            volumeID: volume.id, instanceID: instance.id, device: device, preempt: preempt)
        // What is attached here already will not be released by waiting.
        if attachmentHere(volume) != nil { return try await region.attach(request) }
        return try await waitingWhileInUse { try await self.region.attach(request) }
    }

    /// The volume's mount point under the mount root; mounted if it is not.
    private func ensureMounted(
        _ volume: Volume, _ device: ReferenceBook.Device, _ options: MountOptions
    ) async throws -> String {
        let mounts = try machine.mounts()
        let present = mounts.filter { $0.deviceNumber == device.number }
        if options.overwriteFileSystem, let mount = present.first {
            throw StorageError(
                .deviceBusy, "Volume \(title(volume)) is mounted at '\(mount.mountPoint)' and is not formatted",
                advice: "unmount it first")
        }
        if let mount = present.first(where: isManaged) {
            if store.current.isHeld(volume.id) { return mount.mountPoint }
            if try await !hasGivenUp(mount) { return mount.mountPoint }
            logger.warning("\(title(volume)) turned read-only after an error; it is mounted anew")
            try await unmountManaged(volume, device)
        }
        let path = mountPoint(for: volume, mounts: mounts)
        try await clearDeadMounts(at: path)
        let fileSystem = try await prepareFileSystem(volume, device, options)
        try await mountFileSystem(volume, device, fileSystem, at: path, options: options)
        return path
    }

    /// Whether a filesystem refuses writes that its mount allows: it met an error that it could not bear, such as a
    /// journal without room. Mounting it anew replays the journal and may heal it.
    private func hasGivenUp(_ mount: MountInfo) async throws -> Bool {
        if mount.options.split(separator: ",").contains("ro") { return false }
        return try await !machine.takesWrites(at: mount.mountPoint)
    }

    /// Under its name if it has a usable one that no other volume's mount took before it was renamed.
    private func mountPoint(for volume: Volume, mounts: [MountInfo]) -> String {
        let byID = mountRoot + "/" + volume.id.rawValue
        guard VolumeName.isValid(volume.name) else { return byID }
        let byName = mountRoot + "/" + volume.name
        let isTaken = store.current.volumes.contains { id, record in
            id != volume.id.rawValue && record.mountPoint == byName
                && mounts.contains { $0.mountPoint == byName && $0.deviceNumber == record.device?.number }
        }
        return isTaken ? byID : byName
    }

    /// Takes away what lost volumes left at a mount point; nothing else mounts there.
    func clearDeadMounts(at path: String) async throws {
        for mount in try machine.mounts() where mount.mountPoint == path {
            logger.warning("a dead mount of \(mount.source) (\(mount.deviceNumber)) is taken from \(path)")
            try await machine.unmount(path, lazily: true)
        }
    }
}
