// The rows of snapshots, of their tokens, and of what volumes were made from.
import BlockStore
import Driver
import GRDB

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

extension SnapshotRecord {
    func put(to database: Database) throws {
        try database.run(
            """
            INSERT INTO snapshots (number, id, name, region, origin, source, timeoutMinutes, sizeGiB, startTime,
                description, tags, state, isDeletionWanted, base, manifest, fullSizeBytes, endTime, failure, lineage)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (number) DO UPDATE SET name = excluded.name, tags = excluded.tags, state = excluded.state,
                isDeletionWanted = excluded.isDeletionWanted, base = excluded.base, manifest = excluded.manifest,
                fullSizeBytes = excluded.fullSizeBytes, endTime = excluded.endTime, failure = excluded.failure
            """,
            [
                number.rawValue, id.rawValue, name, region, origin.word, origin.sourceID, origin.timeoutMinutes,
                sizeGiB,
                startTime.milliseconds, text, try CanonicalJSON.text(tags), state.rawValue, isDeletionWanted,
                base?.data, content?.manifest.data, content?.fullSizeBytes, endTime?.milliseconds, failure,
                inheritedLineage,
            ])
    }

    static func all(in database: Database) throws -> [Self] {
        var records: [Self] = []
        let rows = try Row.fetchCursor(database, sql: "SELECT * FROM snapshots ORDER BY number")
        while let row = try rows.next() { records.append(try Self(catalogRow: row)) }
        return records
    }

    private init(catalogRow row: Row) throws {
        let (state, tags): (String, String) = (row["state"], row["tags"])
        let (base, manifest): (Data?, Data?) = (row["base"], row["manifest"])
        let endTime: Int64? = row["endTime"]
        self.init(
            number: SnapshotNumber(row["number"]), id: SnapshotID(row["id"]), region: row["region"],
            origin: try SnapshotOrigin(catalogRow: row), sizeGiB: row["sizeGiB"],
            startTime: Date(milliseconds: row["startTime"]), text: row["description"],
            tags: try JSONDecoder().decode([String: String].self, from: Data(tags.utf8)),
            state: try known(Snapshot.State(rawValue: state), state),
            isDeletionWanted: row["isDeletionWanted"], base: try base.map(Digest.init(catalogData:)),
            content: try manifest.map {
                SnapshotContent(manifest: try Digest(catalogData: $0), fullSizeBytes: row["fullSizeBytes"])
            },
            endTime: endTime.map { Date(milliseconds: $0) }, failure: row["failure"], inheritedLineage: row["lineage"])
    }
}

extension SnapshotOrigin {
    fileprivate var word: String {
        switch self {
        case .volume: "volume"
        case .copy: "copy"
        case .blocks: "blocks"
        case .imported: "imported"
        }
    }

    fileprivate var timeoutMinutes: Int? {
        guard case .blocks(_, let minutes) = self else { return nil }
        return minutes
    }

    fileprivate init(catalogRow row: Row) throws {
        let word: String = row["origin"]
        let source: String? = row["source"]
        switch word {
        case "volume": self = .volume(VolumeID(try known(source, word)))
        case "copy": self = .copy(of: SnapshotID(try known(source, word)))
        case "imported": self = .imported(VolumeID(try known(source, word)))
        case "blocks":
            let minutes: Int? = row["timeoutMinutes"]
            self = .blocks(parent: source.map { SnapshotID($0) }, timeoutMinutes: try known(minutes, word))
        default: throw CatalogDamage(text: word)
        }
    }
}

extension SnapshotTokenRecord {
    func put(to database: Database) throws {
        try database.run(
            "INSERT OR REPLACE INTO snapshotTokens (token, snapshots, parameters, time) VALUES (?, ?, ?, ?)",
            [token, snapshots.map(\.rawValue).joined(separator: " "), parameters, time.milliseconds])
    }

    static func all(in database: Database) throws -> [Self] {
        try Row.fetchAll(database, sql: "SELECT * FROM snapshotTokens ORDER BY token").map { row in
            let snapshots: String = row["snapshots"]
            return Self(
                token: row["token"], snapshots: snapshots.split(separator: " ").map { SnapshotID(String($0)) },
                parameters: row["parameters"], time: Date(milliseconds: row["time"]))
        }
    }
}

extension VolumeOrigin {
    func put(_ volume: VolumeNumber, to database: Database) throws {
        var (snapshot, sourceVolume): (String?, String?)
        switch source {
        case .snapshot(let id): snapshot = id.rawValue
        case .volume(let id): sourceVolume = id.rawValue
        }
        try database.run(
            """
            INSERT INTO volumeOrigins (volume, snapshot, sourceVolume, manifest, isRestored, initializationRateMiBps,
                isFastRestored, lineage) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (volume) DO UPDATE SET manifest = excluded.manifest, isRestored = excluded.isRestored
            """,
            [
                volume.rawValue, snapshot, sourceVolume, manifest?.data, isRestored, initializationRateMiBps,
                isFastRestored, lineage,
            ])
    }

    static func all(in database: Database) throws -> [VolumeNumber: Self] {
        var origins: [VolumeNumber: Self] = [:]
        let rows = try Row.fetchCursor(database, sql: "SELECT * FROM volumeOrigins")
        while let row = try rows.next() { origins[VolumeNumber(row["volume"])] = try Self(catalogRow: row) }
        return origins
    }

    private init(catalogRow row: Row) throws {
        let (snapshot, sourceVolume): (String?, String?) = (row["snapshot"], row["sourceVolume"])
        let manifest: Data? = row["manifest"]
        let source =
            snapshot.map { Source.snapshot(SnapshotID($0)) }
            ?? sourceVolume.map { Source.volume(VolumeID($0)) }
        self.init(
            source: try known(source, "no origin"), manifest: try manifest.map(Digest.init(catalogData:)),
            isRestored: row["isRestored"], initializationRateMiBps: row["initializationRateMiBps"],
            isFastRestored: row["isFastRestored"], lineage: row["lineage"])
    }
}

extension FastRestoreRecord {
    func put(to database: Database) throws {
        try database.run(
            """
            INSERT OR REPLACE INTO fastRestores (snapshot, zone, enableTime, enablingMilliseconds,
                optimizingMilliseconds, disablingMilliseconds, disableTime, snapshotGiB, creditUnits, creditTime)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                snapshot.rawValue, zone.rawValue, enableTime.milliseconds, enablingMilliseconds, optimizingMilliseconds,
                disablingMilliseconds, disableTime?.milliseconds, credits.snapshotGiB, credits.units,
                credits.time.milliseconds,
            ])
    }

    static func all(in database: Database) throws -> [Self] {
        try Row.fetchAll(database, sql: "SELECT * FROM fastRestores ORDER BY snapshot, zone").map { row in
            let disableTime: Int64? = row["disableTime"]
            return Self(
                snapshot: SnapshotID(row["snapshot"]), zone: ZoneName(row["zone"]),
                enableTime: Date(milliseconds: row["enableTime"]), enablingMilliseconds: row["enablingMilliseconds"],
                optimizingMilliseconds: row["optimizingMilliseconds"],
                disablingMilliseconds: row["disablingMilliseconds"],
                disableTime: disableTime.map { Date(milliseconds: $0) },
                credits: FastRestoreCredits(
                    snapshotGiB: row["snapshotGiB"], units: row["creditUnits"],
                    since: Date(milliseconds: row["creditTime"])))
        }
    }
}

extension Digest {
    var data: Data { Data(bytes) }

    init(catalogData data: Data) throws {
        let digest = data.count == Self.byteCount ? Self(stored: Array(data)[...]) : nil
        self = try known(digest, "a digest of \(data.count) bytes")
    }
}
