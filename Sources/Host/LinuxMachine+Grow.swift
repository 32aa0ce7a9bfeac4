// Devices and filesystems that grow with their volumes.

import Driver
import Platform
import SystemPackage

extension LinuxMachine {
    /// sysfs counts sectors of 512 bytes, whatever the device's are.
    private static let sectorBytes: Int64 = 512

    public func sizeBytes(of number: DeviceNumber) throws -> Int64 {
        let path = sys.appending("dev/block/\(number.major):\(number.minor)/size")
        do {
            let text = String(decoding: try readFile(path), as: UTF8.self).filter { !$0.isWhitespace }
            if let sectors = Int64(text) { return sectors * Self.sectorBytes }
            throw StorageError(.hostOperationFailed, "'\(path)' says '\(text)'")
        } catch let error as Errno {
            throw StorageError(.hostOperationFailed, "'\(path)' could not be read", cause: "\(error)")
        }
    }

    public func growLoopDevice(_ number: DeviceNumber, backing file: String) async throws {
        // The kernel takes the size that it knows of the file; this lets it ask.
        try await run("stat", "--cached=never", "--format=%s", file)
        try await run("losetup", "--set-capacity", "/dev/loop\(number.minor)")
    }

    public func fileSystemSizeBytes(on device: String, type: String) async throws -> Int64 {
        if type == "xfs" {
            let text = try await run(
                "xfs_db", "-r", "-c", "sb 0", "-c", "print dblocks", "-c", "print blocksize", device)
            return try Self.size(text, blocks: "dblocks", blockBytes: "blocksize", separator: "=")
        }
        let text = try await run("dumpe2fs", "-h", device)
        return try Self.size(text, blocks: "Block count", blockBytes: "Block size", separator: ":")
    }

    /// From lines of `name: value` or `name = value`.
    static func size(
        _ text: String, blocks: String, blockBytes: String, separator: Character
    ) throws(StorageError) -> Int64 {
        func value(_ name: String) throws(StorageError) -> Int64 {
            for line in text.split(whereSeparator: \.isNewline) {
                let parts = line.split(separator: separator, maxSplits: 1).map { $0.filter { $0 != " " } }
                if parts.count == 2, parts[0] == name.filter({ $0 != " " }), let number = Int64(parts[1]) {
                    return number
                }
            }
            throw StorageError(.hostOperationFailed, "A filesystem's size is not told: no '\(name)'")
        }
        return try value(blocks) * value(blockBytes)
    }

    public func growFileSystem(_ type: String, on device: String, mountedAt path: String?) async throws {
        switch (type, path) {
        case ("xfs", let path?):
            try await Command(["xfs_growfs", "-d", path], deadline: formatDeadline).output(clock: clock)
        case ("xfs", nil):
            throw StorageError(.incorrectState, "An xfs filesystem grows only while it is mounted")
        case (_, nil):
            try await checkExt(device)
            try await Command(["resize2fs", device], deadline: formatDeadline).output(clock: clock)
        case (_, _?):
            try await growMountedExt(device)
        }
    }

    /// resize2fs refuses what was not checked just now.
    private func checkExt(_ device: String) async throws {
        let command = Command(["e2fsck", "-f", "-p", device], deadline: formatDeadline)
        let outcome = try await command.outcome(clock: clock)
        // 1: there were errors, and they are gone.
        guard outcome.exitCode <= 1 else { throw command.failure(outcome) }
    }

    /// The kernel wants CAP_SYS_RESOURCE for it, which root in a container may lack.
    private func growMountedExt(_ device: String) async throws {
        let command = Command(["resize2fs", device], deadline: formatDeadline)
        let outcome = try await command.outcome(clock: clock)
        if outcome.exitCode == 0 { return }
        let failure = command.failure(outcome)
        guard let cause = failure.cause,
            ["Permission denied", "Operation not permitted"].contains(where: cause.contains)
        else { throw failure }
        throw StorageError(
            .deviceBusy, "The ext4 filesystem on \(device) may not grow while it is mounted", cause: cause,
            advice: "unmount the volume: the filesystem grows at its next mount")
    }
}
