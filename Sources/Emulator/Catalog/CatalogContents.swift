// Reading the whole catalog, once, at start-up; afterwards the region answers from memory.
import Driver
import GRDB

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

struct CatalogContents: Sendable {
    var volumes: [VolumeRecord]
    var instances: [InstanceRecord]
    var tokens: [ClientTokenRecord]
    var credits: [VolumeNumber: CreditBalance]
    var snapshots: [SnapshotRecord]
    var snapshotTokens: [SnapshotTokenRecord]
    var fastRestores: [FastRestoreRecord]
    /// `nil` until the first token is wanted.
    var blockTokenKey: TokenKey?
    /// The highest numbers ever given; zero for none.
    var lastVolume: Int64
    var lastAttachment: Int64
    var lastModification: Int64
    var lastSnapshot: Int64

    init(reading database: Database) throws {
        var attachments: [Int64: [AttachmentRecord]] = [:]
        let attachmentRows = try Row.fetchCursor(database, sql: "SELECT * FROM attachments ORDER BY number")
        while let row = try attachmentRows.next() {
            let attachment = try AttachmentRecord(catalogRow: row)
            attachments[attachment.volume.rawValue, default: []].append(attachment)
        }
        var modifications: [Int64: [ModificationRecord]] = [:]
        let modificationRows = try Row.fetchCursor(database, sql: "SELECT * FROM modifications ORDER BY number")
        while let row = try modificationRows.next() {
            let modification = try ModificationRecord(catalogRow: row)
            modifications[modification.volume.rawValue, default: []].append(modification)
        }
        let origins = try VolumeOrigin.all(in: database)
        volumes = []
        let volumeRows = try Row.fetchCursor(database, sql: "SELECT * FROM volumes ORDER BY number")
        while let row = try volumeRows.next() {
            var volume = try VolumeRecord(catalogRow: row)
            volume.attachments = attachments[volume.number.rawValue] ?? []
            volume.modifications = modifications[volume.number.rawValue] ?? []
            volume.origin = origins[volume.number]
            volumes.append(volume)
        }
        instances = try Row.fetchAll(database, sql: "SELECT * FROM instances").map(InstanceRecord.init)
        tokens = try Row.fetchAll(database, sql: "SELECT * FROM clientTokens").map(ClientTokenRecord.init)
        let creditRows = try Row.fetchAll(database, sql: "SELECT * FROM credits")
        credits = Dictionary(
            uniqueKeysWithValues: creditRows.map { row in
                (
                    VolumeNumber(row["volume"]),
                    CreditBalance(credits: row["credits"], time: Date(milliseconds: row["time"]))
                )
            })
        snapshots = try SnapshotRecord.all(in: database)
        snapshotTokens = try SnapshotTokenRecord.all(in: database)
        fastRestores = try FastRestoreRecord.all(in: database)
        blockTokenKey = try TokenKey.ofBlocks(in: database)
        lastVolume = try Self.last("volumes", in: database)
        lastAttachment = try Self.last("attachments", in: database)
        lastModification = try Self.last("modifications", in: database)
        lastSnapshot = try Self.last("snapshots", in: database)
    }

    private static func last(_ table: String, in database: Database) throws -> Int64 {
        try Int64.fetchOne(database, sql: "SELECT seq FROM sqlite_sequence WHERE name = ?", arguments: [table]) ?? 0
    }
}

extension VolumeRecord {
    fileprivate init(catalogRow row: Row) throws {
        let tags: String = row["tags"]
        let state: String = row["state"]
        self.init(
            number: VolumeNumber(row["number"]), id: VolumeID(row["id"]), zone: ZoneName(row["zone"]),
            specification: VolumeSpecification(
                type: VolumeType(row["type"]), sizeGiB: row["sizeGiB"], iops: row["iops"],
                throughputMiBps: row["throughputMiBps"]),
            isMultiAttachEnabled: row["isMultiAttachEnabled"], createTime: Date(milliseconds: row["createTime"]),
            tags: tags == "{}"
                ? [:] : try JSONDecoder().decode([String: String].self, from: Data(tags.utf8)),
            state: try known(VolumeLifecycle.State(rawValue: state), state), failure: row["failure"])
    }
}

extension AttachmentRecord {
    fileprivate init(catalogRow row: Row) throws {
        let state: String = row["state"]
        self.init(
            number: AttachmentNumber(row["number"]), volume: VolumeNumber(row["volume"]),
            instance: InstanceID(row["instance"]), device: DeviceName(row["device"]),
            attachTime: Date(milliseconds: row["attachTime"]),
            state: try known(AttachmentLifecycle.State(rawValue: state), state))
    }
}

extension ModificationRecord {
    fileprivate init(catalogRow row: Row) throws {
        let state: String = row["state"]
        let (original, target): (String, String) = (row["original"], row["target"])
        let outcomeTime: Int64? = row["outcomeTime"]
        func configuration(_ text: String) throws -> VolumeModification.Configuration {
            try JSONDecoder().decode(VolumeModification.Configuration.self, from: Data(text.utf8))
        }
        self.init(
            number: ModificationNumber(row["number"]), volume: VolumeNumber(row["volume"]),
            original: try configuration(original), target: try configuration(target),
            startTime: Date(milliseconds: row["startTime"]), modifyingMilliseconds: row["modifyingMilliseconds"],
            optimizingMilliseconds: row["optimizingMilliseconds"],
            state: try known(ModificationLifecycle.State(rawValue: state), state),
            outcomeTime: outcomeTime.map { Date(milliseconds: $0) }, failure: row["failure"])
    }
}

extension InstanceRecord {
    fileprivate init(catalogRow row: Row) {
        let type: String? = row["type"]
        self.init(
            id: InstanceID(row["id"]), name: row["name"], zone: ZoneName(row["zone"]),
            type: type.flatMap(InstanceType.named))
    }
}

extension ClientTokenRecord {
    fileprivate init(catalogRow row: Row) {
        self.init(
            token: row["token"], volume: VolumeID(row["volume"]), parameters: row["parameters"],
            time: Date(milliseconds: row["time"]))
    }
}

/// A word of the catalog that this version must know; the tables' CHECKs keep others out.
func known<Value>(_ value: Value?, _ text: String) throws -> Value {
    guard let value else { throw CatalogDamage(text: text) }
    return value
}

struct CatalogDamage: Error, CustomStringConvertible {
    let text: String
    var description: String { "unknown state '\(text)'" }
}
