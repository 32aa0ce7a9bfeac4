// Real EBS volumes on an instance: how the kernel shows them, and how they are found.

import Driver
import Foundation
import Logging
import Platform
import SystemPackage
import Testing

@testable import Host

/// /sys as instances have it, written down.
@Suite struct AttachedDevices {
    private let directory: TemporaryDirectory
    private let machine: LinuxMachine
    private let volume: VolumeID = "vol-0123456789abcdef0"

    init() throws {
        directory = try TemporaryDirectory()
        machine = LinuxMachine(
            settings: HostSettings(), clock: SystemClock(),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            proc: FilePath(directory.path + "/proc"), sys: FilePath(directory.path + "/sys"))
        try createDirectories(FilePath(directory.path + "/sys/block"))
    }

    private func add(_ name: String, _ number: String, serial: String? = nil) throws {
        let block = FilePath(directory.path + "/sys/block/\(name)")
        try createDirectories(block.appending("device"))
        try "\(number)\n".write(toFile: block.appending("dev").string, atomically: false, encoding: .utf8)
        guard let serial else { return }
        try "\(serial)\n".write(toFile: block.appending("device/serial").string, atomically: false, encoding: .utf8)
    }

    @Test func onNitroItIsTheOneWithTheVolumesSerialNumber() throws {
        try add("nvme0n1", "259:0", serial: "vol0aaaaaaaaaaaaaaaa")
        try add("nvme1n1", "259:3", serial: "vol0123456789abcdef0   ")
        // What udev calls by the attachment's name may be another disk.
        try add("xvdf", "202:80")
        let found = try machine.attachedDevice(of: volume, named: "/dev/xvdf")
        #expect(found == BlockDevice(path: "/dev/nvme1n1", number: DeviceNumber(major: 259, minor: 3)))
    }

    @Test(arguments: ["/dev/xvdf", "/dev/sdf"])
    func onXenItHasTheAttachmentsName(path: String) throws {
        try add("xvda", "202:0")
        try add("xvdf", "202:80")
        let found = try machine.attachedDevice(of: volume, named: path)
        #expect(found == BlockDevice(path: "/dev/xvdf", number: DeviceNumber(major: 202, minor: 80)))
    }

    @Test func aDiskThatOnlyHasTheNameIsNotTaken() throws {
        try add("sdf", "8:80")
        try add("nvme0n1", "259:0", serial: "vol0aaaaaaaaaaaaaaaa")
        #expect(try machine.attachedDevice(of: volume, named: "/dev/sdf") == nil)
    }

    @Test func whatGoesAwayMeanwhileIsNotThere() throws {
        try createDirectories(FilePath(directory.path + "/sys/block/nvme1n1/device"))
        #expect(try machine.attachedDevice(of: volume, named: "/dev/xvdf") == nil)
    }

    @Test func whatCannotBeReadIsNotTakenForMissing() throws {
        try createDirectories(FilePath(directory.path + "/sys/block/nvme1n1/device/serial"))
        #expect(throws: StorageError.self) { try machine.attachedDevice(of: volume, named: "/dev/xvdf") }
    }
}
