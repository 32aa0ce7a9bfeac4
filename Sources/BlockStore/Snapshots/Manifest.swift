/// What a snapshot holds: the volume's size and its segments' names; pure. Its own name stands for all of its bytes.
///
/// Takes 40 bytes for each 32 MiB of the volume that hold anything, never the names of blocks.
public struct Manifest: Hashable, Sendable {
    static let version: UInt32 = 1
    static let magic = Array("ebb-mani".utf8)
    /// 64 TiB of blocks.
    static let maximumSizeBytes = Int64(VolumeBlock.capacity) * VolumeBlock.bytes
    /// As an object, of a volume of that size without a hole.
    static let maximumBytes = encodedBytes(segmentCount: VolumeBlock.capacity / Segment.blockCount)
    private static let headBytes = 32
    private static let entryBytes = 8 + Digest.byteCount

    struct Entry: Hashable, Sendable {
        /// Which 64 blocks of the volume.
        var index: UInt32
        var name: Digest
    }

    public let name: Digest
    public let volumeSizeBytes: Int64
    /// In order; a segment without blocks is none.
    let segments: [Entry]

    init(volumeSizeBytes: Int64, segments: [Entry]) {
        self.volumeSizeBytes = volumeSizeBytes
        self.segments = segments
        let bytes = Self.encode(volumeSizeBytes, segments)
        name = unsafe Digest(of: bytes.span.bytes)
    }

    public var segmentCount: Int { segments.count }
    public var blockCount: Int { VolumeBlock.count(sizeBytes: volumeSizeBytes) }

    func segmentName(_ index: Int) -> Digest? {
        let place = segments.partitioningIndex { Int($0.index) >= index }
        guard place < segments.count, segments[place].index == index else { return nil }
        return segments[place].name
    }

    static func encodedBytes(segmentCount: Int) -> Int { headBytes + segmentCount * entryBytes }

    var encoded: [UInt8] { Self.encode(volumeSizeBytes, segments) }

    private static func encode(_ sizeBytes: Int64, _ segments: [Entry]) -> [UInt8] {
        var bytes = magic
        bytes.append(littleEndian: version)
        bytes.append(littleEndian: UInt32(VolumeBlock.bytes))
        bytes.append(littleEndian: sizeBytes)
        bytes.append(littleEndian: UInt32(Segment.blockCount))
        bytes.append(littleEndian: UInt32(segments.count))
        for segment in segments {
            bytes.append(littleEndian: segment.index)
            bytes.append(littleEndian: UInt32(0))
            bytes += segment.name.bytes
        }
        return bytes
    }

    init(decoding bytes: [UInt8]) throws(MalformedObject) {
        var reader = ByteReader(bytes)
        guard reader.take(8).map({ Array($0) }) == Self.magic else {
            throw MalformedObject(reason: "it is no manifest")
        }
        guard let version = reader.number(UInt32.self), version == Self.version else {
            throw MalformedObject(reason: "its version is not known")
        }
        guard let blockBytes = reader.number(UInt32.self), blockBytes == VolumeBlock.bytes,
            let sizeBytes = reader.number(Int64.self), (1...Self.maximumSizeBytes).contains(sizeBytes),
            let perSegment = reader.number(UInt32.self), perSegment == Segment.blockCount,
            let count = reader.number(UInt32.self), reader.rest == Int(count) * 40
        else { throw MalformedObject(reason: "its head is wrong") }
        let segments = try Self.decodeSegments(&reader, count: Int(count))
        let blocks = VolumeBlock.count(sizeBytes: sizeBytes)
        if let last = segments.last, Int(last.index) > (blocks - 1) / Segment.blockCount {
            throw MalformedObject(reason: "a segment lies beyond the volume's end")
        }
        self.init(volumeSizeBytes: sizeBytes, segments: segments)
    }

    private static func decodeSegments(
        _ reader: inout ByteReader, count: Int
    ) throws(MalformedObject) -> [Entry] {
        var segments: [Entry] = []
        segments.reserveCapacity(count)
        for _ in 0..<count {
            guard let index = reader.number(UInt32.self), reader.number(UInt32.self) == 0, let name = reader.digest(),
                segments.last.map({ $0.index < index }) ?? true
            else { throw MalformedObject(reason: "its segments are not in order") }
            segments.append(Entry(index: index, name: name))
        }
        return segments
    }
}

extension Array {
    /// The first place whose element, and so every later one, belongs to the second part.
    fileprivate func partitioningIndex(where belongs: (Element) -> Bool) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if belongs(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
