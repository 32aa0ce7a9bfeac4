import Platform
import SystemPackage
import Testing

@testable import BlockStore

private let sizeBytes = 300 * VolumeBlock.bytes

/// Counts as the catalog keeps them, in memory.
private struct Counts {
    var counts: [Digest: Int] = [:]

    mutating func add(_ manifest: Digest, _ store: SnapshotStore) throws {
        func add(_ name: Digest) -> Bool {
            counts[name, default: 0] += 1
            return counts[name] == 1
        }
        guard add(manifest) else { return }
        let whole = try store.manifest(manifest)
        try store.forEachReference(of: whole, segments: 0..<whole.segmentCount) { name, _ in add(name) }
    }

    /// Gives the objects that nothing refers to any more.
    mutating func remove(_ manifest: Digest, _ store: SnapshotStore) throws -> [Digest] {
        var gone: [Digest] = []
        func take(_ name: Digest) -> Bool {
            let left = (counts[name] ?? 0) - 1
            counts[name] = left == 0 ? nil : left
            if left == 0 { gone.append(name) }
            return left == 0
        }
        guard take(manifest) else { return gone }
        let whole = try store.manifest(manifest)
        try store.forEachReference(of: whole, segments: 0..<whole.segmentCount) { name, _ in take(name) }
        return gone
    }
}

@Suite struct SnapshotReferenceTests {
    @Test func whatReadingOnceMoreMightMendIsNoDamage() {
        let bytes: [UInt8] = [1]
        let name = unsafe Digest(of: bytes.span.bytes)
        let lost: [SnapshotStoreError] = [
            .missing(.block, name), .damaged(.segment, name), .malformed(.manifest, name, reason: "its head is wrong"),
            .failed(.segment, name, .ioError), .failed(.segment, name, .badMessage),
            .failed(.segment, name, Errno(rawValue: 117)),
        ]
        for error in lost { #expect(error.isDamage, "\(error)") }
        for errno in [Errno.tooManyOpenFiles, .tooManyOpenFilesInSystem, .noMemory, .permissionDenied] {
            #expect(!SnapshotStoreError.failed(.segment, name, errno).isDamage, "\(errno)")
        }
    }

    /// Snapshots come and go at random: those that are there stay whole, and what is left is what they need.
    @Test(arguments: [1, 2, 3, SystemRandom().next()])
    func whatIsRemovedIsWhatNoSnapshotNeeds(seed: UInt64) async throws {
        var random = SplitMix64(seed: seed)
        try await SnapshotFixture.run { fixture in
            var counts = Counts()
            var alive: [(manifest: Manifest, model: [Int: Int])] = []
            for step in 0..<30 {
                if alive.count > 4 || (!alive.isEmpty && random.next() % 3 == 0) {
                    let (manifest, _) = alive.remove(at: Int(random.next() % UInt64(alive.count)))
                    let gone = try counts.remove(manifest.name, fixture.store)
                    #expect(try fixture.remove(gone) == [], "seed \(seed), step \(step)")
                } else {
                    let base = alive.isEmpty ? nil : alive[Int(random.next() % UInt64(alive.count))]
                    let changes = (0..<300).filter { _ in random.next() % 25 == 0 }
                        .map { (block: $0, number: Int(random.next() % 5)) }
                    var model = base?.model ?? [:]
                    for (block, number) in changes { model[block] = number == 0 ? nil : number }
                    let manifest = try fixture.write(sizeBytes: sizeBytes, parent: base?.manifest, changes)
                    try counts.add(manifest.name, fixture.store)
                    alive.append((manifest, model))
                }
                let snapshots = alive.enumerated().map { (id: "snap-\($0)", manifest: $1.manifest.name) }
                let report = try fixture.check(snapshots, recorded: counts.counts)
                #expect(report == CheckReport(objectCount: report.objectCount), "seed \(seed), step \(step)")
                #expect(try fixture.objectCount() == counts.counts.count, "seed \(seed), step \(step)")
            }
            for (manifest, model) in alive { #expect(try fixture.numbers(in: manifest) == model, "seed \(seed)") }
        }
    }

    @Test(arguments: [1, 2, SystemRandom().next()])
    func differencesAreThoseOfTheModels(seed: UInt64) async throws {
        var random = SplitMix64(seed: seed)
        try await SnapshotFixture.run { fixture in
            let old = (0..<300).filter { _ in random.next() % 3 == 0 }.map { (block: $0, number: Int($0 % 4 + 1)) }
            let changes = (0..<340).filter { _ in random.next() % 40 == 0 }
                .map { (block: $0, number: Int(random.next() % 5)) }
            let first = try fixture.write(sizeBytes: sizeBytes, old)
            let second = try fixture.write(sizeBytes: 340 * VolumeBlock.bytes, parent: first, changes)
            let before = try fixture.numbers(in: first)
            let after = try fixture.numbers(in: second)
            let expected = (0..<340).filter { before[$0] != after[$0] }
            var found: [Int] = []
            try fixture.store.forEachDifference(from: first, to: second) { block, old, new in
                let numbers = try [old, new].map { try $0.map(fixture.store.number) }
                #expect(numbers == [before[block], after[block]], "seed \(seed)")
                found.append(block)
                return true
            }
            #expect(found == expected, "seed \(seed)")
            // A page of the list, from the middle on.
            found = []
            try fixture.store.forEachDifference(from: second, to: first, startingAt: 100) { block, _, _ in
                found.append(block)
                return found.count < 2
            }
            #expect(found == Array(expected.filter { $0 >= 100 }.prefix(2)), "seed \(seed)")
        }
    }

    // MARK: The checker

    @Test func aDamagedBlockIsNamedWithWhoNeedsIt() async throws {
        try await SnapshotFixture.run { fixture in
            let first = try fixture.write(sizeBytes: sizeBytes, [(5, 1), (70, 2)])
            let second = try fixture.write(sizeBytes: sizeBytes, parent: first, [(6, 1), (70, 3)])
            var counts = Counts()
            for manifest in [first, second] { try counts.add(manifest.name, fixture.store) }
            let name = try #require(try SnapshotSource(fixture.store, first).blockName(5))
            try fixture.damage(name, at: 100)
            let snapshots = [(id: "snap-a", manifest: first.name), (id: "snap-b", manifest: second.name)]
            let report = try fixture.check(snapshots, recorded: counts.counts)
            #expect(report.failures == [name: .damaged(.block, name)])
            #expect(
                report.uses[name]?.map(\.description) == [
                    "block 5 of snap-a", "block 5 of snap-b", "block 6 of snap-b",
                ])
            let some = try fixture.store.uses(of: [name], by: snapshots, limit: 2, check: {})
            #expect(some.listed[name]?.map(\.description) == ["block 5 of snap-a", "block 5 of snap-b"])
            #expect(some.omittedCount == 1)
        }
    }

    @Test func aMissingSegmentOrManifestIsNamedAndNothingBelowItIsCalledUnreferenced() async throws {
        try await SnapshotFixture.run { fixture in
            let first = try fixture.write(sizeBytes: sizeBytes, [(5, 1), (299, 2)])
            let second = try fixture.write(sizeBytes: sizeBytes, [(5, 3)])
            var counts = Counts()
            for manifest in [first, second] { try counts.add(manifest.name, fixture.store) }
            let segment = try #require(first.segmentName(4))
            #expect(try fixture.remove([segment, second.name]) == [])
            let snapshots = [(id: "snap-a", manifest: first.name), (id: "snap-b", manifest: second.name)]
            let report = try fixture.check(snapshots, recorded: counts.counts)
            #expect(
                report.failures
                    == [segment: .missing(.segment, segment), second.name: .missing(.manifest, second.name)])
            #expect(
                report.uses.mapValues { $0.map(\.description) }
                    == [segment: ["blocks 256 to 299 of snap-a"], second.name: ["all of snap-b"]])
            #expect(report.miscounted == [] && report.unreferenced == [])
        }
    }

    @Test func wrongCountsAndForgottenObjectsAreFound() async throws {
        try await SnapshotFixture.run { fixture in
            let manifest = try fixture.write(sizeBytes: sizeBytes, [(5, 1), (6, 1), (7, 2)])
            var counts = Counts()
            try counts.add(manifest.name, fixture.store)
            let source = SnapshotSource(fixture.store, manifest)
            let twice = try #require(try source.blockName(5))
            let once = try #require(try source.blockName(7))
            #expect(counts.counts[twice] == 2)
            counts.counts[twice] = 1
            counts.counts[once] = 3
            let writer = fixture.store.beginWriting()
            let forgotten = try #require(try writer.put(SnapshotFixture.block(99)))
            let removable = try #require(try writer.put(SnapshotFixture.block(100)))
            counts.counts[removable] = 0
            let report = try fixture.check([("snap-a", manifest.name)], recorded: counts.counts)
            #expect(report.miscounted == [twice, once])
            #expect(report.unreferenced == [forgotten])
            #expect(report.failures == [:])
            #expect(report.objectCount == 4)
        }
    }
}
