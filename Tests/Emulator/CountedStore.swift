// What the counts of a store must be, worked out anew from the catalog's rows and the objects' files alone: by the
// format's description (docs/format.md), without the code that counts.
import BlockStore
import Foundation
import GRDB
import Synchronization
import SystemPackage
import Testing

@testable import Emulator

final class CountedStore: Sendable {
    private let directory: FilePath
    /// What objects name, also of those that are gone: a name stands for the same bytes for ever.
    private let named = Mutex<[Data: [Data]]>([:])

    /// - Parameter directory: of the region.
    init(_ directory: FilePath) { self.directory = directory.appending("snapshots/objects") }

    /// Looks at everything as it is between two transactions.
    func check(_ catalog: Catalog, _ comment: Comment) throws {
        let (recorded, needs, partial) = try catalog.reading { database in
            (
                try pairs("SELECT digest, referenceCount FROM objects", in: database),
                try Data.fetchAll(
                    database,
                    sql: """
                        SELECT manifest FROM snapshots WHERE manifest IS NOT NULL
                        UNION ALL SELECT base FROM snapshots WHERE base IS NOT NULL
                        UNION ALL SELECT manifest FROM volumeOrigins WHERE NOT isRestored
                        """),
                try pairs("SELECT manifest, segmentCount FROM partialTrees", in: database)
            )
        }
        #expect(needs.allSatisfy { partial[$0] == nil }, comment)
        var counts: [Data: Int] = [:]
        for manifest in needs + partial.keys { counts[manifest, default: 0] += 1 }
        var segments: [Data: Int] = [:]
        for manifest in counts.keys {
            let all = try names(in: manifest)
            for segment in all.prefix(partial[manifest] ?? all.count) { segments[segment, default: 0] += 1 }
        }
        counts.merge(segments) { _, _ in fatalError("a manifest is no segment") }
        for segment in segments.keys {
            for block in try names(in: segment) { counts[block, default: 0] += 1 }
        }
        #expect(recorded == counts, comment)
        #expect(recorded.keys.allSatisfy { FileManager.default.fileExists(atPath: path(of: $0)) }, comment)
    }

    private func pairs(_ sql: String, in database: Database) throws -> [Data: Int] {
        let rows = try Row.fetchAll(database, sql: sql)
        return Dictionary(uniqueKeysWithValues: rows.map { ($0[0] as Data, $0[1] as Int) })
    }

    private func names(in object: Data) throws -> [Data] {
        if let known = named.withLock({ $0[object] }) { return known }
        let bytes = try Data(contentsOf: URL(filePath: path(of: object)))
        let (head, step) = bytes.prefix(8) == Data("ebb-mani".utf8) ? (32 + 8, 40) : (24, 32)
        let names = stride(from: head, to: bytes.count, by: step).map { Data(bytes[$0..<$0 + 32]) }
        named.withLock { $0[object] = names }
        return names
    }

    private func path(of object: Data) -> String {
        let hex = object.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        return directory.appending("\(hex.prefix(2))/\(hex.dropFirst(2))").string
    }
}

extension TestRegion {
    /// Once the background is done, nothing is counted, and nothing is there.
    func expectEmptyStore(_ comment: Comment) async throws {
        try await driver.finishSnapshotWork()
        let effects = await driver.region.effects
        try effects.catalog.forEachObject { name, _, _ in Issue.record("\(name) is counted: \(comment)") }
        try effects.snapshots.forEachName { Issue.record("\($0) is there: \(comment)") }
        #expect(try effects.catalog.partialTrees() == [], comment)
    }
}
