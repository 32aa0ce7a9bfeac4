// Two hosts on one region.

import Driver
import Host
import Testing

@Suite struct TwoHosts {
    let a: Stage
    let b: Stage
    let volume: VolumeID

    init() throws {
        a = try Stage(instance: "i-a")
        b = try Stage(region: a.region, instance: "i-b")
        volume = a.region.addVolume("data")
    }

    private func holder(_ id: String) -> MountHolder { MountHolder(id: id, incarnation: dockerd) }

    @Test func whatLingersThereIsWaitedFor() async throws {
        let onA = try await a.begin()
        let onB = try await b.begin()
        _ = try await onA.mount(.name("data"), holder: holder("A"))
        try await onA.unmount(.name("data"), holder: holder("A"))
        let mount = Task { try await onB.mount(.name("data"), holder: holder("B")) }
        await a.pass(.seconds(10))
        a.expectAbsent()
        await b.pass(.seconds(2))
        #expect(try await mount.value.path == b.mounts + "/data")
        await onA.shutdown()
        await onB.shutdown()
    }

    @Test func whatIsInUseThereIsRefusedWithItsHolder() async throws {
        let onA = try await a.begin()
        let onB = try await b.begin()
        _ = try await onA.mount(.name("data"), holder: holder("A"))
        let mount = Task { try await onB.mount(.name("data"), holder: holder("B")) }
        await b.pass(.seconds(10))
        let error = await expectError(.volumeInUse) { _ = try await mount.value }
        #expect(error?.message.contains("'i-a'") == true)
        #expect(a.machine.mountPoints == [a.mounts + "/data"])
        #expect(await onB.references() == [:])
        await onA.shutdown()
        await onB.shutdown()
    }

    @Test func preemptingTakesItAndTheOldHostCleansUp() async throws {
        let onA = try await a.begin()
        let onB = try await b.begin()
        _ = try await onA.mount(.name("data"), holder: holder("A"))
        _ = try await onB.mount(.name("data"), holder: holder("B"), options: MountOptions(preempt: true))
        #expect(a.region.attachments(volume).map(\.instanceID) == ["i-b"])
        #expect(a.machine.mountPoints == [a.mounts + "/data"], "a dead mount until the next look")
        #expect(try await onA.volume(.name("data")).mountPath == nil)
        await onA.incarnationBegan(laterDockerd)
        a.expectAbsent()
        #expect(await onA.references() == [:])
        try await onA.unmount(.name("data"), holder: holder("A"))
        #expect(b.machine.mountPoints == [b.mounts + "/data"])
        await onA.shutdown()
        await onB.shutdown()
    }

    @Test func aPreemptedVolumeComesBack() async throws {
        let onA = try await a.begin()
        let onB = try await b.begin()
        _ = try await onA.mount(.name("data"), holder: holder("A"))
        _ = try await onB.mount(.name("data"), holder: holder("B"), options: MountOptions(preempt: true))
        let preempt = MountOptions(preempt: true)
        #expect(try await onA.mount(.name("data"), holder: holder("C"), options: preempt).path == a.mounts + "/data")
        #expect(a.machine.mountPoints == [a.mounts + "/data"])
        #expect(a.machine.loopCount == 1)
        #expect(await onA.references() == [volume.rawValue: ["C": 1]])
        await onA.shutdown()
        await onB.shutdown()
    }

    @Test func aPreemptedVolumeIsCleanedUpAtStart() async throws {
        var onA = try await a.begin()
        let onB = try await b.begin()
        _ = try await onA.mount(.name("data"), holder: holder("A"))
        await onA.shutdown()
        _ = try await onB.mount(.name("data"), holder: holder("B"), options: MountOptions(preempt: true))
        onA = try await a.begin()
        a.expectAbsent()
        await onA.shutdown()
        await onB.shutdown()
    }

    @Test func detachingThereNeedsForce() async throws {
        let onA = try await a.begin()
        let onB = try await b.begin()
        _ = try await onA.attach(.name("data"), device: nil, preempt: false)
        let error = await expectError(.incorrectState) { try await onB.detach(.name("data"), force: false) }
        #expect(error?.message.contains("'i-a'") == true)
        try await onB.detach(.name("data"), force: true)
        #expect(a.region.attachments(volume) == [])
        await onA.shutdown()
        await onB.shutdown()
    }
}

extension Stage {
    /// Nothing of any volume is left on this machine.
    func expectAbsent(_ location: SourceLocation = #_sourceLocation) {
        #expect(machine.mountPoints == [], sourceLocation: location)
        #expect(machine.loopCount == 0, sourceLocation: location)
        #expect(machine.nodes == [], sourceLocation: location)
    }
}
