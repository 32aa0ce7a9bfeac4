// Which paths lead onto the region's own volumes. The daemon must not open a file there: its thread would wait for
// itself, and a worker that is killed meanwhile would never be gone (docs/concurrency.md, rule 7).
import Driver
import Platform
import SystemPackage

/// The mounts of the region's filesystem and of loop devices on it, as this process sees them.
struct OwnVolumes {
    private let mountPoints: Set<String>

    /// - Parameters:
    ///   - tree: where the region's filesystem is mounted.
    ///   - mounts: of mountinfo, in its order: what is mounted later hides what was there.
    ///   - backingFile: the file of a loop device.
    init(tree: FilePath, mounts: [MountInfo], backingFile: (DeviceNumber) throws(Errno) -> String) throws(Errno) {
        var mountPoints: Set<String> = []
        for mount in mounts {
            let device = mount.deviceNumber
            let isOwn =
                device.isLoop
                ? FilePath(try backingFile(device)).starts(with: tree) : mount.mountPoint == tree.string
            if isOwn { mountPoints.insert(mount.mountPoint) } else { mountPoints.remove(mount.mountPoint) }
        }
        self.mountPoints = mountPoints
    }

    /// Asks the kernel; never for anything that lies on a volume.
    init(tree: FilePath) throws(Errno) {
        let text = try readFile("/proc/self/mountinfo", limit: 64 << 20)
        try self.init(tree: tree, mounts: MountInfo.parse(String(decoding: text, as: UTF8.self))) {
            (device) throws(Errno) in
            let file = FilePath("/sys/dev/block/\(device)/loop/backing_file")
            return String(decoding: try readFile(file), as: UTF8.self)
        }
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
