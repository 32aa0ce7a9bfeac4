// Volumes that are modified while this host has them: the device takes the new size, then the filesystem.

import Driver
import Platform

extension VolumeManager {
    /// How often a modification is asked for that has not taken effect yet.
    private static let modificationPoll: Duration = .milliseconds(100)
    /// A filesystem that leaves less of its device unused is as large as its maker wanted it: volumes grow by whole
    /// GiB, and the last piece of a device may be too short for a filesystem.
    private static let slackBytes: Int64 = 256 << 20

    /// Modifies a volume, and returns when that is in effect.
    public func modify(_ request: ModifyVolumeRequest) async throws -> VolumeModification {
        let end = clock.uptime() + settings.operationDeadline
        var modification = try await region.modify(request)
        while modification.state == .modifying {
            guard clock.uptime() < end else {
                throw StorageError(
                    .deadlineExceeded, "Volume '\(request.volumeID)' is being modified for longer than anybody waits",
                    advice: "see 'ebb volume modifications' for when it is in effect")
            }
            try await clock.sleep(for: Self.modificationPoll)
            modification = try await region.modification(of: request.volumeID)
        }
        guard modification.state != .failed else {
            throw StorageError(
                .internalError, "The modification of volume '\(request.volumeID)' failed",
                cause: modification.statusMessage)
        }
        return modification
    }

    /// Lets the volume's device on this host, and the filesystem that is mounted from it, have the volume's size. No
    /// change where it is not attached, and where they have it.
    ///
    /// A filesystem that is not mounted grows when it is. `DeviceBusy` for one that may not grow while it is.
    public func grow(_ reference: VolumeReference) async throws {
        guard machine.isPrivileged else { return }
        try await exclusively(reference) { volume in
            guard let attachment = self.attachmentHere(volume), let device = try await self.findDevice(attachment)
            else {
                return
            }
            try await self.growDevice(device, of: volume)
            guard let mount = try self.machine.mounts().first(where: { $0.deviceNumber == device.number }),
                Self.mountableTypes.contains(mount.fsType), try await self.isShort(mount.fsType, on: device)
            else { return }
            try await self.growMounted(volume, device, mount)
            self.logger.info("\(self.title(volume)) has grown to \(volume.sizeGiB) GiB at \(mount.mountPoint)")
        }
    }

    private func growMounted(_ volume: Volume, _ device: ReferenceBook.Device, _ mount: MountInfo) async throws {
        do {
            try await machine.growFileSystem(mount.fsType, on: device.node, mountedAt: mount.mountPoint)
        } catch let error as StorageError where error.code == .deviceBusy {
            throw StorageError(
                .deviceBusy,
                """
                Volume \(title(volume)) has \(volume.sizeGiB) GiB now, but its \(mount.fsType) filesystem may not grow \
                while it is mounted
                """, cause: error.cause, advice: error.advice)
        }
    }

    /// A real device grows by itself, some time after EC2 says so; a loop device has to be told.
    func growDevice(_ device: ReferenceBook.Device, of volume: Volume) async throws {
        guard try isSmaller(device, than: volume) else { return }
        if let file = device.file {
            try await machine.growLoopDevice(device.number, backing: file)
        } else {
            try await waitForGrowth(of: device, volume)
        }
        guard try !isSmaller(device, than: volume) else {
            throw StorageError(
                .hostOperationFailed, "\(device.node) does not grow to the \(volume.sizeGiB) GiB of \(title(volume))")
        }
        logger.info("\(device.node) has grown to the \(volume.sizeGiB) GiB of \(title(volume))")
    }

    private func waitForGrowth(of device: ReferenceBook.Device, _ volume: Volume) async throws {
        let end = clock.uptime() + settings.commandDeadline
        while try isSmaller(device, than: volume), clock.uptime() < end {
            try await clock.sleep(for: Self.modificationPoll)
        }
    }

    private func isSmaller(_ device: ReferenceBook.Device, than volume: Volume) throws -> Bool {
        try machine.sizeBytes(of: device.number) < Int64(volume.sizeGiB) << 30
    }

    /// Whether a filesystem leaves a part of its device unused that it could take.
    private func isShort(_ type: String, on device: ReferenceBook.Device) async throws -> Bool {
        let deviceBytes = try machine.sizeBytes(of: device.number)
        return try await machine.fileSystemSizeBytes(on: device.node, type: type) + Self.slackBytes <= deviceBytes
    }

    /// Before a filesystem is mounted that was here before: whether it has yet to grow when it is mounted. One that
    /// can grow now does. That it does not grow is no reason not to mount it.
    func growBeforeMount(_ volume: Volume, _ type: String, _ device: ReferenceBook.Device) async -> Bool {
        do {
            guard try await isShort(type, on: device) else { return false }
            if type == "xfs" { return true }
            logger.info("the filesystem of \(title(volume)) grows to \(volume.sizeGiB) GiB")
            try await machine.growFileSystem(type, on: device.node, mountedAt: nil)
        } catch {
            logger.warning("the filesystem of \(title(volume)) keeps its size: \(error)")
        }
        return false
    }

    func growAfterMount(_ volume: Volume, _ type: String, _ device: ReferenceBook.Device, at path: String) async {
        do {
            try await machine.growFileSystem(type, on: device.node, mountedAt: path)
            logger.info("the filesystem of \(title(volume)) has grown to \(volume.sizeGiB) GiB")
        } catch {
            logger.warning("the filesystem of \(title(volume)) keeps its size: \(error)")
        }
    }
}
