// The keys that tokens are signed with which the region gives out and keeps no record of.
import GRDB
import Platform

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Made when the first token is wanted, and the same ever after, so that tokens outlive the process.
struct TokenKey: Hashable, Sendable {
    private static let byteCount = 32
    private static let purpose = "blocks"

    let bytes: Data

    static func made(from source: any RandomSource) -> TokenKey {
        let words = (0..<byteCount / 8).map { _ in source.next() }
        return TokenKey(
            bytes: Data(words.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) } }))
    }

    func put(to database: Database) throws {
        try database.run("INSERT INTO tokenKeys (purpose, bytes) VALUES (?, ?)", [Self.purpose, bytes])
    }

    /// The key of tokens of blocks, and of pages of them.
    static func ofBlocks(in database: Database) throws -> TokenKey? {
        let bytes = try Data.fetchOne(
            database, sql: "SELECT bytes FROM tokenKeys WHERE purpose = ?", arguments: [purpose])
        return bytes.map { TokenKey(bytes: $0) }
    }
}
