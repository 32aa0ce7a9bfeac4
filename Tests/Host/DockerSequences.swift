// The orders of mounts and unmounts that Docker and Podman were seen to send, and what must come of each.

import Driver
import Host
import Testing

@Suite struct DockerSequences {
    let stage: Stage
    let volume: VolumeID

    init() throws {
        stage = try Stage()
        volume = stage.region.addVolume("data")
    }

    var path: String { stage.mounts + "/data" }

    private func mount(_ manager: VolumeManager, _ id: String, by engine: Incarnation = dockerd) async throws {
        let mounted = try await manager.mount(.name("data"), holder: MountHolder(id: id, incarnation: engine))
        #expect(mounted.path == path)
    }

    private func unmount(_ manager: VolumeManager, _ id: String, by engine: Incarnation = dockerd) async throws {
        try await manager.unmount(.name("data"), holder: MountHolder(id: id, incarnation: engine))
    }

    @Test func aRunMountsTwiceAndAttachesOnce() async throws {
        let manager = try await stage.begin()
        try await mount(manager, "A")
        try await unmount(manager, "A")
        try await mount(manager, "B")
        await stage.pass(.seconds(10))
        #expect(stage.machine.mountPoints == [path])
        #expect(stage.region.state.withLock { $0.calls.count { $0 == "attach" } } == 1)
        #expect(stage.machine.count("format") == 1)
        try await unmount(manager, "B")
        #expect(stage.machine.mountPoints == [path], "it lingers")
        await stage.pass(.seconds(10))
        stage.expectClean()
        await manager.shutdown()
    }

    @Test func copyingIntoARunningContainerRepeatsItsID() async throws {
        let manager = try await stage.begin()
        try await mount(manager, "B")
        for _ in 0..<2 {
            try await mount(manager, "B")
            #expect(await manager.references() == [volume.rawValue: ["B": 2]])
            try await unmount(manager, "B")
        }
        await stage.pass(.seconds(10))
        #expect(stage.machine.mountPoints == [path])
        try await unmount(manager, "B")
        await stage.pass(.seconds(10))
        stage.expectClean()
        await manager.shutdown()
    }

    @Test func twoContainersShareOneMount() async throws {
        let manager = try await stage.begin()
        try await mount(manager, "D")
        try await mount(manager, "E")
        try await unmount(manager, "D")
        await stage.pass(.seconds(10))
        #expect(stage.machine.mountPoints == [path])
        try await unmount(manager, "E")
        await stage.pass(.seconds(10))
        stage.expectClean()
        await manager.shutdown()
    }

    @Test func afterAKilledDockerTheSameIDIsUnmountedOnce() async throws {
        let manager = try await stage.begin()
        try await mount(manager, "B")
        try await mount(manager, "B")
        stage.machine.kill(dockerd)
        try await mount(manager, "B", by: laterDockerd)
        #expect(await manager.references() == [volume.rawValue: ["B": 1]])
        try await unmount(manager, "B", by: laterDockerd)
        await stage.pass(.seconds(10))
        stage.expectClean()
        await manager.shutdown()
    }

    @Test func afterAKilledDockerItsLeftoverIsReapedWhenTheNextOneBegins() async throws {
        let manager = try await stage.begin()
        try await mount(manager, "B")
        stage.machine.kill(dockerd)
        await manager.incarnationBegan(laterDockerd)
        #expect(await manager.references() == [:])
        await stage.pass(.seconds(10))
        stage.expectClean()
        await manager.shutdown()
    }

    @Test func afterAKilledDockerItsVolumeCanBeRemoved() async throws {
        let manager = try await stage.begin()
        try await mount(manager, "B")
        stage.machine.kill(dockerd)
        try await manager.remove(.name("data"), force: false, engine: laterDockerd)
        #expect(stage.region.content(volume) != nil)
        #expect(stage.region.state.withLock { $0.volumes[volume] } == nil)
        stage.expectClean()
        await manager.shutdown()
    }

    @Test func leftoversOfLiveRestoreStayWhileTheContainerRuns() async throws {
        let manager = try await stage.begin()
        try await mount(manager, "B")
        stage.machine.runContainer(77, showing: path)
        stage.machine.kill(dockerd)
        await manager.incarnationBegan(laterDockerd)
        await stage.pass(.seconds(100))
        #expect(stage.machine.mountPoints == [path])
        let error = await expectError(.volumeInUse) {
            try await manager.remove(.name("data"), force: false, engine: laterDockerd)
        }
        #expect(error?.message.contains("77 (busybox)") == true, "\(String(describing: error))")
        stage.machine.endContainer(77)
        try await unmount(manager, "B", by: laterDockerd)
        await stage.pass(.seconds(10))
        stage.expectClean()
        await manager.shutdown()
    }

    /// The count begins anew with the new dockerd, so `docker cp` brings it to zero; the container's own mount
    /// namespace keeps the volume.
    @Test func copyingAfterLiveRestoreTakesNothingFromTheContainer() async throws {
        let manager = try await stage.begin()
        try await mount(manager, "B")
        stage.machine.runContainer(77, showing: path)
        stage.machine.kill(dockerd)
        try await mount(manager, "B", by: laterDockerd)
        try await unmount(manager, "B", by: laterDockerd)
        await stage.pass(.seconds(100))
        #expect(stage.machine.mountPoints == [path])
        stage.machine.endContainer(77)
        try await unmount(manager, "B", by: laterDockerd)
        await stage.pass(.seconds(10))
        stage.expectClean()
        await manager.shutdown()
    }

    @Test func referencesOutliveTheDaemon() async throws {
        var manager = try await stage.begin()
        try await mount(manager, "B")
        stage.machine.runContainer(77, showing: path)
        await manager.shutdown()
        manager = try await stage.begin()
        #expect(await manager.references() == [volume.rawValue: ["B": 1]])
        #expect(try await manager.volume(.name("data")).mountPath == path)
        await stage.pass(.seconds(10))
        #expect(stage.machine.mountPoints == [path])
        stage.machine.endContainer(77)
        try await unmount(manager, "B")
        await stage.pass(.seconds(10))
        stage.expectClean()
        await manager.shutdown()
    }

    @Test func podmansOneIDFromEverNewProcesses() async throws {
        let manager = try await stage.begin()
        let id = "2f73349c5918ec2"
        for ticks in UInt64(1)...2 { try await mount(manager, id, by: Incarnation(pid: 0, startTimeTicks: ticks)) }
        // `podman volume mount`: no container shows it.
        await manager.incarnationBegan(Incarnation(pid: 3, startTimeTicks: 3))
        await stage.pass(.seconds(100))
        #expect(stage.machine.mountPoints == [path])
        #expect(await manager.references() == [volume.rawValue: [id: 1]])
        let error = await expectError(.volumeInUse) { try await manager.remove(.name("data"), force: false) }
        #expect(error?.message.contains("of an engine that is not seen") == true)
        try await unmount(manager, id, by: Incarnation(pid: 0, startTimeTicks: 4))
        await stage.pass(.seconds(10))
        stage.expectClean()
        await manager.shutdown()
    }

    @Test func anUnknownUnmountIsNoError() async throws {
        let manager = try await stage.begin()
        try await unmount(manager, "nobody")
        try await mount(manager, "B")
        try await unmount(manager, "nobody")
        #expect(await manager.references() == [volume.rawValue: ["B": 1]])
        try await manager.unmount(.name("missing"), holder: MountHolder(id: "B", incarnation: dockerd))
        await manager.shutdown()
    }

    @Test func aCopyByMountPropagationIsNoUse() async throws {
        let manager = try await stage.begin()
        try await mount(manager, "B")
        stage.machine.runContainer(78, showing: path, at: path)
        stage.machine.kill(dockerd)
        await manager.incarnationBegan(laterDockerd)
        #expect(await manager.references() == [:])
        await manager.shutdown()
    }
}
