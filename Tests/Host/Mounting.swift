import Driver
import Host
import Testing

@Suite struct Mounting {
    let stage: Stage

    init() throws {
        stage = try Stage()
    }

    private func mount(_ manager: VolumeManager, _ name: String, _ options: MountOptions = MountOptions()) async throws
        -> MountedVolume
    {
        try await manager.mount(.name(name), holder: .commandLine, options: options)
    }

    @Test func aBlankVolumeIsFormattedOnceAndSaysSo() async throws {
        let id = stage.region.addVolume("data", tags: [Tag.fsType: "xfs"])
        let manager = try await stage.begin()
        let mounted = try await mount(manager, "data")
        #expect(mounted.path == stage.mounts + "/data")
        #expect(mounted.device == DeviceName("/dev/xvdb"))
        #expect(mounted.volume.tags == [Tag.name: "data", Tag.fsType: "xfs"])
        #expect(stage.region.content(id) == .fileSystem("xfs", uuid: "uuid-of-\(id)"))
        #expect(stage.machine.nodes == [stage.directory.path + "/dev/xvdb"])
        try await manager.unmount(.name("data"), holder: .commandLine)
        stage.expectClean()
        _ = try await mount(manager, "data")
        #expect(stage.machine.count("format") == 1)
        await manager.shutdown()
    }

    /// The kernel refuses an XFS while it unmounts another one with the same UUID.
    @Test func anXFSThatIsRefusedWithoutATwinIsMountedALittleLater() async throws {
        _ = stage.region.addVolume("data", tags: [Tag.fsType: "xfs"])
        let manager = try await stage.begin()
        stage.machine.fail("mount")
        let mounting = Task { try await mount(manager, "data") }
        try await stage.until("refused") { stage.machine.count("mount") == 1 }
        await stage.pass(.milliseconds(499))
        #expect(stage.machine.count("mount") == 1)
        await stage.pass(.milliseconds(100))
        #expect(try await mounting.value.path == stage.mounts + "/data")
        #expect(stage.machine.count("mount") == 2)
        await manager.shutdown()
    }

    /// The mount's own options come before the volume's, and those before the host's; an empty text is none.
    @Test(arguments: [
        (String?.none, String?.none, "nodev"), (nil, "noatime", "noatime"), ("ro", "noatime", "ro"), ("", nil, "rw"),
    ])
    func mountOptionsAreThoseOfTheNearest(ofMount: String?, ofVolume: String?, expected: String) async throws {
        let stage = try Stage(mountOptions: "nodev")
        var tags: [String: String] = [:]
        tags[Tag.mountOptions] = ofVolume
        _ = stage.region.addVolume("data", tags: tags)
        let manager = try await stage.begin()
        _ = try await manager.mount(
            .name("data"), holder: .commandLine, options: MountOptions(mountOptions: ofMount))
        #expect(stage.machine.state.withLock { $0.mounts.last?.options } == expected)
        await manager.shutdown()
    }

    @Test func whoeverMountsGetsTheRootPathWhereverHeLooks() async throws {
        let stage = try Stage(volumeRootPath: "/srv/data")
        _ = stage.region.addVolume("data")
        let manager = try await stage.begin()
        let path = stage.mounts + "/data/srv/data"
        #expect(try await mount(manager, "data").path == path)
        #expect(try await mount(manager, "data").path == path)
        #expect(try await manager.volume(.name("data")).mountPath == path)
        #expect(stage.machine.mountPoints == [stage.mounts + "/data"])
        for _ in 1...2 { try await manager.unmount(.name("data"), holder: .commandLine) }
        stage.expectClean()
        // A directory that cannot be made is a mount that failed: nothing is left of it.
        stage.machine.fail("mkdir below")
        _ = await expectError(.hostOperationFailed) { _ = try await mount(manager, "data") }
        stage.expectClean()
        await manager.shutdown()
    }

    @Test(arguments: ["data", "/../data", "/data/.."])
    func aRootPathThatLeadsOutOfTheVolumeIsRefusedAtStart(path: String) async throws {
        let stage = try Stage(volumeRootPath: path)
        _ = await expectError(.invalidParameterValue) { _ = try await stage.begin() }
    }

    @Test func mountOptionsThatAreNoneAreRefusedAtStart() async throws {
        let stage = try Stage(mountOptions: "noatime, discard")
        _ = await expectError(.invalidParameterValue) { _ = try await stage.begin() }
    }

    @Test func aVolumeWithoutANameIsMountedByItsID() async throws {
        let id = stage.region.addVolume("")
        let odd = stage.region.addVolume("../../etc")
        let manager = try await stage.begin()
        #expect(try await manager.mount(.id(id), holder: .commandLine).path == stage.mounts + "/" + id.rawValue)
        #expect(try await manager.mount(.id(odd), holder: .commandLine).path == stage.mounts + "/" + odd.rawValue)
        await manager.shutdown()
    }

    @Test(arguments: [
        FakeRegion.Content.other("a gpt partition table"), .other("crypto_LUKS (crypto)"),
        .fileSystem("btrfs", uuid: "u"),
    ])
    func whatIsNotBlankIsNeverFormatted(_ content: FakeRegion.Content) async throws {
        let id = stage.region.addVolume("data", content: content)
        let manager = try await stage.begin()
        let error = await expectError(.deviceNotBlank) { _ = try await mount(manager, "data") }
        #expect(error?.message.contains("it holds") == true)
        #expect(stage.region.content(id) == content)
        stage.expectClean()
        _ = try await mount(manager, "data", MountOptions(overwriteFileSystem: true))
        #expect(stage.region.content(id) == .fileSystem("ext4", uuid: "uuid-of-\(id)"))
        await manager.shutdown()
    }

    @Test(arguments: ["loop", "node", "probe", "format", "mkdir", "mount"])
    func whatFailsIsUndone(_ step: String) async throws {
        let id = stage.region.addVolume("data")
        let manager = try await stage.begin()
        stage.machine.fail(step)
        _ = await expectError(.hostOperationFailed) { _ = try await mount(manager, "data") }
        stage.expectClean()
        #expect(await manager.references() == [:])
        _ = try await mount(manager, "data")
        #expect(stage.region.content(id) == .fileSystem("ext4", uuid: "uuid-of-\(id)"))
        await manager.shutdown()
    }

    @Test func mountsOfOneVolumeAreOneFlightAndVolumesDoNotWait() async throws {
        _ = stage.region.addVolume("slow")
        _ = stage.region.addVolume("other")
        let manager = try await stage.begin()
        stage.machine.close("probe")
        let mounts = (0..<3).map { index in
            Task {
                try await manager.mount(.name("slow"), holder: MountHolder(id: "\(index)", incarnation: dockerd))
            }
        }
        try await stage.until("the first probes") { stage.machine.waiting(at: "probe") == 1 }
        stage.machine.state.withLock { _ = $0.gated.remove("probe") }
        _ = try await mount(manager, "other")
        stage.machine.open("probe")
        for mount in mounts { #expect(try await mount.value.path == stage.mounts + "/slow") }
        #expect(stage.region.state.withLock { $0.calls.count { $0 == "attach" } } == 2)
        #expect(stage.machine.count("mount") == 2)
        #expect(stage.machine.count("format") == 2)
        #expect(await manager.references()["vol-00000000000000001"] == ["0": 1, "1": 1, "2": 1])
        await manager.shutdown()
    }

    @Test func waitingForAVolumeHasADeadline() async throws {
        _ = stage.region.addVolume("slow")
        let manager = try await stage.begin()
        stage.machine.close("probe")
        let first = Task { try await mount(manager, "slow") }
        try await stage.until("the first probes") { stage.machine.waiting(at: "probe") == 1 }
        let second = Task { try await manager.unmount(.name("slow"), holder: .commandLine) }
        try await stage.until("the second waits") {
            stage.region.state.withLock { $0.calls.count { $0 == "describe" } } >= 3
        }
        await stage.pass(.seconds(200))
        _ = await expectError(.deadlineExceeded) { try await second.value }
        stage.machine.open("probe")
        _ = try await first.value
        await manager.shutdown()
    }

    @Test func aMountWhoseCallerWentAwayCountsNoReference() async throws {
        _ = stage.region.addVolume("slow")
        let manager = try await stage.begin()
        stage.machine.close("probe")
        let call = Task {
            try await manager.mount(.name("slow"), holder: MountHolder(id: "A", incarnation: dockerd))
        }
        try await stage.until("it probes") { stage.machine.waiting(at: "probe") == 1 }
        call.cancel()
        stage.machine.open("probe")
        await #expect(throws: CancellationError.self) { try await call.value }
        #expect(await manager.references() == [:])
        await stage.pass(.seconds(10))
        stage.expectClean()
        await manager.shutdown()
    }

    @Test func aPersonMountsOnceHoweverOften() async throws {
        _ = stage.region.addVolume("data")
        let manager = try await stage.begin()
        _ = try await mount(manager, "data")
        _ = try await mount(manager, "data")
        try await manager.unmount(.name("data"), holder: .commandLine)
        stage.expectClean()
        try await manager.unmount(.name("data"), holder: .commandLine)
        await manager.shutdown()
    }

    @Test func aPersonDoesNotUnmountAContainersVolume() async throws {
        _ = stage.region.addVolume("data")
        let manager = try await stage.begin()
        _ = try await manager.mount(.name("data"), holder: MountHolder(id: "B", incarnation: dockerd))
        let error = await expectError(.deviceBusy) {
            try await manager.unmount(.name("data"), holder: .commandLine)
        }
        #expect(error?.message.contains("process 500") == true)
        await manager.shutdown()
    }

    @Test func aFailedUnmountKeepsTheReference() async throws {
        let id = stage.region.addVolume("data")
        let manager = try await stage.begin()
        _ = try await mount(manager, "data")
        stage.machine.fail("unmount", StorageError(.hostOperationFailed, "target is busy"))
        _ = await expectError(.hostOperationFailed) {
            try await manager.unmount(.name("data"), holder: .commandLine)
        }
        #expect(await manager.references() == [id.rawValue: ["ebb": 1]])
        #expect(stage.region.attachments(id).count == 1)
        try await manager.unmount(.name("data"), holder: .commandLine)
        stage.expectClean()
        await manager.shutdown()
    }

    @Test func aBindOfTheVolumeElsewhereKeepsItAttached() async throws {
        _ = stage.region.addVolume("data")
        let manager = try await stage.begin()
        _ = try await mount(manager, "data")
        stage.machine.addMount(of: DeviceNumber(major: 7, minor: 0), at: "/srv/data")
        let error = await expectError(.deviceBusy) {
            try await manager.unmount(.name("data"), holder: .commandLine)
        }
        #expect(error?.message.contains("'/srv/data'") == true)
        #expect(stage.machine.mountPoints == [stage.mounts + "/data", "/srv/data"])
        await manager.shutdown()
    }

    @Test func aTwinOfAMountedXFSKeepsTheUsersOptions() async throws {
        _ = stage.region.addVolume("one", content: .fileSystem("xfs", uuid: "u"))
        _ = stage.region.addVolume("two", content: .fileSystem("xfs", uuid: "u"), tags: [Tag.mountOptions: "noatime"])
        let manager = try await stage.begin()
        _ = try await mount(manager, "one")
        stage.machine.fail("mount")
        _ = try await mount(manager, "two")
        let options = stage.machine.state.withLock { $0.mounts.map(\.options) }
        #expect(options == ["rw", "noatime,nouuid"])
        await manager.shutdown()
    }

    @Test func badOptionsAreRefused() async throws {
        _ = stage.region.addVolume("data")
        let manager = try await stage.begin()
        _ = await expectError(.invalidParameterValue) {
            _ = try await mount(manager, "data", MountOptions(fsType: "ntfs"))
        }
        _ = await expectError(.invalidParameterValue) {
            _ = try await mount(manager, "data", MountOptions(mountOptions: "no atime"))
        }
        _ = await expectError(.volumeNotFound) { _ = try await mount(manager, "missing") }
        stage.expectClean()
        await manager.shutdown()
    }

    @Test func aRenamedVolumesMountPointIsNotTakenFromIt() async throws {
        let old = stage.region.addVolume("data")
        let manager = try await stage.begin()
        _ = try await mount(manager, "data")
        stage.region.state.withLock { $0.volumes[old]?.tags[Tag.name] = "renamed" }
        let new = stage.region.addVolume("data")
        #expect(try await mount(manager, "data").path == stage.mounts + "/" + new.rawValue)
        #expect(try await manager.volume(.id(old)).mountPath == stage.mounts + "/data")
        await manager.shutdown()
    }
}
