// What cannot be had of a snapshot, named by where it is needed.

/// A part of a snapshot that cannot be read: some of its blocks, or all of it.
public struct UnreadableSnapshotPart: Error, Hashable, Sendable, CustomStringConvertible {
    /// `nil`: all of it.
    public let blocks: Range<Int>?
    public let error: SnapshotStoreError

    public init(blocks: Range<Int>?, error: SnapshotStoreError) {
        self.blocks = blocks
        self.error = error
    }

    public var description: String {
        guard let blocks else { return "\(error)" }
        return "\(blocks.blockText): \(error)"
    }
}

extension Range<Int> {
    /// `block 5`, or `blocks 64 to 127`.
    var blockText: String {
        count == 1 ? "block \(lowerBound)" : "blocks \(lowerBound) to \(upperBound - 1)"
    }
}

extension SnapshotStore {
    /// - Throws: `UnreadableSnapshotPart`: all of it.
    func wholeManifest(_ name: Digest) throws(UnreadableSnapshotPart) -> Manifest {
        do throws(SnapshotStoreError) {
            return try manifest(name)
        } catch {
            throw UnreadableSnapshotPart(blocks: nil, error: error)
        }
    }

    /// Calls `body` with each segment of a manifest, in order.
    ///
    /// - Throws: `UnreadableSnapshotPart` at one that cannot be read; what `body` throws.
    func forEachSegment(of manifest: Manifest, _ body: (Manifest.Entry, Segment) throws -> Void) throws {
        for entry in manifest.segments {
            let segment: Segment
            do throws(SnapshotStoreError) {
                segment = try self.segment(entry.name)
            } catch {
                throw UnreadableSnapshotPart(blocks: manifest.blocks(of: entry), error: error)
            }
            try body(entry, segment)
        }
    }
}

extension Manifest {
    /// Which blocks of the volume a segment stands for.
    func blocks(of entry: Entry) -> Range<Int> {
        let start = Int(entry.index) * Segment.blockCount
        return start..<Swift.min(start + Segment.blockCount, blockCount)
    }
}
