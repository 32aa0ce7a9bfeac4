/// How much of what is below a manifest is counted.
public struct CountedTree: Hashable, Sendable {
    public static let none = CountedTree(references: 0, segmentCount: 0)

    /// Of the manifest itself.
    public var references: Int
    /// How many of its segments, from the first one on, have a reference from it each; `Int.max` for all.
    public var segmentCount: Int

    public init(references: Int, segmentCount: Int) {
        self.references = references
        self.segmentCount = segmentCount
    }
}

/// References of objects, counted from manifests alone.
///
/// In memory, unlike all else here: for a TiB of which nothing is shared some 170 MB; for a moment half as much again
/// while it grows, and as much again where a copy that somebody keeps is changed.
public struct ReferenceCount: Sendable {
    /// As small as it can be: there may be millions.
    struct Entry: Sendable {
        var count: UInt32
        let kind: ObjectKind
    }

    private(set) var references: [Digest: Entry] = [:]
    /// What has been counted.
    public private(set) var trees: [Digest: CountedTree] = [:]
    /// What could not be followed: what lies below is not counted.
    public private(set) var unreadable: [Digest: SnapshotStoreError] = [:]

    public init() {}

    public var objectCount: Int { references.count }
    public var blockCount: Int { references.values.count { $0.kind == .block } }

    /// Counts what is new of a manifest's tree, and takes back what is not counted any more.
    ///
    /// - Parameter touched: called with each object whose count changes.
    public mutating func set(
        _ manifest: Digest, to tree: CountedTree, in store: SnapshotStore,
        touched: (Digest) throws -> Void = { _ in }
    ) throws {
        let former = trees[manifest] ?? .none
        if tree == former { return }
        try touched(manifest)
        trees[manifest] = tree == .none ? nil : tree
        _ = change(manifest, .manifest, by: tree.references - former.references)
        if tree.segmentCount == former.segmentCount { return }
        let whole: Manifest
        do throws(SnapshotStoreError) {
            whole = try store.manifest(manifest)
        } catch {
            unreadable[manifest] = error
            return
        }
        let (start, end) = (min(former.segmentCount, whole.segmentCount), min(tree.segmentCount, whole.segmentCount))
        try store.forEachReference(of: whole, segments: min(start, end)..<max(start, end)) { name, kind in
            try touched(name)
            return start < end ? change(name, kind, by: 1) == 1 : change(name, kind, by: -1) == 0
        } unreadable: { name, error in
            unreadable[name] = error
        }
    }

    /// Gives the new count. What could not be followed as it came may go more often than it came.
    private mutating func change(_ name: Digest, _ kind: ObjectKind, by step: Int) -> Int {
        let sum = count(of: name) + step
        references[name] = sum > 0 ? Entry(count: UInt32(sum), kind: kind) : nil
        return sum
    }

    public func count(of name: Digest) -> Int { Int(references[name]?.count ?? 0) }

    /// Whether the catalog's count of an object cannot be right. Where a tree could not be followed, only one that is
    /// too low.
    public func disagrees(_ name: Digest, recorded: Int) -> Bool {
        let actual = count(of: name)
        return unreadable.isEmpty ? actual != recorded : actual > recorded
    }

    public func forEachObject(_ body: (Digest, ObjectKind) throws -> Void) rethrows {
        for (name, entry) in references { try body(name, entry.kind) }
    }
}
