// The machine as it is: util-linux, e2fsprogs and xfsprogs as children, /proc and /sys read directly.
//
// Nothing here opens, stats or reads a volume, its file or its mount within this process; children do.

import Driver
import Glibc
import Logging
import Platform
import SystemPackage

public struct LinuxMachine: Machine {
    let commandDeadline: Duration
    let formatDeadline: Duration
    let freezeDeadline: Duration
    let guardianProgram: [String]
    let clock: any Clock
    let logger: Logger
    /// Where the kernel shows processes and devices; other places in tests.
    let proc: FilePath
    let sys: FilePath

    public init(settings: HostSettings, clock: any Clock, logger: Logger) {
        self.init(settings: settings, clock: clock, logger: logger, proc: "/proc", sys: "/sys")
    }

    init(settings: HostSettings, clock: any Clock, logger: Logger, proc: FilePath, sys: FilePath) {
        commandDeadline = settings.commandDeadline
        formatDeadline = settings.formatDeadline
        freezeDeadline = settings.freezeDeadline
        guardianProgram = settings.guardianProgram
        self.clock = clock
        self.logger = logger
        self.proc = proc
        self.sys = sys
    }

    public var isPrivileged: Bool { geteuid() == 0 }

    /// Runs a program; any exit code but 0 throws. Gives its output.
    @discardableResult
    func run(_ arguments: String..., deadline: Duration? = nil) async throws -> String {
        try await Command(arguments, deadline: deadline ?? commandDeadline).output(clock: clock)
    }

    /// Runs a program whose exit code says something.
    func outcome(_ arguments: String...) async throws -> (command: Command, outcome: Command.Outcome) {
        let command = Command(arguments, deadline: commandDeadline)
        return (command, try await command.outcome(clock: clock))
    }

    // MARK: Nodes

    public func blockDevice(at path: String) throws -> DeviceNumber? {
        do {
            guard let number = try blockNumber(of: FilePath(path)) else { return nil }
            return DeviceNumber(major: Int(number.major), minor: Int(number.minor))
        } catch {
            throw StorageError(.hostOperationFailed, "'\(path)' is not a block device", cause: "\(error)")
        }
    }

    public func makeNode(_ path: String, number: DeviceNumber) throws {
        do {
            try makeBlockNode(FilePath(path), major: UInt32(number.major), minor: UInt32(number.minor))
        } catch {
            throw StorageError(
                .hostOperationFailed, "The device node '\(path)' could not be made", cause: "mknod: \(error)")
        }
    }

    public func removeNode(_ path: String) throws {
        do {
            try removeFile(at: FilePath(path))
        } catch {
            throw StorageError(
                .hostOperationFailed, "The device node '\(path)' could not be removed", cause: "unlink: \(error)")
        }
    }

    // MARK: Mounts

    public func mount(_ device: String, at path: String, fsType: String?, options: String?) async throws {
        var arguments = ["mount"]
        if let fsType { arguments += ["-t", fsType] }
        if let options { arguments += ["-o", options] }
        arguments += ["--source", device, "--target", path]
        try await Command(arguments, deadline: commandDeadline).output(clock: clock)
    }

    public func bindMount(_ source: String, at path: String, readOnly: Bool) async throws {
        try await run("mount", "--bind", source, path)
        if readOnly { try await run("mount", "-o", "remount,bind,ro", path) }
    }

    public func unmount(_ path: String, lazily: Bool) async throws {
        // Not canonicalized: the path is mountinfo's, and looking it up could wait on the filesystem.
        if lazily { try await run("umount", "-c", "-l", path) } else { try await run("umount", "-c", path) }
    }

    public func makeMountPoint(_ path: String) throws {
        do {
            try createDirectories(FilePath(path))
        } catch {
            throw StorageError(
                .hostOperationFailed, "The mount point '\(path)' could not be made", cause: "mkdir: \(error)")
        }
    }

    /// Component by component, since whoever wrote to the volume may have put a way out of it there.
    private static let makeDirectoryScript = """
        cd -P -- "$1" || exit
        shift
        for name; do
            if [ -L "./$name" ]; then echo "'$name' is a symbolic link" >&2; exit 1; fi
            [ -d "./$name" ] || mkdir -m 755 "./$name" || exit
            cd -P "./$name" || exit
        done
        """

    public func makeDirectory(_ path: String, below mountPoint: String) async throws {
        let names = path.split(separator: "/").map(String.init)
        let arguments = ["sh", "-c", Self.makeDirectoryScript, "sh", mountPoint] + names
        do {
            _ = try await Command(arguments, deadline: commandDeadline).output(clock: clock)
        } catch let error as StorageError {
            throw StorageError(
                error.code, "The directory '\(path)' of the volume at '\(mountPoint)' could not be made",
                cause: error.cause ?? error.message,
                advice: "see what has that name there, or set volumeRootPath to another")
        }
    }

    public func removeMountPoint(_ path: String) throws {
        do {
            try Directory.remove(FilePath(path))
        } catch .noSuchFileOrDirectory {
            return
        } catch {
            throw StorageError(
                .hostOperationFailed, "The mount point '\(path)' could not be removed", cause: "rmdir: \(error)")
        }
    }

    public func usage(at path: String) async throws -> FileSystemUsage {
        let text = try await run("stat", "--file-system", "--format=%S %b %f %a %c %d", path)
        let fields = text.split(whereSeparator: \.isWhitespace).compactMap { Int64($0) }
        guard fields.count == 6 else {
            throw StorageError(.hostOperationFailed, "'stat --file-system \(path)' answered '\(text)'")
        }
        let blockBytes = fields[0]
        return FileSystemUsage(
            totalBytes: fields[1] * blockBytes, usedBytes: (fields[1] - fields[2]) * blockBytes,
            availableBytes: fields[3] * blockBytes, totalInodes: fields[4], usedInodes: fields[4] - fields[5],
            availableInodes: fields[5])
    }

    /// A journal that was aborted shows in mountinfo only after the next change was tried. This one sets the root's
    /// access time.
    public func takesWrites(at path: String) async throws -> Bool {
        let (command, outcome) = try await outcome("touch", "-a", "-c", path)
        if outcome.exitCode == 0 { return true }
        // A touch that was killed has not been told anything by the filesystem.
        guard outcome.exitCode == 1 else { throw command.failure(outcome) }
        logger.warning("\(path) takes no changes: \(command.failure(outcome))")
        return false
    }
}
