// Random operations on a region beside a simple model of it: same answers, same sight, through restarts and
// crashes. A failure prints its seed; `ModelTests(seeds:)` repeats it.
import Driver
import Platform
import TestSupport
import Testing

@testable import Emulator

/// What a region should be, in the plainest form: volumes by name, holders by instance.
private struct Model: Hashable {
    struct Entry: Hashable {
        var isMultiAttach: Bool
        var sizeGiB = 4
        var holders: [InstanceID: DeviceName] = [:]
    }

    var volumes: [String: Entry] = [:]

    func freeDevice(on instance: InstanceID) -> DeviceName? {
        let taken = Set(volumes.values.compactMap { $0.holders[instance] })
        return DeviceSlots.automatic.first { !taken.contains($0) }
    }

    /// Changes the model as the region should change; the code of the refusal, if it should refuse.
    mutating func apply(_ action: Action) -> StorageError.Code? {
        switch action {
        case .create(let name, let isMultiAttach):
            if volumes[name] != nil { return .volumeDuplicate }
            volumes[name] = Entry(isMultiAttach: isMultiAttach)
        case .delete(let name):
            guard let entry = volumes[name] else { return .volumeNotFound }
            guard entry.holders.isEmpty else { return .volumeInUse }
            volumes[name] = nil
        case .attach(let name, let instance, let preempt):
            return attach(name, instance, preempt)
        case .detach(let name, let instance):
            guard let entry = volumes[name] else { return .volumeNotFound }
            guard !entry.holders.isEmpty else { return .incorrectState }
            guard entry.holders[instance] != nil else { return .attachmentNotFound }
            volumes[name]?.holders[instance] = nil
        case .rename(let name, let newName):
            guard let entry = volumes[name] else { return .volumeNotFound }
            if name == newName { return nil }
            if volumes[newName] != nil { return .volumeDuplicate }
            volumes[name] = nil
            volumes[newName] = entry
        case .grow(let name, let sizeGiB):
            guard let entry = volumes[name] else { return .volumeNotFound }
            if sizeGiB < entry.sizeGiB { return .invalidParameterValue }
            volumes[name]?.sizeGiB = sizeGiB
        case .toggleMultiAttach(let name):
            guard let entry = volumes[name] else { return .volumeNotFound }
            guard entry.holders.isEmpty else { return .incorrectState }
            volumes[name]?.isMultiAttach.toggle()
        }
        return nil
    }

    private mutating func attach(_ name: String, _ instance: InstanceID, _ preempt: Bool) -> StorageError.Code? {
        guard let entry = volumes[name] else { return .volumeNotFound }
        let isFree = entry.isMultiAttach ? entry.holders[instance] == nil : entry.holders.isEmpty
        if !isFree, !preempt { return .volumeInUse }
        // The old holder's device is still taken while the new one is chosen.
        guard let device = freeDevice(on: instance) else { return .attachmentLimitExceeded }
        if preempt { volumes[name]?.holders = [:] }
        volumes[name]?.holders[instance] = device
        return nil
    }
}

private enum Action: Hashable {
    case create(String, isMultiAttach: Bool)
    case delete(String)
    case attach(String, InstanceID, preempt: Bool)
    case detach(String, InstanceID)
    case rename(String, String)
    case grow(String, sizeGiB: Int)
    case toggleMultiAttach(String)

    init(_ random: SeededRandom, instances: [InstanceID]) {
        let name = "volume-\(random.next() % 12)"
        let instance = instances[Int(random.next() % UInt64(instances.count))]
        switch random.next() % 15 {
        case 0...2: self = .create(name, isMultiAttach: random.next() % 4 == 0)
        case 3: self = .delete(name)
        case 4...6: self = .attach(name, instance, preempt: false)
        case 7: self = .attach(name, instance, preempt: true)
        case 8...10: self = .detach(name, instance)
        case 11, 12: self = .grow(name, sizeGiB: 3 + Int(random.next() % 30_000))
        case 13: self = .toggleMultiAttach(name)
        default: self = .rename(name, "volume-\(random.next() % 12)")
        }
    }
}

@Suite struct RegionModelTests {
    private func perform(_ action: Action, on region: TestRegion) async throws {
        let driver = region.driver
        func id(_ name: String) async throws -> VolumeID {
            let found = try await driver.describeVolumes(VolumeQuery(names: [name])).volumes.first
            return found?.id ?? "vol-fffffffffffffffff"
        }
        switch action {
        case .create(let name, let isMultiAttach):
            _ = try await driver.createVolume(
                CreateVolumeRequest(
                    zone: TestRegion.zone, sizeGiB: 4, type: .io2, iops: 100,
                    isMultiAttachEnabled: isMultiAttach, tags: [Tag.name: name]))
        case .delete(let name):
            try await driver.deleteVolume(id(name))
        case .attach(let name, let instance, let preempt):
            _ = try await driver.attachVolume(
                AttachVolumeRequest(volumeID: id(name), instanceID: instance, preempt: preempt))
        case .detach(let name, let instance):
            try await driver.detachVolume(DetachVolumeRequest(volumeID: id(name), instanceID: instance))
        case .rename(let name, let newName):
            _ = try await driver.modifyTags(
                ModifyTagsRequest(volumeID: id(name), set: [Tag.name: newName]))
        case .grow(let name, let sizeGiB):
            try await region.modify(id(name), sizeGiB: sizeGiB)
        case .toggleMultiAttach(let name):
            let id = try await id(name)
            let now = try await driver.describeVolumes(VolumeQuery(names: [name])).volumes.first?.isMultiAttachEnabled
            try await region.modify(id, isMultiAttachEnabled: !(now ?? false))
        }
    }

    /// The region as the model would have it.
    private func model(of sight: Sight) -> Model {
        var model = Model()
        for volume in sight.volumes {
            let holders = volume.attachments.map { ($0.instanceID, $0.device) }
            model.volumes[volume.name] = Model.Entry(
                isMultiAttach: volume.isMultiAttachEnabled, sizeGiB: volume.sizeGiB,
                holders: Dictionary(uniqueKeysWithValues: holders))
        }
        return model
    }

    @Test("random operations, restarts and crashes agree with the model", arguments: UInt64(1)...12)
    func agrees(seed: UInt64) async throws {
        try await withTemporaryDirectory { directory in
            let random = SeededRandom(seed: seed)
            var crash = Crash()
            var region = try await TestRegion.open(
                directory, random: SeededRandom(seed: seed &+ 1_000),
                modification: ModificationPolicy(modifying: .zero, optimizing: .zero, rate: .none),
                beforeStep: crash.beforeStep)
            var instances: [InstanceID] = []
            for host in ["hosta", "hostb", "hostc"] {
                instances.append(try await region.registerHost(host).id)
            }
            var expected = Model()
            for step in 0..<150 {
                let comment: Comment = "seed \(seed), step \(step)"
                region.clock.advance(by: .milliseconds(Int(random.next() % 3)))
                let action = Action(random, instances: instances)
                let dies = random.next() % 8 == 0
                if dies { crash.arm(after: Int(random.next() % 5)) }

                let before = expected
                let refusal = expected.apply(action)
                var died = false
                do {
                    try await perform(action, on: region)
                    #expect(refusal == nil, "\(comment): \(action) was not refused")
                } catch let error as StorageError {
                    #expect(error.code == refusal, "\(comment): \(action)")
                } catch is Crash {
                    died = true
                }
                if dies || random.next() % 20 == 0 {
                    crash = Crash()
                    region = try await region.reopened(beforeStep: crash.beforeStep)
                }
                let sight = try await Sight(region)
                sight.checkAgreement(comment)
                let found = model(of: sight)
                if died, found == before { expected = before }
                try #require(found == expected, "\(comment): \(action), died: \(died)")
                #expect(region.exports.now.mostHolders <= instances.count, comment)
            }
            try await region.driver.close()
        }
    }
}
