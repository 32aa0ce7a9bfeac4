import Platform
public import SystemPackage

extension SnapshotStore {
    /// Writes a snapshot into a file; one that an interrupted export of the same left goes on after what is whole, and
    /// what follows that is cut off. Durable when it returns.
    ///
    /// The end is written when everything before it is durable. So a file that has its end is whole, also after a loss
    /// of power, and one that is not whole has none.
    ///
    /// - Parameters:
    ///   - description: what the importer is to know; JSON, at most 1 MiB.
    ///   - progress: called after each record, and before the end when all else is durable.
    /// - Throws: `UnreadableSnapshotPart` for what the store does not have, `Errno` of the file.
    public func export(
        _ manifest: Digest, description: String, to file: FileDescriptor,
        progress: (SnapshotArchive.Progress) throws -> Void = { _ in }
    ) throws {
        precondition(description.utf8.count <= SnapshotArchive.maximumDescriptionBytes, "a description is short")
        var writer = ArchiveWriter(file)
        try writer.begin(SnapshotArchive.Head(manifest: manifest, description: description).encoded)
        try progress(writer.progress)
        let whole = try wholeManifest(manifest)
        try forEachSegment(of: whole) { entry, segment in
            for case (let place, let name?) in segment.names.enumerated() {
                try writer.writeBlock(name, at: whole.blocks(of: entry).lowerBound + place, from: self)
                try progress(writer.progress)
            }
            try writer.write(.segment, entry.name, segment.encoded)
            try progress(writer.progress)
        }
        try writer.write(.manifest, manifest, whole.encoded)
        try writer.makeDurable()
        try progress(writer.progress)
        try writer.write(.end, manifest, [])
        try writer.finish()
        try progress(writer.progress)
    }

    /// How long a snapshot's file is when it is whole.
    ///
    /// - Parameter blockCount: how many blocks the manifest has, those that are the same counted as often.
    /// - Throws: `UnreadableSnapshotPart`.
    public func archiveBytes(of manifest: Digest, blockCount: Int, description: String) throws -> Int64 {
        let segmentCount = try wholeManifest(manifest).segments.count
        let head = Int64(SnapshotArchive.Head.fixedBytes + description.utf8.count + Digest.byteCount)
        // Besides them the manifest's record, and the end.
        let recordHeads = Int64((blockCount + segmentCount + 2) * SnapshotArchive.recordHeadBytes)
        let segments = segmentCount * Segment.encodedBytes(blockCount: 0) + blockCount * Digest.byteCount
        return head + recordHeads + Int64(blockCount) * VolumeBlock.bytes
            + Int64(segments + Manifest.encodedBytes(segmentCount: segmentCount))
    }
}

/// Writes records, or passes over those that are there already.
private struct ArchiveWriter: ~Copyable {
    private let file: FileDescriptor
    private(set) var progress = SnapshotArchive.Progress()
    /// Whether what the file holds may still be the same.
    private var isSame = true
    private let buffer = BlockBuffer()

    init(_ file: FileDescriptor) { self.file = file }

    private var position: Int64 { progress.doneBytes }

    mutating func begin(_ head: [UInt8]) throws(Errno) { try put(head) }

    mutating func write(_ kind: SnapshotArchive.RecordKind, _ name: Digest, _ bytes: [UInt8]) throws(Errno) {
        try put(SnapshotArchive.recordHead(kind, count: bytes.count, name) + bytes)
    }

    mutating func writeBlock(_ name: Digest, at index: Int, from store: SnapshotStore) throws {
        let count = Int(VolumeBlock.bytes)
        let head = SnapshotArchive.recordHead(.block, count: count, name)
        if isSame, try holds(head), try holdsBlock(name, at: position + Int64(head.count)) {
            return advance(by: head.count + count, isPresent: true)
        }
        do throws(SnapshotStoreError) {
            try buffer.fill { (span) throws(SnapshotStoreError) in try store.readBlock(name, into: &span) }
        } catch {
            throw UnreadableSnapshotPart(blocks: index..<index + 1, error: error)
        }
        try endSameness()
        try put(head)
        try buffer.withBytes(0..<count) { [file, position] (bytes) throws(Errno) in
            try file.writeAll(bytes, at: position)
        }
        advance(by: count, isPresent: false)
    }

    func makeDurable() throws(Errno) { try file.synchronize() }

    /// What follows in a file that was the same so far is cut off.
    mutating func finish() throws(Errno) {
        try file.setLength(position)
        try makeDurable()
    }

    private mutating func put(_ bytes: [UInt8]) throws(Errno) {
        let isPresent = isSame ? try holds(bytes) : false
        if !isPresent {
            try endSameness()
            try unsafe file.writeAll(bytes.span.bytes, at: position)
        }
        advance(by: bytes.count, isPresent: isPresent)
    }

    /// Cuts off what is not the same, an end above all, before anything is written over it.
    private mutating func endSameness() throws(Errno) {
        guard isSame else { return }
        isSame = false
        try file.setLength(position)
    }

    private mutating func advance(by count: Int, isPresent: Bool) {
        progress.doneBytes += Int64(count)
        if isPresent { progress.presentBytes += Int64(count) }
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
