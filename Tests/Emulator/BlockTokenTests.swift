// Tokens of blocks and pages: each is good for one thing, for a while, and nothing else is one.
import Driver
import Platform
import Testing

@testable import Emulator

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

@Suite struct BlockTokenTests {
    private let tokens = BlockTokens(.made(from: SeededRandom(seed: 1)))
    private let expiry = Date(milliseconds: 1_800_000_000_123)
    private let index = SnapshotBlockIndex(7)
    private let snapshot: SnapshotID = "snap-0123456789abcdef0"

    private func accepts(
        _ token: String, _ index: SnapshotBlockIndex? = nil, _ snapshot: SnapshotID? = nil, at time: Date? = nil,
        by tokens: BlockTokens? = nil
    ) -> Bool {
        do {
            try (tokens ?? self.tokens).check(
                token, of: index ?? self.index, of: snapshot ?? self.snapshot,
                at: time ?? expiry.adding(milliseconds: -1))
            return true
        } catch {
            #expect(error.code == .validation && error.cause == "INVALID_BLOCK_TOKEN")
            return false
        }
    }

    @Test("a block's token fits that block of that snapshot, until its time is over")
    func block() {
        let token = tokens.token(of: index, of: snapshot, until: expiry)
        #expect(accepts(token))
        #expect(accepts(token, by: BlockTokens(.made(from: SeededRandom(seed: 1)))), "the next process has the key")
        #expect(!accepts(token, at: expiry))
        #expect(!accepts(token, SnapshotBlockIndex(8)))
        #expect(!accepts(token, nil, "snap-0123456789abcdef1"))
        #expect(!accepts(token, by: BlockTokens(.made(from: SeededRandom(seed: 2)))))
        #expect(token.count <= 256 && token.wholeMatch(of: #/[A-Za-z0-9+/=]+/#) != nil)
    }

    @Test("every altered byte of a token is seen, and what is no token")
    func altered() throws {
        let token = tokens.token(of: index, of: snapshot, until: expiry)
        let bytes = try #require(Data(base64Encoded: token))
        for place in bytes.indices {
            for bit in 0..<8 {
                var altered = bytes
                altered[place] ^= 1 << bit
                #expect(!accepts(altered.base64EncodedString()), "byte \(place), bit \(bit)")
            }
        }
        let page = tokens.token(ofPageAt: 7, of: .blocks(of: snapshot), until: expiry)
        for text in ["", "AAAA", "ü", String(token.dropLast()), token + "AAAA", token + token, page] {
            #expect(!accepts(text), "\(text)")
        }
    }

    @Test("a page's token says where its list goes on, and fits no other list")
    func page() throws {
        let lists: [BlockTokens.List] = [
            .blocks(of: snapshot), .blocks(of: "snap-1"), .changes(from: nil, to: snapshot),
            .changes(from: "snap-1", to: snapshot), .changes(from: snapshot, to: "snap-1"),
        ]
        for list in lists {
            let token = tokens.token(ofPageAt: 1 << 26, of: list, until: expiry)
            for other in lists {
                let time = expiry.adding(milliseconds: -1)
                if other == list {
                    #expect(try tokens.pageStart(token, of: other, at: time) == 1 << 26)
                } else {
                    #expect(throws: StorageError.invalidPageToken) {
                        try tokens.pageStart(token, of: other, at: time)
                    }
                }
            }
            #expect(throws: StorageError.invalidPageToken) { try tokens.pageStart(token, of: list, at: expiry) }
        }
    }
}
