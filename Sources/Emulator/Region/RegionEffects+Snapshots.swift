// What the region does to cuts of volumes and to the store of snapshots.
import BlockStore
import Driver
import SystemPackage

/// What becomes of the store's counts when manifests gain or lose references.
struct ReferenceDelta: Sendable {
    /// One transaction, together with what refers.
    var changes: [CatalogChange] = []
    /// What may be needed by nothing once that is committed.
    var losing: [Digest] = []
}

extension RegionEffects {
    // MARK: Beginning and end

    /// Lets volumes that are not restored find their blocks. One whose snapshot cannot be read stays without, and fails
    /// when it is opened; that harms no other.
    func setSources(of restoring: [VolumeRecord], unreadable: (VolumeRecord, any Error) -> Void) {
        for volume in restoring {
            guard let manifest = volume.neededManifest else { continue }
            do {
                volumes.setSource(SnapshotSource(snapshots, try snapshots.manifest(manifest)), of: volume.fileName)
            } catch {
                unreadable(volume, error)
            }
        }
    }

    /// Before anything is written into the store: holds what cuts that go on have put into it, and removes what the
    /// catalog does not know of.
    ///
    /// - Parameter check: throws to end it early.
    func prepareStore(
        holding written: [(cut: Cut, writer: SnapshotWriter)], check: @escaping @Sendable () throws -> Void
    ) async throws -> Int {
        try beforeStep(.sweep)
        return try await copiers.run {
            for (cut, writer) in written { try writer.hold(cut) }
            var shard: (byte: UInt8, names: Set<Digest>)?
            return try snapshots.sweep { name in
                let byte = name.bytes[0]
                if shard?.byte != byte {
                    try check()
                    shard = (byte, try catalog.objects(beginningWith: byte))
                }
                return shard?.names.contains(name) ?? true
            }
        }
    }

    /// At a clean stop, once nothing changes volumes any more: the next start need not compare what they hold.
    func settle() async throws {
        try await blocking { try volumes.settle() }
    }

    // MARK: Cuts

    /// Gives a cut's space back.
    func finish(_ cut: Cut) async throws {
        try beforeStep(.finishCut)
        try await blocking { try volumes.finish(cut) }
    }

    // MARK: References

    /// What manifests need that are referred to once more, and once less, as often as they are listed. Holds until the
    /// next change of the counts.
    func referenceDelta(coming: [Digest] = [], going: [Digest] = []) async throws -> ReferenceDelta {
        if coming.isEmpty && going.isEmpty { return ReferenceDelta() }
        return try await copiers.run {
            var count = ReferenceCounting(catalog: catalog)
            for manifest in coming { try snapshots.forEachReference(of: manifest) { try count.add($0, $1) } }
            for manifest in going { try snapshots.forEachReference(of: manifest) { try count.take($0, $1) } }
            return count.delta
        }
    }
}

/// Walks over what manifests refer to, and adds up how the counts change.
private struct ReferenceCounting {
    let catalog: Catalog
    private var references: [ObjectKind: ObjectReferences] = [:]

    init(catalog: Catalog) { self.catalog = catalog }

    /// Whether the object was not needed before, so that what it names gains a reference too.
    mutating func add(_ name: Digest, _ kind: ObjectKind) throws -> Bool {
        let change = change(name, kind, by: 1)
        return try kind != .block && catalog.referenceCount(of: name) + change == 1
    }

    /// Whether the object is not needed any more.
    mutating func take(_ name: Digest, _ kind: ObjectKind) throws -> Bool {
        let change = change(name, kind, by: -1)
        return try kind != .block && catalog.referenceCount(of: name) + change == 0
    }

    private mutating func change(_ name: Digest, _ kind: ObjectKind, by step: Int64) -> Int64 {
        let sum = (references[kind]?.changes[name] ?? 0) + step
        references[kind, default: ObjectReferences(kind: kind)].changes[name] = sum
        return sum
    }

    var delta: ReferenceDelta {
        ReferenceDelta(
            changes: references.values.map { .addReferences($0) },
            losing: references.values.flatMap { $0.changes.filter { $0.value < 0 }.keys })
    }
}
