// Devices and mounts of the host by themselves, whatever is behind them: `ebb device …`.

import Driver
import Platform
import SystemPackage

extension VolumeManager {
    /// Mounts a device; the kernel finds out the filesystem.
    ///
    /// - Parameters:
    ///   - options: as `mount -o` takes them.
    ///   - label: an SELinux label for all files, mounted as `context="…"`.
    public func mountDevice(_ device: String, at path: String, options: String?, label: String?) async throws {
        try requirePrivilege("Mounting")
        _ = try number(of: device)
        try Self.requireAbsolute(path)
        var all: [String] = []
        if let options, !options.isEmpty {
            try Self.validate(mountOptions: options)
            all.append(options)
        }
        if let label, !label.isEmpty {
            try Self.validate(mountOptions: label)
            all.append("context=\"\(label)\"")
        }
        try await machine.mount(
            device, at: path, fsType: nil, options: all.isEmpty ? nil : all.joined(separator: ","))
    }

    /// Unmounts what is at `path`, unless it is a volume that somebody holds.
    public func unmountDevice(at path: String) async throws {
        try requirePrivilege("Unmounting")
        try Self.requireAbsolute(path)
        let path = FilePath(path).lexicallyNormalized().string
        guard let mount = try machine.mounts().last(where: { $0.mountPoint == path }) else {
            throw StorageError(.incorrectState, "Nothing is mounted at '\(path)'")
        }
        if let id = volumeID(of: mount.deviceNumber), store.current.isHeld(id), isManaged(mount) {
            throw StorageError(
                .deviceBusy, "'\(path)' is volume '\(id)', mounted for \(holders(of: id))",
                advice: "use 'ebb volume unmount', or stop the containers that use it")
        }
        try await machine.unmount(path, lazily: false)
    }

    /// Makes a filesystem on a device. Refused with `DeviceNotBlank` if anything is there, unless `overwrite`; with
    /// `DeviceBusy` while it is mounted anywhere.
    ///
    /// - Parameter fsType: `ext4` or `xfs`; `nil` for the host's default.
    public func formatDevice(_ device: String, fsType: String?, overwrite: Bool) async throws {
        try requirePrivilege("Formatting")
        let type = try FileSystemType(validating: fsType.flatMap { $0.isEmpty ? nil : $0 } ?? settings.fsType)
        let number = try number(of: device)
        guard let id = volumeID(of: number) else { return try await format(device, number, type, overwrite) }
        try await exclusively(.id(id)) { _ in try await self.format(device, number, type, overwrite) }
    }

    private func format(
        _ device: String, _ number: DeviceNumber, _ type: FileSystemType, _ overwrite: Bool
    ) async throws {
        let users = try usesOutside(number, managed: [])
        guard users.isEmpty else {
            throw StorageError(.deviceBusy, "'\(device)' is in use: \(users.joined(separator: ", "))")
        }
        let file = store.current.volumes.values.first { $0.device?.number == number }?.device?.file
        let content = try await machine.content(of: device, backing: file)
        var isZeroed = false
        switch content {
        case .blank(let isKnownZero): isZeroed = isKnownZero
        case .fileSystem, .other:
            guard overwrite else { throw Self.notBlank(device, content) }
            isZeroed = try await machine.discard(device)
        }
        logger.info("formatting \(device) with \(type.rawValue)")
        try await machine.format(device, as: type, isZeroed: isZeroed)
    }

    private static func notBlank(_ device: String, _ content: DeviceContent) -> StorageError {
        let what =
            switch content {
            case .blank: "nothing"
            case .fileSystem(let type, _): "\(type) filesystem"
            case .other(let description): description
            }
        return StorageError(
            .deviceNotBlank, "'\(device)' is not blank: it holds \(what)", advice: "use overwritefs to erase it")
    }

    private func volumeID(of number: DeviceNumber) -> VolumeID? {
        store.current.volumes.first { $0.value.device?.number == number }.map { VolumeID($0.key) }
    }

    private func number(of device: String) throws -> DeviceNumber {
        try Self.requireAbsolute(device)
        guard let number = try machine.blockDevice(at: device) else {
            throw StorageError(.invalidParameterValue, "The device '\(device)' does not exist")
        }
        return number
    }

    static func requireAbsolute(_ path: String) throws(StorageError) {
        guard path.hasPrefix("/"), !path.utf8.contains(0) else {
            throw StorageError(.invalidParameterValue, "'\(path.prefix(80))' is not an absolute path")
        }
    }
}
