// Where block devices keep their bytes, as sysfs tells it. No device is opened: opening one that lies on a volume of
// the region would wait for that.
import Driver
import Platform
import SystemPackage

/// A device that goes away while it is looked at has nothing beneath.
struct BlockDevices {
    /// Where sysfs is mounted.
    let sysfs: FilePath

    /// The files of all loop devices that a device lies on: itself, the disk of a partition, and what is beneath what
    /// is mapped, striped or encrypted.
    func files(beneath device: DeviceNumber) throws(Errno) -> [FilePath] {
        try files(beneath: sysfs.appending("dev/block").appending("\(device)"))
    }

    private func files(beneath directory: FilePath) throws(Errno) -> [FilePath] {
        // A partition's directory lies in its disk's.
        if try text(directory.appending("partition")) != nil { return try files(beneath: directory.appending("..")) }
        var files: [FilePath] = []
        if let file = try text(directory.appending("loop/backing_file")) { files.append(FilePath(file)) }
        let slaves = directory.appending("slaves")
        for name in try present({ () throws(Errno) in try Directory.names(in: slaves) }) ?? [] {
            files += try self.files(beneath: slaves.appending(name))
        }
        return files
    }

    /// The device that a mount's source names: `/dev/sda1`, `/dev/mapper/vg-home`.
    func number(ofSource source: String) throws(Errno) -> DeviceNumber? {
        // Some filesystems name a directory there, which may be on a volume.
        guard source.hasPrefix("/dev/"), let name = try Self.target(of: FilePath(source)).lastComponent else {
            return nil
        }
        let number = sysfs.appending("class/block").appending(name).appending("dev")
        return try text(number).flatMap { DeviceNumber($0) }
    }

    /// What a file says, without the line's end; `nil` when it, or its device, is not there.
    private func text(_ path: FilePath) throws(Errno) -> String? {
        let bytes = try present { () throws(Errno) in try readFile(path) }
        return bytes.map { String(decoding: $0.last == UInt8(ascii: "\n") ? $0.dropLast() : $0[...], as: UTF8.self) }
    }

    private func present<Value>(_ look: () throws(Errno) -> Value) throws(Errno) -> Value? {
        do throws(Errno) {
            return try look()
        } catch .noSuchFileOrDirectory, .operationNotSupportedByDevice {
            return nil
        }
    }

    /// Where a name of a device leads to; the name itself where it is no link.
    private static func target(of path: FilePath) throws(Errno) -> FilePath {
        do throws(Errno) {
            return FilePath(try linkTarget(of: path))
        } catch .invalidArgument, .noSuchFileOrDirectory, .notDirectory, .permissionDenied {
            // What others write there need not be a path at all.
            return path
        }
    }
}
