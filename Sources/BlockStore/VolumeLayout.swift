/// How a volume's bytes lie in its parts: all are `partBytes` long but the last, which has the rest. Where a byte
/// lies does not depend on the volume's size, so that a volume can grow while it is used.
struct VolumeLayout: Hashable, Sendable {
    let partBytes: Int64

    func partCount(sizeBytes: Int64) -> Int { Int((sizeBytes + partBytes - 1) / partBytes) }

    /// The length of each part of a volume, in order.
    func lengths(sizeBytes: Int64) -> [Int64] {
        stride(from: 0, to: sizeBytes, by: Int(partBytes)).map { min(partBytes, sizeBytes - $0) }
    }

    /// One part's share of a range.
    struct Piece: Hashable, Sendable {
        var part: Int
        /// In the part.
        var offset: Int64
        var length: Int64
    }

    /// The share that the part at the range's beginning has.
    @inline(__always)
    func firstPiece(offset: Int64, length: Int64) -> Piece {
        let inPart = offset % partBytes
        return Piece(part: Int(offset / partBytes), offset: inPart, length: min(length, partBytes - inPart))
    }
}
