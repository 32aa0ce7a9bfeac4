// Which objects a snapshot refers to, and what changes when it comes or goes. The counts themselves are the catalog's.

extension SnapshotStore {
    /// Walks over the references that come with some of a manifest's segments, or go with them.
    ///
    /// A manifest that is counted refers to each of its segments as often as it names it, and a segment that anything
    /// refers to does so to each of its blocks. So a block's references change only when those of a segment begin or
    /// end:
    ///
    /// ```
    /// coming: count += 1; true when it was 0        going: count -= 1; true when it is 0 now
    /// ```
    ///
    /// An object whose count went to 0 may be removed when the change has been committed; not before, since a walk
    /// that is done again reads it.
    ///
    /// - Parameters:
    ///   - places: which of the manifest's segments.
    ///   - change: changes one object's count by one, and says whether what it names changes too. For a block the
    ///     answer means nothing.
    ///   - unreadable: told of a segment that cannot be followed, and why; the walk goes on after it.
    public func forEachReference(
        of manifest: Manifest, segments places: Range<Int>, _ change: (Digest, ObjectKind) throws -> Bool,
        unreadable: (Digest, SnapshotStoreError) throws -> Void = { _, error in throw error }
    ) throws {
        for entry in manifest.segments[places] where try change(entry.name, .segment) {
            let names: [Digest?]
            do throws(SnapshotStoreError) {
                names = try segment(entry.name).names
            } catch {
                try unreadable(entry.name, error)
                continue
            }
            for case let name? in names { _ = try change(name, .block) }
        }
    }

    /// Calls `body` with each block, from an index on, that differs between two snapshots, in order, until it gives
    /// false. Segments that both have are not read.
    ///
    /// - Parameter body: gets the block's index and its names; `nil` where it reads as zeros, or lies beyond the end.
    public func forEachDifference(
        from old: Manifest, to new: Manifest, startingAt start: Int = 0,
        _ body: (Int, Digest?, Digest?) throws -> Bool
    ) throws {
        for (index, oldName, newName) in Self.differingSegments(old, new)
        where (index + 1) * Segment.blockCount > start {
            let before = try oldName.map { (name) throws in try segment(name) } ?? Segment()
            let after = try newName.map { (name) throws in try segment(name) } ?? Segment()
            for place in 0..<Segment.blockCount where before[place] != after[place] {
                let block = index * Segment.blockCount + place
                if block >= start, try !body(block, before[place], after[place]) { return }
            }
        }
    }

    /// Merges the two lists; pure.
    private static func differingSegments(
        _ old: Manifest, _ new: Manifest
    ) -> [(index: Int, old: Digest?, new: Digest?)] {
        var differing: [(index: Int, old: Digest?, new: Digest?)] = []
        var before = old.segments[...]
        var after = new.segments[...]
        while let index = [before.first?.index, after.first?.index].compactMap({ $0 }).min() {
            let oldName = before.first?.index == index ? before.removeFirst().name : nil
            let newName = after.first?.index == index ? after.removeFirst().name : nil
            if oldName != newName { differing.append((Int(index), oldName, newName)) }
        }
        return differing
    }
}
