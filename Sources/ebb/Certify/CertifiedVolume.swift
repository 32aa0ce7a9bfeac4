import Driver
import Platform
import RPC
import SystemPackage

/// The volume that is certified, and where it is driven.
struct CertifiedVolume {
    let volume: Volume
    /// Its device's node, or its file where there is none.
    let path: FilePath
    /// Its file, if it has one.
    private let file: FilePath?

    /// - Throws: `StorageError`: `IncorrectState` for one that is not attached here, `DeviceBusy` for one that is mounted.
    init(_ host: HostVolume, _ session: Session) throws {
        volume = host.volume
        guard let device = host.device, let attachment = volume.attachments.first(where: { $0.device == device }),
            let location = attachment.location
        else {
            throw StorageError(
                .incorrectState, "Volume '\(volume.id)' is not attached to this machine.", advice: "attach it first")
        }
        let place = try Self.place(of: device, location, session)
        (path, file) = (place.path, place.file)
        if let mountPath = try host.mountPath ?? Self.mountPoint(of: path, session) {
            throw StorageError(
                .deviceBusy, "Volume '\(volume.id)' is mounted at \(mountPath).",
                advice: "unmount it: others' I/O would be measured too")
        }
    }

    static func place(
        of device: DeviceName, _ location: BlockLocation, _ session: Session
    ) throws(StorageError) -> (path: FilePath, file: FilePath?) {
        switch location {
        case .blockDevice(let path): return (FilePath(path), nil)
        case .file(let path):
            let node = session.settings.deviceDirectory.appending(device.leaf)
            return (try shows(node, FilePath(path)) ? node : FilePath(path), FilePath(path))
        }
    }

    /// Whether a node is the device of this attachment, and not another daemon's of the same name: its loop device is on
    /// a file of this zone, instance and device.
    private static func shows(_ node: FilePath, _ file: FilePath) throws(StorageError) -> Bool {
        do throws(Errno) {
            guard let number = try blockNumber(of: node) else { return false }
            let backing = try readFile(FilePath("/sys/dev/block/\(number.major):\(number.minor)/loop/backing_file"))
            let tail = "/" + file.components.suffix(3).map(\.string).joined(separator: "/")
            return String(decoding: backing, as: UTF8.self).split(separator: "\n").first?.hasSuffix(tail) ?? false
        } catch {
            // Something else has the name, or a device that is no loop device, or is none any more.
            if error == .notBlockDevice || error == .noSuchFileOrDirectory { return false }
            throw unseen(node, error)
        }
    }

    private static func unseen(_ path: FilePath, _ error: Errno) -> StorageError {
        StorageError(.hostOperationFailed, "'\(path)' could not be looked at", cause: "\(error)")
    }

    private static func mountPoint(of path: FilePath, _ session: Session) throws -> String? {
        let number: (major: UInt32, minor: UInt32)?
        do throws(Errno) {
            number = try blockNumber(of: path)
        } catch {
            // A file is not mounted by itself.
            if error == .notBlockDevice { return nil }
            throw unseen(path, error)
        }
        guard let number else { return nil }
        let mounts = try session.call(Ebb.ListMounts.self, Empty(), doing: "listing mounts").mounts
        return mounts.first { $0.major == Int(number.major) && $0.minor == Int(number.minor) }?.mountPoint
    }

    func checkModelled(_ statistics: VolumeStatistics) throws(StorageError) {
        guard let limits = statistics.limits else { throw Self.withoutLimits(volume) }
        guard !limits.fallsShort else {
            throw StorageError(
                .incorrectState, "The daemon gives some seconds less, as AWS's promise allows.",
                advice: "set performance to on for a certificate")
        }
    }

    static func withoutLimits(_ volume: Volume) -> StorageError {
        StorageError(
            .incorrectState, "Volume '\(volume.id)' is as fast as this machine: there is nothing to certify.",
            advice: "use one of EBS's types, with performance on")
    }

    /// Whether the volume is blank, and may be written for that.
    func checkWritable(overwrite: Bool) throws -> Bool {
        if try isBlank() { return true }
        guard overwrite else {
            throw StorageError(
                .deviceNotBlank, "Volume '\(volume.id)' is not blank; writing would destroy what is on it.",
                advice: "use an empty volume, or --overwritefs if nothing on it matters")
        }
        return false
    }

    private func isBlank() throws -> Bool {
        guard let file else { return false }
        let descriptor = try FileDescriptor.openFile(file, .readOnly)
        defer { descriptor.closeIgnoringErrors() }
        do throws(Errno) {
            _ = try descriptor.next(.data, from: 0)
            return false
        } catch {
            if error == .noSuchAddressOrDevice { return true }
            throw error
        }
    }

    /// Gives back the space of the zeros that were written.
    func makeBlankAgain() throws {
        guard let file else { return }
        let descriptor = try FileDescriptor.openFile(file, .readWrite)
        defer { descriptor.closeIgnoringErrors() }
        try descriptor.changeSpace(.punchHole, offset: 0, length: Int64(volume.sizeGiB) << 30)
    }
}

/// A volume without limits, to see what this machine carries.
enum ScratchVolume {
    private static let removalAttempts = 4

    /// Makes it, attaches it, and removes it whatever becomes of `body`, which is given its path.
    static func with<Result>(
        zone: ZoneName, _ session: Session, _ body: (FilePath) throws -> Result
    ) throws -> Result {
        // A call that is given up would leave the volume behind.
        let session = session.interruptible(by: nil)
        let volume = try session.call(
            Ebb.CreateHostVolume.self, HostVolumeRequest(zone: zone, sizeGiB: 1, type: .local),
            doing: "making a volume to measure this machine"
        ).volume.id
        let result = Swift.Result { try body(try attach(volume, session)) }
        try remove(volume, session)
        return try result.get()
    }

    private static func attach(_ volume: VolumeID, _ session: Session) throws(StorageError) -> FilePath {
        let attachment = try session.call(
            Ebb.AttachHostVolume.self, .init(volume: .id(volume)), doing: "attaching \(volume)")
        guard let location = attachment.location else {
            throw StorageError(.internalError, "The attachment of \(volume) has no location")
        }
        return try CertifiedVolume.place(of: attachment.device, location, session).path
    }

    /// A busy disk may take longer to forget a gibibyte than the daemon waits for it. What was begun goes on there, so
    /// asking again finds it further, or done.
    private static func remove(_ volume: VolumeID, _ session: Session) throws(StorageError) {
        for attempt in 1...removalAttempts {
            do throws(StorageError) {
                _ = try session.call(
                    Ebb.RemoveHostVolume.self, .init(volume: .id(volume), force: true), doing: "removing \(volume)")
                return
            } catch {
                if attempt > 1, error.code == .volumeNotFound { return }
                guard error.code == .deadlineExceeded, attempt < removalAttempts else { throw error }
            }
        }
    }
}
