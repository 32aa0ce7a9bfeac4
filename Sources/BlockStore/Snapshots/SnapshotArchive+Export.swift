import Platform
public import SystemPackage

extension SnapshotStore {
    /// Writes a snapshot into a file; one that an interrupted export of the same left goes on after what is whole.
    /// Anything else in the file is replaced. Durable when it returns.
    ///
    /// - Parameters:
    ///   - description: what the importer is to know; JSON, at most 1 MiB.
    ///   - progress: called with the file's bytes so far, after each record.
    public func export(
        _ manifest: Digest, description: String, to file: FileDescriptor, progress: (Int64) throws -> Void = { _ in }
    ) throws {
        let head = SnapshotArchive.Head(manifest: manifest, description: description)
        precondition(description.utf8.count <= SnapshotArchive.maximumDescriptionBytes, "a description is short")
        var writer = ArchiveWriter(file)
        try writer.begin(head.encoded)
        let whole = try self.manifest(manifest)
        for entry in whole.segments {
            let segment = try segment(entry.name)
            for case let name? in segment.names {
                try writer.writeBlock(name, from: self)
                try progress(writer.position)
            }
            try writer.write(.segment, entry.name, segment.encoded)
        }
        try writer.write(.manifest, manifest, whole.encoded)
        try writer.write(.end, manifest, [])
        try writer.finish()
        try progress(writer.position)
    }
}

/// Writes records, or passes over those that are there already.
private struct ArchiveWriter: ~Copyable {
    private let file: FileDescriptor
    private(set) var position: Int64 = 0
    /// Whether what the file holds may still be the same.
    private var isSame = true
    private let buffer = BlockBuffer()

    init(_ file: FileDescriptor) { self.file = file }

    mutating func begin(_ head: [UInt8]) throws(Errno) { try put(head) }

    mutating func write(_ kind: SnapshotArchive.RecordKind, _ name: Digest, _ bytes: [UInt8]) throws(Errno) {
        try put(SnapshotArchive.recordHead(kind, count: bytes.count, name) + bytes)
    }

    mutating func writeBlock(_ name: Digest, from store: SnapshotStore) throws {
        let count = Int(VolumeBlock.bytes)
        let head = SnapshotArchive.recordHead(.block, count: count, name)
        if isSame, try holds(head), try holdsBlock(name, at: position + Int64(head.count)) {
            position += Int64(head.count + count)
            return
        }
        try put(head)
        try buffer.fill { (span) throws(SnapshotStoreError) in try store.readBlock(name, into: &span) }
        isSame = false
        try buffer.withBytes(0..<count) { [file, position] (bytes) throws(Errno) in
            try file.writeAll(bytes, at: position)
        }
        position += Int64(count)
    }

    mutating func finish() throws(Errno) {
        try file.setLength(position)
        try file.synchronize()
    }

    private mutating func put(_ bytes: [UInt8]) throws(Errno) {
        if isSame { isSame = try holds(bytes) }
        if !isSame { try unsafe file.writeAll(bytes.span.bytes, at: position) }
        position += Int64(bytes.count)
    }

    private func holds(_ bytes: [UInt8]) throws(Errno) -> Bool {
        try file.bytes(at: position, count: bytes.count) == bytes
    }

    private func holdsBlock(_ name: Digest, at offset: Int64) throws(Errno) -> Bool {
        let count = try buffer.fill { [file] (span) throws(Errno) in
            try file.readAll(into: &span, range: 0..<Int(VolumeBlock.bytes), at: offset)
        }
        return count == Int(VolumeBlock.bytes) && buffer.withBytes(0..<count) { Digest(of: $0) } == name
    }
}
