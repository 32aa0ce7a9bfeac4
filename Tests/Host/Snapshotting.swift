// Snapshots with filesystems that hold still meanwhile: what is frozen, and that it is thawed whatever happens.

import Driver
import Platform
import Testing

@testable import Host

@Suite struct Snapshotting {
    let stage: Stage
    let volume: VolumeID

    init() throws {
        stage = try Stage()
        volume = stage.region.addVolume("data", tags: [Tag.fsType: "xfs", Tag.mountOptions: "noatime", "team": "a"])
    }

    private func request(_ ids: VolumeID...) -> CreateSnapshotsRequest {
        CreateSnapshotsRequest(sources: ids.map { .init(volumeID: $0, tags: [Tag.name: "of-\($0)"]) })
    }

    @Test func aSnapshotKnowsItsFilesystem() async throws {
        let manager = try await stage.begin()
        let snapshots = try await manager.createSnapshots(request(volume), freeze: false)
        #expect(
            snapshots.first?.tags
                == [Tag.name: "of-\(volume)", Tag.fsType: "xfs", Tag.mountOptions: "noatime"])
        #expect(stage.machine.count("freeze") == 0)
        _ = await expectError(.volumeNotFound) {
            _ = try await manager.createSnapshots(request("vol-0"), freeze: false)
        }
        await manager.shutdown()
    }

    @Test func whatIsMountedIsFrozenAndThawedOnce() async throws {
        let other = stage.region.addVolume("other")
        let detached = stage.region.addVolume("detached")
        let manager = try await stage.begin()
        _ = try await manager.mount(.name("data"), holder: .commandLine)
        _ = try await manager.mount(.name("other"), holder: .commandLine)
        stage.machine.close("freeze")
        let work = Task { try await manager.createSnapshots(request(other, detached, volume), freeze: true) }
        try await stage.until("it freezes") { stage.machine.waiting(at: "freeze") == 1 }
        #expect(stage.region.snapshots.isEmpty, "not before it is frozen")
        stage.machine.open("freeze")
        #expect(try await work.value.map(\.volumeID) == [other, detached, volume])
        #expect(stage.machine.count("freeze") == 1 && stage.machine.frozen.isEmpty)
        try await manager.unmount(.name("data"), holder: .commandLine)
        try await manager.unmount(.name("other"), holder: .commandLine)
        stage.expectClean()
        await manager.shutdown()
    }

    @Test func nothingElseHappensToAVolumeThatIsFrozen() async throws {
        let manager = try await stage.begin()
        _ = try await manager.mount(.name("data"), holder: .commandLine)
        stage.machine.close("freeze")
        let work = Task { try await manager.createSnapshots(request(volume), freeze: true) }
        try await stage.until("it freezes") { stage.machine.waiting(at: "freeze") == 1 }
        let unmount = Task { try await manager.unmount(.name("data"), holder: .commandLine) }
        try await stage.until("the unmount waits") { manager.locks.waiterCount(volume) == 1 }
        #expect(stage.machine.count("unmount") == 0)
        stage.machine.open("freeze")
        _ = try await work.value
        try await unmount.value
        stage.expectClean()
        await manager.shutdown()
    }

    @Test func aVolumeOnAnotherHostIsNotFrozenFromHere() async throws {
        let manager = try await stage.begin()
        _ = try await stage.region.attachVolume(AttachVolumeRequest(volumeID: volume, instanceID: "i-b"))
        let error = await expectError(.incorrectState) {
            _ = try await manager.createSnapshots(request(volume), freeze: true)
        }
        #expect(error?.message.contains("i-b") == true)
        #expect(try await manager.createSnapshots(request(volume), freeze: false).count == 1)
        await manager.shutdown()
    }

    @Test func onlyAContainerStillShowsIt() async throws {
        let manager = try await stage.begin()
        let path = try await manager.mount(.name("data"), holder: .commandLine).path
        stage.machine.runContainer(77, showing: path)
        try await stage.machine.unmount(path, lazily: true)
        _ = try await manager.createSnapshots(request(volume), freeze: true)
        #expect(stage.machine.state.withLock { $0.places } == ["/proc/77/root/test"])
        stage.machine.endContainer(77)
        await manager.shutdown()
    }

    @Test func aSnapshotThatFailsLeavesNothingFrozen() async throws {
        let manager = try await stage.begin()
        _ = try await manager.mount(.name("data"), holder: .commandLine)
        stage.region.fail("snapshot", StorageError(.unsupportedOperation, "This driver has no snapshots."))
        _ = await expectError(.unsupportedOperation) {
            _ = try await manager.createSnapshots(request(volume), freeze: true)
        }
        #expect(stage.machine.frozen.isEmpty)
        stage.machine.fail("freeze", StorageError(.deviceBusy, "frozen already"))
        _ = await expectError(.deviceBusy) { _ = try await manager.createSnapshots(request(volume), freeze: true) }
        #expect(stage.region.snapshots.isEmpty)
        try await manager.unmount(.name("data"), holder: .commandLine)
        stage.expectClean()
        await manager.shutdown()
    }

    @Test func aSnapshotThatCameTooLateIsNoSnapshot() async throws {
        let manager = try await stage.begin()
        _ = try await manager.mount(.name("data"), holder: .commandLine)
        stage.machine.state.withLock { $0.thawsEarly = true }
        _ = await expectError(.deadlineExceeded) {
            _ = try await manager.createSnapshots(request(volume), freeze: true)
        }
        #expect(stage.region.snapshots.isEmpty)
        await manager.shutdown()
    }

    @Test func whatCannotBeThawedIsThawedByTheSweep() async throws {
        let manager = try await stage.begin()
        _ = try await manager.mount(.name("data"), holder: .commandLine)
        stage.machine.state.withLock { $0.losesGuardian = true }
        stage.machine.fail("thaw")
        _ = await expectError(.hostOperationFailed) {
            _ = try await manager.createSnapshots(request(volume), freeze: true)
        }
        #expect(!stage.machine.frozen.isEmpty)
        stage.machine.state.withLock { $0.losesGuardian = false }
        await manager.sweep()
        #expect(stage.machine.frozen.isEmpty)
        await manager.sweep()
        #expect(stage.machine.count("thaw") == 2, "once thawed, it is left alone")
        await manager.shutdown()
    }

    /// The daemon dies before each step, with its guardian or without it.
    @Test(arguments: 0..<8, [false, true])
    func aFreezeThatDiedHalfWayIsThawed(_ steps: Int, _ losesGuardian: Bool) async throws {
        var manager = try await stage.begin()
        _ = try await manager.mount(.name("data"), holder: .commandLine)
        stage.machine.state.withLock { $0.losesGuardian = losesGuardian }
        stage.machine.die(after: steps)
        do {
            _ = try await manager.createSnapshots(request(volume), freeze: true)
        } catch let error as StorageError {
            #expect(error.code == .unavailable || error.code == .hostOperationFailed)
        }
        await manager.shutdown()
        stage.machine.revive()
        stage.machine.state.withLock { $0.losesGuardian = false }
        manager = try await stage.begin()
        #expect(stage.machine.frozen.isEmpty)
        #expect(try await manager.createSnapshots(request(volume), freeze: true).count == 1)
        try await manager.unmount(.name("data"), holder: .commandLine)
        stage.expectClean()
        await manager.shutdown()
    }
}

/// Volumes that are made from snapshots and from other volumes.
@Suite struct RestoringVolumes {
    let stage: Stage
    let volume: VolumeID

    init() throws {
        stage = try Stage()
        volume = stage.region.addVolume("data", tags: [Tag.fsType: "xfs", Tag.mountOptions: "noatime"], sizeGiB: 3)
    }

    private func request(_ tags: [String: String] = [:]) -> CreateVolumeRequest {
        CreateVolumeRequest(zone: "us-east-1b", tags: tags.merging([Tag.name: "copy"]) { $1 })
    }

    @Test func theyHaveTheirSourcesFilesystemAndNoSizeOfTheirOwn() async throws {
        let manager = try await stage.begin()
        let snapshots = try await manager.createSnapshots(
            CreateSnapshotsRequest(sources: [.init(volumeID: volume, tags: [Tag.name: "s"])]), freeze: false)
        var fromSnapshot = request([Tag.mountOptions: "nodiratime"])
        fromSnapshot.snapshotID = try #require(snapshots.first).id
        let restored = try await manager.create(fromSnapshot).volume
        #expect(restored.tags == [Tag.name: "copy", Tag.fsType: "xfs", Tag.mountOptions: "nodiratime"])
        #expect(stage.region.state.withLock { $0.created.last }?.sizeGiB == nil)
        var clone = request([Tag.name: "clone", Tag.fsType: "xfs"])
        clone.tags[Tag.name] = "clone"
        clone.sourceVolumeID = volume
        #expect(try await manager.create(clone).volume.tags[Tag.mountOptions] == "noatime")
        #expect(stage.region.state.withLock { $0.created.last }?.sizeGiB == nil)
        await manager.shutdown()
    }

    @Test func anotherFilesystemIsRefusedRatherThanPassedOver() async throws {
        let manager = try await stage.begin()
        var clone = request([Tag.fsType: "ext4"])
        clone.sourceVolumeID = volume
        let error = await expectError(.invalidParameterCombination) { _ = try await manager.create(clone) }
        #expect(error?.message.contains("xfs") == true)
        // Nobody has seen a filesystem whose making never ended.
        stage.region.state.withLock { $0.volumes[volume]?.tags[Tag.formatting] = "i-a" }
        #expect(try await manager.create(clone).volume.tags[Tag.fsType] == "ext4")
        await manager.shutdown()
    }

    // MARK: Copies of volumes

    private func copy(_ manager: VolumeManager) async throws -> Volume {
        var clone = request([Tag.name: "clone"])
        clone.sourceVolumeID = volume
        return try await manager.create(clone).volume
    }

    @Test func aCopyIsWaitedForBeforeItIsUsed() async throws {
        let manager = try await stage.begin()
        stage.region.state.withLock { $0.copyFate = .creating }
        let copy = try await copy(manager)
        #expect(copy.state == .creating)
        async let mounting = manager.mount(.id(copy.id), holder: .commandLine)
        async let waiting = manager.sound(copy)
        await stage.pass(.seconds(10))
        #expect(stage.region.attachments(copy.id).isEmpty)
        stage.region.state.withLock { $0.copyFate = .available }
        await stage.pass(.seconds(2))
        _ = try await (mounting, waiting)
        #expect(stage.region.attachments(copy.id).count == 1)
        await manager.shutdown()
    }

    @Test func aCopyThatFailsSaysWhyAndOneThatLastsIsNotWaitedForForever() async throws {
        let manager = try await stage.begin()
        stage.region.state.withLock { $0.copyFate = .creating }
        let copy = try await copy(manager)
        async let late = expectError(.deadlineExceeded) { _ = try await manager.sound(copy) }
        async let mounting = expectError(.deadlineExceeded) {
            _ = try await manager.mount(.id(copy.id), holder: .commandLine)
        }
        await stage.pass(.seconds(60))
        await stage.pass(.seconds(60))
        _ = await (late, mounting)
        let waiting = Task { try await manager.sound(copy) }
        waiting.cancel()
        await #expect(throws: CancellationError.self) { _ = try await waiting.value }
        stage.region.state.withLock { $0.copyFate = .error }
        let failing = Task { await expectError(.incorrectState) { _ = try await manager.sound(copy) } }
        await stage.pass(.seconds(2))
        #expect(await failing.value?.cause == "no space left")
        #expect(stage.region.attachments(copy.id).isEmpty)
        await manager.shutdown()
    }

    @Test func whatIsNotThereIsSaid() async throws {
        let manager = try await stage.begin()
        var restore = request()
        restore.snapshotID = "snap-9"
        _ = await expectError(.snapshotNotFound) { _ = try await manager.create(restore) }
        // A driver without snapshots is asked all the same, and says why not.
        stage.region.fail("describe snapshots", StorageError(.unsupportedOperation, "no snapshots"))
        stage.region.fail("create", StorageError(.unsupportedOperation, "not from snapshots"))
        let error = await expectError(.unsupportedOperation) { _ = try await manager.create(restore) }
        #expect(error?.message == "not from snapshots")
        await manager.shutdown()
    }
}
