// Which paths lead onto the region's own volumes. The daemon must not open a file there: its thread would wait for
// itself, and a worker that is killed meanwhile would never be gone (docs/concurrency.md, rule 7).
import Driver
import Platform
import SystemPackage

/// The mounts of the region's filesystem and of whatever lies on it, as this process sees them.
struct OwnVolumes {
    private let mountPoints: Set<String>

    /// - Parameters:
    ///   - tree: where the region's filesystem is mounted.
    ///   - mounts: of mountinfo, in its order: what is mounted later hides what was there.
    ///   - files: in which a block device keeps its bytes (`BlockDevices.files`).
    ///   - blockDevice: which one a mount's source names, for a filesystem that has a number of its own; `nil` for none.
    init(
        tree: FilePath, mounts: [MountInfo], files: (DeviceNumber) throws(Errno) -> [FilePath],
        blockDevice: (_ source: String) throws(Errno) -> DeviceNumber? = { _ in nil }
    ) throws(Errno) {
        // A bind mount has the number of the filesystem that it shows.
        let trees = Set(mounts.filter { $0.mountPoint == tree.string && $0.isFuse }.map(\.deviceNumber))
        var mountPoints: Set<String> = []
        // In a namespace that was copied, what lies on a volume may be listed before the volume's own mount.
        var knownCount = -1
        while knownCount != mountPoints.count {
            knownCount = mountPoints.count
            mountPoints = try Self.mountPoints(besides: mountPoints, tree, trees, mounts, files, blockDevice)
        }
        self.mountPoints = mountPoints
    }

    private static func mountPoints(
        besides known: Set<String>, _ tree: FilePath, _ trees: Set<DeviceNumber>, _ mounts: [MountInfo],
        _ files: (DeviceNumber) throws(Errno) -> [FilePath],
        _ blockDevice: (_ source: String) throws(Errno) -> DeviceNumber?
    ) throws(Errno) -> Set<String> {
        var mountPoints = known
        for mount in mounts {
            var isOwn = mount.mountPoint == tree.string || trees.contains(mount.deviceNumber)
            let device = mount.isUnnamed ? try blockDevice(mount.source) : mount.deviceNumber
            if !isOwn, let device {
                isOwn = try files(device).contains { $0.starts(with: tree) || $0.isBelow(mountPoints) }
            }
            if isOwn { mountPoints.insert(mount.mountPoint) } else { mountPoints.remove(mount.mountPoint) }
        }
        return mountPoints
    }

    /// Asks the kernel; never for anything that lies on a volume.
    init(tree: FilePath) throws(Errno) {
        let text = try readFile("/proc/self/mountinfo", limit: 64 << 20)
        let devices = BlockDevices(sysfs: "/sys")
        try self.init(
            tree: tree, mounts: MountInfo.parse(String(decoding: text, as: UTF8.self)), files: devices.files,
            blockDevice: devices.number)
    }

    /// Whether opening a path would go through one of the mounts.
    ///
    /// - Parameter linkTarget: what a symbolic link says; never asked for anything that lies on a volume.
    func hold(
        _ path: FilePath,
        linkTarget: (FilePath) throws(Errno) -> String = { (path) throws(Errno) in
            try Platform.linkTarget(of: path)
        }
    ) throws(Errno) -> Bool {
        var ahead = Array(path.components.reversed())
        var here = FilePath("/")
        var linksLeft = 40
        while let component = ahead.popLast() {
            switch component.kind {
            case .currentDirectory: continue
            case .parentDirectory: here.removeLastComponent()
            case .regular:
                here.append(component)
                if mountPoints.contains(here.string) { return true }
                guard let target = try Self.target(of: here, linkTarget) else { continue }
                linksLeft -= 1
                if linksLeft < 0 { throw .tooManySymbolicLinkLevels }
                here.removeLastComponent()
                if target.isAbsolute { here = "/" }
                ahead += target.components.reversed()
            }
        }
        return false
    }

    /// Nil for what is no link, or not there.
    private static func target(
        of path: FilePath, _ linkTarget: (FilePath) throws(Errno) -> String
    ) throws(Errno) -> FilePath? {
        do throws(Errno) {
            return FilePath(try linkTarget(path))
        } catch .invalidArgument {
            return nil
        } catch .noSuchFileOrDirectory {
            return nil
        } catch .notDirectory {
            return nil
        }
    }
}

extension MountInfo {
    /// Whether the number is the filesystem's own and names no block device, as with FUSE and btrfs.
    fileprivate var isUnnamed: Bool { major == 0 }

    fileprivate var isFuse: Bool { fsType == "fuse" || fsType.hasPrefix("fuse.") }
}

extension FilePath {
    /// Whether the path goes through one of these directories, as it is written.
    fileprivate func isBelow(_ directories: Set<String>) -> Bool {
        var path = self
        repeat {
            if directories.contains(path.string) { return true }
        } while path.removeLastComponent()
        return false
    }
}
