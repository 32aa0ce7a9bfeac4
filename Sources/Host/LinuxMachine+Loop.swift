// Loop devices: found by their file, made with direct I/O, gone for certain once removed.

import Driver
import Platform
import SystemPackage

extension LinuxMachine {
    /// Another process may take the free number first; so often, that one is not by chance.
    private static let takeAttempts = 16
    /// udev and libblkid look at a device for a moment; whoever holds it longer uses it.
    private static let releaseWait: Duration = .seconds(3)
    private static let releasePoll: Duration = .milliseconds(20)

    /// `losetup --associated` would open the loop devices of everybody, which are then in use for as long as `file`'s
    /// filesystem, or another device's, does not answer: only those are opened whose file may be this one.
    public func loopDevice(backing file: String) async throws -> BlockDevice? {
        for (number, path) in try loopDevices() where Self.name(path) == Self.name(file) {
            let device = BlockDevice(path: "/dev/loop\(number.minor)", number: number)
            if try await isOf(device, file) { return device }
        }
        return nil
    }

    /// Zone, instance and device: what comes before may be written in several ways.
    private static func name(_ file: String) -> [Substring] { file.split(separator: "/").suffix(3) }

    /// An attachment that is gone had a file of the same name, and in the tree of a daemon that is gone it may have had
    /// the same inode.
    private func isOf(_ device: BlockDevice, _ file: String) async throws -> Bool {
        let backing = try await run(
            "losetup", "--list", "--noheadings", "--output", "BACK-INO,BACK-MAJ:MIN", device.path)
        let current = try await run("stat", "--format=%i %Hd:%Ld", file)
        return backing.split(whereSeparator: \.isWhitespace) == current.split(whereSeparator: \.isWhitespace)
    }

    public func loopDevices() throws -> [DeviceNumber: String] {
        let path = sys.appending("block")
        let names: [String]
        do {
            names = try Directory.names(in: path)
        } catch {
            throw StorageError(.hostOperationFailed, "'\(path)' could not be listed", cause: "\(error)")
        }
        var files: [DeviceNumber: String] = [:]
        for name in names where name.hasPrefix("loop") {
            guard let minor = Int(name.dropFirst("loop".count)) else { continue }
            let number = DeviceNumber(major: DeviceNumber.loopMajor, minor: minor)
            files[number] = try loopAttribute("backing_file", of: number)
        }
        return files
    }

    public func makeLoopDevice(backing file: String) async throws -> BlockDevice {
        var failure: StorageError?
        for _ in 0..<Self.takeAttempts {
            let device = try freeLoopDevice()
            let (command, outcome) = try await outcome("losetup", "--direct-io=on", device.path, file)
            if outcome.exitCode == 0 {
                if try !hasDirectIO(device.number) { logger.warning("\(file) is without direct I/O on \(device.path)") }
                return device
            }
            failure = command.failure(outcome)
            guard outcome.errorOutput.contains("busy") else { break }
        }
        throw failure ?? StorageError(.hostOperationFailed, "No loop device is free for '\(file)'")
    }

    /// A `/dev` of its own, as containers have it, may lack the node.
    private func freeLoopDevice() throws -> BlockDevice {
        do {
            let number = DeviceNumber(major: DeviceNumber.loopMajor, minor: Int(try freeLoopNumber()))
            let path = "/dev/loop\(number.minor)"
            if try blockDevice(at: path) == nil { try makeNode(path, number: number) }
            return BlockDevice(path: path, number: number)
        } catch let error as Errno {
            throw StorageError(
                .hostOperationFailed, "No loop device could be had", cause: "/dev/loop-control: \(error)",
                advice: "load the kernel's module 'loop' and run as root")
        }
    }

    private func hasDirectIO(_ number: DeviceNumber) throws -> Bool {
        try loopAttribute("dio", of: number) == "1"
    }

    public func removeLoopDevice(_ number: DeviceNumber, backing file: String) async throws {
        guard try shows(number, file) else { return }
        try await run("losetup", "--detach", "/dev/loop\(number.minor)")
        let end = clock.uptime() + Self.releaseWait
        while try shows(number, file) {
            guard clock.uptime() < end else {
                throw StorageError(.deviceBusy, "/dev/loop\(number.minor) of '\(file)' is still open by somebody")
            }
            try await clock.sleep(for: Self.releasePoll)
        }
    }

    private func shows(_ number: DeviceNumber, _ file: String) throws -> Bool {
        guard let backing = try loopAttribute("backing_file", of: number) else { return false }
        return Self.isSame(backing: backing, file: file)
    }

    /// The kernel adds ` (deleted)` once the name is gone, and leaves the mount point's path out once the
    /// filesystem is unmounted: `/us-east-1b/i-…/xvdb` of `/run/ebb/volumes/us-east-1b/i-…/xvdb`.
    static func isSame(backing: String, file: String) -> Bool {
        let deleted = " (deleted)"
        let path = backing.hasSuffix(deleted) ? String(backing.dropLast(deleted.count)) : backing
        return path == file || (path.split(separator: "/").count >= 3 && path.hasPrefix("/") && file.hasSuffix(path))
    }

    /// An attribute of a loop device that is set up; `nil` for one that is free.
    func loopAttribute(_ name: String, of number: DeviceNumber) throws -> String? {
        let path = sys.appending("block/loop\(number.minor)/loop/\(name)")
        do {
            return String(decoding: try readFile(path), as: UTF8.self).filter { !$0.isNewline }
        } catch {
            // ENODEV: it was freed between opening and reading.
            if error == .noSuchFileOrDirectory || error == .operationNotSupportedByDevice { return nil }
            throw StorageError(.hostOperationFailed, "'\(path)' could not be read", cause: "\(error)")
        }
    }
}
