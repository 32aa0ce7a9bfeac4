import Crypto

/// What an object of the snapshot store is called: the SHA-256 of its bytes. Never all zeros.
public struct Digest: Hashable, Sendable, Comparable, CustomStringConvertible {
    public static let byteCount = 32

    /// The bytes, eight by eight, the first ones highest.
    private let words: InlineWords

    private struct InlineWords: Hashable, Sendable {
        var first: UInt64 = 0
        var second: UInt64 = 0
        var third: UInt64 = 0
        var fourth: UInt64 = 0
    }

    /// The name that these bytes have.
    public init(of bytes: RawSpan) {
        var hash = SHA256()
        unsafe bytes.withUnsafeBytes { unsafe hash.update(bufferPointer: $0) }
        self = unsafe hash.finalize().withUnsafeBytes { unsafe Digest(Array($0)) }
    }

    public init(_ bytes: [UInt8]) {
        precondition(bytes.count == Self.byteCount && bytes.contains { $0 != 0 }, "a name is 32 bytes, not all zeros")
        words = InlineWords(
            first: Self.word(bytes[0..<8]), second: Self.word(bytes[8..<16]), third: Self.word(bytes[16..<24]),
            fourth: Self.word(bytes[24..<32]))
    }

    /// What a file of names has at a block's place; `nil` where it has none.
    public init?(stored bytes: ArraySlice<UInt8>) {
        guard bytes.contains(where: { $0 != 0 }) else { return nil }
        self.init(Array(bytes))
    }

    /// Nil for what is not 64 lower-case hexadecimal digits.
    public init?(hex: some StringProtocol) {
        let digits = hex.utf8.compactMap(Self.value)
        guard digits.count == hex.utf8.count, digits.count == 2 * Self.byteCount, digits.contains(where: { $0 != 0 })
        else { return nil }
        self.init((0..<Self.byteCount).map { digits[2 * $0] << 4 | digits[2 * $0 + 1] })
    }

    public var bytes: [UInt8] {
        [words.first, words.second, words.third, words.fourth].flatMap { word in
            (0..<8).map { UInt8(truncatingIfNeeded: word >> (56 - 8 * $0)) }
        }
    }

    public var hex: String {
        [words.first, words.second, words.third, words.fourth].map { word in
            let digits = String(word, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }

    public var description: String { hex }

    /// As good as random: the first eight bytes.
    var prefix: UInt64 { words.first }

    public static func < (left: Self, right: Self) -> Bool {
        (left.words.first, left.words.second, left.words.third, left.words.fourth)
            < (right.words.first, right.words.second, right.words.third, right.words.fourth)
    }

    private static func word(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }

    private static func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        default: nil
        }
    }
}
