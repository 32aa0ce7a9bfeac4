// Volumes that are modified while this host has them.

import Driver
import FoundationEssentials
import Host
import Platform
import Testing

@testable import Host

@Suite struct Growing {
    private func growTo(_ sizeGiB: Int, _ id: VolumeID, _ manager: VolumeManager) async throws {
        _ = try await manager.modify(ModifyVolumeRequest(volumeID: id, sizeGiB: sizeGiB))
        try await manager.grow(.id(id))
    }

    @Test(arguments: ["ext4", "xfs"])
    func whatIsMountedGrowsDeviceFirst(_ fsType: String) async throws {
        let stage = try Stage()
        let id = stage.region.addVolume("data", tags: [Tag.fsType: fsType])
        let manager = try await stage.begin()
        _ = try await manager.mount(.name("data"), holder: .commandLine)
        try await growTo(3, id, manager)
        #expect(stage.machine.operations.suffix(2) == ["grow loop", "grow mounted"])
        try await growTo(3, id, manager)
        #expect(stage.machine.count("grow loop") == 1 && stage.machine.count("grow mounted") == 1, "once is enough")
        try await manager.unmount(.name("data"), holder: .commandLine)
        await manager.shutdown()
        stage.expectClean()
    }

    @Test func whatIsNotHereDoesNotGrow() async throws {
        let stage = try Stage()
        let id = stage.region.addVolume("data")
        let manager = try await stage.begin()
        try await growTo(3, id, manager)
        #expect(stage.machine.operations.isEmpty)
        await manager.shutdown()
    }

    @Test func whatIsAttachedAndNotMountedGrowsAsADevice() async throws {
        let stage = try Stage()
        let id = stage.region.addVolume("data", content: .fileSystem("ext4", uuid: "u"))
        let manager = try await stage.begin()
        _ = try await manager.attach(.id(id), device: nil, preempt: false)
        try await growTo(3, id, manager)
        #expect(stage.machine.count("grow loop") == 1)
        #expect(stage.machine.count("grow unmounted") == 0, "somebody may have it open")
        try await manager.detach(.id(id), force: false)
        await manager.shutdown()
        stage.expectClean()
    }

    /// ext4 before the mount, xfs after it.
    @Test(arguments: [("ext4", ["grow unmounted", "mkdir", "mount"]), ("xfs", ["mkdir", "mount", "grow mounted"])])
    func whatGrewUnmountedGrowsAtItsNextMount(_ fsType: String, _ steps: [String]) async throws {
        let stage = try Stage()
        let id = stage.region.addVolume("data", tags: [Tag.fsType: fsType])
        let manager = try await stage.begin()
        _ = try await manager.mount(.name("data"), holder: .commandLine)
        try await manager.unmount(.name("data"), holder: .commandLine)
        try await growTo(3, id, manager)
        #expect(stage.machine.count("grow loop") == 0)
        _ = try await manager.mount(.name("data"), holder: .commandLine)
        #expect(stage.machine.operations.suffix(3) == steps)
        try await manager.unmount(.name("data"), holder: .commandLine)
        let done = stage.machine.operations.count { $0.hasPrefix("grow") }
        _ = try await manager.mount(.name("data"), holder: .commandLine)
        #expect(stage.machine.operations.count { $0.hasPrefix("grow") } == done, "it has its size by now")
        await manager.shutdown()
    }

    @Test func ext4ThatMayNotGrowMountedSaysSoAndGrowsAtItsNextMount() async throws {
        let stage = try Stage()
        let id = stage.region.addVolume("data")
        stage.machine.state.withLock { $0.growsExtMounted = false }
        let manager = try await stage.begin()
        _ = try await manager.mount(.name("data"), holder: .commandLine)
        _ = await expectError(.deviceBusy) { try await growTo(3, id, manager) }
        #expect(stage.machine.count("grow loop") == 1, "the device has grown all the same")
        try await manager.unmount(.name("data"), holder: .commandLine)
        _ = try await manager.mount(.name("data"), holder: .commandLine)
        #expect(stage.machine.count("grow unmounted") == 1)
        await manager.shutdown()
    }

    @Test func aFilesystemThatCannotGrowIsMountedAllTheSame() async throws {
        let stage = try Stage()
        let id = stage.region.addVolume("data")
        let manager = try await stage.begin()
        _ = try await manager.mount(.name("data"), holder: .commandLine)
        try await manager.unmount(.name("data"), holder: .commandLine)
        try await growTo(3, id, manager)
        stage.machine.fail("grow unmounted")
        let mounted = try await manager.mount(.name("data"), holder: .commandLine)
        #expect(stage.machine.mountPoints == [mounted.path])
        await manager.shutdown()
    }

    @Test func aVolumeThatOthersModifiedGrowsWithTheSweep() async throws {
        let stage = try Stage()
        let id = stage.region.addVolume("data")
        let manager = try await stage.begin()
        _ = try await manager.mount(.name("data"), holder: .commandLine)
        _ = try await stage.region.modifyVolume(ModifyVolumeRequest(volumeID: id, sizeGiB: 3))
        await manager.sweep()
        #expect(stage.machine.operations.last == "grow loop")
        await manager.shutdown()
    }

    @Test func theSizeOfAFilesystemIsReadFromItsTools() throws {
        let ext4 =
            "Filesystem volume name:   <none>\nBlock count:              262144\nBlock size:               4096\n"
        #expect(try LinuxMachine.size(ext4, blocks: "Block count", blockBytes: "Block size", separator: ":") == 1 << 30)
        let xfs = "dblocks = 786432\nblocksize = 4096\n"
        #expect(try LinuxMachine.size(xfs, blocks: "dblocks", blockBytes: "blocksize", separator: "=") == 3 << 30)
        #expect(throws: StorageError.self) {
            try LinuxMachine.size("", blocks: "dblocks", blockBytes: "blocksize", separator: "=")
        }
    }
}
