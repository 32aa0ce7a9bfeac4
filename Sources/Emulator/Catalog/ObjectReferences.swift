// How many references each object of the snapshot store has.
//
// The counts change together with what refers: a completed snapshot, a deleted one, a volume that is restored. Most of a
// large tree is counted before that, or taken back after it, and a row says how much (`PartialTree`).
// They live in the catalog's file alone, never all in memory: a full TiB has two million blocks.
import BlockStore
import GRDB

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// References that objects gain (positive) or lose (negative) at once.
struct ObjectReferences: Hashable, Sendable {
    let kind: ObjectKind
    var changes: [Digest: Int64] = [:]

    /// An object that comes to no reference loses its row.
    ///
    /// - Throws: when an object would come below none, or be of two kinds; then the counts are not those of what is
    ///   in the store, and the whole transaction is refused.
    func add(to database: Database) throws {
        // In the table's order: each of its pages is written once.
        for (digest, change) in changes.sorted(by: { $0.key < $1.key }) where change != 0 {
            try add(change, to: digest, in: database)
        }
    }

    private func add(_ change: Int64, to digest: Digest, in database: Database) throws {
        let known = try database.cachedStatement(
            sql: "SELECT referenceCount FROM objects WHERE digest = ? AND kind = ?")
        let former = try Int64.fetchOne(known, arguments: [digest.data, kind.rawValue])
        let count = (former ?? 0) + change
        guard count >= 0 else { throw MiscountedObject(kind: kind, referenceCount: count) }
        if former == nil {
            try database.run(
                "INSERT INTO objects (digest, kind, referenceCount) VALUES (?, ?, ?)",
                [digest.data, kind.rawValue, count])
        } else if count == 0 {
            try database.run("DELETE FROM objects WHERE digest = ?", [digest.data])
        } else {
            try database.run("UPDATE objects SET referenceCount = ? WHERE digest = ?", [count, digest.data])
        }
    }
}

/// Somebody gave back a reference that there was not.
struct MiscountedObject: Error, CustomStringConvertible {
    let kind: ObjectKind
    let referenceCount: Int64

    var description: String { "a \(kind.rawValue) of the snapshot store would have \(referenceCount) references" }
}

extension Catalog {
    /// How many references an object has; 0 for one that nothing needs.
    func referenceCount(of digest: Digest) throws -> Int64 {
        try reading { database in
            let count = try database.cachedStatement(sql: "SELECT referenceCount FROM objects WHERE digest = ?")
            return try Int64.fetchOne(count, arguments: [digest.data]) ?? 0
        }
    }

    /// The objects that something needs whose names begin so, a 256th of all, and how many references each has.
    func referenceCounts(beginningWith byte: UInt8) throws -> [Digest: Int] {
        try reading { database in
            let end = byte == .max ? Data(repeating: .max, count: Digest.byteCount + 1) : Data([byte + 1])
            let rows = try Row.fetchCursor(
                database, sql: "SELECT digest, referenceCount FROM objects WHERE digest >= ? AND digest < ?",
                arguments: [Data([byte]), end])
            var counts: [Digest: Int] = [:]
            while let row = try rows.next() { counts[try Digest(catalogData: row["digest"])] = row["referenceCount"] }
            return counts
        }
    }

    /// All objects that something needs, by digest, one after another: not all at once in memory.
    func forEachObject(_ body: (Digest, ObjectKind, _ referenceCount: Int64) throws -> Void) throws {
        try reading { database in
            let rows = try Row.fetchCursor(database, sql: "SELECT * FROM objects ORDER BY digest")
            while let row = try rows.next() {
                let kind: String = row["kind"]
                try body(
                    Digest(catalogData: row["digest"]), known(ObjectKind(rawValue: kind), kind),
                    row["referenceCount"])
            }
        }
    }
}
