import Platform
import SystemPackage
import Testing

@testable import BlockStore

private let gibibyte: Int64 = 1 << 30

@Suite struct SnapshotStoreTests {
    @Test func equalBlocksAreKeptOnceAndZerosNotAtAll() async throws {
        try await SnapshotFixture.run { fixture in
            let manifest = try fixture.write(sizeBytes: gibibyte, [(0, 7), (1, 7), (2, 0), (70, 7), (2047, 8)])
            #expect(try fixture.numbers(in: manifest) == [0: 7, 1: 7, 70: 7, 2047: 8])
            // Two blocks, three segments, the manifest.
            #expect(try fixture.objectCount() == 6)
        }
    }

    @Test func aNameIsTheBytesSHA256() throws {
        let digest = unsafe Digest(of: Array("abc".utf8).span.bytes)
        #expect(digest.hex == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(Digest(hex: digest.hex) == digest)
        #expect(Digest(digest.bytes) == digest)
    }

    @Test(arguments: ["", "ba78", String(repeating: "g", count: 64), String(repeating: "A", count: 64)])
    func whatIsNoNameIsRefused(text: String) {
        #expect(Digest(hex: text) == nil)
    }

    @Test func whatIsThereIsNotWrittenAgain() async throws {
        try await SnapshotFixture.run { fixture in
            let first = try fixture.write(sizeBytes: gibibyte, [(3, 1), (100, 2)])
            let before = try fixture.objectCount()
            let second = try fixture.write(sizeBytes: gibibyte, [(3, 1), (100, 2)])
            #expect(first == second)
            #expect(try fixture.objectCount() == before)
        }
    }

    /// Altered in its last byte, cut off, or gone: right again for the snapshot that had it, too.
    @Test func whatIsDamagedIsWrittenAnewByWhoBringsIt() async throws {
        try await SnapshotFixture.run { fixture in
            let first = try fixture.write(sizeBytes: gibibyte, [(3, 1), (100, 2)])
            let names = [
                first.name, try #require(first.segmentName(0)),
                try #require(try SnapshotSource(fixture.store, first).blockName(3)),
            ]
            for name in names {
                let file = fixture.store.files.path(of: name)
                let size = try FileStatus(of: file).sizeBytes
                for harm in 0..<3 {
                    switch harm {
                    case 0: try fixture.damage(name, at: size - 1)
                    case 1: try fixture.damage(name, length: size - 1)
                    default: try removeFile(at: file)
                    }
                    #expect(throws: SnapshotStoreError.self) {
                        try fixture.numbers(in: fixture.store.manifest(first.name))
                    }
                    #expect(try fixture.write(sizeBytes: gibibyte, [(3, 1), (100, 2)]) == first)
                    #expect(try fixture.numbers(in: fixture.store.manifest(first.name)) == [3: 1, 100: 2])
                }
            }
        }
    }

    @Test func aSecondSnapshotSharesTheSegmentsInWhichNothingChanged() async throws {
        try await SnapshotFixture.run { fixture in
            let first = try fixture.write(sizeBytes: gibibyte, [(0, 1), (64, 2), (128, 3)])
            // Nothing of the parent's other segments is read: they may even be missing.
            for entry in first.segments where entry.index != 1 { #expect(try fixture.remove([entry.name]) == []) }
            let second = try fixture.write(sizeBytes: 2 * gibibyte, parent: first, [(65, 4), (4000, 5)])
            #expect(second.segmentName(0) == first.segmentName(0))
            #expect(second.segmentName(2) == first.segmentName(2))
            #expect(second.segmentName(1) != first.segmentName(1))
            #expect(second.segments.map(\.index) == [0, 1, 2, 62])
        }
    }

    /// Seeds of the past, and a new one each time.
    @Test(arguments: [1, 2, 3, SystemRandom().next()])
    func chainsOfSnapshotsAreAsAModelHasThem(seed: UInt64) async throws {
        var random = SplitMix64(seed: seed)
        try await SnapshotFixture.run { fixture in
            var sizeBytes = 100 * VolumeBlock.bytes + 1
            var model: [Int: Int] = [:]
            var parent: Manifest?
            var past: [(Manifest, [Int: Int])] = []
            for step in 0..<12 {
                if random.next() % 4 == 0 { sizeBytes += Int64(random.next() % 70) * VolumeBlock.bytes }
                let changes = Self.changes(&random, sizeBytes: sizeBytes)
                for (block, number) in changes { model[block] = number == 0 ? nil : number }
                let manifest = try fixture.write(sizeBytes: sizeBytes, parent: parent, changes)
                // However it came about, the same contents have the same name.
                let whole = model.sorted { $0.key < $1.key }.map { (block: $0.key, number: $0.value) }
                #expect(try fixture.write(sizeBytes: sizeBytes, whole) == manifest, "seed \(seed), step \(step)")
                past.append((manifest, model))
                parent = manifest
            }
            for (step, (manifest, model)) in past.enumerated() {
                let stored = try fixture.store.manifest(manifest.name)
                #expect(stored == manifest, "seed \(seed), step \(step)")
                #expect(try fixture.numbers(in: stored) == model, "seed \(seed), step \(step)")
                try Self.expectSource(SnapshotSource(fixture.store, stored), holds: model, fixture.store)
            }
        }
    }

    private static func changes(_ random: inout SplitMix64, sizeBytes: Int64) -> [(block: Int, number: Int)] {
        let count = VolumeBlock.count(sizeBytes: sizeBytes)
        var changes: [(block: Int, number: Int)] = []
        for block in 0..<count where random.next() % 12 == 0 {
            changes.append((block, Int(random.next() % 6)))
        }
        return changes
    }

    private static func expectSource(
        _ source: SnapshotSource, holds model: [Int: Int], _ store: SnapshotStore
    ) throws {
        let written = source.writtenBlocks
        for block in model.keys { #expect(written.contains { $0.contains(block) }) }
        for block in written.joined() {
            #expect(try source.hasBlock(block) == (model[block] != nil))
            #expect(try source.blockName(block).map { try store.number(of: $0) } == model[block])
        }
    }

    @Test func aCutBecomesASnapshotAndTheSnapshotAVolume() async throws {
        try await SnapshotFixture.run { fixture in
            let directory = fixture.directory.appending("volumes")
            let volumes = try TrackedVolumes(store: VolumeStore(directory: directory), boot: "boot-1") { _ in }
            let sizeBytes = 40 * VolumeBlock.bytes
            try volumes.store.create("old", sizeBytes: sizeBytes)
            let old = try volumes.open("old")
            try old.write([1, 2, 3], at: 5 * VolumeBlock.bytes + 7)
            let cut = try #require(try volumes.cut([.init(volume: "old", cut: "snap-1", base: nil)]).first)
            try old.write([9, 9, 9], at: 5 * VolumeBlock.bytes + 7)

            let writer = fixture.store.beginWriting()
            try cut.copy(into: writer)
            var builder = ManifestBuilder(writer, volumeSizeBytes: cut.volumeSizeBytes, parent: nil)
            try cut.forEachChange { try builder.set($0, to: $1) }
            let manifest = try builder.finish()
            try fixture.store.synchronize()
            writer.end()
            try volumes.finish(cut)

            try volumes.create("new", sizeBytes: sizeBytes, restoring: SnapshotSource(fixture.store, manifest))
            let new = try volumes.open("new")
            #expect(try new.bytes(at: 5 * VolumeBlock.bytes + 6, count: 5) == [0, 1, 2, 3, 0])
            #expect(try new.bytes(at: 6 * VolumeBlock.bytes, count: 3) == [0, 0, 0])
        }
    }

    @Test func aListOfBlocksGoesOnWhereItWasLeft() async throws {
        try await SnapshotFixture.run { fixture in
            let manifest = try fixture.write(sizeBytes: gibibyte, [(1, 1), (63, 2), (64, 3), (500, 4)])
            var found: [Int] = []
            try fixture.store.forEachBlock(of: manifest, from: 63) { block, _ in
                found.append(block)
                return found.count < 2
            }
            #expect(found == [63, 64])
        }
    }

    // MARK: Damage

    @Test(arguments: [0, 1, 262_144, 524_287])
    func aChangedByteOfABlockIsFound(offset: Int64) async throws {
        try await SnapshotFixture.run { fixture in
            let manifest = try fixture.write(sizeBytes: gibibyte, [(5, 9), (6, 10)])
            let source = SnapshotSource(fixture.store, manifest)
            let name = try #require(try source.blockName(5))
            try fixture.damage(name, at: offset)
            #expect(throws: SnapshotStoreError.damaged(.block, name)) { try fixture.store.bytes(of: name) }
            // The next one is not harmed.
            let other = try #require(try source.blockName(6))
            #expect(try fixture.store.number(of: other) == 10)
        }
    }

    @Test(arguments: [0, 4096, 524_287])
    func aShortBlockIsFoundAndWrittenAnewWhenItComesAgain(length: Int64) async throws {
        try await SnapshotFixture.run { fixture in
            let manifest = try fixture.write(sizeBytes: gibibyte, [(5, 9)])
            let name = try #require(try SnapshotSource(fixture.store, manifest).blockName(5))
            try fixture.damage(name, length: length)
            #expect(throws: SnapshotStoreError.damaged(.block, name)) { try fixture.store.bytes(of: name) }
            _ = try fixture.write(sizeBytes: gibibyte, [(8, 9)])
            #expect(try fixture.store.number(of: name) == 9)
        }
    }

    @Test func everyChangedByteOfASegmentOrAManifestIsFound() async throws {
        try await SnapshotFixture.run { fixture in
            let manifest = try fixture.write(sizeBytes: gibibyte, [(5, 9), (70, 3)])
            let segment = try #require(manifest.segmentName(0))
            for (kind, name, length) in [
                (ObjectKind.segment, segment, 24 + 32), (.manifest, manifest.name, 32 + 2 * 40),
            ] {
                #expect(try fixture.store.files.sizeBytes(of: name) == Int64(length))
                for offset in 0..<Int64(length) {
                    try fixture.damage(name, at: offset)
                    #expect(throws: SnapshotStoreError.damaged(kind, name)) { try fixture.read(kind, name) }
                    try fixture.damage(name, at: offset)
                }
                try fixture.read(kind, name)
                #expect(try fixture.remove([name]) == [])
                #expect(throws: SnapshotStoreError.missing(kind, name)) { try fixture.read(kind, name) }
            }
        }
    }

    // MARK: Removing

    @Test func whatAWriterHasPutStaysUntilItHasEnded() async throws {
        try await SnapshotFixture.run { fixture in
            let old = try fixture.write(sizeBytes: gibibyte, [(5, 9)])
            let name = try #require(try SnapshotSource(fixture.store, old).blockName(5))
            let writer = fixture.store.beginWriting()
            #expect(try writer.put(SnapshotFixture.block(9)) == name)
            #expect(try fixture.remove([name]) == [name])
            #expect(try fixture.store.number(of: name) == 9)
            writer.end()
            #expect(try fixture.remove([name]) == [])
            #expect(throws: SnapshotStoreError.missing(.block, name)) { try fixture.store.bytes(of: name) }
            // Gone already: no error.
            #expect(try fixture.remove([name]) == [])
        }
    }

    /// The writer comes between the look whether anybody holds the block and its removal.
    @Test func aBlockThatComesWhileItIsRemovedIsThereAfterwardsAndOthersDoNotWait() async throws {
        try await SnapshotFixture.run { fixture in
            let old = try fixture.write(sizeBytes: gibibyte, [(5, 9)])
            let name = try #require(try SnapshotSource(fixture.store, old).blockName(5))
            let writer = fixture.store.beginWriting()
            let late = Monitor<Digest?>(nil)
            let thread = KernelThread(name: "late put") {
                do {
                    let name = try writer.put(SnapshotFixture.block(9))
                    late.withLock { $0 = name }
                } catch {
                    Issue.record(error)
                }
            }
            let hasRun = try fixture.store.unlessHeld(name) { () throws(Errno) in
                thread.start()
                // Long enough for a put that does not wait.
                waitInThisThread(untilUptimeNanoseconds: SystemClock().uptimeNanoseconds() + 200_000_000)
                #expect(late.withLock { $0 } == nil)
                #expect(throws: Never.self) { try writer.put(SnapshotFixture.block(10)) }
                try fixture.store.files.remove(name)
            }
            thread.join()
            #expect(hasRun)
            #expect(late.withLock { $0 } == name)
            #expect(try fixture.store.number(of: name) == 9)
            #expect(try fixture.remove([name]) == [name])
            writer.end()
        }
    }

    @Test func aRemovalThatFailsLetsTheBlockBeHeldAgain() async throws {
        try await SnapshotFixture.run { fixture in
            let old = try fixture.write(sizeBytes: gibibyte, [(5, 9)])
            let name = try #require(try SnapshotSource(fixture.store, old).blockName(5))
            #expect(throws: Errno.ioError) {
                try fixture.store.unlessHeld(name) { () throws(Errno) in throw .ioError }
            }
            _ = try fixture.write(sizeBytes: gibibyte, [(8, 9)])
            #expect(try fixture.remove([name]) == [])
        }
    }

    @Test func whatTheCatalogRefersToAgainStays() async throws {
        try await SnapshotFixture.run { fixture in
            let old = try fixture.write(sizeBytes: gibibyte, [(5, 9)])
            let name = try #require(try SnapshotSource(fixture.store, old).blockName(5))
            var asked: [Digest] = []
            #expect(
                try fixture.store.remove([name, old.name]) { name in
                    asked.append(name)
                    return name != old.name
                } == [])
            #expect(asked == [name, old.name])
            #expect(try fixture.store.number(of: name) == 9)
            #expect(throws: SnapshotStoreError.missing(.manifest, old.name)) { try fixture.store.manifest(old.name) }
        }
    }

    @Test func theSweepLeavesWhatAWriterHolds() async throws {
        try await SnapshotFixture.run { fixture in
            let held = try fixture.write(sizeBytes: gibibyte, [(5, 9)])
            let writer = fixture.store.beginWriting()
            writer.hold(held.name)
            #expect(try fixture.store.sweep { _ in false } == 2)
            #expect(try fixture.store.manifest(held.name) == held)
            writer.end()
            #expect(try fixture.store.sweep { _ in false } == 1)
        }
    }

    @Test func theSweepLeavesWhatIsKeptAndNothingElse() async throws {
        try await SnapshotFixture.run { fixture in
            let kept = try fixture.write(sizeBytes: gibibyte, [(5, 9)])
            _ = try fixture.write(sizeBytes: gibibyte, [(5, 10), (6, 11)])
            // What a killed process left half written.
            try writeFile(fixture.directory.appending("incoming").appending("1"), [1, 2, 3])
            var names: Set<Digest> = [kept.name]
            for entry in kept.segments { names.insert(entry.name) }
            try fixture.store.forEachBlock(of: kept) { _, name in names.insert(name).inserted }
            #expect(try fixture.store.sweep { names.contains($0) } == 4)
            #expect(try fixture.objectCount() == 3)
            #expect(try Directory.names(in: fixture.directory.appending("incoming")) == [])
            #expect(try fixture.numbers(in: kept) == [5: 9])
        }
    }

    /// The kernel tells of an error once; whoever asks afterwards must not take what was lost for durable.
    @Test func whatCouldNotBeMadeDurableIsNotSaidToBeItLater() async throws {
        try await SnapshotFixture.run { fixture in
            try fixture.store.synchronize()
            #expect(throws: Errno.ioError) {
                try fixture.store.files.synchronize { () throws(Errno) in throw .ioError }
            }
            #expect(throws: Errno.ioError) { try fixture.store.synchronize() }
            try SnapshotStore(directory: fixture.directory).synchronize()
        }
    }

    @Test func theNextProcessWritesBesideWhatAKilledOneLeft() async throws {
        try await SnapshotFixture.run { fixture in
            try writeFile(fixture.directory.appending("incoming").appending("1"), [1, 2, 3])
            let manifest = try fixture.write(sizeBytes: gibibyte, [(5, 9)])
            try fixture.store.synchronize()
            let next = try SnapshotStore(directory: fixture.directory)
            #expect(try next.manifest(manifest.name) == manifest)
        }
    }
}

extension SnapshotFixture {
    fileprivate func read(_ kind: ObjectKind, _ name: Digest) throws {
        switch kind {
        case .block: _ = try store.bytes(of: name)
        case .segment: _ = try store.segment(name)
        case .manifest: _ = try store.manifest(name)
        }
    }
}
