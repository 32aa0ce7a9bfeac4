// Trees that are counted in part, by hand up to a point: what happens to them there.
import BlockStore
import Driver
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import Emulator

@Suite struct PartialTreeTests {
    /// In three segments; one batch counts one of them.
    private static let blocks: Blocks = [0: 1, 1: 2, 64: 3, 2047: 1]

    /// Lets a step fail after so many of its kind, until told otherwise.
    private final class Limit: Error, Sendable {
        private let left = Mutex(Int.max)

        func set(_ count: Int) { left.withLock { $0 = count } }

        func beforeStep(_ step: RegionEffects.Step) throws {
            if step != .takeBackReferences { return }
            let isReached = left.withLock { left in
                if left > 0 { left -= 1 }
                return left == 0
            }
            if isReached { throw self }
        }
    }

    /// A tree in the store to which nothing refers, and who has written it, in a region that has nothing else.
    private func withTree(
        _ body: (TestRegion, CountedStore, _ manifest: Digest, SnapshotWriter) async throws -> Void
    ) async throws {
        try await withRegion { region in
            try await region.driver.finishSnapshotWork()
            let writer = await region.driver.region.effects.snapshots.beginWriting()
            var builder = ManifestBuilder(writer, volumeSizeBytes: 1 << 30, parent: nil)
            for (block, number) in Self.blocks.sorted(by: { $0.key < $1.key }) {
                let bytes = [UInt8](repeating: number, count: SnapshotBlock.bytes)
                try builder.set(block, to: unsafe writer.put(bytes.span.bytes))
            }
            let manifest = try builder.finish().name
            try await body(region, CountedStore(region.directory), manifest, writer)
            try await region.driver.close()
        }
    }

    private func countOne(_ manifest: Digest, in region: TestRegion) async throws -> Bool {
        try await region.driver.region.countOneBatch(of: manifest)
    }

    private func counted(_ manifest: Digest, in region: TestRegion) async throws -> Int? {
        try await region.driver.region.effects.catalog.partialTree(of: manifest)?.segmentCount
    }

    private func letGo(_ writer: SnapshotWriter, in region: TestRegion) async throws {
        await region.driver.region.end(writer)
        try await region.driver.finishSnapshotWork()
    }

    private func check(_ store: CountedStore, _ region: TestRegion, _ comment: Comment) async throws {
        try store.check(await region.driver.region.effects.catalog, comment)
    }

    @Test("a tree is counted up to the last batch, stays while its writer has it, and is taken back then")
    func countsAndTakesBack() async throws {
        try await withTree { region, store, manifest, writer in
            for segments in 1...2 {
                #expect(try await countOne(manifest, in: region))
                #expect(try await counted(manifest, in: region) == segments)
                try await check(store, region, "\(segments) segments")
            }
            #expect(try await !countOne(manifest, in: region))
            #expect(try await counted(manifest, in: region) == 2)
            await region.driver.region.removeLitter()
            try await region.driver.finishSnapshotWork()
            #expect(try await counted(manifest, in: region) == 2)
            let rest = try await region.driver.region.effects.snapshots.manifest(manifest)
            #expect(rest.segmentCount == 3)
            try await letGo(writer, in: region)
            // What was not counted is nobody's but the next start's.
            #expect(try await counted(manifest, in: region) == nil)
            let next = try await region.reopened()
            try await next.expectEmptyStore("after the next start")
            try await next.driver.close()
        }
    }

    @Test("a tree with a count that is too low stays, and holds no other up")
    func stays() async throws {
        try await withTree { region, _, manifest, writer in
            #expect(try await countOne(manifest, in: region))
            let effects = await region.driver.region.effects
            var segments: [Digest] = []
            try effects.snapshots.forEachReference(of: effects.snapshots.manifest(manifest), segments: 0..<1) {
                if $1 == .segment { segments.append($0) }
                return true
            }
            let lost = ObjectReferences(kind: .segment, changes: [try #require(segments.first): -1])
            try await effects.commit([.addReferences(lost)])
            try await letGo(writer, in: region)
            // Some of them come after that one.
            for number in UInt8(10)..<16 {
                let id = try await region.upload([5: number])
                let objects = try await region.objects(of: id, .block)
                try await region.driver.deleteSnapshot(id)
                try await region.driver.finishSnapshotWork()
                for object in objects { #expect(try !effects.snapshots.has(object), "\(number)") }
            }
            #expect(try effects.catalog.partialTrees().map(\.manifest) == [manifest])
        }
    }

    @Test("the next process takes back what the last one counted for nothing")
    func restarts() async throws {
        try await withTree { region, _, manifest, writer in
            #expect(try await countOne(manifest, in: region))
            writer.end()
            let next = try await region.reopened()
            try await next.expectEmptyStore("after the restart")
            try await next.driver.close()
        }
    }

    @Test("a snapshot with a tree that another one is counting counts what is left, and both are whole")
    func sharesManifest() async throws {
        try await withTree { region, store, manifest, writer in
            #expect(try await countOne(manifest, in: region))
            let other = try await region.upload(Self.blocks)
            #expect(await region.driver.region.state.snapshots.snapshots[other]?.content?.manifest == manifest)
            #expect(try await counted(manifest, in: region) == nil)
            try await check(store, region, "the other one is completed")
            #expect(try await !countOne(manifest, in: region))
            let changes = try await region.driver.region.effects.referenceChanges(coming: [manifest])
            let one = ObjectReferences(kind: .manifest, changes: [manifest: 1])
            #expect(changes == [.addReferences(one)])
            try await letGo(writer, in: region)
            #expect(try await region.blocks(of: other) == Self.blocks)
            try await region.checkStore("after both")
            try await region.driver.deleteSnapshot(other)
            try await region.expectEmptyStore("after the deletion")
        }
    }

    @Test("a tree whose snapshot goes while another one is about to have it stays counted until that has ended")
    func deletesMeanwhile() async throws {
        try await withTree { region, store, manifest, writer in
            #expect(try await countOne(manifest, in: region))
            let other = try await region.upload(Self.blocks)
            try await region.driver.deleteSnapshot(other)
            try await region.driver.finishSnapshotWork()
            #expect(try await counted(manifest, in: region) == 3)
            try await check(store, region, "after the deletion")
            #expect(try await !countOne(manifest, in: region))
            try await letGo(writer, in: region)
            try await region.expectEmptyStore("after the writer")
        }
    }

    @Test("a tree that is being taken back is counted up again from there")
    func comesAgain() async throws {
        try await withTemporaryDirectory { directory in
            let limit = Limit()
            let region = try await TestRegion.open(directory, beforeStep: limit.beforeStep)
            let store = CountedStore(directory)
            let first = try await region.upload(Self.blocks)
            let manifest = try #require(await region.driver.region.state.snapshots.snapshots[first]?.content?.manifest)
            limit.set(3)
            try await region.driver.deleteSnapshot(first)
            try await region.driver.finishSnapshotWork()
            #expect(try await counted(manifest, in: region) == 1)
            try await check(store, region, "two of three are taken back")
            let second = try await region.upload(Self.blocks)
            try await check(store, region, "it has come again")
            #expect(try await counted(manifest, in: region) == nil)
            #expect(try await region.blocks(of: second) == Self.blocks)
            limit.set(.max)
            try await region.checkStore("it has come again")
            try await region.driver.deleteSnapshot(second)
            try await region.expectEmptyStore("after the second deletion")
            try await region.driver.close()
        }
    }

    @Test("a check counts a partial tree, and finds a row that is wrong")
    func checks() async throws {
        try await withTree { region, _, manifest, writer in
            func findings() async throws -> [String] {
                let report = try #require(try await region.ended(SnapshotTaskRequest(action: .check)).report)
                return report.findings.map { "\($0.kind) \($0.object == manifest.hex)" }
            }
            let effects = await region.driver.region.effects
            func put(_ segmentCount: Int) async throws {
                try await effects.commit([
                    .putPartialTree(PartialTree(manifest: manifest, segmentCount: segmentCount))
                ])
            }
            #expect(try await countOne(manifest, in: region))
            #expect(try await findings() == [])
            // The second segment with one block.
            try await put(2)
            #expect(try await findings() == ["miscounted false", "miscounted false"])
            // The first one with two.
            try await put(0)
            #expect(try await findings() == Array(repeating: "miscounted false", count: 3))
            try await put(1)
            let other = try await region.upload(Self.blocks)
            #expect(try await findings() == [])
            let one = ObjectReferences(kind: .manifest, changes: [manifest: 1])
            try await effects.commit([.addReferences(one)])
            try await put(3)
            #expect(try await findings() == ["miscounted true"])
            // It is needed: nothing of it is taken back.
            try await letGo(writer, in: region)
            #expect(try await counted(manifest, in: region) == 3)
            #expect(try await region.blocks(of: other) == Self.blocks)
        }
    }

    @Test("others have their turn between two batches")
    func takesTurns() async throws {
        try await withTree { region, _, manifest, writer in
            #expect(try await region.driver.region.countedBetweenBatches(of: manifest) == 1)
            #expect(try await counted(manifest, in: region) == 2)
            try await letGo(writer, in: region)
        }
    }
}

extension Region {
    fileprivate func countOneBatch(of manifest: Digest) async throws -> Bool {
        try await exclusively(.references) { try await $0.effects.countBatch(of: manifest) }
    }

    /// How much of a tree is counted when one who asks for the counts just after its counter gets them.
    fileprivate func countedBetweenBatches(of manifest: Digest) async throws -> Int? {
        let begun = Atomic(0)
        let (counting, asking) = try await exclusively(.references) { region in
            // Each waits for the key before anyone else is heard.
            let counting = Task {
                try await region.countTree(of: manifest) { begun.add(1, ordering: .releasing) }
            }
            while begun.load(ordering: .acquiring) < 1 { try await Task.sleep(for: .milliseconds(1)) }
            let asking = Task {
                begun.add(1, ordering: .releasing)
                return try await region.exclusively(.references) { region in
                    try region.effects.catalog.partialTree(of: manifest)?.segmentCount
                }
            }
            while begun.load(ordering: .acquiring) < 2 { try await Task.sleep(for: .milliseconds(1)) }
            return (counting, asking)
        }
        let counted = try await asking.value
        try await counting.value
        return counted
    }
}
