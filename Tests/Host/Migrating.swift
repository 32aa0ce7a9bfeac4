// Volumes that move to another zone, and daemons that die meanwhile.

import Driver
import Platform
import Testing

@testable import Host

@Suite struct Migrating {
    let stage: Stage
    let volume: VolumeID
    let content = FakeRegion.Content.fileSystem("xfs", uuid: "data")
    let tags = [Tag.fsType: "xfs", "team": "a"]

    init() throws {
        stage = try Stage()
        volume = stage.region.addVolume("data", content: content, tags: tags, sizeGiB: 3)
        stage.region.state.withLock { $0.snapshotFate = .completed }
    }

    private func volumes() -> [Volume] { stage.region.state.withLock { Array($0.volumes.values) } }

    /// The one volume that there is, whole and with its name; nothing else is left.
    private func expectOnly(in zone: ZoneName, _ location: SourceLocation = #_sourceLocation) {
        #expect(volumes().map(\.zone) == [zone], sourceLocation: location)
        let only = volumes().first
        #expect(only?.sizeGiB == 3 && only?.type == .gp2, sourceLocation: location)
        #expect(only?.tags == tags.merging([Tag.name: "data"]) { $1 }, sourceLocation: location)
        #expect(only.flatMap { stage.region.content($0.id) } == content, sourceLocation: location)
        #expect(stage.region.snapshots.isEmpty, sourceLocation: location)
    }

    @Test func aVolumeKeepsAllButItsZoneAndItsID() async throws {
        let manager = try await stage.begin()
        let moved = try await manager.migrate(.name("data"), to: stage.region.otherZone)
        #expect(moved.volume.zone == stage.region.otherZone && moved.volume.id != volume)
        expectOnly(in: stage.region.otherZone)
        #expect(stage.region.state.withLock { $0.created.last }?.iops == nil, "gp2's follow from its size")
        await manager.shutdown()
    }

    @Test func aVolumeWithoutANameStaysWithout() async throws {
        let nameless = stage.region.addVolume("")
        let manager = try await stage.begin()
        let moved = try await manager.migrate(.id(nameless), to: stage.region.otherZone)
        #expect(moved.volume.tags == [:])
        await manager.shutdown()
    }

    @Test func whatIsProvisionedStaysSo() async throws {
        stage.region.state.withLock { state in
            state.volumes[volume]?.type = .gp3
            state.volumes[volume]?.iops = 4_000
            state.volumes[volume]?.throughputMiBps = 250
        }
        let manager = try await stage.begin()
        _ = try await manager.migrate(.id(volume), to: stage.region.otherZone)
        let request = try #require(stage.region.state.withLock { $0.created.last })
        #expect(request.iops == 4_000 && request.throughputMiBps == 250 && request.type == .gp3)
        await manager.shutdown()
    }

    @Test func whatCannotMoveStaysAsItIs() async throws {
        let manager = try await stage.begin()
        let unknown = await expectError(.zoneNotFound) {
            _ = try await manager.migrate(.id(volume), to: "mars-1a")
        }
        #expect(unknown?.advice == "choose one of us-east-1b, us-east-1c, us-east-1d")
        _ = await expectError(.invalidParameterValue) {
            _ = try await manager.migrate(.id(volume), to: stage.region.zone)
        }
        _ = try await stage.region.attachVolume(AttachVolumeRequest(volumeID: volume, instanceID: "i-b"))
        let busy = await expectError(.volumeInUse) {
            _ = try await manager.migrate(.id(volume), to: stage.region.otherZone)
        }
        #expect(busy?.message.contains("i-b") == true)
        try await stage.region.detachVolume(DetachVolumeRequest(volumeID: volume))
        expectOnly(in: stage.region.zone)
        await manager.shutdown()
    }

    @Test func aVolumeThatOnlyLingersIsDetachedFirst() async throws {
        let manager = try await stage.begin()
        let holder = MountHolder(id: "A", incarnation: dockerd)
        _ = try await manager.mount(.name("data"), holder: holder)
        _ = await expectError(.volumeInUse) {
            _ = try await manager.migrate(.id(volume), to: stage.region.otherZone)
        }
        try await manager.unmount(.name("data"), holder: holder)
        _ = try await manager.migrate(.id(volume), to: stage.region.otherZone)
        stage.expectClean()
        expectOnly(in: stage.region.otherZone)
        await manager.shutdown()
    }

    @Test func aFailedSnapshotMovesNothing() async throws {
        stage.region.state.withLock { $0.snapshotFate = .error }
        let manager = try await stage.begin()
        _ = await expectError(.internalError) {
            _ = try await manager.migrate(.id(volume), to: stage.region.otherZone)
        }
        expectOnly(in: stage.region.zone)
        await manager.shutdown()
    }

    @Test(arguments: [StorageError.Code.volumeInUse, .incorrectState])
    func aVolumeThatIsTakenMeanwhileStays(code: StorageError.Code) async throws {
        let manager = try await stage.begin()
        stage.region.fail("delete", StorageError(code, "It is used"))
        _ = await expectError(code) { _ = try await manager.migrate(.id(volume), to: stage.region.otherZone) }
        expectOnly(in: stage.region.zone)
        await manager.shutdown()
    }

    /// Whether the old volume is gone is not known then: the new one may be the only one.
    @Test func anAnswerThatIsLostRemovesNothing() async throws {
        let manager = try await stage.begin()
        stage.region.fail("delete", StorageError(.deadlineExceeded, "No answer"))
        _ = await expectError(.deadlineExceeded) {
            _ = try await manager.migrate(.id(volume), to: stage.region.otherZone)
        }
        #expect(volumes().count == 2)
        _ = try await manager.migrate(.id(volume), to: stage.region.otherZone)
        expectOnly(in: stage.region.otherZone)
        await manager.shutdown()
    }

    /// The old volume has lost its bytes and is listed still: the new one is the only one, for the next try and for the
    /// next start.
    @Test(arguments: [true, false]) func aDeletionThatStopsHalfWayIsFinished(triesAgain: Bool) async throws {
        var manager = try await stage.begin()
        stage.region.state.withLock { $0.deletionStops = true }
        _ = await expectError(.deadlineExceeded) {
            _ = try await manager.migrate(.id(volume), to: stage.region.otherZone)
        }
        #expect(volumes().count == 2)
        if triesAgain {
            let moved = try await manager.migrate(.id(volume), to: stage.region.otherZone)
            #expect(moved.volume.zone == stage.region.otherZone)
        } else {
            await manager.shutdown()
            manager = try await stage.begin()
        }
        expectOnly(in: stage.region.otherZone)
        await manager.shutdown()
    }

    /// What was asked for last is what is done.
    @Test func aMoveThatStoppedHalfWayIsFinishedAndGoesOnToAnotherZone() async throws {
        let manager = try await stage.begin()
        stage.region.state.withLock { $0.deletionStops = true }
        _ = await expectError(.deadlineExceeded) {
            _ = try await manager.migrate(.id(volume), to: stage.region.otherZone)
        }
        _ = await expectError(.zoneNotFound) { _ = try await manager.migrate(.id(volume), to: "mars-1a") }
        #expect(volumes().count == 2, "nothing has begun for a zone that is none")
        let moved = try await manager.migrate(.id(volume), to: stage.region.thirdZone)
        #expect(moved.volume.zone == stage.region.thirdZone)
        expectOnly(in: stage.region.thirdZone)
        await manager.shutdown()
    }

    @Test func oneThatCannotBeSettledHoldsNoOtherUp() async throws {
        for name in ["a", "b"] {
            let marks = [
                Tag.migrationHost: stage.instance.id.rawValue, Tag.migrationSource: "vol-\(name)",
                Tag.migrationName: name,
            ]
            _ = stage.region.addVolume("", tags: marks)
        }
        stage.region.fail("tags", StorageError(.internalError, "Once"))
        let manager = try await stage.begin()
        #expect(volumes().count { ["a", "b"].contains($0.name) } == 1)
        await manager.shutdown()
    }

    @Test func whatAnotherHostMovesIsItsOwnAffair() async throws {
        let foreign = [Tag.migrationHost: "i-b", Tag.migrationSource: volume.rawValue]
        let other = stage.region.addVolume("", tags: foreign)
        let manager = try await stage.begin()
        #expect(stage.region.tags(other) == foreign)
        await manager.shutdown()
    }

    /// Every call of a migration, and beyond the last one.
    @Test(arguments: 0..<16)
    func aDaemonThatDiedHalfWayLeavesOneVolume(_ steps: Int) async throws {
        var manager = try await stage.begin()
        stage.machine.die(after: steps)
        var isDone = false
        do {
            _ = try await manager.migrate(.id(volume), to: stage.region.otherZone)
            isDone = true
        } catch let error as StorageError {
            #expect(error.code == .unavailable)
        }
        await manager.shutdown()
        stage.machine.revive()
        manager = try await stage.begin()
        let zone = try #require(volumes().first).zone
        expectOnly(in: zone)
        if isDone { #expect(zone == stage.region.otherZone) }
        if zone == stage.region.zone { _ = try await manager.migrate(.id(volume), to: stage.region.otherZone) }
        expectOnly(in: stage.region.otherZone)
        await manager.shutdown()
    }
}
