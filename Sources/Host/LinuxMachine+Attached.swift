// The devices of real EBS volumes, which a kernel may call otherwise than the attachment does.
//
// Source: EC2 User Guide, "Device names for volumes" and "Amazon EBS volumes and NVMe".

import Driver
import Platform
import SystemPackage

extension LinuxMachine {
    public func attachedDevice(of volume: VolumeID, named path: String) throws -> BlockDevice? {
        if let nvme = try nvmeDevice(of: volume) { return nvme }
        // Xen shows `sdf` as `xvdf`. Under a name that it has not given itself another disk may stand.
        let name = DeviceSlots.slot(DeviceName(path))
        if name.hasPrefix("xvd") { return try kernelDevice(name) }
        return try blockDevice(at: path).map { BlockDevice(path: path, number: $0) }
    }

    /// By the serial number of its controller, which is the volume's id without the `-`; whatever links udev has made.
    private func nvmeDevice(of volume: VolumeID) throws -> BlockDevice? {
        let serial = volume.rawValue.filter { $0 != "-" }
        for name in try kernelNames() where name.hasPrefix("nvme") {
            let path = sys.appending("block/\(name)/device/serial")
            if try text(at: path)?.filter({ !$0.isWhitespace && $0 != "-" }) == serial { return try kernelDevice(name) }
        }
        return nil
    }

    private func kernelNames() throws -> [String] {
        let path = sys.appending("block")
        do {
            return try Directory.names(in: path).sorted()
        } catch {
            throw StorageError(.hostOperationFailed, "'\(path)' could not be listed", cause: "\(error)")
        }
    }

    /// `nil` for one that the kernel does not have.
    private func kernelDevice(_ name: String) throws -> BlockDevice? {
        guard let text = try text(at: sys.appending("block/\(name)/dev")) else { return nil }
        guard let number = DeviceNumber(text.filter { !$0.isWhitespace }) else {
            throw StorageError(.hostOperationFailed, "'\(text)' of '\(name)' is no device number")
        }
        return BlockDevice(path: "/dev/\(name)", number: number)
    }

    /// `nil` for a file that is not there, or not any more.
    private func text(at path: FilePath) throws -> String? {
        do {
            return String(decoding: try readFile(path), as: UTF8.self)
        } catch {
            if error == .noSuchFileOrDirectory || error == .noSuchAddressOrDevice
                || error == .operationNotSupportedByDevice
            {
                return nil
            }
            throw StorageError(.hostOperationFailed, "'\(path)' could not be read", cause: "\(error)")
        }
    }
}
