// Random operations on volumes and snapshots beside a simple model of what each holds: same content, through restarts,
// kills before any step and losses of power. A failure prints its seed and step.
import Driver
import Platform
import SystemPackage
import TestSupport
import Testing

@testable import Emulator

/// What is there, by name.
private struct Model: Hashable {
    var volumes: [String: Blocks] = [:]
    var snapshots: [String: Blocks] = [:]
}

private enum Action: Hashable {
    case write(volume: String, Blocks)
    case createVolume(String)
    case restore(String, snapshot: String, rate: Int?)
    case copyVolume(String, of: String)
    case deleteVolume(String)
    case createSnapshots([String], of: [String])
    case copySnapshot(String, of: String, region: String?)
    case deleteSnapshot(String)
    case finish

    /// One that can be done with what is there.
    init?(_ random: SeededRandom, _ model: Model, number: Int) {
        func pick(_ names: some Collection<String>) -> String? {
            names.isEmpty ? nil : names.sorted()[Int(random.next() % UInt64(names.count))]
        }
        let (volume, snapshot) = (pick(model.volumes.keys), pick(model.snapshots.keys))
        switch random.next() % 20 {
        case 0...6: self = .write(volume: volume ?? "", Self.blocks(random))
        case 7: self = .createVolume("v-\(number)")
        case 8: self = .restore("v-\(number)", snapshot: snapshot ?? "", rate: random.next() % 2 == 0 ? 300 : nil)
        case 9: self = .copyVolume("v-\(number)", of: volume ?? "")
        case 10: self = .deleteVolume(volume ?? "")
        case 11...13: self = .createSnapshots(["s-\(number)"], of: [volume ?? ""])
        case 14:
            let two = model.volumes.keys.sorted().prefix(2)
            self = .createSnapshots(two.map { "s-\(number)-\($0)" }, of: Array(two))
        case 15:
            let region = random.next() % 2 == 0 ? "eu-west-1" : nil
            self = .copySnapshot("s-\(number)", of: snapshot ?? "", region: region)
        case 16, 17: self = .deleteSnapshot(snapshot ?? "")
        default: self = .finish
        }
        if needs.contains(where: { model.volumes[$0] == nil && model.snapshots[$0] == nil }) { return nil }
        if addsVolume, model.volumes.count > 3 { return nil }
    }

    private static func blocks(_ random: SeededRandom) -> Blocks {
        var blocks: Blocks = [:]
        for _ in 0..<(1 + random.next() % 3) {
            blocks[TestRegion.places[Int(random.next() % UInt64(TestRegion.places.count))]] = UInt8(random.next() % 4)
        }
        return blocks
    }

    private var needs: [String] {
        switch self {
        case .write(let name, _), .restore(_, let name, _), .copyVolume(_, let name), .deleteVolume(let name),
            .copySnapshot(_, let name, _), .deleteSnapshot(let name):
            [name]
        case .createSnapshots(_, let volumes): volumes.isEmpty ? [""] : volumes
        case .createVolume, .finish: []
        }
    }

    private var addsVolume: Bool {
        switch self {
        case .createVolume, .restore, .copyVolume: true
        default: false
        }
    }

    /// Changes the model as the region should change.
    func apply(to model: inout Model) {
        switch self {
        case .write(let name, let blocks):
            model.volumes[name]?.merge(blocks) { _, new in new }
            model.volumes[name] = model.volumes[name]?.filter { $0.value != 0 }
        case .createVolume(let name): model.volumes[name] = [:]
        case .restore(let name, let snapshot, _): model.volumes[name] = model.snapshots[snapshot]
        case .copyVolume(let name, let volume): model.volumes[name] = model.volumes[volume]
        case .deleteVolume(let name): model.volumes[name] = nil
        case .createSnapshots(let names, let volumes):
            for (name, volume) in zip(names, volumes) { model.snapshots[name] = model.volumes[volume] }
        case .copySnapshot(let name, let snapshot, _): model.snapshots[name] = model.snapshots[snapshot]
        case .deleteSnapshot(let name): model.snapshots[name] = nil
        case .finish: break
        }
    }
}

@Suite struct SnapshotModelTests {
    private static let regions = ["us-east-1", "eu-west-1"]

    private func perform(_ action: Action, on region: TestRegion) async throws {
        let driver = region.driver
        func volume(_ name: String) async throws -> VolumeID {
            try #require(try await driver.describeVolumes(VolumeQuery(names: [name])).volumes.first).id
        }
        func snapshot(_ name: String) async throws -> Snapshot {
            for place in Self.regions {
                let query = SnapshotQuery(names: [name], region: place)
                if let found = try await driver.describeSnapshots(query).snapshots.first { return found }
            }
            throw StorageError(.snapshotNotFound, name)
        }
        func request(_ name: String) -> CreateVolumeRequest {
            CreateVolumeRequest(zone: TestRegion.zone, type: .gp3, tags: [Tag.name: name])
        }
        switch action {
        case .write(let name, let blocks): try region.write(blocks, to: await volume(name))
        case .createVolume(let name): _ = try await region.create(name)
        case .restore(let name, let source, let rate):
            try await driver.finishSnapshotWork()
            var request = request(name)
            request.snapshotID = try await snapshot(source).id
            request.volumeInitializationRateMiBps = rate
            _ = try await driver.createVolume(request)
        case .copyVolume(let name, let source):
            var request = request(name)
            request.sourceVolumeID = try await volume(source)
            _ = try await driver.createVolume(request)
            try await driver.finishSnapshotWork()
        case .deleteVolume(let name): try await driver.deleteVolume(volume(name))
        case .createSnapshots(let names, let sources):
            var ids: [VolumeID] = []
            for source in sources { ids.append(try await volume(source)) }
            _ = try await region.createSnapshots(ids, names: names)
        case .copySnapshot(let name, let source, let place):
            try await driver.finishSnapshotWork()
            let original = try await snapshot(source)
            _ = try await driver.copySnapshot(
                CopySnapshotRequest(
                    sourceSnapshotID: original.id, sourceRegion: original.region, destinationRegion: place,
                    tags: [Tag.name: name]))
        case .deleteSnapshot(let name): try await driver.deleteSnapshot(snapshot(name).id)
        case .finish: try await driver.finishSnapshotWork()
        }
    }

    /// The region as a model, once its work is done. What is in error is told apart.
    private func model(of region: TestRegion) async throws -> (found: Model, failed: Set<String>) {
        try await region.driver.finishSnapshotWork()
        var model = Model()
        var failed: Set<String> = []
        for volume in try await region.driver.describeVolumes(.all).volumes {
            if volume.state == .error {
                failed.insert(volume.name)
            } else {
                model.volumes[volume.name] = try region.blocks(of: volume.id)
            }
        }
        for place in Self.regions {
            for snapshot in try await region.driver.describeSnapshots(SnapshotQuery(region: place)).snapshots {
                if snapshot.state == .error {
                    failed.insert(snapshot.name)
                } else {
                    model.snapshots[snapshot.name] = try await region.blocks(of: snapshot.id)
                }
            }
        }
        return (model, failed)
    }

    /// Whether a refusal is only that a snapshot is not there any more, or is in error or in another region.
    private func isExpected(_ error: StorageError) -> Bool {
        [.snapshotNotFound, .incorrectState, .concurrentSnapshotLimitExceeded].contains(error.code)
    }

    private static let seeds: [UInt64] = [1, 2, 3, 4, SystemRandom().next()]

    @Test("random operations, restarts, kills and losses of power agree with the model", arguments: seeds)
    func agrees(seed: UInt64) async throws {
        try await withTemporaryDirectory { directory in
            let random = SeededRandom(seed: seed)
            var crash = Crash()
            var boot = 1
            var region = try await TestRegion.open(
                directory, random: SeededRandom(seed: seed &+ 1_000), beforeStep: crash.beforeStep)
            var expected = Model()
            for step in 0..<100 {
                guard let action = Action(random, expected, number: step) else { continue }
                let comment: Comment = "seed \(seed), step \(step): \(action)"
                let dies = random.next() % 5 == 0
                if dies { crash.arm(after: Int(random.next() % 12)) }
                var after = expected
                action.apply(to: &after)
                var candidates = [after]
                do {
                    try await perform(action, on: region)
                } catch let error as StorageError where isExpected(error) {
                    candidates = [expected]
                } catch  where crash.hasCome {
                    candidates = [expected, after]
                }
                let losesPower = random.next() % 12 == 0
                let isChecked = dies || losesPower || action == .finish
                if losesPower {
                    for volume in try await region.driver.describeVolumes(.all).volumes
                    where volume.state != .creating {
                        try region.volumes.open(volume.id.rawValue).synchronize()
                    }
                    boot += 1
                }
                if dies || losesPower {
                    crash = Crash()
                    region = try await region.reopened(boot: "boot-\(boot)", beforeStep: crash.beforeStep)
                }
                guard isChecked else {
                    expected = candidates[0]
                    continue
                }
                let (found, failed) = try await model(of: region)
                let agreeing = candidates.first { candidate in
                    // What power or the disk took is in error; nothing else may differ.
                    candidate.volumes.filter { !failed.contains($0.key) } == found.volumes
                        && candidate.snapshots.filter { !failed.contains($0.key) } == found.snapshots
                        && failed.isSubset(of: Set(candidate.snapshots.keys).union(candidate.volumes.keys))
                }
                expected = try #require(agreeing, "\(comment), found \(found), failed \(failed), not \(candidates)")
                expected = found
                if !losesPower { #expect(failed.isEmpty, comment) }
                try await deleteFailed(region)
                try await region.checkStore(comment)
            }
            try await region.driver.close()
        }
    }

    private func deleteFailed(_ region: TestRegion) async throws {
        for volume in try await region.driver.describeVolumes(.all).volumes where volume.state == .error {
            try await region.driver.deleteVolume(volume.id)
        }
        for place in Self.regions {
            let query = SnapshotQuery(states: [.error], region: place)
            for snapshot in try await region.driver.describeSnapshots(query).snapshots {
                try await region.driver.deleteSnapshot(snapshot.id)
            }
        }
    }
}
