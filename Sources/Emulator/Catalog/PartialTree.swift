// Manifests of which something is counted before they are needed, or still after.
//
// True after every transaction: each of a manifest's first *k* segments has one reference from it, where *k* is what
// the manifest's row here says; without a row all of them when the manifest has a reference, else none. A row is there
// only where nothing else needs the manifest, and is itself a reference of it: so the file that tells what is counted
// stays, and whoever asks what is needed need not know of rows.
import BlockStore
import GRDB

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// A tree that is being counted or taken back, some segments at a time.
struct PartialTree: Hashable, Sendable {
    let manifest: Digest
    /// How many of the manifest's segments, from the first one on, are counted.
    let segmentCount: Int

    func put(to database: Database) throws {
        try database.run(
            "INSERT OR REPLACE INTO partialTrees (manifest, segmentCount) VALUES (?, ?)",
            [manifest.data, segmentCount])
    }
}

extension PartialTree {
    fileprivate init(catalogRow row: Row) throws {
        self.init(manifest: try Digest(catalogData: row["manifest"]), segmentCount: row["segmentCount"])
    }
}

extension Catalog {
    func partialTree(of manifest: Digest) throws -> PartialTree? {
        try reading { database in
            let row = try database.cachedStatement(sql: "SELECT * FROM partialTrees WHERE manifest = ?")
            return try Row.fetchOne(row, arguments: [manifest.data]).map { try PartialTree(catalogRow: $0) }
        }
    }

    /// The first one, in the order of the names, whose manifest nothing else needs and that meets a condition.
    func partialTree(where isMeant: (Digest) -> Bool) throws -> PartialTree? {
        try reading { database in
            let rows = try Row.fetchCursor(
                database,
                sql: """
                    SELECT partialTrees.* FROM partialTrees JOIN objects ON digest = manifest
                    WHERE referenceCount = 1 ORDER BY manifest
                    """)
            while let row = try rows.next() {
                let tree = try PartialTree(catalogRow: row)
                if isMeant(tree.manifest) { return tree }
            }
            return nil
        }
    }

    func partialTrees() throws -> [PartialTree] {
        try reading { database in
            try Row.fetchAll(database, sql: "SELECT * FROM partialTrees ORDER BY manifest")
                .map { try PartialTree(catalogRow: $0) }
        }
    }
}
