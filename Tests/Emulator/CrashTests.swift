// A process that dies before any one of its steps, and what the next one makes of it.
//
// Each operation is run once undisturbed, for the state before and after it. Then it is run again for every
// step, dying there; seeds and clock are the same, so the region that comes up must equal the one or the other.
import Driver
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import Emulator

/// Ends the "process" before its n-th step: that step and all later ones throw.
final class Crash: Error, Sendable {
    private let left = Mutex<Int?>(nil)

    /// Whether it has come.
    var hasCome: Bool { hasThrown.load(ordering: .acquiring) }
    private let hasThrown = Atomic(false)

    private let stepCount: Int?

    /// - Parameter steps: how many steps still happen after `arm`; `nil` for all.
    init(after steps: Int? = nil) { stepCount = steps }

    func arm() { left.withLock { $0 = stepCount } }

    /// - Parameter steps: how many steps still happen.
    func arm(after steps: Int) { left.withLock { $0 = steps } }

    func beforeStep(_ step: RegionEffects.Step) throws {
        try left.withLock { left in
            guard let steps = left else { return }
            if steps == 0 {
                hasThrown.store(true, ordering: .releasing)
                throw self
            }
            left = steps - 1
        }
    }
}

/// What a user and the filesystem's readers can see.
struct Sight: Hashable, Sendable {
    let volumes: [Volume]
    let shown: Set<VolumeID>
    let attached: Set<String>
    let files: Set<String>
    let sizesBytes: [VolumeID: Int64]
    /// What those can reach who have a volume attached.
    let reachBytes: [VolumeID: Int64]
    let modifications: [VolumeModification]

    init(_ region: TestRegion) async throws {
        volumes = try await region.driver.describeVolumes(.all).volumes
        shown = Set(region.exports.now.volumes.values)
        attached = region.exports.attached
        let store = region.store
        files = try store.names()
        sizesBytes = try Dictionary(uniqueKeysWithValues: files.map { (VolumeID($0), try store.sizeBytes($0)) })
        let shown = region.exports.now
        reachBytes = Dictionary(
            uniqueKeysWithValues: shown.volumes.map { number, id in (id, shown.sizesBytes[number] ?? 0) })
        modifications = try await region.driver.describeVolumeModifications(.init()).modifications
    }

    /// Whether catalog, filesystem and store tell the same story.
    func checkAgreement(_ comment: Comment) {
        let sound = volumes.filter { $0.state == .available || $0.state == .inUse }
        #expect(sound.count == volumes.count, comment)
        #expect(shown == Set(volumes.map(\.id)), comment)
        #expect(files == Set(volumes.map(\.id.rawValue)), comment)
        let sizes = Dictionary(uniqueKeysWithValues: volumes.map { ($0.id, Int64($0.sizeGiB) << 30) })
        #expect(sizesBytes == sizes, comment)
        #expect(reachBytes == sizes, comment)
        let attachments = volumes.flatMap(\.attachments)
        #expect(attached == Set(attachments.map { "\($0.volumeID) \($0.instanceID) \($0.device)" }), comment)
        #expect(attachments.allSatisfy { $0.state == .attached && $0.location != nil }, comment)
    }
}

/// Something that changes a region with a volume `free` and a volume `held` (by hosta).
struct Operation: Sendable, CustomStringConvertible {
    let description: String
    let run: @Sendable (TestRegion) async throws -> Void

    private static func named(_ name: String, in region: TestRegion) async throws -> VolumeID {
        try #require(try await region.driver.describeVolumes(VolumeQuery(names: [name])).volumes.first).id
    }

    static let all: [Operation] = [
        Operation(description: "create") { _ = try await $0.create("new", sizeGiB: 20_000) },
        Operation(description: "create with a client token") {
            var request = CreateVolumeRequest(zone: TestRegion.zone, sizeGiB: 1, tags: [Tag.name: "new"])
            request.clientToken = "token"
            _ = try await $0.driver.createVolume(request)
        },
        Operation(description: "delete") { try await $0.driver.deleteVolume(named("free", in: $0)) },
        Operation(description: "attach") {
            _ = try await $0.driver.attachVolume(
                AttachVolumeRequest(
                    volumeID: named("free", in: $0), instanceID: $0.registerHost("hostb").id))
        },
        Operation(description: "detach") {
            try await $0.driver.detachVolume(DetachVolumeRequest(volumeID: named("held", in: $0)))
        },
        Operation(description: "preempt") {
            _ = try await $0.driver.attachVolume(
                AttachVolumeRequest(
                    volumeID: named("held", in: $0), instanceID: $0.registerHost("hostb").id, preempt: true))
        },
        Operation(description: "preempt for the same instance") {
            _ = try await $0.driver.attachVolume(
                AttachVolumeRequest(
                    volumeID: named("held", in: $0), instanceID: $0.registerHost("hosta").id, preempt: true))
        },
        Operation(description: "rename") {
            _ = try await $0.driver.modifyTags(
                ModifyTagsRequest(volumeID: named("free", in: $0), set: [Tag.name: "renamed", "a": "b"]))
        },
        Operation(description: "modify") { try await $0.modify(named("free", in: $0), type: .gp2) },
        Operation(description: "grow while attached, beyond the end of a file") {
            try await $0.modify(named("held", in: $0), sizeGiB: 20_000)
        },
    ]
}

@Suite struct CrashTests {
    /// The same region every time, down to ids and times, opened with a crash that is not armed yet.
    private func prepared(in directory: FilePath, _ crash: Crash) async throws -> TestRegion {
        // What is modified takes effect within the call, where the process can die of it.
        let region = try await TestRegion.open(directory, modification: ModificationPolicy(modifying: .zero))
        let (hosta, _) = (try await region.registerHost("hosta"), try await region.registerHost("hostb"))
        _ = try await region.create("free")
        let held = try await region.create("held")
        region.clock.advance(by: .seconds(5))
        _ = try await region.driver.attachVolume(
            AttachVolumeRequest(volumeID: held.id, instanceID: hosta.id))
        return try await region.reopened(beforeStep: crash.beforeStep)
    }

    private func undisturbed(_ operation: Operation) async throws -> (before: Sight, after: Sight) {
        try await withTemporaryDirectory { directory in
            let region = try await prepared(in: directory, Crash())
            let before = try await Sight(region)
            try await operation.run(region)
            let after = try await Sight(region)
            before.checkAgreement("before")
            after.checkAgreement("after")
            #expect(before != after)
            try await region.driver.close()
            return (before, after)
        }
    }

    /// Runs the operation until it dies; whether it did.
    private func dies(_ operation: Operation, _ region: TestRegion) async throws -> Bool {
        do {
            try await operation.run(region)
            return false
        } catch is Crash {
            return true
        }
    }

    @Test("a process may die before any step: the next finds all of it or nothing", arguments: Operation.all)
    func allOrNothing(_ operation: Operation) async throws {
        let (before, after) = try await undisturbed(operation)
        var steps = 0
        var outcomes: Set<Sight> = []
        while true {
            let survived = try await withTemporaryDirectory { directory in
                let crash = Crash()
                let region = try await prepared(in: directory, crash)
                crash.arm(after: steps)
                if try await !dies(operation, region) {
                    try await region.driver.close()
                    return true
                }
                let next = try await region.reopened()
                let found = try await Sight(next)
                found.checkAgreement("died before step \(steps)")
                #expect(found == before || found == after, "died before step \(steps)")
                outcomes.insert(found)
                let again = try await next.reopened()
                #expect(try await Sight(again) == found, "repair is finished at once")
                try await again.driver.close()
                return false
            }
            if survived { break }
            steps += 1
        }
        #expect(steps >= 1)
        #expect(outcomes.contains(before), "dying before the first step changes nothing")
    }

    @Test("repair itself may die before any step", arguments: Operation.all)
    func repairDies(_ operation: Operation) async throws {
        let (before, after) = try await undisturbed(operation)
        for steps in 1..<6 {
            try await withTemporaryDirectory { directory in
                let crash = Crash()
                var region = try await prepared(in: directory, crash)
                crash.arm(after: steps)
                guard try await dies(operation, region) else { return try await region.driver.close() }
                var repairSteps = 0
                while true {
                    let later = Crash()
                    later.arm(after: repairSteps)
                    do {
                        region = try await region.reopened(beforeStep: later.beforeStep)
                        break
                    } catch is Crash {
                        repairSteps += 1
                    }
                }
                let found = try await Sight(region)
                #expect(found == before || found == after, "died before step \(steps), then \(repairSteps) repairs")
                try await region.driver.close()
            }
        }
    }

    @Test("a client token whose create died makes a volume when it is repeated")
    func repeated() async throws {
        for steps in 0..<3 {
            try await withTemporaryDirectory { directory in
                let crash = Crash()
                let region = try await prepared(in: directory, crash)
                crash.arm(after: steps)
                #expect(try await dies(Operation.all[1], region))
                let next = try await region.reopened()
                try await Operation.all[1].run(next)
                try await Operation.all[1].run(next)
                let sight = try await Sight(next)
                sight.checkAgreement("token repeated after step \(steps)")
                #expect(sight.volumes.count == 3)
                try await next.driver.close()
            }
        }
    }
}
