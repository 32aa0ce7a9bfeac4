// One row's change. A transition of the region is a list of them, applied in order in one transaction.
import BlockStore
import Driver
import GRDB

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

enum CatalogChange: Sendable, Hashable {
    /// The volume's own row; its attachments have theirs.
    case putVolume(VolumeRecord)
    case deleteVolume(VolumeNumber)
    case putAttachment(AttachmentRecord)
    case deleteAttachment(AttachmentNumber)
    case putModification(ModificationRecord)
    case deleteModification(ModificationNumber)
    case putInstance(InstanceRecord)
    case putToken(ClientTokenRecord)
    case deleteToken(String)
    case putCredits(VolumeNumber, CreditBalance)
    case putSnapshot(SnapshotRecord)
    case deleteSnapshot(SnapshotNumber)
    case putSnapshotToken(SnapshotTokenRecord)
    case deleteSnapshotToken(String)
    case putOrigin(VolumeNumber, VolumeOrigin)
    case putFastRestore(FastRestoreRecord)
    case addReferences(ObjectReferences)
    case putPartialTree(PartialTree)
    case deletePartialTree(Digest)
    /// Kept once and for all.
    case putTokenKey(TokenKey)
}

extension CatalogChange {
    func apply(to database: Database) throws {
        switch self {
        case .putVolume(let volume):
            try put(volume, to: database)
        case .deleteVolume(let number):
            try database.run("DELETE FROM credits WHERE volume = ?", [number.rawValue])
            try database.run("DELETE FROM modifications WHERE volume = ?", [number.rawValue])
            try database.run("DELETE FROM volumeOrigins WHERE volume = ?", [number.rawValue])
            try database.run("DELETE FROM volumes WHERE number = ?", [number.rawValue])
        case .putAttachment(let attachment):
            try put(attachment, to: database)
        case .deleteAttachment(let number):
            try database.run("DELETE FROM attachments WHERE number = ?", [number.rawValue])
        case .putModification(let modification):
            try put(modification, to: database)
        case .deleteModification(let number):
            try database.run("DELETE FROM modifications WHERE number = ?", [number.rawValue])
        case .putInstance(let instance):
            try database.run(
                """
                INSERT INTO instances (id, name, zone, type) VALUES (?, ?, ?, ?)
                ON CONFLICT (id) DO UPDATE SET name = excluded.name, type = excluded.type
                """, [instance.id.rawValue, instance.name, instance.zone.rawValue, instance.type?.name])
        case .putToken(let token):
            try database.run(
                "INSERT OR REPLACE INTO clientTokens (token, volume, parameters, time) VALUES (?, ?, ?, ?)",
                [token.token, token.volume.rawValue, token.parameters, token.time.milliseconds])
        case .deleteToken(let token):
            try database.run("DELETE FROM clientTokens WHERE token = ?", [token])
        case .putCredits(let volume, let balance):
            // A volume that is gone by now has no bucket to keep.
            try database.run(
                """
                INSERT OR REPLACE INTO credits (volume, credits, time)
                SELECT number, ?, ? FROM volumes WHERE number = ?
                """, [balance.credits, balance.time.milliseconds, volume.rawValue])
        case .putSnapshot(let snapshot):
            try snapshot.put(to: database)
        case .deleteSnapshot(let number):
            try database.run(
                "DELETE FROM fastRestores WHERE snapshot = (SELECT id FROM snapshots WHERE number = ?)",
                [number.rawValue])
            try database.run("DELETE FROM snapshots WHERE number = ?", [number.rawValue])
        case .putSnapshotToken(let token):
            try token.put(to: database)
        case .deleteSnapshotToken(let token):
            try database.run("DELETE FROM snapshotTokens WHERE token = ?", [token])
        case .putOrigin(let volume, let origin):
            try origin.put(volume, to: database)
        case .putFastRestore(let restore):
            try restore.put(to: database)
        case .addReferences(let references):
            try references.add(to: database)
        case .putPartialTree(let tree):
            try tree.put(to: database)
        case .deletePartialTree(let manifest):
            try database.run("DELETE FROM partialTrees WHERE manifest = ?", [manifest.data])
        case .putTokenKey(let key):
            try key.put(to: database)
        }
    }

    private func put(_ volume: VolumeRecord, to database: Database) throws {
        let specification = volume.specification
        try database.run(
            """
            INSERT INTO volumes (number, id, name, zone, state, type, sizeGiB, iops, throughputMiBps,
                isMultiAttachEnabled, createTime, tags, failure) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (number) DO UPDATE SET name = excluded.name, state = excluded.state, type = excluded.type,
                sizeGiB = excluded.sizeGiB, iops = excluded.iops, throughputMiBps = excluded.throughputMiBps,
                isMultiAttachEnabled = excluded.isMultiAttachEnabled, tags = excluded.tags, failure = excluded.failure
            """,
            [
                volume.number.rawValue, volume.id.rawValue, volume.name, volume.zone.rawValue,
                volume.state.rawValue, specification.type.name, specification.sizeGiB, specification.iops,
                specification.throughputMiBps, volume.isMultiAttachEnabled, volume.createTime.milliseconds,
                try CanonicalJSON.text(volume.tags), volume.failure,
            ])
    }

    private func put(_ modification: ModificationRecord, to database: Database) throws {
        try database.run(
            """
            INSERT INTO modifications (number, volume, original, target, startTime, modifyingMilliseconds,
                optimizingMilliseconds, state, outcomeTime, failure) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (number) DO UPDATE SET state = excluded.state, outcomeTime = excluded.outcomeTime,
                failure = excluded.failure
            """,
            [
                modification.number.rawValue, modification.volume.rawValue,
                try CanonicalJSON.text(modification.original), try CanonicalJSON.text(modification.target),
                modification.startTime.milliseconds, modification.modifyingMilliseconds,
                modification.optimizingMilliseconds, modification.state.rawValue,
                modification.outcomeTime?.milliseconds, modification.failure,
            ])
    }

    private func put(_ attachment: AttachmentRecord, to database: Database) throws {
        try database.run(
            """
            INSERT INTO attachments (number, volume, instance, device, slot, state, attachTime)
            VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (number) DO UPDATE SET state = excluded.state
            """,
            [
                attachment.number.rawValue, attachment.volume.rawValue, attachment.instance.rawValue,
                attachment.device.path, DeviceSlots.slot(attachment.device), attachment.state.rawValue,
                attachment.attachTime.milliseconds,
            ])
    }
}

extension Database {
    func run(_ sql: String, _ arguments: StatementArguments) throws {
        try cachedStatement(sql: sql).execute(arguments: arguments)
    }
}

/// JSON whose text is the same for equal values.
enum CanonicalJSON {
    static func text<Value: Encodable>(_ value: Value) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }
}
