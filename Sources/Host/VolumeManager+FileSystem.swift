// Making a filesystem where there is nothing, and mounting it.

import Driver

extension Tag {
    /// Present while a volume is being formatted for the first time; the instance that does it. Whoever finds it
    /// knows that the formatting never came to its end and that nobody has seen the filesystem yet.
    static let formatting = "ebb:formatting"
}

/// A filesystem that can be mounted.
struct PreparedFileSystem: Sendable {
    var type: String
    /// Empty when it was made just now.
    var uuid: String
    /// Whether it is to take more of its device once it is mounted.
    var growsWhenMounted = false
}

extension VolumeManager {
    /// What Ebb mounts. ext2 and ext3 are read by the kernel's ext4.
    static let mountableTypes: Set<String> = ["ext2", "ext3", "ext4", "xfs"]

    /// What is on the device, or a new filesystem if nothing is, or if whatever is there may go.
    ///
    /// Anything else is refused with `DeviceNotBlank`.
    func prepareFileSystem(
        _ volume: Volume, _ device: ReferenceBook.Device, _ options: MountOptions
    ) async throws -> PreparedFileSystem {
        let wanted = try FileSystemType(
            validating: options.fsType ?? volume.tags[Tag.fsType] ?? settings.fsType)
        let mayOverwrite = options.overwriteFileSystem || volume.tags[Tag.formatting] != nil
        let content = try await machine.content(of: device.node, backing: device.file)
        switch content {
        case .blank(let isZeroed):
            try await format(volume, device, as: wanted, isZeroed: isZeroed)
        case .fileSystem(let type, let uuid) where !mayOverwrite:
            guard Self.mountableTypes.contains(type) else { throw notBlank(volume, "\(type) filesystem") }
            let grows = await growBeforeMount(volume, type, device)
            return PreparedFileSystem(type: type, uuid: uuid, growsWhenMounted: grows)
        case .other(let description) where !mayOverwrite:
            throw notBlank(volume, description)
        case .fileSystem, .other:
            let isZeroed = try await machine.discard(device.node)
            try await format(volume, device, as: wanted, isZeroed: isZeroed)
        }
        return PreparedFileSystem(type: wanted.rawValue, uuid: "")
    }

    private func notBlank(_ volume: Volume, _ what: String) -> StorageError {
        StorageError(
            .deviceNotBlank, "Volume \(title(volume)) is neither blank nor ext4 or xfs: it holds \(what)",
            advice: "attach it and use it as it is, or mount it with overwritefs to erase it")
    }

    private func format(
        _ volume: Volume, _ device: ReferenceBook.Device, as type: FileSystemType, isZeroed: Bool
    ) async throws {
        logger.info("formatting \(title(volume)) on \(device.node) with \(type.rawValue)")
        _ = try await region.modifyTags(
            ModifyTagsRequest(volumeID: volume.id, set: [Tag.formatting: instance.id.rawValue]))
        try await machine.format(device.node, as: type, isZeroed: isZeroed)
        _ = try await region.modifyTags(
            ModifyTagsRequest(volumeID: volume.id, set: [Tag.fsType: type.rawValue], remove: [Tag.formatting]))
    }

    /// Mounts the volume's filesystem at `path` and looks in mountinfo whether it is there.
    func mountFileSystem(
        _ volume: Volume, _ device: ReferenceBook.Device, _ fileSystem: PreparedFileSystem, at path: String,
        options: MountOptions
    ) async throws {
        let named = options.mountOptions ?? volume.tags[Tag.mountOptions] ?? settings.mountOptions
        // An empty text asks for none, whatever the default is.
        let given = named.flatMap { $0.isEmpty ? nil : $0 }
        try machine.makeMountPoint(path)
        do {
            try await machine.mount(device.node, at: path, fsType: fileSystem.type, options: given)
        } catch {
            // XFS refuses a second filesystem with the same UUID, as a copy of a mounted volume has; also while the
            // kernel is just unmounting the first, which mountinfo does not show any more.
            guard fileSystem.type == "xfs" else { throw error }
            let hasTwin = try await isTwinMounted(fileSystem, device.number)
            if !hasTwin { try await clock.sleep(for: Self.unmountPause) }
            let options = hasTwin ? [given, "nouuid"].compactMap { $0 }.joined(separator: ",") : given
            try await machine.mount(device.node, at: path, fsType: fileSystem.type, options: options)
        }
        guard try machine.mounts().last(where: { $0.mountPoint == path })?.deviceNumber == device.number else {
            throw StorageError(
                .hostOperationFailed, "\(device.node) was mounted at '\(path)', but mountinfo does not show it")
        }
        if fileSystem.growsWhenMounted { await growAfterMount(volume, fileSystem.type, device, at: path) }
        logger.info("mounted \(title(volume)) from \(device.node) at \(path)")
    }

    /// How long the kernel takes for what was unmounted by its last user.
    private static var unmountPause: Duration { .milliseconds(500) }

    private func isTwinMounted(_ fileSystem: PreparedFileSystem, _ number: DeviceNumber) async throws -> Bool {
        if fileSystem.uuid.isEmpty { return false }
        var seen: Set<DeviceNumber> = [number]
        for mount in try machine.mounts() where mount.fsType == "xfs" && seen.insert(mount.deviceNumber).inserted {
            if case .fileSystem(_, fileSystem.uuid) = try await machine.content(of: mount.source, backing: nil) {
                return true
            }
        }
        return false
    }
}
