// What the host side asks of the machine: the seam between the manager's decisions and the kernel's tools.
//
// A fake stands here in tests, so that every order of events can be played without a kernel.

import Driver

/// A block device and the path by which programs find it.
public struct BlockDevice: Hashable, Sendable, Codable {
    public var path: String
    public var number: DeviceNumber

    public init(path: String, number: DeviceNumber) {
        self.path = path
        self.number = number
    }
}

/// The filesystems that Ebb makes.
public enum FileSystemType: String, Sendable, Codable, CaseIterable {
    case ext4
    case xfs

    /// Refuses with `InvalidParameterValue` what Ebb does not make.
    public init(validating name: String) throws(StorageError) {
        guard let type = FileSystemType(rawValue: name.lowercased()) else {
            throw StorageError(
                .invalidParameterValue, "Filesystem '\(name.prefix(80))' is not supported",
                advice: "use one of \(Self.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        self = type
    }
}

/// What a device holds, as libblkid sees it.
public enum DeviceContent: Hashable, Sendable {
    /// Nothing at all. `isZeroed` says that every byte is known to read as zero, not only that nothing is known there.
    case blank(isZeroed: Bool)
    /// A filesystem, by the name that mount knows it by.
    case fileSystem(type: String, uuid: String)
    /// Anything else, in words: `a gpt partition table`, `LVM2_member (raid)`, `unknown data`.
    case other(String)
}

/// A mount in somebody else's mount namespace.
public struct ForeignMount: Hashable, Sendable {
    /// A process of that namespace.
    public var pid: Int32
    /// Its command's name.
    public var command: String
    public var mountPoint: String

    public init(pid: Int32, command: String, mountPoint: String) {
        self.pid = pid
        self.command = command
        self.mountPoint = mountPoint
    }
}

/// What was done while filesystems were frozen.
public struct HeldStill<Value: Sendable>: Sendable {
    public var value: Value
    /// Whether they stayed frozen until it was done. If not, they were thawed before, as if nobody had frozen them.
    public var lasted: Bool

    public init(value: Value, lasted: Bool) {
        self.value = value
        self.lasted = lasted
    }
}

/// The machine's operations on devices and mounts.
///
/// Whatever may wait on a volume's bytes is asynchronous and has a deadline of its own; it throws
/// `HostOperationFailed` or `DeadlineExceeded`.
public protocol Machine: Sendable {
    /// Whether devices and mounts can be made: whether this is root.
    var isPrivileged: Bool { get }

    /// This process's mounts, in mountinfo's order: of two at one path, the later one is on top.
    func mounts() throws -> [MountInfo]
    /// Who else has the device mounted: the namespaces of all other processes. Throws when one of them cannot be
    /// looked at, so that what may be in use is never taken for unused.
    func foreignMounts(of number: DeviceNumber) throws -> [ForeignMount]
    /// Whether the process still runs; true for one that lies in a pid namespace that is not shown to us.
    func isRunning(_ incarnation: Incarnation) throws -> Bool

    /// The loop device that shows `file`, if there is one.
    func loopDevice(backing file: String) async throws -> BlockDevice?
    /// Every loop device that is set up, with its file's path as the kernel shows it: once the file's filesystem is
    /// unmounted, the path inside that.
    func loopDevices() throws -> [DeviceNumber: String]
    func makeLoopDevice(backing file: String) async throws -> BlockDevice
    /// Removes a loop device that shows `file`; returns when it is gone. One that shows something else, or
    /// nothing, is left alone. `DeviceBusy` when somebody still has it open.
    func removeLoopDevice(_ number: DeviceNumber, backing file: String) async throws

    /// What programs see of a device. Waits for nobody's bytes.
    func sizeBytes(of number: DeviceNumber) throws -> Int64
    /// Lets a loop device take the size that its file has by now.
    func growLoopDevice(_ number: DeviceNumber, backing file: String) async throws
    /// How much of the device a filesystem takes, by its own word.
    func fileSystemSizeBytes(on device: String, type: String) async throws -> Int64
    /// Lets a filesystem take the whole device.
    ///
    /// - Parameter mountedAt: where it is mounted; `nil` for one that is not, which xfs has to be. `DeviceBusy` for a
    ///   mounted one that may grow only unmounted.
    func growFileSystem(_ type: String, on device: String, mountedAt path: String?) async throws

    /// The device of an attached volume that the machine shows by itself, as on EC2; `nil` while it is not there.
    ///
    /// - Parameter path: what the attachment calls it, and the kernel perhaps otherwise.
    func attachedDevice(of volume: VolumeID, named path: String) throws -> BlockDevice?
    /// The number of the block device at `path`; `nil` when nothing is there.
    func blockDevice(at path: String) throws -> DeviceNumber?
    func makeNode(_ path: String, number: DeviceNumber) throws
    func removeNode(_ path: String) throws

    /// What is on `device`. `file` is what lies behind it, if it is a loop device.
    func content(of device: String, backing file: String?) async throws -> DeviceContent
    /// Makes a filesystem without a `lost+found`, over whatever is there.
    func format(_ device: String, as type: FileSystemType, isZeroed: Bool) async throws
    /// Makes every byte read as zero again, where the device can do that at once. False where it cannot.
    func discard(_ device: String) async throws -> Bool

    func mount(_ device: String, at path: String, fsType: String?, options: String?) async throws
    func bindMount(_ source: String, at path: String, readOnly: Bool) async throws
    /// - Parameter lazily: takes the mount out of sight even while it is used.
    func unmount(_ path: String, lazily: Bool) async throws
    func makeMountPoint(_ path: String) throws
    /// Makes a directory within a volume, unless it is there. A symbolic link on the way is refused.
    func makeDirectory(_ path: String, below mountPoint: String) async throws
    /// Removes a directory if it is empty.
    func removeMountPoint(_ path: String) throws
    func usage(at path: String) async throws -> FileSystemUsage
    /// Whether the filesystem takes changes. Asks it for one that means nothing.
    func takesWrites(at path: String) async throws -> Bool

    /// Does something while nobody can change these filesystems, and thaws them afterwards, whatever happens: when
    /// `body` throws, when it takes longer than `limit`, and when this process dies.
    ///
    /// - Throws: `DeviceBusy` for one that is frozen already; what `body` throws. Whether they are thawed then can be
    ///   asked by `thaw`.
    func whileFrozen<Value: Sendable>(
        _ places: [FrozenPlace], atMost limit: Duration, _ body: @Sendable () async throws -> Value
    ) async throws -> HeldStill<Value>
    /// Returns when none of these filesystems is frozen, by whomever it was.
    func thaw(_ places: [FrozenPlace]) async throws
}
