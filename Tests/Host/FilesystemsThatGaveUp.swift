import Driver
import Host
import Testing

@Suite struct FilesystemsThatGaveUp {
    let stage: Stage

    init() throws {
        stage = try Stage()
    }

    private func set(_ superOptions: String, _ options: String = "rw") {
        stage.machine.state.withLock { state in
            for index in state.mounts.indices {
                state.mounts[index].superOptions = superOptions
                state.mounts[index].options = options
            }
        }
    }

    /// A container that is restarted at once would otherwise find the broken mount, which lingers, for ever.
    @Test func aMountThatTurnedReadOnlyIsNotUsedAgain() async throws {
        _ = stage.region.addVolume("data")
        let manager = try await stage.begin()
        let holder = MountHolder(id: "A", incarnation: dockerd)
        _ = try await manager.mount(.name("data"), holder: holder)
        set("rw,emergency_ro")
        _ = try await manager.mount(.name("data"), holder: MountHolder(id: "B", incarnation: dockerd))
        #expect(stage.machine.count("mount") == 1, "it is not taken from who holds it")
        for id in ["A", "B"] {
            try await manager.unmount(.name("data"), holder: MountHolder(id: id, incarnation: dockerd))
        }
        _ = try await manager.mount(.name("data"), holder: holder)
        #expect(stage.machine.count("mount") == 2)
        #expect(stage.machine.mountPoints.count == 1)
        await manager.shutdown()
    }

    @Test(arguments: [("rw", "rw"), ("rw", "ro"), ("ro", "ro")])
    func aMountThatIsAsItWasAskedForIsUsedAgain(superOptions: String, options: String) async throws {
        _ = stage.region.addVolume("data")
        let manager = try await stage.begin()
        let holder = MountHolder(id: "A", incarnation: dockerd)
        _ = try await manager.mount(.name("data"), holder: holder)
        set(superOptions, options)
        try await manager.unmount(.name("data"), holder: holder)
        _ = try await manager.mount(.name("data"), holder: holder)
        #expect(stage.machine.count("mount") == 1)
        await manager.shutdown()
    }
}
