import Platform
public import SystemPackage

extension SnapshotWriter {
    /// Takes a snapshot file's objects into the store; those that are there already are not written again, so an
    /// interrupted import goes on quickly. Nothing refers to them until the caller commits the manifest.
    ///
    /// - Parameter progress: called with the file's bytes so far, after each record.
    public func importArchive(
        from file: FileDescriptor, progress: (Int64) throws -> Void = { _ in }
    ) throws -> (manifest: Manifest, description: String) {
        let reader = ArchiveReader(file)
        let (head, start) = try reader.head()
        var position = start
        while let record = try reader.record(at: position, of: head.manifest) {
            _ = unsafe try putObject(record.bytes.span.bytes)
            position = record.end
            try progress(position)
        }
        position += Int64(SnapshotArchive.recordHeadBytes)
        if try !reader.isEnd(position) { throw SnapshotArchiveError.trailing(atByte: position) }
        do throws(SnapshotStoreError) {
            return (try wholeManifest(head.manifest), head.description)
        } catch {
            throw SnapshotArchiveError.incomplete(error)
        }
    }

    /// A manifest all of whose objects are there, and held.
    private func wholeManifest(_ name: Digest) throws(SnapshotStoreError) -> Manifest {
        hold(name)
        let manifest = try store.manifest(name)
        for entry in manifest.segments {
            hold(entry.name)
            let segment = try store.segment(entry.name)
            for case (let place, let block?) in segment.names.enumerated() {
                guard Int(entry.index) * Segment.blockCount + place < manifest.blockCount else {
                    throw .malformed(.segment, entry.name, reason: "a block lies beyond the volume's end")
                }
                hold(block)
                try expectBlock(block)
            }
        }
        return manifest
    }

    private func expectBlock(_ name: Digest) throws(SnapshotStoreError) {
        let size: Int64?
        do throws(Errno) {
            size = try store.files.sizeBytes(of: name)
        } catch {
            throw .failed(.block, name, error)
        }
        if size == nil { throw .missing(.block, name) }
        if size != VolumeBlock.bytes { throw .damaged(.block, name) }
    }
}

/// Reads records, and takes nothing on trust.
private struct ArchiveReader {
    private let file: FileDescriptor

    struct Record {
        let name: Digest
        let bytes: [UInt8]
        let end: Int64
    }

    init(_ file: FileDescriptor) { self.file = file }

    /// The head, and where it ends.
    func head() throws -> (SnapshotArchive.Head, Int64) {
        let fixed = try file.bytes(at: 0, count: SnapshotArchive.Head.fixedBytes)
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
        let bytes = try file.bytes(at: 0, count: count)
        guard bytes.count == count else { throw truncated(0, bytes) }
        let text = bytes[fixed.count..<count - Digest.byteCount]
        let head = SnapshotArchive.Head(manifest: name, description: String(decoding: text, as: UTF8.self))
        guard head.encoded == bytes else { throw SnapshotArchiveError.damaged(atByte: 0) }
        return (head, Int64(count))
    }

    /// The record at a place; `nil` for the end of a whole file.
    func record(at position: Int64, of manifest: Digest) throws -> Record? {
        let head = try file.bytes(at: position, count: SnapshotArchive.recordHeadBytes)
        var reader = ByteReader(head)
        guard let number = reader.number(UInt32.self), let length = reader.number(UInt32.self),
            let digits = reader.take(Digest.byteCount)
        else { throw truncated(position, head) }
        guard let kind = SnapshotArchive.RecordKind(rawValue: number), let name = Digest(stored: digits),
            kind.lengths.contains(Int(length)), kind != .end || name == manifest
        else { throw SnapshotArchiveError.damaged(atByte: position) }
        if kind == .end { return nil }
        let bytes = try file.bytes(at: position + Int64(head.count), count: Int(length))
        guard bytes.count == Int(length) else { throw truncated(position + Int64(head.count), bytes) }
        guard unsafe Digest(of: bytes.span.bytes) == name else { throw SnapshotArchiveError.damaged(atByte: position) }
        return Record(name: name, bytes: bytes, end: position + Int64(head.count + bytes.count))
    }

    func isEnd(_ position: Int64) throws(Errno) -> Bool { try file.bytes(at: position, count: 1).isEmpty }

    private func truncated(_ position: Int64, _ found: [UInt8]) -> SnapshotArchiveError {
        .truncated(atByte: position + Int64(found.count))
    }
}

extension SnapshotArchive.RecordKind {
    /// How long its bytes may be.
    fileprivate var lengths: ClosedRange<Int> {
        switch self {
        case .block: Int(VolumeBlock.bytes)...Int(VolumeBlock.bytes)
        case .segment: 24 + Digest.byteCount...24 + Segment.blockCount * Digest.byteCount
        case .manifest: 32...32 + VolumeBlock.capacity / Segment.blockCount * 40
        case .end: 0...0
        }
    }
}
