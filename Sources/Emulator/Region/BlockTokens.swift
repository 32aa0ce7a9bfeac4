// Tokens of snapshots' blocks and of pages of them; pure. The region keeps no record of any.
//
// A token says until when it is good, and a page's where it goes on; its signature (HMAC with SHA-256, cut to 16 bytes)
// covers that and what the token is for, which whoever uses it has to say again. So it fits one block of one snapshot,
// or one list, and nothing else; and it is good in the next process too, which has the same key.
//
// Source: EBS User Guide, "Use EBS direct APIs": a block's token is good for 7 days, a page's for 60 minutes; the API's
// reference: at most 256 characters of base64.
import Crypto
import Driver

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

struct BlockTokens: Sendable {
    static let blockLifetimeMilliseconds: Int64 = 7 * 24 * 60 * 60 * 1_000
    static let pageLifetimeMilliseconds: Int64 = 60 * 60 * 1_000
    private static let signatureBytes = 16

    private let key: SymmetricKey

    init(_ key: TokenKey) { self.key = SymmetricKey(data: key.bytes) }

    /// What is listed page by page.
    enum List: Hashable, Sendable {
        case blocks(of: SnapshotID)
        case changes(from: SnapshotID?, to: SnapshotID)

        fileprivate var text: String {
            switch self {
            case .blocks(let id): "blocks \(id)"
            case .changes(let first, let second): "changes \(first?.rawValue ?? "-") \(second)"
            }
        }
    }

    // MARK: Blocks

    func token(of index: SnapshotBlockIndex, of snapshot: SnapshotID, until time: Date) -> String {
        text([time.milliseconds], for: Self.purpose(index, snapshot))
    }

    /// Refuses a token of anything else, an altered one, and one whose time is over.
    func check(
        _ token: String, of index: SnapshotBlockIndex, of snapshot: SnapshotID, at time: Date
    ) throws(StorageError) {
        guard let numbers = numbers(in: token, count: 1, for: Self.purpose(index, snapshot)),
            time.milliseconds < numbers[0]
        else { throw .invalidBlockToken(index, snapshot) }
    }

    private static func purpose(_ index: SnapshotBlockIndex, _ snapshot: SnapshotID) -> String {
        "block \(index) \(snapshot)"
    }

    // MARK: Pages

    /// - Parameter index: the first block of the next page.
    func token(ofPageAt index: Int, of list: List, until time: Date) -> String {
        text([time.milliseconds, Int64(index)], for: list.text)
    }

    /// The first block of the page that a token is for.
    func pageStart(_ token: String, of list: List, at time: Date) throws(StorageError) -> Int {
        guard let numbers = numbers(in: token, count: 2, for: list.text), time.milliseconds < numbers[0] else {
            throw .invalidPageToken
        }
        return Int(numbers[1])
    }

    // MARK: Text

    private func text(_ numbers: [Int64], for purpose: String) -> String {
        let body = numbers.flatMap { number in (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) } }
        return Data(body + signature(of: body, for: purpose)).base64EncodedString()
    }

    /// The numbers of a token for this purpose; `nil` for any other text.
    private func numbers(in token: String, count: Int, for purpose: String) -> [Int64]? {
        guard let data = Data(base64Encoded: token), data.count == 8 * count + Self.signatureBytes else { return nil }
        let (body, signature) = (Array(data.prefix(8 * count)), Array(data.suffix(Self.signatureBytes)))
        guard signature == self.signature(of: body, for: purpose) else { return nil }
        return (0..<count).map { place in
            body[8 * place..<8 * place + 8].reversed().reduce(0) { $0 << 8 | Int64($1) }
        }
    }

    private func signature(of body: [UInt8], for purpose: String) -> [UInt8] {
        let code = HMAC<SHA256>.authenticationCode(for: body + Array(purpose.utf8), using: key)
        return Array(Array(code).prefix(Self.signatureBytes))
    }
}
