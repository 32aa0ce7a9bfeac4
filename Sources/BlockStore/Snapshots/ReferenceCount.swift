/// References of objects, counted from manifests alone.
///
/// In memory, unlike all else here: for a TiB of which nothing is shared some 170 MB, and for a moment half as much
/// again while it grows.
public struct ReferenceCount: Sendable {
    /// As small as it can be: there may be millions.
    struct Entry: Sendable {
        var count: UInt32
        let kind: ObjectKind
    }

    private(set) var references: [Digest: Entry] = [:]
    /// What could not be followed: what lies below is not counted.
    public private(set) var unreadable: [Digest: SnapshotStoreError] = [:]

    public init() {}

    public var objectCount: Int { references.count }
    public var blockCount: Int { references.values.count { $0.kind == .block } }

    /// One more reference of a manifest.
    ///
    /// - Parameter touched: called with each object whose count changes.
    public mutating func add(
        _ manifest: Digest, in store: SnapshotStore, touched: (Digest) throws -> Void = { _ in }
    ) throws {
        try store.forEachReference(of: manifest) { name, kind in
            try touched(name)
            references[name, default: Entry(count: 0, kind: kind)].count += 1
            return references[name]?.count == 1
        } unreadable: { name, error in
            unreadable[name] = error
        }
    }

    /// One reference less of a manifest that was added.
    public mutating func take(
        _ manifest: Digest, in store: SnapshotStore, touched: (Digest) throws -> Void = { _ in }
    ) throws {
        try store.forEachReference(of: manifest) { name, _ in
            try touched(name)
            guard let entry = references[name] else { return false }
            references[name]?.count -= 1
            if entry.count > 1 { return false }
            references[name] = nil
            return true
        } unreadable: { name, error in
            unreadable[name] = error
        }
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
