// What is on a device, and making filesystems.

import Driver
import Platform

extension LinuxMachine {
    /// The ends of a device where formats keep their marks, RAID and GPT at its tail.
    private static let inspectedBytes: Int64 = 1 << 20
    /// libblkid's tool: nothing was found, and: what was found contradicts itself.
    private static let foundNothing = 2
    private static let foundAmbivalence = 8

    public func content(of device: String, backing file: String?) async throws -> DeviceContent {
        let (command, outcome) = try await outcome("blkid", "--probe", "--output", "export", device)
        switch outcome.exitCode {
        case 0: return Self.content(fromProbe: outcome.output)
        case Self.foundAmbivalence: return .other("several formats at once")
        case Self.foundNothing where outcome.errorOutput.isEmpty: return try await unknownContent(of: device, file)
        default: throw command.failure(outcome)
        }
    }

    /// From blkid's `KEY=value` lines.
    static func content(fromProbe text: String) -> DeviceContent {
        var values: [Substring: Substring] = [:]
        for line in text.split(whereSeparator: \.isNewline) {
            let parts = line.split(separator: "=", maxSplits: 1)
            if parts.count == 2 { values[parts[0]] = parts[1] }
        }
        if let table = values["PTTYPE"] { return .other("a \(table) partition table") }
        guard let type = values["TYPE"] else { return .other("data that libblkid half knows") }
        let usage = values["USAGE"] ?? "other"
        if usage == "filesystem" { return .fileSystem(type: String(type), uuid: String(values["UUID"] ?? "")) }
        return .other("\(type) (\(usage))")
    }

    /// libblkid knows nothing there: blank only if the ends read as zeros, for a format may be unknown to it.
    private func unknownContent(of device: String, _ file: String?) async throws -> DeviceContent {
        let sizeBytes = try await sizeBytes(of: device)
        let count = min(Self.inspectedBytes, sizeBytes)
        for offset in [0, sizeBytes - count] {
            guard try await isZero(device, at: offset, count: count) else { return .other("unknown data") }
        }
        guard let file else { return .blank(isZeroed: false) }
        let allocated = try await run("stat", "--format=%b", file)
        return .blank(isZeroed: allocated.split(whereSeparator: \.isWhitespace) == ["0"])
    }

    private func isZero(_ device: String, at offset: Int64, count: Int64) async throws -> Bool {
        let (command, outcome) = try await outcome(
            "cmp", "--silent", "--bytes=\(count)", "--ignore-initial=\(offset):0", device, "/dev/zero")
        guard outcome.exitCode <= 1 else { throw command.failure(outcome) }
        return outcome.exitCode == 0
    }

    private func sizeBytes(of device: String) async throws -> Int64 {
        let text = try await run("blockdev", "--getsize64", device)
        guard let size = text.split(whereSeparator: \.isWhitespace).first.flatMap({ Int64($0) }) else {
            throw StorageError(.hostOperationFailed, "'blockdev --getsize64 \(device)' answered '\(text)'")
        }
        return size
    }

    // MARK: Making filesystems

    public func format(_ device: String, as type: FileSystemType, isZeroed: Bool) async throws {
        // What mkfs does not write over, such as a GPT's copy at the end, would be found again.
        if !isZeroed { try await run("wipefs", "--all", "--quiet", device) }
        let sizeBytes = try await sizeBytes(of: device)
        let arguments =
            switch type {
            case .ext4: Self.ext4Arguments(sizeBytes: sizeBytes, isZeroed: isZeroed)
            case .xfs: Self.xfsArguments(sizeBytes: sizeBytes)
            }
        try await Command(arguments + [device], deadline: formatDeadline).output(clock: clock)
        if type == .ext4 { try await removeLostAndFound(device) }
    }

    /// From here on, group descriptors and their copies (64 B a group, 28 copies) would take 64 MiB and more;
    /// `meta_bg` keeps three copies. A 64 TiB filesystem takes 225 MiB so, and 993 MiB without (mke2fs 1.47.0).
    private static let manyGroupsBytes: Int64 = 4 << 40

    /// A volume that was never written reads as zeros, so nothing needs to be zeroed, not later by the kernel
    /// either: that would write 256 B for each of a billion inodes into a sparse 64 TiB.
    static func ext4Arguments(sizeBytes: Int64, isZeroed: Bool) -> [String] {
        let extended = isZeroed ? "nodiscard,assume_storage_prezeroed=1" : "nodiscard,lazy_itable_init=1"
        let features = sizeBytes >= manyGroupsBytes ? ["-O", "meta_bg,^resize_inode"] : []
        return ["mkfs.ext4", "-q", "-F", "-E", extended] + features
    }

    /// mkfs.xfs writes its whole log, 2 GiB of it for 64 TiB, unless told how much is enough.
    private static let largeXFSBytes: Int64 = 512 << 30

    static func xfsArguments(sizeBytes: Int64) -> [String] {
        let log = sizeBytes > largeXFSBytes ? ["-l", "size=256m"] : []
        return ["mkfs.xfs", "-q", "-f", "-K"] + log
    }

    /// MySQL refuses a data directory that is not empty, and Docker copies an image's files only into an empty
    /// one. e2fsck makes `lost+found` again when it needs it.
    private func removeLostAndFound(_ device: String) async throws {
        let (command, outcome) = try await outcome("debugfs", "-w", "-R", "rmdir lost+found", device)
        // debugfs exits with 0 whatever happens; beyond its banner it speaks only of failures.
        let complaints = outcome.errorOutput.split(whereSeparator: \.isNewline).filter { !$0.hasPrefix("debugfs ") }
        guard outcome.exitCode == 0, complaints.isEmpty else { throw command.failure(outcome) }
    }

    public func discard(_ device: String) async throws -> Bool {
        // Only of a loop device is it known that what was discarded reads as zeros: its file gets a hole.
        guard let number = try blockDevice(at: device), number.isLoop else { return false }
        try await run("blkdiscard", "--force", device)
        return true
    }
}
