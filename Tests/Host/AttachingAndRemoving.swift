import Driver
import Host
import Testing

@Suite struct AttachingAndRemoving {
    let stage: Stage
    let volume: VolumeID

    init() throws {
        stage = try Stage()
        volume = stage.region.addVolume("data")
    }

    @Test func anAttachedVolumeHasItsDeviceUntilItIsDetached() async throws {
        let manager = try await stage.begin()
        let attachment = try await manager.attach(.name("data"), device: DeviceName("xvdf"), preempt: false)
        #expect(attachment.device == DeviceName("/dev/xvdf"))
        #expect(stage.machine.nodes == [stage.directory.path + "/dev/xvdf"])
        #expect(try await manager.volume(.name("data")).device == DeviceName("/dev/xvdf"))
        await stage.pass(.seconds(100))
        #expect(stage.machine.loopCount == 1)
        _ = await expectError(.volumeInUse) {
            _ = try await manager.attach(.name("data"), device: nil, preempt: false)
        }
        try await manager.detach(.name("data"), force: false)
        stage.expectClean()
        _ = await expectError(.incorrectState) { try await manager.detach(.name("data"), force: false) }
        await manager.shutdown()
    }

    @Test func whatAPersonAttachedStaysAttachedAfterTheLastUnmount() async throws {
        let manager = try await stage.begin()
        _ = try await manager.attach(.name("data"), device: nil, preempt: false)
        _ = try await manager.mount(.name("data"), holder: .commandLine)
        try await manager.unmount(.name("data"), holder: .commandLine)
        #expect(stage.machine.mountPoints == [])
        #expect(stage.region.attachments(volume).count == 1)
        #expect(stage.machine.loopCount == 1)
        await manager.shutdown()
    }

    @Test func whatIsMountedIsNotDetached() async throws {
        let manager = try await stage.begin()
        _ = try await manager.mount(.name("data"), holder: .commandLine)
        let error = await expectError(.deviceBusy) { try await manager.detach(.name("data"), force: false) }
        #expect(error?.message.contains(stage.mounts + "/data") == true)
        try await manager.detach(.name("data"), force: true)
        stage.expectClean()
        #expect(await manager.references() == [:])
        await manager.shutdown()
    }

    @Test func whatOnlyLingersIsDetachedAttachedAndRemovedAtOnce() async throws {
        let manager = try await stage.begin()
        let holder = MountHolder(id: "A", incarnation: dockerd)
        for _ in 0..<2 {
            _ = try await manager.mount(.name("data"), holder: holder)
            try await manager.unmount(.name("data"), holder: holder)
            try await manager.detach(.name("data"), force: false)
            stage.expectClean()
        }
        _ = try await manager.mount(.name("data"), holder: holder)
        try await manager.unmount(.name("data"), holder: holder)
        let attachment = try await manager.attach(.name("data"), device: DeviceName("xvdk"), preempt: false)
        #expect(attachment.device == DeviceName("xvdk"))
        try await manager.detach(.name("data"), force: false)
        _ = try await manager.mount(.name("data"), holder: holder)
        try await manager.unmount(.name("data"), holder: holder)
        try await manager.remove(.name("data"), force: false)
        stage.expectClean()
        await manager.shutdown()
    }

    @Test func aFailedAttachIsUndone() async throws {
        let manager = try await stage.begin()
        stage.machine.fail("loop")
        _ = await expectError(.hostOperationFailed) {
            _ = try await manager.attach(.name("data"), device: nil, preempt: false)
        }
        stage.expectClean()
        await manager.shutdown()
    }

    @Test func aDeviceOfTheMachineIsNotReplaced() async throws {
        let manager = try await stage.begin()
        let node = stage.directory.path + "/dev/xvdb"
        stage.machine.state.withLock { $0.nodes[node] = DeviceNumber(major: 202, minor: 16) }
        _ = await expectError(.deviceBusy) {
            _ = try await manager.attach(.name("data"), device: nil, preempt: false)
        }
        #expect(stage.machine.state.withLock { $0.nodes } == [node: DeviceNumber(major: 202, minor: 16)])
        #expect(stage.machine.loopCount == 0)
        #expect(stage.region.attachments(volume) == [])
        await manager.shutdown()
    }

    @Test func removingRefusesWhatSomebodyUsesAndSaysWho() async throws {
        let manager = try await stage.begin()
        _ = try await manager.mount(.name("data"), holder: .commandLine)
        var error = await expectError(.volumeInUse) { try await manager.remove(.name("data"), force: false) }
        #expect(error?.message.contains("'ebb'") == true)
        try await manager.unmount(.name("data"), holder: .commandLine)
        _ = try await manager.mount(.name("data"), holder: MountHolder(id: "B", incarnation: dockerd))
        error = await expectError(.volumeInUse) { try await manager.remove(.name("data"), force: false) }
        #expect(error?.message.contains("process 500") == true)
        // The engine itself says that it has no use for it: an Unmount was lost.
        try await manager.remove(.name("data"), force: false, engine: dockerd)
        stage.expectClean()
        #expect(await manager.references() == [:])
        _ = await expectError(.volumeNotFound) { try await manager.remove(.name("data"), force: false) }
        await manager.shutdown()
    }

    @Test func forceRemovesWhatIsInUse() async throws {
        let manager = try await stage.begin()
        _ = try await manager.mount(.name("data"), holder: MountHolder(id: "B", incarnation: dockerd))
        try await manager.remove(.name("data"), force: true)
        stage.expectClean()
        #expect(stage.region.state.withLock { $0.volumes.isEmpty })
        await manager.shutdown()
    }

    @Test func creatingFillsInTheHostsDefaultsAndChecks() async throws {
        let manager = try await stage.begin()
        let created = try await manager.create(
            CreateVolumeRequest(zone: "us-east-1b", tags: [Tag.name: "new", Tag.fsType: "XFS"]))
        #expect(created.volume.sizeGiB == 16)
        #expect(created.volume.tags[Tag.fsType] == "xfs")
        for tags in [
            [Tag.name: "../../etc"], [Tag.name: "n", Tag.fsType: "ntfs"], [Tag.name: "n", Tag.mountOptions: "a b"],
        ] {
            _ = await expectError(.invalidParameterValue) {
                _ = try await manager.create(CreateVolumeRequest(zone: "us-east-1b", tags: tags))
            }
        }
        await manager.shutdown()
    }

    @Test func anOrchestratorStagesAndPublishes() async throws {
        let manager = try await stage.begin()
        let staging = stage.directory.path + "/staging"
        let target = stage.directory.path + "/target"
        _ = await expectError(.incorrectState) { try await manager.stage(volume, at: staging, options: MountOptions()) }
        _ = try await stage.region.attachVolume(AttachVolumeRequest(volumeID: volume, instanceID: "i-a"))
        _ = await expectError(.incorrectState) {
            try await manager.publish(volume, from: staging, at: target, readOnly: true)
        }
        for _ in 0..<2 { try await manager.stage(volume, at: staging, options: MountOptions()) }
        for _ in 0..<2 { try await manager.publish(volume, from: staging, at: target, readOnly: true) }
        #expect(stage.machine.mountPoints == [staging, target])
        #expect(try await manager.usage(of: volume, at: target).totalBytes == 1)
        for _ in 0..<2 { try await manager.unpublish(volume, at: target) }
        for _ in 0..<2 { try await manager.unstage(volume, at: staging) }
        #expect(stage.machine.loopCount == 0)
        #expect(stage.region.attachments(volume).count == 1)
        _ = await expectError(.volumeNotFound) { _ = try await manager.usage(of: volume, at: target) }
        await manager.shutdown()
    }

    @Test func devicesAreFormattedAndUnmountedWithCare() async throws {
        let manager = try await stage.begin()
        let node = stage.directory.path + "/dev/xvdb"
        _ = await expectError(.invalidParameterValue) {
            try await manager.formatDevice(node, fsType: nil, overwrite: false)
        }
        _ = try await manager.attach(.name("data"), device: nil, preempt: false)
        try await manager.formatDevice(node, fsType: "xfs", overwrite: false)
        _ = await expectError(.deviceNotBlank) { try await manager.formatDevice(node, fsType: nil, overwrite: false) }
        try await manager.formatDevice(node, fsType: nil, overwrite: true)
        try await manager.mountDevice(node, at: "/mnt/x", options: "noatime", label: "system_u:object_r:t:s0")
        #expect(
            stage.machine.state.withLock { $0.mounts.last?.options }
                == "noatime,context=\"system_u:object_r:t:s0\"")
        _ = await expectError(.deviceBusy) { try await manager.formatDevice(node, fsType: nil, overwrite: true) }
        try await manager.unmountDevice(at: "/mnt/x/")
        _ = await expectError(.incorrectState) { try await manager.unmountDevice(at: "/mnt/x") }
        _ = try await manager.mount(.name("data"), holder: .commandLine)
        _ = await expectError(.deviceBusy) { try await manager.unmountDevice(at: stage.mounts + "/data") }
        await manager.shutdown()
    }
}
