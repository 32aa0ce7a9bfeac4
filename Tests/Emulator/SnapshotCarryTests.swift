// Snapshots that leave a region as files, and come into another one.
import BlockStore
import Driver
import Foundation
import Platform
import SystemPackage
import TestSupport
import Testing

@testable import Emulator

/// Two regions and a place for files.
private struct Pair {
    let here: TestRegion
    let there: TestRegion
    let file: FilePath

    func export(_ id: SnapshotID, to path: FilePath? = nil) async throws -> SnapshotTask {
        try await here.ended(
            SnapshotTaskRequest(action: .export, snapshotID: id, location: (path ?? file).string))
    }

    func `import`(name: String? = nil) async throws -> SnapshotTask {
        try await there.ended(SnapshotTaskRequest(action: .import, location: file.string, name: name))
    }

    var bytes: [UInt8] { get throws { try readFile(file, limit: 1 << 30) } }

    func setBytes(_ bytes: [UInt8]) throws { try Data(bytes).write(to: URL(filePath: file.string)) }
}

@Suite struct SnapshotCarryTests {
    private func withPair(
        beforeStep: @escaping @Sendable (RegionEffects.Step) throws -> Void = { _ in },
        _ body: (Pair) async throws -> Void
    ) async throws {
        try await withTemporaryDirectory { directory in
            for name in ["here", "there"] { try createDirectories(directory.appending(name)) }
            let here = try await TestRegion.open(directory.appending("here"), beforeStep: beforeStep)
            let there = try await TestRegion.open(
                directory.appending("there"), random: SeededRandom(seed: 2), beforeStep: beforeStep)
            try await body(Pair(here: here, there: there, file: directory.appending("file")))
            for region in [here, there] {
                try await region.checkStore("at the end")
                try await region.driver.close()
            }
        }
    }

    private static let blocks: Blocks = [0: 1, 1: 2, 2: 1, 64: 3, 2047: 4]

    /// A snapshot with a name and tags.
    private func makeSnapshot(_ region: TestRegion) async throws -> Snapshot {
        let volume = try await region.create("one")
        try region.write(Self.blocks, to: volume.id)
        let request = CreateSnapshotsRequest(
            sources: [.init(volumeID: volume.id, tags: [Tag.name: "first", "ebb:fsType": "xfs"])],
            description: "before")
        let made = try await region.driver.createSnapshots(request)
        try await region.driver.finishSnapshotWork()
        return try await region.snapshot(made[0].id)
    }

    @Test("what was exported in one region is imported in another with all that is known of it")
    func carried() async throws {
        try await withPair { pair in
            let snapshot = try await makeSnapshot(pair.here)
            let export = try await pair.export(snapshot.id)
            #expect(export.state == .completed && export.error == nil)
            let size = Int64(try pair.bytes.count)
            #expect(export.doneBytes == size && export.totalBytes == size && export.presentBytes == 0)
            pair.there.clock.advance(by: .seconds(60))

            let task = try await pair.import()
            #expect(task.state == .completed && task.doneBytes == size && task.totalBytes == size)
            // Blocks 0 and 2 are one.
            #expect(task.presentBytes == 524_328)
            let copy = try await pair.there.snapshot(try #require(task.snapshotID))
            #expect(copy.name == "first" && copy.tags["ebb:fsType"] == "xfs" && copy.description == "before")
            #expect(copy.volumeID == snapshot.volumeID && copy.volumeSizeGiB == 1)
            #expect(copy.startTime == snapshot.startTime && copy.fullSizeBytes == snapshot.fullSizeBytes)
            #expect(copy.state == .completed && copy.completionTime != snapshot.completionTime)
            #expect(try await pair.there.blocks(of: copy.id) == Self.blocks)

            let volume = try await pair.there.driver.createVolume(
                CreateVolumeRequest(zone: TestRegion.zone, type: .gp3, snapshotID: copy.id))
            #expect(try pair.there.blocks(of: volume.id) == Self.blocks)
        }
    }

    @Test("two imports of one file are two snapshots, and the second writes nothing")
    func twice() async throws {
        try await withPair { pair in
            let snapshot = try await makeSnapshot(pair.here)
            _ = try await pair.export(snapshot.id)
            let first = try await pair.import()
            let taken = await refusal { try await pair.import() }
            #expect(taken?.code == .snapshotDuplicate)
            let second = try await pair.import(name: "")
            #expect(second.state == .completed && second.snapshotID != first.snapshotID)
            // All but the head and the end.
            let description = try SnapshotDescription(
                try #require(await pair.here.driver.region.state.snapshots.snapshots[snapshot.id])
            ).json
            #expect(second.presentBytes == second.totalBytes - Int64(48 + description.utf8.count + 32 + 40))
            #expect(try await pair.there.snapshots.map(\.name).sorted() == ["", "first"])
            try await pair.there.driver.deleteSnapshot(try #require(first.snapshotID))
            #expect(try await pair.there.blocks(of: try #require(second.snapshotID)) == Self.blocks)
        }
    }

    @Test("a second export goes on with a file that is cut off anywhere", arguments: [SystemRandom().next()])
    func resumed(seed: UInt64) async throws {
        let random = SeededRandom(seed: seed)
        try await withPair { pair in
            let snapshot = try await makeSnapshot(pair.here)
            _ = try await pair.export(snapshot.id)
            let whole = try pair.bytes
            for _ in 0..<8 {
                let cut = Int(random.next() % UInt64(whole.count))
                try pair.setBytes(Array(whole.prefix(cut)))
                #expect(try await importError(pair)?.code == .snapshotFileInvalid, "seed \(seed), cut at \(cut)")
                let again = try await pair.export(snapshot.id)
                #expect(again.state == .completed, "seed \(seed), cut at \(cut)")
                #expect(again.presentBytes <= Int64(cut), "seed \(seed), cut at \(cut)")
                #expect(again.presentBytes > Int64(cut) - 530_000, "seed \(seed), cut at \(cut)")
                #expect(try pair.bytes == whole, "seed \(seed), cut at \(cut)")
            }
        }
    }

    @Test("a file that is cut off or altered anywhere is refused, with the byte, and leaves nothing")
    func refused() async throws {
        let seed = SystemRandom().next()
        let random = SeededRandom(seed: seed)
        try await withPair { pair in
            let snapshot = try await makeSnapshot(pair.here)
            _ = try await pair.export(snapshot.id)
            let whole = try pair.bytes
            for round in 0..<12 {
                let place = Int(random.next() % UInt64(whole.count))
                var bytes = whole
                if round % 2 == 0 { bytes.removeLast(bytes.count - place) } else { bytes[place] ^= 1 }
                try pair.setBytes(bytes)
                let error = try await importError(pair)
                #expect(error?.code == .snapshotFileInvalid, "seed \(seed), byte \(place): \(error as Any)")
                #expect(error?.description.contains(pair.file.string) == true, "seed \(seed), byte \(place)")
                let saysWhere = error?.cause?.contains(round % 2 == 0 ? "byte \(place)" : "byte ") == true
                #expect(saysWhere || place < 130, "seed \(seed), byte \(place): \(error as Any)")
                #expect(try await pair.there.snapshots == [], "seed \(seed), byte \(place)")
            }
            try pair.setBytes(whole)
            let last = try await pair.import()
            #expect(last.state == .completed)
        }
    }

    /// At once, or on the way.
    private func importError(_ pair: Pair) async throws -> StorageError? {
        do {
            return try await pair.import().error
        } catch let error as StorageError {
            return error
        }
    }

    @Test("what an import left is quick to take up, and is gone after an hour")
    func leftovers() async throws {
        try await withPair { pair in
            let snapshot = try await makeSnapshot(pair.here)
            _ = try await pair.export(snapshot.id)
            let whole = try pair.bytes
            try pair.setBytes(whole.dropLast())
            let failed = try await importError(pair)
            #expect(failed?.code == .snapshotFileInvalid)
            let objects = { try await pair.there.objectCount() }
            #expect(try await objects() == 8)
            // It may still be wanted: that is no finding.
            try await pair.there.checkStore("with leftovers")
            try pair.setBytes(whole)
            let again = try await pair.import()
            #expect(again.presentBytes > 5 << 19)

            try pair.setBytes(whole.dropLast())
            let other = try await pair.here.create("two")
            try pair.here.write([5: 9], to: other.id)
            let second = try await pair.here.completeSnapshot(other.id)
            let path = FilePath(pair.file.string + "-2")
            _ = try await pair.export(second, to: path)
            let bytes = try readFile(path, limit: 1 << 30)
            try Data(bytes.dropLast()).write(to: URL(filePath: path.string))
            let task = try await pair.there.ended(SnapshotTaskRequest(action: .import, location: path.string))
            #expect(task.error?.code == .snapshotFileInvalid)
            #expect(try await objects() == 11)
            // One more that fails does not put it off.
            pair.there.clock.advance(by: .seconds(1_800))
            let third = try await pair.there.ended(SnapshotTaskRequest(action: .import, location: path.string))
            #expect(third.error?.code == .snapshotFileInvalid)
            pair.there.clock.advance(by: .seconds(1_800))
            await pair.there.driver.region.endLeftovers()
            try await pair.there.driver.finishSnapshotWork()
            #expect(try await objects() == 8)
            #expect(try await pair.there.blocks(of: try #require(again.snapshotID)) == Self.blocks)
        }
    }

    @Test("a snapshot that is deleted while it is exported is exported whole, and then gone")
    func deletedMeanwhile() async throws {
        let hold = Hold(.exportRecord)
        try await withPair(beforeStep: hold.beforeStep) { pair in
            let snapshot = try await makeSnapshot(pair.here)
            hold.begin()
            let task = try await pair.here.driver.startSnapshotTask(
                SnapshotTaskRequest(action: .export, snapshotID: snapshot.id, location: pair.file.string))
            try await pair.here.driver.deleteSnapshot(snapshot.id)
            #expect(try await pair.here.snapshots == [])
            hold.end()
            try await pair.here.driver.finishSnapshotWork()
            let ended = try await pair.here.driver.describeSnapshotTasks(ids: [task.id])[0]
            #expect(ended.state == .completed, "\(ended)")
            #expect(try await pair.here.objectCount() == 0)
            let copy = try await pair.import()
            #expect(try await pair.there.blocks(of: try #require(copy.snapshotID)) == Self.blocks)
        }
    }

    @Test("a pending snapshot is not exported, and a damaged one is named with its block")
    func unusable() async throws {
        let hold = Hold(.putBlock)
        try await withPair(beforeStep: hold.beforeStep) { pair in
            let volume = try await pair.here.create("one")
            try pair.here.write([5: 1, 70: 2], to: volume.id)
            hold.begin()
            let id = try await pair.here.createSnapshot(volume.id)
            let early = await refusal { try await pair.export(id) }
            hold.end()
            #expect(early?.code == .incorrectState)
            #expect(early?.message == "Snapshot is in invalid state - pending")
            try await pair.here.driver.finishSnapshotWork()

            try await pair.here.damage(block: 70, of: id)
            let task = try await pair.export(id)
            #expect(task.state == .error && task.error?.code == .snapshotDamaged)
            #expect(task.error?.description.contains("block 70") == true)
            #expect(task.error?.description.contains(id.rawValue) == true)
            let refused = try await importError(pair)
            #expect(refused?.code == .snapshotFileInvalid)
            try await pair.here.driver.deleteSnapshot(id)
        }
    }

    @Test("an export that does not begin, or has nothing to write, leaves no file, and takes none away")
    func notBegun() async throws {
        try await withPair { pair in
            let snapshot = try await makeSnapshot(pair.here)
            let segment = FilePath(
                pair.here.path(of: try #require(try await pair.here.objects(of: snapshot.id, .segment).first)))
            let whole = try readFile(segment)
            try writeFile(segment, "damaged")
            #expect(try await pair.export(snapshot.id).error?.code == .snapshotDamaged)
            #expect(throws: Errno.noSuchFileOrDirectory) { try FileStatus(of: pair.file) }

            let kept = FilePath(pair.file.string + "-kept")
            try writeFile(kept, "")
            #expect(try await pair.export(snapshot.id, to: kept).error?.code == .snapshotDamaged)
            #expect(try FileStatus(of: kept).sizeBytes == 0)

            try Data(whole).write(to: URL(filePath: segment.string))
            #expect(try await pair.export(snapshot.id).state == .completed)
        }
    }

    @Test("an export that is refused since there are too many tasks leaves no file")
    func tooMany() async throws {
        let hold = Hold(.exportRecord)
        try await withPair(beforeStep: hold.beforeStep) { pair in
            let snapshot = try await makeSnapshot(pair.here)
            hold.begin()
            try await withCleanup({ hold.end() }) {
                for number in 0..<SnapshotTasks.maximumActive {
                    _ = try await pair.here.driver.startSnapshotTask(
                        SnapshotTaskRequest(
                            action: .export, snapshotID: snapshot.id, location: pair.file.string + "-\(number)"))
                }
                // As if the others had begun between the request and its answer.
                let region = pair.here.driver.region
                let refused = await refusal {
                    try await region.startExport(
                        SnapshotTaskRequest(
                            action: .export, snapshotID: snapshot.id, location: pair.file.string))
                }
                #expect(refused?.code == .snapshotTaskLimitExceeded)
                #expect(throws: Errno.noSuchFileOrDirectory) { try FileStatus(of: pair.file) }
            }
        }
    }

    @Test("a file of another snapshot, or another version's, is left as it is")
    func foreign() async throws {
        try await withPair { pair in
            let snapshot = try await makeSnapshot(pair.here)
            let volume = try await pair.here.create("two")
            let other = try await pair.here.completeSnapshot(volume.id)
            _ = try await pair.export(other)
            let before = try pair.bytes
            let error = await refusal { try await pair.export(snapshot.id) }
            #expect(error?.description.contains(pair.file.string) == true)
            #expect(try pair.bytes == before)
            var newer = before
            newer[8] = 2
            try pair.setBytes(newer)
            for name in [nil, "x"] {
                let refused = await refusal { try await pair.import(name: name) }
                #expect(refused?.code == .snapshotFileInvalid)
                #expect(refused?.cause?.contains("version") == true)
            }
            #expect(await refusal { try await pair.export(other) }?.code == .invalidParameterValue)
            #expect(try pair.bytes == newer)
        }
    }

    // MARK: The description

    @Test("a description of a newer kind is read, one of an unknown version or without sense is not")
    func descriptions() throws {
        let description = SnapshotDescription(
            snapshotID: "snap-0123456789abcdef0", region: "us-east-1", volumeID: "vol-0123456789abcdef0",
            volumeSizeGiB: 7, startTimeMilliseconds: 1_700_000_000_123, description: "ä\n\"", tags: ["Name": "n"])
        let json = try description.json
        // Golden: files that are out in the world must be understood for good.
        #expect(
            json == #"{"description":"ä\n\"","region":"us-east-1","snapshotID":"snap-0123456789abcdef0","#
                + #""startTimeMilliseconds":1700000000123,"tags":{"Name":"n"},"version":1,"#
                + #""volumeID":"vol-0123456789abcdef0","volumeSizeGiB":7}"#)
        #expect(try SnapshotDescription(json: json) == description)
        let newer = json.replacing("{\"description\"", with: "{\"later\":[1,{}],\"description\"")
        #expect(try SnapshotDescription(json: newer) == description)
        for (old, new) in [
            ("\"version\":1", "\"version\":2"), ("\"version\":1", "\"version\":\"1\""), ("\"version\":1,", ""),
            ("1700000000123", "-1"), ("1700000000123", "253402300800000"), ("GiB\":7", "GiB\":0"),
            ("GiB\":7", "GiB\":65537"), ("\"vol-", "\"vel-"), ("{\"desc", "{\"desk"), ("{\"Name\":\"n\"}", "[]"),
            ("}", ""),
        ] {
            #expect(throws: MalformedDescription.self, "\(new)") {
                try SnapshotDescription(json: json.replacing(old, with: new))
            }
        }
    }
}

extension TestRegion {
    func objectCount() async throws -> Int {
        var count = 0
        try await driver.region.effects.snapshots.forEachName { _ in count += 1 }
        return count
    }

    func blockName(_ block: Int, of id: SnapshotID) async throws -> Digest {
        let content = try #require(await driver.region.state.snapshots.snapshots[id]?.content)
        let store = await driver.region.effects.snapshots
        return try #require(try SnapshotSource(store, try store.manifest(content.manifest)).blockName(block))
    }

    func objectPath(_ name: Digest) -> FilePath {
        directory.appending("snapshots/objects/\(name.hex.prefix(2))/\(name.hex.dropFirst(2))")
    }

    /// Changes a byte of a block in the store.
    func damage(block: Int, of id: SnapshotID) async throws {
        let file = try FileDescriptor.openFile(objectPath(try await blockName(block, of: id)), .readWrite)
        defer { file.closeIgnoringErrors() }
        try unsafe file.writeAll([UInt8(0xAA)].span.bytes, at: 1_000)
    }
}
