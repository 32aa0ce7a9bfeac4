import Synchronization

/// A snapshot in the store, as what a volume is made from. The catalog keeps its manifest referred to meanwhile.
public final class SnapshotSource: RestoreSource {
    private let store: SnapshotStore
    public let manifest: Manifest
    /// The segment that was read last: blocks are mostly touched, and always hydrated, one after another.
    private let latest = Mutex<(index: Int, segment: Segment)?>(nil)

    /// - Parameter title: what people call the snapshot; `nil` for its manifest's name.
    public init(_ store: SnapshotStore, _ manifest: Manifest, title: String? = nil) {
        self.store = store
        self.manifest = manifest
        self.title = title ?? manifest.name.hex
    }

    public let title: String

    public var name: String { manifest.name.hex }

    public var writtenBlocks: [Range<Int>] {
        manifest.segments.map { entry in
            let start = Int(entry.index) * Segment.blockCount
            return start..<min(start + Segment.blockCount, manifest.blockCount)
        }
    }

    public func hasBlock(_ index: Int) throws -> Bool { try blockName(index) != nil }

    public func read(_ index: Int, into buffer: inout MutableRawSpan) throws -> Bool {
        guard let name = try blockName(index) else { return false }
        try store.readBlock(name, into: &buffer)
        return true
    }

    /// A block's name in the store; `nil` when it reads as zeros.
    public func blockName(_ block: Int) throws(SnapshotStoreError) -> Digest? {
        let (index, place) = Segment.place(of: block)
        if let known = latest.withLock({ $0?.index == index ? $0?.segment : nil }) { return known[place] }
        guard let name = manifest.segmentName(index) else { return nil }
        let segment = try store.segment(name)
        latest.withLock { $0 = (index, segment) }
        return segment[place]
    }
}
