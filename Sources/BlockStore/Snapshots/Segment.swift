/// The names of up to 64 blocks that follow one another, as one object; pure. Its bytes are written down in
/// `docs/format.md`. Equal blocks make equal bytes, so what did not change is shared between snapshots.
struct Segment: Hashable, Sendable {
    static let blockCount = 64
    static let version: UInt32 = 1
    static let magic = Array("ebb-segm".utf8)
    private static let headBytes = 24
    static let maximumBytes = encodedBytes(blockCount: blockCount)

    /// A place for each block; `nil` where it reads as zeros.
    private(set) var names: [Digest?]

    init() { names = Array(repeating: nil, count: Self.blockCount) }

    var isEmpty: Bool { names.allSatisfy { $0 == nil } }

    subscript(place: Int) -> Digest? {
        get { names[place] }
        set { names[place] = newValue }
    }

    /// Which segment of a volume a block is in, and where in it.
    static func place(of block: Int) -> (segment: Int, place: Int) {
        (block / blockCount, block % blockCount)
    }

    var encoded: [UInt8] {
        let present = names.compactMap { $0 }
        var bytes = Self.magic
        bytes.append(littleEndian: Self.version)
        bytes.append(littleEndian: UInt32(present.count))
        bytes.append(littleEndian: presence)
        for name in present { bytes += name.bytes }
        return bytes
    }

    static func encodedBytes(blockCount: Int) -> Int { headBytes + blockCount * Digest.byteCount }

    /// How many blocks a segment has whose bytes are so many.
    static func blockCount(encodedBytes: Int64) -> Int { (Int(encodedBytes) - headBytes) / Digest.byteCount }

    private var presence: UInt64 {
        names.indices.reduce(0) { $0 | (names[$1] == nil ? 0 : 1 << UInt64($1)) }
    }

    init(decoding bytes: [UInt8]) throws(MalformedObject) {
        self.init()
        var reader = ByteReader(bytes)
        guard reader.take(8).map({ Array($0) }) == Self.magic else { throw MalformedObject(reason: "it is no segment") }
        guard let version = reader.number(UInt32.self), version == Self.version else {
            throw MalformedObject(reason: "its version is not known")
        }
        guard let count = reader.number(UInt32.self), let presence = reader.number(UInt64.self),
            presence.nonzeroBitCount == count, count > 0, reader.rest == Int(count) * Digest.byteCount
        else { throw MalformedObject(reason: "its length is wrong") }
        for place in 0..<Self.blockCount where presence >> UInt64(place) & 1 == 1 {
            guard let name = reader.digest() else { throw MalformedObject(reason: "a name is all zeros") }
            names[place] = name
        }
    }
}
