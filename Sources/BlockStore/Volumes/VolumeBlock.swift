/// The unit in which changes are counted, copied and restored: a snapshot's block.
enum VolumeBlock {
    static let bytes: Int64 = 512 << 10

    /// The most blocks that a volume has: 64 TiB. A map of them takes 16 MiB of address space.
    static let capacity = 1 << 27

    /// How many blocks a volume has; the last may be short.
    static func count(sizeBytes: Int64) -> Int { Int((sizeBytes + bytes - 1) / bytes) }

    /// Where a block lies in a volume.
    static func range(_ index: Int, sizeBytes: Int64) -> Range<Int64> {
        let start = Int64(index) * bytes
        return start..<max(start, min(start + bytes, sizeBytes))
    }
}

/// Which blocks a range of bytes touches, and which of them it covers.
struct BlockSpan: Hashable, Sendable {
    let touched: Range<Int>
    let covered: Range<Int>

    /// Touched in part, before and after those that are covered: two blocks at most.
    var head: Range<Int> { touched.lowerBound..<covered.lowerBound }
    var tail: Range<Int> { covered.upperBound..<touched.upperBound }

    @inline(__always)
    init(offset: Int64, length: Int64, sizeBytes: Int64) {
        let end = offset + length
        let size = VolumeBlock.bytes
        let first = Int(offset / size)
        touched = first..<max(first, Int((end + size - 1) / size))
        let firstCovered = Int((offset + size - 1) / size)
        // The volume's last block may be short, and is covered when its bytes are.
        let endCovered = end == sizeBytes ? touched.upperBound : Int(end / size)
        covered = firstCovered..<max(firstCovered, endCovered)
    }
}
