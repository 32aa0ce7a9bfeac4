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

/// The unit in which a cut saves what is written over: an eighth of a block, so that a small write waits for little.
enum CutChunk {
    static let bytes: Int64 = 64 << 10

    static let countInBlock = Int(VolumeBlock.bytes / bytes)

    static let capacity = VolumeBlock.capacity * countInBlock

    /// How many chunks a volume has; the last may be short.
    static func count(sizeBytes: Int64) -> Int { Int((sizeBytes + bytes - 1) / bytes) }

    /// The chunks that a range of bytes touches.
    @inline(__always)
    static func touched(offset: Int64, length: Int64) -> Range<Int> {
        Int(offset / bytes)..<Int((offset + length + bytes - 1) / bytes)
    }

    static func block(_ chunk: Int) -> Int { chunk / countInBlock }

    /// The blocks that some chunks lie in.
    static func blocks(_ chunks: Range<Int>) -> Range<Int> {
        block(chunks.lowerBound)..<block(chunks.upperBound + countInBlock - 1)
    }

    /// A block's chunks, among them those beyond the end of a volume whose last block is short.
    static func range(_ block: Int) -> Range<Int> { block * countInBlock..<(block + 1) * countInBlock }

    /// Where some chunks lie in a volume.
    static func bytes(_ chunks: Range<Int>, sizeBytes: Int64) -> Range<Int64> {
        let start = Int64(chunks.lowerBound) * bytes
        return start..<max(start, min(Int64(chunks.upperBound) * bytes, sizeBytes))
    }
}

/// Which blocks a range of bytes touches, which of them it covers, and which chunks it touches.
struct BlockSpan: Hashable, Sendable {
    let touched: Range<Int>
    let covered: Range<Int>
    /// The cuts' chunks that it touches.
    let chunks: Range<Int>

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
        chunks = CutChunk.touched(offset: offset, length: length)
    }
}
