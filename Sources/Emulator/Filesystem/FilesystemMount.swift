import Driver
import Logging
import Platform
import SystemPackage

/// The supervisor's half of the filesystem: the mount, the lanes and the INIT record, all of which outlive a
/// worker. It answers no requests, and makes no system call on the mounted tree.
public struct FilesystemMount: Sendable {
    /// The mount point.
    public let path: FilePath
    /// Descriptors of the connection, one for each thread of the worker. A worker inherits them all.
    public let lanes: [FileDescriptor]
    /// A file in memory that each worker needs to make its sessions. A worker inherits it.
    public let initRecord: FileDescriptor
    /// Whether a next worker can take the lanes over. Without (Linux before 6.9), `unmount` and `mount` anew.
    public let survivesWorkers: Bool

    /// Mounts the filesystem: with `mount(2)` as root, through `fusermount3` otherwise. A mount that a dead
    /// process has left at the same place is taken away first.
    ///
    /// - Parameter laneCount: how many requests are worked on at the same time.
    public static func mount(
        at path: FilePath, laneCount: Int = 4, logger: Logger
    ) throws(StorageError) -> FilesystemMount {
        precondition(laneCount > 0, "a filesystem has a lane")
        do throws(Errno) {
            try removeStaleMount(at: path, logger: logger)
            try createDirectories(path)
        } catch {
            throw StorageError(
                .unavailable, "The mount point \(path) cannot be made ready", cause: error.description)
        }
        let first = try isRoot ? mountAsRoot(at: path) : mountThroughHelper(at: path)
        do throws(Errno) {
            let record = try InitRecord.record(from: first)
            let survives = InitRecord.canResend(try InitRecord.read(record))
            if !survives {
                logger.notice("this kernel (before Linux 6.9) cannot hand the filesystem to a new process")
            }
            return FilesystemMount(
                path: path, lanes: try lanes(of: first, count: laneCount), initRecord: record,
                survivesWorkers: survives)
        } catch {
            first.closeIgnoringErrors()
            throw StorageError(
                .unavailable, "The filesystem at \(path) cannot be served", cause: error.description)
        }
    }

    /// Takes the tree away and closes the lanes. Where it is in use it vanishes at once all the same; what is
    /// open then fails.
    public func unmount() throws(StorageError) {
        defer {
            for lane in lanes { lane.closeIgnoringErrors() }
            initRecord.closeIgnoringErrors()
        }
        do throws(Errno) {
            try Self.unmount(path)
        } catch .invalidArgument {
            // Somebody else has unmounted it.
            return
        } catch {
            throw StorageError(
                .unavailable, "The filesystem at \(path) cannot be unmounted", cause: error.description)
        }
    }

    /// As many descriptors as asked for. Where /dev/fuse cannot be opened (not root), the lanes are one
    /// descriptor many times: slower, and as right.
    private static func lanes(of first: FileDescriptor, count: Int) throws(Errno) -> [FileDescriptor] {
        var lanes = [first]
        while lanes.count < count {
            do throws(Errno) {
                lanes.append(try FuseDevice.clone(of: first))
            } catch .permissionDenied {
                lanes.append(try first.duplicateClosedOnExec())
            }
        }
        return lanes
    }

    /// "Transport endpoint is not connected" is what the mount of a dead process answers.
    private static func removeStaleMount(at path: FilePath, logger: Logger) throws(Errno) {
        for _ in 0..<8 {
            do throws(Errno) {
                _ = try FileStatus(of: path)
                return
            } catch .noSuchFileOrDirectory {
                return
            } catch .socketNotConnected {
                logger.notice("a dead process's mount is taken away", metadata: ["path": "\(path)"])
                try unmount(path)
            }
        }
    }

    private static func unmount(_ path: FilePath) throws(Errno) {
        if !isRoot { return try FuseHelper.unmount(path) }
        do throws(Errno) {
            try unmountFilesystem(at: path)
        } catch .resourceBusy {
            try unmountFilesystem(at: path, lazily: true)
        }
    }

    private static func mountAsRoot(at path: FilePath) throws(StorageError) -> FileDescriptor {
        let device = try FuseDevice.open()
        let owner = effectiveOwner
        let options =
            "fd=\(device.rawValue),rootmode=40000,user_id=\(owner.user),group_id=\(owner.group),allow_other,"
            + FuseDevice.options
        do throws(Errno) {
            try mountFilesystem(type: "fuse.ebb", source: "ebb", at: path, options: options)
            return device
        } catch {
            device.closeIgnoringErrors()
            throw StorageError(
                .unavailable, "The filesystem cannot be mounted at \(path)", cause: "mount: \(error)",
                advice: error == .notPermitted
                    ? "give this process CAP_SYS_ADMIN (in a container: --cap-add SYS_ADMIN)" : nil)
        }
    }

    private static func mountThroughHelper(at path: FilePath) throws(StorageError) -> FileDescriptor {
        do throws(Errno) {
            return try FuseHelper.mount(at: path, options: FuseDevice.options)
        } catch {
            throw StorageError(
                .unavailable, "The filesystem cannot be mounted at \(path) without root's rights",
                cause: error == .brokenPipe ? "fusermount3 refused" : "fusermount3: \(error)",
                advice: "install fuse3 and see that /dev/fuse exists, or start as root")
        }
    }
}
