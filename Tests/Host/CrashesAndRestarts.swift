// The daemon dies at any step and begins again; the machine goes on meanwhile.

import Driver
import Host
import Platform
import SystemPackage
import Testing

@Suite struct CrashesAndRestarts {
    let stage: Stage
    let volume: VolumeID

    init() throws {
        stage = try Stage()
        volume = stage.region.addVolume("data")
    }

    var path: String { stage.mounts + "/data" }

    /// Every call and step of a mount with formatting, and beyond the last one.
    @Test(arguments: 0..<16)
    func aMountThatDiedHalfWayLeavesNothing(_ steps: Int) async throws {
        var manager = try await stage.begin()
        stage.machine.die(after: steps)
        let holder = MountHolder(id: "A", incarnation: dockerd)
        do {
            _ = try await manager.mount(.name("data"), holder: holder)
            // It came through: then it is held, as if the answer was lost.
            stage.machine.kill(dockerd)
        } catch let error as StorageError {
            #expect(error.code == .unavailable)
        }
        await manager.shutdown()
        stage.machine.revive()
        manager = try await stage.begin()
        await stage.pass(.seconds(60))
        stage.expectClean()
        let mounted = try await manager.mount(.name("data"), holder: .commandLine)
        #expect(mounted.path == path)
        #expect(stage.region.content(volume) == .fileSystem("ext4", uuid: "uuid-of-\(volume)"))
        #expect(stage.region.tags(volume) == [Tag.name: "data", Tag.fsType: "ext4"])
        try await manager.unmount(.name("data"), holder: .commandLine)
        stage.expectClean()
        await manager.shutdown()
    }

    @Test(arguments: 0..<12)
    func anUnmountThatDiedHalfWayIsFinished(_ steps: Int) async throws {
        var manager = try await stage.begin()
        _ = try await manager.mount(.name("data"), holder: MountHolder(id: "A", incarnation: dockerd))
        stage.machine.die(after: steps)
        do {
            try await manager.unmount(.name("data"), holder: MountHolder(id: "A", incarnation: dockerd))
            await stage.pass(.seconds(10))
        } catch let error as StorageError {
            #expect(error.code == .unavailable)
        }
        await manager.shutdown()
        stage.machine.revive()
        manager = try await stage.begin()
        await stage.pass(.seconds(60))
        stage.expectClean()
        await manager.shutdown()
    }

    @Test func anUnmountCountsWhileTheRegionDoesNotAnswerAndUnderTheOldName() async throws {
        let manager = try await stage.begin()
        let holder = MountHolder(id: "A", incarnation: dockerd)
        _ = try await manager.mount(.name("data"), holder: holder)
        stage.region.state.withLock { $0.volumes[volume]?.tags[Tag.name] = "renamed" }
        stage.machine.die(after: 0)
        try await manager.unmount(.name("data"), holder: holder)
        #expect(await manager.references() == [:])
        await stage.pass(.seconds(10))
        #expect(stage.machine.mountPoints == [path])
        stage.machine.revive()
        await stage.pass(.seconds(60))
        stage.expectClean()
        await manager.shutdown()
    }

    @Test func afterARebootNothingIsHeldAndExplicitAttachmentsHaveTheirDevices() async throws {
        let other = stage.region.addVolume("other")
        var manager = try await stage.begin()
        _ = try await manager.mount(.name("data"), holder: .commandLine)
        _ = try await manager.attach(.name("other"), device: DeviceName("xvdf"), preempt: false)
        await manager.shutdown()
        stage.machine.reboot()
        manager = try await stage.begin()
        #expect(await manager.references() == [:])
        await stage.pass(.seconds(10))
        #expect(stage.region.attachments(volume) == [])
        #expect(stage.region.attachments(other).count == 1)
        #expect(stage.machine.nodes == [stage.directory.path + "/dev/xvdf"])
        await manager.shutdown()
    }

    @Test func deadAndStackedMountsAreTakenDownAtStart() async throws {
        var manager = try await stage.begin()
        _ = try await manager.mount(.name("data"), holder: .commandLine)
        await manager.shutdown()
        let number = DeviceNumber(major: 7, minor: 0)
        stage.machine.addMount(of: number, at: path)
        stage.machine.addMount(of: DeviceNumber(major: 7, minor: 9), at: path)
        stage.machine.addMount(of: DeviceNumber(major: 7, minor: 8), at: stage.mounts + "/gone")
        manager = try await stage.begin()
        #expect(stage.machine.mountPoints == [path])
        #expect(try manager.mounts().map(\.deviceNumber) == [number])
        try await manager.unmount(.name("data"), holder: .commandLine)
        stage.expectClean()
        await manager.shutdown()
    }

    @Test func loopDevicesOnAFilesystemThatIsGoneAreRemovedAtStart() async throws {
        let lost = stage.machine.addLoop(of: "/us-east-1b/i-a/xvdb")
        let others = ["/us-east-1b/i-b/xvdb", "/other/us-east-1b/i-a/xvdb"].map(stage.machine.addLoop(of:))
        let manager = try await stage.begin()
        #expect(try Set(stage.machine.loopDevices().keys) == Set(others), "\(lost)")
        await manager.shutdown()
    }

    @Test func aMountWithoutABookIsKept() async throws {
        var manager = try await stage.begin()
        _ = try await manager.mount(.name("data"), holder: MountHolder(id: "A", incarnation: dockerd))
        await manager.shutdown()
        try replaceFile(
            FilePath(stage.settings.stateDirectory + "/references.json"), with: Array("{\"version\": 1, \"vol".utf8))
        manager = try await stage.begin()
        #expect(await manager.references() == [volume.rawValue: ["ebb": 1]])
        await stage.pass(.seconds(100))
        #expect(stage.machine.mountPoints == [path])
        try await manager.unmount(.name("data"), holder: .commandLine)
        stage.expectClean()
        await manager.shutdown()
    }

    @Test func aBookOfANewerVersionIsRefused() async throws {
        let manager = try await stage.begin()
        await manager.shutdown()
        try replaceFile(
            FilePath(stage.settings.stateDirectory + "/references.json"), with: Array("{\"version\": 2}".utf8))
        _ = await expectError(.incorrectState) { _ = try await stage.begin() }
    }

    @Test func whenTheBookCannotBeWrittenNothingIsMounted() async throws {
        let manager = try await stage.begin()
        try createDirectories(FilePath(stage.settings.stateDirectory + "/references.json.new"))
        _ = await expectError(.hostOperationFailed) {
            _ = try await manager.mount(.name("data"), holder: .commandLine)
        }
        stage.expectClean()
        await manager.shutdown()
    }
}
