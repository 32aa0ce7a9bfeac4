import SystemPackage

/// Makes a manifest from its parent and what changed. Segments in which nothing changed are the parent's and are not
/// read; memory is that of one segment and the manifest.
public struct ManifestBuilder: ~Copyable {
    private let writer: SnapshotWriter
    private let parent: Manifest?
    private let volumeSizeBytes: Int64
    private var done: [Manifest.Entry] = []
    /// How many of the parent's segments are in `done`, or were replaced.
    private var parentPosition = 0
    private var open: (index: Int, segment: Segment)?
    private var nextBlock = 0

    /// - Parameter parent: whose blocks the snapshot has where nothing is set. `nil`: zeros.
    public init(_ writer: SnapshotWriter, volumeSizeBytes: Int64, parent: Manifest?) {
        precondition((1...Manifest.maximumSizeBytes).contains(volumeSizeBytes), "no volume has this size")
        precondition((parent?.volumeSizeBytes ?? 0) <= volumeSizeBytes, "volumes do not shrink")
        self.writer = writer
        self.volumeSizeBytes = volumeSizeBytes
        self.parent = parent
    }

    /// Gives a block its name; `nil`: it reads as zeros. In the order of the blocks, each once at most.
    public mutating func set(_ block: Int, to name: Digest?) throws {
        precondition(
            block >= nextBlock && block < VolumeBlock.count(sizeBytes: volumeSizeBytes), "blocks come in order")
        nextBlock = block + 1
        let (index, place) = Segment.place(of: block)
        if open?.index != index {
            try closeSegment()
            open = (index, try takeParentSegment(index))
        }
        open?.segment[place] = name
    }

    /// Writes the manifest. It is whole, and durable after the store's `synchronize`.
    public consuming func finish() throws -> Manifest {
        try closeSegment()
        if let parent { done += parent.segments[parentPosition...] }
        let manifest = Manifest(volumeSizeBytes: volumeSizeBytes, segments: done)
        _ = unsafe try writer.putObject(manifest.encoded.span.bytes)
        return manifest
    }

    /// Takes over the parent's segments before an index, and what it has there.
    private mutating func takeParentSegment(_ index: Int) throws(SnapshotStoreError) -> Segment {
        guard let parent else { return Segment() }
        while parentPosition < parent.segments.count, parent.segments[parentPosition].index < index {
            done.append(parent.segments[parentPosition])
            parentPosition += 1
        }
        guard parentPosition < parent.segments.count, parent.segments[parentPosition].index == index else {
            return Segment()
        }
        defer { parentPosition += 1 }
        return try writer.store.segment(parent.segments[parentPosition].name)
    }

    private mutating func closeSegment() throws(Errno) {
        guard let (index, segment) = open else { return }
        open = nil
        if segment.isEmpty { return }
        let name = unsafe try writer.putObject(segment.encoded.span.bytes)
        done.append(Manifest.Entry(index: UInt32(index), name: name))
    }
}
