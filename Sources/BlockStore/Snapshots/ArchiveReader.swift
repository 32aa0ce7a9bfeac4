import Platform
import SystemPackage

/// Reads records, and takes nothing on trust.
struct ArchiveReader {
    private let file: FileDescriptor

    struct Record {
        let name: Digest
        let bytes: [UInt8]
        let end: Int64
    }

    init(_ file: FileDescriptor) { self.file = file }

    /// The head, and where it ends.
    func head() throws(SnapshotArchiveError) -> (head: SnapshotArchive.Head, end: Int64) {
        let fixed = try bytes(at: 0, count: SnapshotArchive.Head.fixedBytes)
        var reader = ByteReader(fixed)
        guard let magic = reader.take(8), Array(magic) == SnapshotArchive.magic else {
            throw SnapshotArchiveError.foreign
        }
        guard let version = reader.number(UInt32.self) else { throw truncated(0, fixed) }
        guard version == SnapshotArchive.version else { throw SnapshotArchiveError.unknownVersion }
        guard let length = reader.number(UInt32.self), let manifest = reader.take(Digest.byteCount) else {
            throw truncated(0, fixed)
        }
        guard length <= SnapshotArchive.maximumDescriptionBytes, let name = Digest(stored: manifest) else {
            throw SnapshotArchiveError.damaged(atByte: 0)
        }
        let count = fixed.count + Int(length) + Digest.byteCount
        let bytes = try bytes(at: 0, count: count)
        guard bytes.count == count else { throw truncated(0, bytes) }
        let text = bytes[fixed.count..<count - Digest.byteCount]
        let head = SnapshotArchive.Head(manifest: name, description: String(decoding: text, as: UTF8.self))
        guard head.encoded == bytes else { throw SnapshotArchiveError.damaged(atByte: 0) }
        return (head, Int64(count))
    }

    /// The record at a place; `nil` for the end of a whole file.
    func record(at position: Int64, of manifest: Digest) throws(SnapshotArchiveError) -> Record? {
        let head = try bytes(at: position, count: SnapshotArchive.recordHeadBytes)
        var reader = ByteReader(head)
        guard let number = reader.number(UInt32.self), let length = reader.number(UInt32.self),
            let digits = reader.take(Digest.byteCount)
        else { throw truncated(position, head) }
        guard let kind = SnapshotArchive.RecordKind(rawValue: number), let name = Digest(stored: digits),
            kind.lengths.contains(Int(length)), kind != .end || name == manifest
        else { throw SnapshotArchiveError.damaged(atByte: position) }
        if kind == .end { return nil }
        let bytes = try bytes(at: position + Int64(head.count), count: Int(length))
        guard bytes.count == Int(length) else { throw truncated(position + Int64(head.count), bytes) }
        guard unsafe Digest(of: bytes.span.bytes) == name else { throw SnapshotArchiveError.damaged(atByte: position) }
        return Record(name: name, bytes: bytes, end: position + Int64(head.count + bytes.count))
    }

    func isEnd(_ position: Int64) throws(SnapshotArchiveError) -> Bool { try bytes(at: position, count: 1).isEmpty }

    private func bytes(at position: Int64, count: Int) throws(SnapshotArchiveError) -> [UInt8] {
        do throws(Errno) {
            return try file.bytes(at: position, count: count)
        } catch {
            throw .unreadable(atByte: position, error)
        }
    }

    private func truncated(_ position: Int64, _ found: [UInt8]) -> SnapshotArchiveError {
        .truncated(atByte: position + Int64(found.count))
    }
}

extension SnapshotArchive.RecordKind {
    /// How long its bytes may be.
    var lengths: ClosedRange<Int> {
        switch self {
        case .block: Int(VolumeBlock.bytes)...Int(VolumeBlock.bytes)
        case .segment: Segment.encodedBytes(blockCount: 1)...Segment.maximumBytes
        case .manifest: Manifest.encodedBytes(segmentCount: 0)...Manifest.maximumBytes
        case .end: 0...0
        }
    }
}
