/// What a volume is made from, block by block: a snapshot.
public protocol RestoreSource: Sendable {
    /// What `TrackedVolumes.trackedBase` and `Cut.base` call it: one path component, without a dot.
    var name: String { get }
    /// What people call it.
    var title: String { get }
    /// Where there may be blocks; the others read as zeros. May be coarse, so that it is known at once.
    var writtenBlocks: [Range<Int>] { get }
    /// Whether a block holds anything. Asked of blocks in `writtenBlocks`.
    func hasBlock(_ index: Int) throws -> Bool
    /// Fills the buffer, of a block's length, with a block's verified bytes; false when it reads as zeros.
    func read(_ index: Int, into buffer: inout MutableRawSpan) throws -> Bool
}

extension RestoreSource {
    public var title: String { name }
}

/// Where a cut's blocks go: the snapshot store.
public protocol BlockSink: Sendable {
    /// What was put under another number may be lost; 0 for what loses nothing.
    var epoch: UInt64 { get }
    /// Keeps a block and gives its name; `nil` for zeros, which need not be kept.
    func put(_ block: RawSpan) throws -> Digest?
}

/// A block that could not be had. Who reads it gets EIO.
public struct UnreadableBlock: Error, CustomStringConvertible {
    public let volume: String
    /// The source's title.
    public let source: String
    public let block: Int
    public let error: any Error

    public var description: String {
        "block \(block) of volume '\(volume)' could not be restored from '\(source)': \(error)"
    }
}
