// What the emulator does beyond the protocol's promises: restarts, damage, limits of instances.
import Driver
import Platform
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import Emulator

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

@Suite struct RegionTests {
    @Test("a restart changes nothing that anyone can see")
    func restart() async throws {
        try await withRegion { region in
            let host = try await region.registerHost()
            let volume = try await region.create("data", sizeGiB: 65_536)
            _ = try await region.driver.attachVolume(
                AttachVolumeRequest(volumeID: volume.id, instanceID: host.id))
            let before = try await Sight(region)
            let next = try await region.reopened()
            #expect(try await Sight(next) == before)
            #expect(await next.driver.describeInstances() == [host])
            #expect(try await next.registerHost() == host, "the machine keeps its id")
            try await next.driver.close()
        }
    }

    @Test("client tokens outlive a restart and a day, and no longer")
    func tokens() async throws {
        try await withRegion { region in
            let request = CreateVolumeRequest(clientToken: "token", zone: TestRegion.zone, sizeGiB: 1)
            let volume = try await region.driver.createVolume(request)
            let next = try await region.reopened()
            next.clock.advance(by: .seconds(12 * 3_600))
            #expect(try await next.driver.createVolume(request) == volume)
            next.clock.advance(by: .seconds(13 * 3_600))
            let later = try await next.driver.createVolume(request)
            #expect(later.id != volume.id)
            #expect(try await next.driver.createVolume(request) == later)
            let last = try await next.reopened()
            #expect(try await last.driver.createVolume(request) == later)
            try await last.driver.close()
        }
    }

    @Test("an attachment's location lies in the filesystem's tree")
    func location() async throws {
        try await withRegion { region in
            let host = try await region.registerHost()
            let volume = try await region.create()
            let attachment = try await region.driver.attachVolume(
                AttachVolumeRequest(volumeID: volume.id, instanceID: host.id))
            #expect(attachment.device == "/dev/xvdb")
            #expect(attachment.location == .file(path: "/mnt/ebb/us-east-1b/\(host.id)/xvdb"))
            try await region.driver.close()
        }
    }

    @Test("the twenty-sixth volume of an instance finds no device, one more is given where it is named")
    func devicesRunOut() async throws {
        try await withRegion { region in
            let host = try await region.registerHost()
            var volumes: [Volume] = []
            for _ in 0..<28 { volumes.append(try await region.create()) }
            func attach(_ number: Int, _ device: DeviceName? = nil) async throws {
                _ = try await region.driver.attachVolume(
                    AttachVolumeRequest(volumeID: volumes[number].id, instanceID: host.id, device: device))
            }
            for number in 0..<25 { try await attach(number) }
            var error = await #expect(throws: StorageError.self) { try await attach(25) }
            #expect(error?.code == .attachmentLimitExceeded)
            try await attach(25, "/dev/xvdba")
            try await attach(26, "/dev/xvdbb")
            error = await #expect(throws: StorageError.self) { try await attach(27, "/dev/xvdbc") }
            #expect(error?.code == .attachmentLimitExceeded)
            #expect(error?.message.contains("limit of 27") == true)
            try await region.driver.close()
        }
    }

    @Test("the root device's name is nobody's to take", arguments: ["/dev/xvda", "/dev/sda"] as [DeviceName])
    func root(_ device: DeviceName) async throws {
        try await withRegion { region in
            let host = try await region.registerHost()
            let volume = try await region.create()
            let error = await #expect(throws: StorageError.self) {
                try await region.driver.attachVolume(
                    AttachVolumeRequest(volumeID: volume.id, instanceID: host.id, device: device))
            }
            #expect(error?.message.contains("Attachment point \(device) is already in use") == true)
            try await region.driver.close()
        }
    }

    @Test("a Multi-Attach volume has sixteen holders at most")
    func multiAttachLimit() async throws {
        try await withRegion { region in
            let volume = try await region.driver.createVolume(
                CreateVolumeRequest(
                    zone: TestRegion.zone, sizeGiB: 4, type: .io1, iops: 100, isMultiAttachEnabled: true))
            for number in 0..<16 {
                _ = try await region.driver.attachVolume(
                    AttachVolumeRequest(
                        volumeID: volume.id, instanceID: region.registerHost("host\(number)").id))
            }
            let error = await #expect(throws: StorageError.self) {
                try await region.driver.attachVolume(
                    AttachVolumeRequest(volumeID: volume.id, instanceID: region.registerHost("one-more").id))
            }
            #expect(error?.code == .attachmentLimitExceeded)
            #expect(region.exports.now.mostHolders == 16)
            try await region.driver.close()
        }
    }

    @Test("the refusal of a volume in use names holder, host, device and time")
    func holder() async throws {
        try await withRegion { region in
            let (hosta, hostb) = (try await region.registerHost("hosta"), try await region.registerHost("hostb"))
            let volume = try await region.create()
            _ = try await region.driver.attachVolume(
                AttachVolumeRequest(volumeID: volume.id, instanceID: hosta.id))
            let error = await #expect(throws: StorageError.self) {
                try await region.driver.attachVolume(
                    AttachVolumeRequest(volumeID: volume.id, instanceID: hostb.id))
            }
            #expect(
                error?.description == """
                    \(volume.id) is already attached to an instance (VolumeInUse): attached to \(hosta.id) \
                    (hosta) as /dev/xvdb since 2023-11-14T22:13:20Z; detach it there or use --preempt
                    """)
            try await region.driver.close()
        }
    }

    @Test("a take-over never shows two holders")
    func fencing() async throws {
        try await withRegion { region in
            let hosts = [try await region.registerHost("hosta"), try await region.registerHost("hostb")]
            let volume = try await region.create()
            for number in 0..<6 {
                _ = try await region.driver.attachVolume(
                    AttachVolumeRequest(
                        volumeID: volume.id, instanceID: hosts[number % 2].id, preempt: true))
            }
            #expect(region.exports.now.mostHolders == 1)
            try await region.driver.close()
        }
    }

    @Test("a volume whose file is gone is in error, is detached, and can be deleted; the region goes on")
    func lostFile() async throws {
        try await withRegion { region in
            let host = try await region.registerHost()
            let lost = try await region.create("lost")
            let kept = try await region.create("kept")
            for volume in [lost, kept] {
                _ = try await region.driver.attachVolume(
                    AttachVolumeRequest(volumeID: volume.id, instanceID: host.id))
            }
            try region.store.remove(lost.id.rawValue)
            let next = try await region.reopened()
            let volumes = try await next.driver.describeVolumes(.all).volumes
            #expect(volumes.first { $0.id == lost.id }?.state == .error)
            #expect(volumes.first { $0.id == lost.id }?.attachments == [])
            #expect(volumes.first { $0.id == kept.id }?.state == .inUse)
            let error = await #expect(throws: StorageError.self) {
                try await next.driver.attachVolume(
                    AttachVolumeRequest(volumeID: lost.id, instanceID: host.id))
            }
            #expect(error?.code == .incorrectState)
            try await next.driver.deleteVolume(lost.id)
            #expect(try await next.create("lost").state == .available)
            try await next.driver.close()
        }
    }

    @Test(
        "a create that fails leaves nothing, not even its name",
        arguments: [RegionEffects.Step.makeBytes, .commit, .show])
    func failedCreate(at broken: RegionEffects.Step) async throws {
        try await withTemporaryDirectory { directory in
            let failuresLeft = Mutex(1)
            let region = try await TestRegion.open(directory) { step in
                let fails = failuresLeft.withLock { left in
                    defer { if step == broken { left -= 1 } }
                    return step == broken && left > 0
                }
                if fails { throw Errno.noSpace }
            }
            let request = CreateVolumeRequest(
                clientToken: "token", zone: TestRegion.zone, sizeGiB: 1, tags: [Tag.name: "data"])
            await #expect(throws: (any Error).self) { try await region.driver.createVolume(request) }
            #expect(try await region.driver.describeVolumes(.all).volumes.isEmpty)
            #expect(try region.store.names().isEmpty)
            #expect(try await region.driver.createVolume(request).name == "data")
            try await region.driver.close()
        }
    }

    @Test("instances with names that are no file names are refused", arguments: ["volumes", "../x", "a/b", ".", "ü"])
    func instanceNames(_ id: String) async throws {
        try await withRegion { region in
            let error = await #expect(throws: StorageError.self) {
                try await region.driver.registerInstance(
                    RegisterInstanceRequest(id: InstanceID(id), name: "host", zone: TestRegion.zone))
            }
            #expect(error?.code == .invalidParameterValue)
            try await region.driver.close()
        }
    }

    @Test("an operation that waits for its volume ends with its caller; one on another volume does not wait")
    func cancelledWait() async throws {
        try await withRegion { region in
            let host = try await region.registerHost()
            let (volume, other) = (try await region.create(), try await region.create())
            _ = try await region.driver.attachVolume(
                AttachVolumeRequest(volumeID: volume.id, instanceID: host.id))
            let (reached, reach) = AsyncStream<Void>.makeStream()
            let (opened, open) = AsyncStream<Void>.makeStream()
            region.exports.beforeDetach {
                reach.finish()
                for await _ in opened {}
            }
            let detaching = Task {
                try await region.driver.detachVolume(DetachVolumeRequest(volumeID: volume.id))
            }
            for await _ in reached {}
            let waiting = Task {
                try await region.driver.modifyTags(ModifyTagsRequest(volumeID: volume.id, set: ["a": "b"]))
            }
            try await region.driver.deleteVolume(other.id)
            let seen = try await region.driver.describeVolumes(VolumeQuery(ids: [volume.id])).volumes
            #expect(seen.first?.attachments.first?.state == .detaching)
            waiting.cancel()
            await #expect(throws: CancellationError.self) { try await waiting.value }
            open.finish()
            try await detaching.value
            let left = try await region.driver.describeVolumes(.all).volumes
            #expect(left.map(\.tags) == [[:]])
            #expect(left.map(\.state) == [.available])
            try await region.driver.close()
        }
    }

    @Test(
        "a made-up token of a page is refused, also one with a time that no clock shows",
        arguments: ["", "x/vol-1", "1", "-1/vol-1", "\(Int64.min)/vol-1", "\(Int64.max)/vol-1"])
    func madeUpToken(_ token: String) async throws {
        try await withRegion { region in
            let error = await #expect(throws: StorageError.self) {
                try await region.driver.describeVolumes(VolumeQuery(nextToken: token))
            }
            #expect(error?.code == .invalidNextToken)
        }
    }

    @Test("a volume that should hold something that cannot be had is refused, not made blank")
    func sources() async throws {
        try await withRegion { region in
            let volume = try await region.create("data")
            let blank = CreateVolumeRequest(zone: TestRegion.zone, sizeGiB: 1)
            var requests: [(CreateVolumeRequest, StorageError.Code)] = []
            for (id, code) in [("snap-01234567", .snapshotNotFound), ("01234567", .snapshotIDMalformed)]
                as [(SnapshotID, StorageError.Code)]
            {
                var request = blank
                request.snapshotID = id
                requests.append((request, code))
            }
            var copy = blank
            copy.sourceVolumeID = "vol-01234567"
            requests.append((copy, .volumeNotFound))
            var rate = blank
            rate.volumeInitializationRateMiBps = 100
            requests.append((rate, .invalidParameterCombination))
            for (request, code) in requests {
                let error = await #expect(throws: StorageError.self) {
                    try await region.driver.createVolume(request)
                }
                #expect(error?.code == code)
            }
            #expect(try await region.driver.describeVolumes(.all).volumes == [volume])
        }
    }
}
