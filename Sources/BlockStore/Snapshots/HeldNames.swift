/// Names that must not be removed for now, in little memory: a bit for each of 8 million kinds of names.
///
/// It never forgets a name. It may take one for held that is not, which only puts its removal off.
struct HeldNames: Sendable {
    private static let bitCount: UInt64 = 1 << 23
    private var words: [UInt64] = []
    /// Every name, until it is known which ones.
    var holdsAll = false

    mutating func insert(_ name: Digest) {
        if words.isEmpty { words = Array(repeating: 0, count: Int(Self.bitCount / 64)) }
        let bit = name.prefix % Self.bitCount
        words[Int(bit / 64)] |= 1 << (bit % 64)
    }

    func mayHold(_ name: Digest) -> Bool {
        if holdsAll { return true }
        if words.isEmpty { return false }
        let bit = name.prefix % Self.bitCount
        return words[Int(bit / 64)] >> (bit % 64) & 1 == 1
    }
}
