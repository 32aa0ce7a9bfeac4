// Random beginnings, puts, completions, deletions, lists and comparisons of snapshots that are read and written block by
// block, beside a simple model; through restarts, kills before any step and losses of power. A failure prints its seed
// and step.
import Driver
import Platform
import SystemPackage
import TestSupport
import Testing

@testable import Emulator

/// What is there, by name.
private struct Model: Hashable {
    struct Snapshot: Hashable {
        /// What it holds, or would if it were completed now.
        var blocks: Blocks
        /// The name of what was first.
        var lineage: String
        /// The indexes that were put, while it is being written.
        var put: Set<Int>?

        var isWritten: Bool { put == nil }
    }

    var snapshots: [String: Snapshot] = [:]

    var written: [String] { snapshots.filter { $0.value.isWritten }.keys.sorted() }
    var open: [String] { snapshots.filter { !$0.value.isWritten }.keys.sorted() }
}

private enum Action: Hashable {
    case start(String, parent: String?)
    case put(String, index: Int, number: UInt8)
    case complete(String)
    case miscount(String)
    case delete(String)
    case copy(String, of: String)
    case compare(String, String)
    case read(String)
    case restart

    /// One that can be done with what is there.
    init?(_ random: SeededRandom, _ model: Model, number: Int) {
        func pick(_ names: [String]) -> String? {
            names.isEmpty ? nil : names[Int(random.next() % UInt64(names.count))]
        }
        let choice = random.next() % 20
        let (written, open) = (pick(model.written), pick(model.open))
        switch (choice, written, open) {
        case (0...2, _, _) where model.open.count < 4:
            self = .start("s-\(number)", parent: random.next() % 3 == 0 ? nil : written)
        case (3...9, _, let name?):
            let place = TestRegion.places[Int(random.next() % UInt64(TestRegion.places.count))]
            self = .put(name, index: place, number: UInt8(random.next() % 4))
        case (10...11, _, let name?): self = .complete(name)
        case (12, _, let name?): self = .miscount(name)
        case (13, let name?, _) where model.written.count > 3: self = .delete(name)
        case (14, _, let name?): self = .delete(name)
        case (15, let name?, _): self = .copy("s-\(number)", of: name)
        case (16...17, let name?, _): self = .compare(name, pick(model.written) ?? name)
        case (18, let name?, _): self = .read(name)
        case (19, _, _): self = .restart
        default: return nil
        }
    }

    /// Changes the model as the region should change.
    func apply(to model: inout Model) {
        switch self {
        case .start(let name, let parent):
            let source = parent.flatMap { model.snapshots[$0] }
            model.snapshots[name] = .init(blocks: source?.blocks ?? [:], lineage: source?.lineage ?? name, put: [])
        case .put(let name, let index, let number):
            model.snapshots[name]?.blocks[index] = number == 0 ? nil : number
            model.snapshots[name]?.put?.insert(index)
        case .complete(let name): model.snapshots[name]?.put = nil
        case .delete(let name): model.snapshots[name] = nil
        case .copy(let name, let source): model.snapshots[name] = model.snapshots[source]
        case .miscount, .compare, .read, .restart: break
        }
    }
}

@Suite struct BlockAccessModelTests {
    private func id(_ name: String, _ region: TestRegion) async throws -> SnapshotID {
        try #require(try await region.driver.describeSnapshots(SnapshotQuery(names: [name])).snapshots.first).id
    }

    private func perform(_ action: Action, _ model: Model, on region: TestRegion) async throws {
        switch action {
        case .start(let name, let parent):
            var source: SnapshotID?
            if let parent { source = try await id(parent, region) }
            _ = try await region.start(name, parent: source)
        case .put(let name, let index, let number):
            try await region.put(number, at: index, into: id(name, region))
        case .complete(let name):
            _ = try await region.seal(id(name, region), blockCount: model.snapshots[name]?.put?.count ?? 0)
            try await region.driver.finishSnapshotWork()
        case .miscount(let name):
            let count = (model.snapshots[name]?.put?.count ?? 0) + 1
            do {
                _ = try await region.seal(id(name, region), blockCount: count)
                Issue.record("completed with \(count) blocks")
            } catch let error as StorageError where error.code == .validation {}
        case .delete(let name):
            try await region.driver.deleteSnapshot(id(name, region))
            try await region.driver.finishSnapshotWork()
        case .copy(let name, let source):
            _ = try await region.driver.copySnapshot(
                CopySnapshotRequest(sourceSnapshotID: id(source, region), tags: [Tag.name: name]))
            try await region.driver.finishSnapshotWork()
        case .compare(let first, let second): try await compare(first, second, model, on: region)
        case .read(let name): #expect(try await region.read(id(name, region)) == model.snapshots[name]?.blocks)
        case .restart: break
        }
    }

    private func compare(_ first: String, _ second: String, _ model: Model, on region: TestRegion) async throws {
        let (old, new) = try (#require(model.snapshots[first]), #require(model.snapshots[second]))
        let (oldID, newID) = (try await id(first, region), try await id(second, region))
        do {
            let changes = try await region.changed(oldID, newID)
            #expect(old.lineage == new.lineage, "compared though unrelated")
            let differing = Set(old.blocks.keys).union(new.blocks.keys).filter { old.blocks[$0] != new.blocks[$0] }
            #expect(changes.map(\.index.rawValue) == differing.sorted())
            for change in changes {
                let index = change.index.rawValue
                #expect((change.firstToken != nil) == (old.blocks[index] != nil))
                #expect((change.secondToken != nil) == (new.blocks[index] != nil))
                if let token = change.secondToken {
                    #expect(try await region.number(change.index, of: newID, token) == new.blocks[index])
                }
            }
        } catch let error as StorageError where error.cause == "UNRELATED_SNAPSHOTS" {
            #expect(old.lineage != new.lineage, "not compared though related")
        }
    }

    /// Whether a region is as a model says, apart from snapshots that failed. What is still being written is completed
    /// in neither.
    private func agrees(_ region: TestRegion, _ model: Model) async throws -> Bool {
        let snapshots = try await region.snapshots.filter { $0.state != .error }
        guard snapshots.map(\.name).sorted() == model.snapshots.keys.sorted() else { return false }
        for snapshot in snapshots {
            guard let expected = model.snapshots[snapshot.name],
                expected.isWritten == (snapshot.state == .completed)
            else { return false }
            if expected.isWritten {
                if try await region.read(snapshot.id) != expected.blocks { return false }
            } else if try await putCount(snapshot.id, region) != expected.put?.count {
                return false
            }
        }
        return true
    }

    private func putCount(_ id: SnapshotID, _ region: TestRegion) async throws -> Int {
        let upload = try #require(await region.driver.region.work.uploads[id])
        var count = 0
        try upload.forEachChange { _, _ in count += 1 }
        return count
    }

    /// What a loss of power takes: everything that was being written.
    private func losingPower(_ model: Model) -> Model {
        Model(snapshots: model.snapshots.filter { $0.value.isWritten })
    }

    private func deleteFailed(_ region: TestRegion) async throws {
        for snapshot in try await region.driver.describeSnapshots(SnapshotQuery(states: [.error])).snapshots {
            try await region.driver.deleteSnapshot(snapshot.id)
        }
    }

    private static let seeds: [UInt64] = [1, 2, 3, SystemRandom().next()]

    @Test("random block access, restarts, kills and losses of power agree with the model", arguments: seeds)
    func agrees(seed: UInt64) async throws {
        try await withTemporaryDirectory { directory in
            let random = SeededRandom(seed: seed)
            var crash = Crash()
            var boot = 1
            var region = try await TestRegion.open(
                directory, random: SeededRandom(seed: seed &+ 1_000), beforeStep: crash.beforeStep)
            var expected = Model()
            for step in 0..<120 {
                guard let action = Action(random, expected, number: step) else { continue }
                let comment: Comment = "seed \(seed), step \(step): \(action)"
                let dies = random.next() % 6 == 0
                if dies { crash.arm(after: Int(random.next() % 8)) }
                var after = expected
                action.apply(to: &after)
                var candidates = [after]
                do {
                    try await perform(action, expected, on: region)
                } catch  where crash.hasCome {
                    candidates = [after, expected]
                }
                let losesPower = random.next() % 20 == 0
                guard dies || losesPower || action == .restart else {
                    expected = after
                    continue
                }
                if losesPower {
                    boot += 1
                    candidates = candidates.map(losingPower) + (crash.hasCome ? [losingPower(expected)] : [])
                }
                crash = Crash()
                region = try await region.reopened(boot: "boot-\(boot)", beforeStep: crash.beforeStep)
                try await region.driver.finishSnapshotWork()
                var agreeing: Model?
                for candidate in candidates where try await agrees(region, candidate) { agreeing = candidate }
                expected = try #require(agreeing, comment)
                try await deleteFailed(region)
                try await region.checkStore(comment)
            }
            try await region.driver.close()
        }
    }
}
