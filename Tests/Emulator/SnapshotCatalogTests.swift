// The catalog's rows of snapshots: what is kept, what is refused, and how references are counted.
import BlockStore
import Driver
import GRDB
import SystemPackage
import TestSupport
import Testing

@testable import Emulator

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

@Suite struct SnapshotCatalogTests {
    private func withCatalog<Result: Sendable>(
        in directory: FilePath, _ body: (Catalog) async throws -> Result
    ) async throws -> Result {
        let catalog = try Catalog(path: directory.appending("catalog.sqlite"))
        let result = try await body(catalog)
        try catalog.close()
        return result
    }

    private func withCatalog<Result: Sendable>(_ body: (Catalog) async throws -> Result) async throws -> Result {
        try await withTemporaryDirectory { try await withCatalog(in: $0, body) }
    }

    private func references(_ kind: ObjectKind, _ changes: [UInt8: Int64]) -> CatalogChange {
        var references = ObjectReferences(kind: kind)
        for (byte, change) in changes { references.changes[Sample.digest(byte)] = change }
        return .addReferences(references)
    }

    /// One snapshot of each origin and state.
    private func snapshots() throws -> [SnapshotRecord] {
        var completed = Sample.snapshot(1, tags: [Tag.name: "nightly", "quote\"": "ü,=\n"])
        _ = try completed.apply(
            .copied(
                SnapshotContent(manifest: Sample.digest(9), fullSizeBytes: 5 << 19),
                at: Sample.start.adding(milliseconds: 1_001)))
        var failed = Sample.snapshot(2, origin: .copy(of: completed.id), region: "eu-west-1")
        _ = try failed.apply(.failed(at: Sample.start, reason: "no space left"))
        var leaving = Sample.snapshot(3, origin: .blocks(parent: completed.id, timeoutMinutes: 10))
        _ = try leaving.apply(.deletionBegan)
        leaving.base = Sample.digest(8)
        return [
            completed, failed, leaving, Sample.snapshot(4, origin: .blocks(parent: nil, timeoutMinutes: 60)),
            Sample.snapshot(5, origin: .imported("vol-00000001")),
        ]
    }

    @Test("snapshots, tokens and origins are read back, each field as it was")
    func roundTrip() async throws {
        let expected = try snapshots()
        let token = SnapshotTokenRecord(
            token: "t", snapshots: expected.map(\.id).reversed(), parameters: "{}", time: Sample.start)
        let volume = Sample.volume()
        var origin = VolumeOrigin(
            source: .snapshot(expected[0].id), manifest: Sample.digest(9), initializationRateMiBps: 300,
            isFastRestored: true)
        try await withTemporaryDirectory { directory in
            try await withCatalog(in: directory) { catalog in
                try await catalog.commit(
                    expected.map { .putSnapshot($0) }
                        + [.putSnapshotToken(token), .putVolume(volume), .putOrigin(volume.number, origin)])
            }
            try await withCatalog(in: directory) { catalog in
                let contents = try catalog.contents()
                #expect(contents.snapshots == expected)
                #expect(contents.snapshotTokens == [token])
                #expect(contents.volumes.map(\.origin) == [origin])
                #expect(contents.lastSnapshot == 5)
                origin.isRestored = true
                try await catalog.commit([
                    .putOrigin(volume.number, origin), .deleteSnapshotToken("t"), .deleteSnapshot(SnapshotNumber(5)),
                ])
                #expect(try catalog.contents().volumes.map(\.origin) == [origin])
                try await catalog.commit([.deleteVolume(volume.number)])
                let left = try catalog.contents()
                #expect(try catalog.reading { try VolumeOrigin.all(in: $0) }.isEmpty)
                #expect(left.snapshotTokens.isEmpty)
                #expect(left.snapshots == expected.dropLast())
                #expect(left.lastSnapshot == 5, "a number is never used again")
            }
        }
    }

    @Test("fast restores are read back with their credits, and go with their snapshot")
    func fastRestores() async throws {
        let snapshot = Sample.snapshot(1, sizeGiB: 200)
        var restore = FastRestoreRecord(snapshot, zone: "us-east-1b", at: Sample.start, FastRestorePolicy())
        let isSpent = restore.spend(at: Sample.start.adding(milliseconds: 3_600_000))
        #expect(isSpent)
        try await withCatalog { catalog in
            try await catalog.commit([.putSnapshot(snapshot), .putFastRestore(restore)])
            #expect(try catalog.contents().fastRestores == [restore])
            restore.disable(at: Sample.start.adding(milliseconds: 7_200_000))
            try await catalog.commit([.putFastRestore(restore)])
            #expect(try catalog.contents().fastRestores == [restore])
            try await catalog.commit([.deleteSnapshot(snapshot.number)])
            #expect(try catalog.contents().fastRestores.isEmpty)
        }
    }

    @Test("a pending snapshot's row becomes that of the completed one")
    func completes() async throws {
        var snapshot = Sample.snapshot(7)
        try await withCatalog { catalog in
            try await catalog.commit([.putSnapshot(snapshot)])
            _ = try snapshot.apply(
                .copied(SnapshotContent(manifest: Sample.digest(2), fullSizeBytes: 0), at: Sample.start))
            snapshot.tags[Tag.name] = "later"
            try await catalog.commit([.putSnapshot(snapshot), references(.manifest, [2: 1])])
            #expect(try catalog.contents().snapshots == [snapshot])
            #expect(try catalog.referenceCount(of: Sample.digest(2)) == 1)
        }
    }

    @Test("a name is one snapshot's in a region, and free in another")
    func names() async throws {
        try await withCatalog { catalog in
            let tags = [Tag.name: "nightly"]
            try await catalog.commit([
                .putSnapshot(Sample.snapshot(1, tags: tags)),
                .putSnapshot(Sample.snapshot(2, tags: tags, region: "eu-west-1")),
            ])
            await #expect(throws: StorageError.self) {
                try await catalog.commit([.putSnapshot(Sample.snapshot(3, tags: tags))])
            }
        }
    }

    @Test("references add up, and an object that comes to none is gone")
    func counts() async throws {
        try await withCatalog { catalog in
            try await catalog.commit([references(.block, [1: 2, 2: 1, 3: 0]), references(.segment, [4: 1])])
            try await catalog.commit([references(.block, [1: 3, 2: -1])])
            let counts = try [1, 2, 3, 4].map { try catalog.referenceCount(of: Sample.digest($0)) }
            #expect(counts == [5, 0, 0, 1])
            #expect(try catalog.referenceCounts(beginningWith: 4) == [Sample.digest(4): 1])
            #expect(try catalog.referenceCounts(beginningWith: 255).isEmpty)
            try await catalog.commit([references(.block, [255: 1])])
            #expect(try catalog.referenceCounts(beginningWith: 255) == [Sample.digest(255): 1])
            try await catalog.commit([references(.block, [255: -1])])
            var seen: [Digest: ObjectKind] = [:]
            try catalog.forEachObject { digest, kind, _ in seen[digest] = kind }
            #expect(seen == [Sample.digest(1): .block, Sample.digest(4): .segment])
        }
    }

    @Test("a count below none, or an object of two kinds, refuses the whole transaction")
    func miscounts() async throws {
        try await withCatalog { catalog in
            try await catalog.commit([references(.block, [1: 1])])
            for wrong in [
                references(.block, [1: -2]), references(.block, [8: -1]),
                references(.manifest, [1: 1]),
            ] {
                await #expect(throws: StorageError.self) {
                    try await catalog.commit([.putSnapshot(Sample.snapshot(1)), wrong])
                }
            }
            #expect(try catalog.contents().snapshots.isEmpty)
            #expect(try catalog.referenceCount(of: Sample.digest(1)) == 1)
        }
    }

    @Test("origins of an earlier version are kept, and a copy that is being made has no manifest yet")
    func migratesOrigins() async throws {
        let volume = Sample.volume()
        var origin = VolumeOrigin(source: .volume("vol-00000000000000002"), lineage: "vol-00000000000000002")
        try await withTemporaryDirectory { directory in
            let older = try DatabaseQueue(path: directory.appending("catalog.sqlite").string)
            try CatalogSchema.migrator.migrate(older, upTo: "6: lineages of snapshots, keys of tokens")
            try await older.write { [origin] database in
                try database.execute(
                    sql:
                        "INSERT INTO volumes VALUES (1, ?, '', 'us-east-1b', 'available', 'gp3', 8, NULL, NULL, 0, ?, '{}')",
                    arguments: [volume.id.rawValue, volume.createTime.milliseconds])
                try database.execute(
                    sql: "INSERT INTO volumeOrigins VALUES (1, NULL, ?, ?, 0, NULL, 0, ?)",
                    arguments: [origin.volumeID?.rawValue, Sample.digest(1).data, origin.lineage])
            }
            try older.close()
            try await withCatalog(in: directory) { catalog in
                let kept = try #require(try catalog.contents().volumes.first)
                #expect(kept.origin?.manifest == Sample.digest(1) && kept.origin?.lineage == origin.lineage)
                #expect(kept.state == .available && kept.failure == nil)
                var copy = volume
                copy.origin = origin
                copy.giveUp("no space left")
                try await catalog.commit(copy.ownRows)
                #expect(try catalog.contents().volumes == [copy])
                origin.manifest = Sample.digest(2)
                try await catalog.commit([.putOrigin(volume.number, origin)])
                #expect(try catalog.contents().volumes.first?.origin == origin)
            }
        }
    }

    @Test("a catalog of the version before keeps what it has and gets the new tables")
    func migrates() async throws {
        try await withTemporaryDirectory { directory in
            let older = try DatabaseQueue(path: directory.appending("catalog.sqlite").string)
            try CatalogSchema.migrator.migrate(older, upTo: "3: credits, types of instances")
            try await older.write { database in
                let volume = Sample.volume()
                try database.execute(
                    sql:
                        "INSERT INTO volumes VALUES (1, ?, '', 'us-east-1b', 'available', 'gp3', 8, NULL, NULL, 0, ?, '{}')",
                    arguments: [volume.id.rawValue, volume.createTime.milliseconds])
            }
            try older.close()
            try await withCatalog(in: directory) { catalog in
                let contents = try catalog.contents()
                #expect(contents.volumes == [Sample.volume()])
                #expect(contents.snapshots.isEmpty)
                #expect(contents.lastSnapshot == 0)
            }
        }
    }
}
