import Driver
import Platform
import Testing

@testable import EC2

/// The driver against moto through a proxy on which much goes wrong: everything is done once, and nothing is left.
@Suite(.timeLimit(.minutes(5))) struct FaultTests {
    /// One seed after the other: what waits for moto for longer than a request's time is one more fault.
    @Test(.serialized, arguments: [1, 2, 3_117_546_078_713_655_795])
    func everythingIsDoneOnce(seed: UInt64) async throws {
        let region = try await MotoRegion.shared()
        let plain = try region.driver()
        let instance = try await region.run(1, in: "us-east-1a", plain)[0]
        let names = (0..<8).map { "life-\(seed)-\($0)" }
        try await FaultProxy.with(portOfServer: region.moto.port, seed: seed) { proxy in
            let driver = try region.driver {
                $0.endpoint = proxy.endpoint
                $0.limits.requestTime = .seconds(4)
                $0.limits.callTime = .seconds(120)
                $0.limits.consistencyTime = .seconds(3)
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for name in names { group.addTask { try await live(name, driver, instance, plain, seed) } }
                try await group.waitForAll()
            }
            let faults = try await proxy.faults()
            #expect(faults.count > 5 && faults.values.reduce(0, +) > 15, "seed \(seed): \(faults)")
        }
        #expect(try await plain.describeVolumes(VolumeQuery(names: names)).volumes.isEmpty, "seed \(seed)")
        #expect(try await plain.describeSnapshots(SnapshotQuery(names: names)).snapshots.isEmpty, "seed \(seed)")
    }

    /// - Parameter plain: another driver, whose way is good, to look with.
    private func live(
        _ name: String, _ driver: EC2Driver, _ instance: Instance, _ plain: EC2Driver, _ seed: UInt64
    ) async throws {
        let volume = try await driver.createVolume(
            CreateVolumeRequest(zone: instance.zone, sizeGiB: 1, type: .gp3, tags: [Tag.name: name]))
        let named = try await plain.describeVolumes(VolumeQuery(names: [name])).volumes
        #expect(named.map(\.id) == [volume.id], "seed \(seed)")
        let attachment = try await driver.attachVolume(
            AttachVolumeRequest(volumeID: volume.id, instanceID: instance.id))
        let held = try await plain.describeVolumes(VolumeQuery(ids: [volume.id])).volumes
        #expect(held.map(\.attachments) == [[attachment]], "seed \(seed)")
        let snapshots = try await snapshots(
            CreateSnapshotsRequest(
                clientToken: "token-\(name)", sources: [.init(volumeID: volume.id, tags: [Tag.name: name])]), driver)
        let made = try await plain.describeSnapshots(SnapshotQuery(volumeIDs: [volume.id])).snapshots
        #expect(made.map(\.id) == snapshots.map(\.id), "seed \(seed)")
        let tagged = try await driver.modifyTags(ModifyTagsRequest(volumeID: volume.id, set: ["a": "b"]))
        #expect(tagged.tags == [Tag.name: name, "a": "b"], "seed \(seed)")
        try await driver.detachVolume(DetachVolumeRequest(volumeID: volume.id))
        try await driver.deleteVolume(volume.id)
        for snapshot in made { try await driver.deleteSnapshot(snapshot.id) }
    }

    /// A call that was lost and left no snapshot is not repeated by the driver: whoever asks repeats it, with its token.
    private func snapshots(_ request: CreateSnapshotsRequest, _ driver: EC2Driver) async throws -> [Snapshot] {
        for _ in 1...3 {
            do {
                return try await driver.createSnapshots(request)
            } catch let error as StorageError where error.advice?.contains(OwnTag.clientToken) == true {
                continue
            }
        }
        return try await driver.createSnapshots(request)
    }

    /// Whose volumes are attached at the same time share what EC2 is asked.
    @Test func manyAttachesAskEC2AFewTimesASecond() async throws {
        let region = try await MotoRegion.shared()
        let way = CountingWay()
        let driver = try region.driver(transport: way) { $0.limits.callTime = .seconds(60) }
        let instances = try await region.run(8, in: "us-east-1a", driver)
        let plain = try region.driver()
        var volumes: [VolumeID] = []
        for _ in 0..<200 {
            let request = CreateVolume(
                CreateVolumeRequest(zone: "us-east-1a", sizeGiB: 1, type: .gp3), token: "", [])
            volumes.append(VolumeID(try await plain.client.send(request).volumeId))
        }
        let before = (way.count("DescribeVolumes"), way.count("DescribeInstances"))
        let start = ContinuousClock.now
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (number, volume) in volumes.enumerated() {
                let request = AttachVolumeRequest(volumeID: volume, instanceID: instances[number % 8].id)
                group.addTask { _ = try await driver.attachVolume(request) }
            }
            try await group.waitForAll()
        }
        let seconds = start.duration(to: .now) / .seconds(1)
        let interval = EC2Limits().batchInterval / .seconds(1)
        // Each kind begins at most one batch in an interval; one of instances is four calls of fifty ids at the most.
        #expect(Double(way.count("DescribeVolumes") - before.0) <= seconds / interval + 1)
        #expect(Double(way.count("DescribeInstances") - before.1) <= seconds / interval + 1)
        #expect(way.count("AttachVolume") == 200)
        for instance in instances {
            let held = try await plain.describeVolumes(VolumeQuery(instanceID: instance.id)).volumes
            let devices = held.flatMap(\.attachments).filter { $0.instanceID == instance.id }.map(\.device)
            #expect(Set(devices).count == devices.count && devices.count == 26, "25 and the root device")
        }
    }
}
