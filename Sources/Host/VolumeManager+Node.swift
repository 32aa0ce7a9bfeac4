// CSI's node: a volume that a controller attached is mounted at the paths that the orchestrator names.
//
// The orchestrator counts by itself, so nothing here counts references.

import Driver
import Platform
import SystemPackage

extension VolumeManager {
    /// Formats if blank, and mounts at `stagingPath`, a volume that is attached to this instance. Repeatable.
    public func stage(_ id: VolumeID, at stagingPath: String, options: MountOptions) async throws {
        try requirePrivilege("Staging")
        if let mountOptions = options.mountOptions { try Self.validate(mountOptions: mountOptions) }
        try await exclusively(.id(id)) { volume in
            let path = try self.prepareMountPoint(stagingPath)
            let attachment = try self.requireAttachment(volume)
            try self.store.update { book in
                if book[id] == nil { book[id] = ReferenceBook.Record(name: volume.name, isAttachedByMount: false) }
            }
            let device = try await self.ensureDevice(attachment)
            try await self.growDevice(device, of: volume)
            if try self.isShown(device.number, at: path) { return }
            let fileSystem = try await self.prepareFileSystem(volume, device, options)
            try await self.mountFileSystem(volume, device, fileSystem, at: path, options: options)
        }
    }

    /// Unmounts from `stagingPath`; the device goes with its last mount, ready to be detached. Repeatable.
    public func unstage(_ id: VolumeID, at stagingPath: String) async throws {
        try requirePrivilege("Unstaging")
        try await exclusively(.id(id)) { volume in
            guard let device = try await self.deviceHere(volume) else { return }
            try await self.unmountIfShown(device.number, at: stagingPath)
            guard let record = self.store.current[id], !record.isAttachedByMount, record.holders.isEmpty,
                try self.usesOutside(device.number, managed: []).isEmpty
            else { return }
            try await self.removeDevice(device)
            try self.store.update { $0[id] = nil }
        }
    }

    /// Shows the staged volume at `targetPath` too. Repeatable.
    public func publish(_ id: VolumeID, from stagingPath: String, at targetPath: String, readOnly: Bool) async throws {
        try requirePrivilege("Publishing")
        try await exclusively(.id(id)) { volume in
            let target = try self.prepareMountPoint(targetPath)
            let staging = try self.resolve(stagingPath)
            guard let device = try await self.deviceHere(volume), try self.isShown(device.number, at: staging) else {
                throw StorageError(
                    .incorrectState, "Volume \(self.title(volume)) is not staged at '\(stagingPath)'",
                    advice: "stage it first")
            }
            if try self.isShown(device.number, at: target) { return }
            try await self.machine.bindMount(staging, at: target, readOnly: readOnly)
        }
    }

    /// Takes the volume from `targetPath` and removes the directory. Repeatable.
    public func unpublish(_ id: VolumeID, at targetPath: String) async throws {
        try requirePrivilege("Unpublishing")
        try await exclusively(.id(id)) { volume in
            if let device = try await self.deviceHere(volume) {
                try await self.unmountIfShown(device.number, at: targetPath)
            }
            try self.machine.removeMountPoint(targetPath)
        }
    }

    /// The space of the volume that is mounted at `path`; `InvalidVolume.NotFound` if it is not there.
    public func usage(of id: VolumeID, at path: String) async throws -> FileSystemUsage {
        let volume = try await region.volume(.id(id))
        let resolved = try resolve(path)
        guard let device = try await deviceHere(volume), try isShown(device.number, at: resolved) else {
            throw StorageError(.volumeNotFound, "Volume \(title(volume)) is not mounted at '\(path)'")
        }
        return try await machine.usage(at: resolved)
    }

    private func requireAttachment(_ volume: Volume) throws -> Attachment {
        guard let attachment = attachmentHere(volume) else {
            throw StorageError(
                .incorrectState, "Volume \(title(volume)) is not attached to '\(instance.id)'",
                advice: "attach it first")
        }
        return attachment
    }

    private func deviceHere(_ volume: Volume) async throws -> ReferenceBook.Device? {
        guard let attachment = attachmentHere(volume) else { return nil }
        return try await findDevice(attachment)
    }

    private func isShown(_ number: DeviceNumber, at path: String) throws -> Bool {
        guard let top = try machine.mounts().last(where: { $0.mountPoint == path }) else { return false }
        guard top.deviceNumber == number else {
            throw StorageError(.deviceBusy, "Something else is mounted at '\(path)': \(top.source)")
        }
        return true
    }

    private func unmountIfShown(_ number: DeviceNumber, at path: String) async throws {
        let path = try resolve(path)
        guard try isShown(number, at: path) else { return }
        try await machine.unmount(path, lazily: false)
        if try machine.mounts().contains(where: { $0.mountPoint == path && $0.deviceNumber == number }) {
            throw StorageError(.deviceBusy, "The volume is still mounted at '\(path)'")
        }
    }

    private func prepareMountPoint(_ path: String) throws -> String {
        try Self.requireAbsolute(path)
        let resolved = try resolve(path)
        if try !machine.mounts().contains(where: { $0.mountPoint == resolved }) { try machine.makeMountPoint(resolved) }
        return resolved
    }

    /// The path as mountinfo shows it. Only its directory is looked up: the path itself may be a dead mount.
    private func resolve(_ path: String) throws -> String {
        try Self.requireAbsolute(path)
        let normal = FilePath(path).lexicallyNormalized()
        guard let name = normal.lastComponent else { return normal.string }
        return try resolveDirectory(normal.removingLastComponent()).appending(name).string
    }

    /// Without symbolic links; names that do not exist yet stay as they are.
    private func resolveDirectory(_ path: FilePath) throws -> FilePath {
        do {
            return try resolvedPath(path)
        } catch {
            guard error == .noSuchFileOrDirectory, let name = path.lastComponent else {
                throw StorageError(.hostOperationFailed, "'\(path)' could not be looked up", cause: "\(error)")
            }
            return try resolveDirectory(path.removingLastComponent()).appending(name)
        }
    }
}
