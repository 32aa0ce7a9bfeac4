// How the store's counts change when manifests gain and lose references.
//
// A transaction in which a manifest comes or goes changes what refers, the manifest's own count, and little else: most
// of a large tree is counted before, and all of it taken back after, in batches of their own (`PartialTree`,
// docs/decisions/0026). Nobody else changes counts between a question here and the commit of the answer: all of this is
// done with the key of the references, but for one more reference of a manifest that has one and keeps it meanwhile.
import BlockStore
import Driver

extension RegionEffects {
    /// What changes when manifests are referred to once more, and once less, as often as they are listed: first they
    /// come, then they go. One transaction, together with what refers.
    ///
    /// What comes must be whole; what goes may be damaged (`passOver`).
    func referenceChanges(coming: [Digest] = [], going: [Digest] = []) async throws -> [CatalogChange] {
        if coming.isEmpty && going.isEmpty { return [] }
        return try await blocking {
            var counting = ReferenceCounting(self)
            for manifest in Set(coming + going) {
                try counting.change(
                    manifest, coming: coming.count { $0 == manifest }, going: going.count { $0 == manifest })
            }
            return counting.changes
        }
    }

    /// Counts some of a manifest's tree, which is durable in the store, for who is about to refer to it and holds it.
    ///
    /// - Returns: whether there may be more; otherwise the rest, if any, is little enough for his own transaction.
    func countBatch(of manifest: Digest) async throws -> Bool {
        try beforeStep(.countReferences)
        let changes = try await blocking {
            var counting = ReferenceCounting(self)
            return try counting.countSome(of: manifest) ? counting.changes : []
        }
        if changes.isEmpty { return false }
        // Durable with the transaction that they are for; if that never comes, so is their end.
        try await commit(changes, durable: false)
        return true
    }

    /// Takes some of a tree back that nothing needs and nobody holds.
    ///
    /// - Parameter stuck: the manifests of trees that are left alone.
    /// - Returns: objects that may be needed by nothing now; `nil` when there is no such tree.
    /// - Throws: `StuckTree` for one that cannot be taken back; others may be.
    func takeBackBatch(but stuck: Set<Digest>) async throws -> [Digest]? {
        let found = try await blocking {
            try catalog.partialTree { !stuck.contains($0) && !snapshots.mayBeHeld($0) }
        }
        guard let tree = found else { return nil }
        try beforeStep(.takeBackReferences)
        let counting: ReferenceCounting
        do {
            counting = try await blocking {
                var counting = ReferenceCounting(self)
                try counting.takeSome(of: tree)
                return counting
            }
        } catch let error as SnapshotStoreError {
            throw StuckTree(manifest: tree.manifest, cause: error)
        }
        do {
            // Durable, since the objects' files go next.
            try await commit(counting.changes)
        } catch {
            guard let miscounted = try await blocking({ try counting.miscounted() }) else { throw error }
            throw StuckTree(manifest: tree.manifest, cause: miscounted)
        }
        return counting.losing
    }
}

/// A tree that cannot be taken back, and would not be by trying again.
struct StuckTree: Error {
    let manifest: Digest
    let cause: any Error
}

/// Walks over what manifests refer to, and adds up how the counts change.
private struct ReferenceCounting {
    private let effects: RegionEffects
    private var references: [ObjectKind: ObjectReferences] = [:]
    private var trees: [CatalogChange] = []

    init(_ effects: RegionEffects) { self.effects = effects }

    var changes: [CatalogChange] { references.values.map { .addReferences($0) } + trees }

    /// What may be needed by nothing once the changes are committed.
    var losing: [Digest] { references.values.flatMap { $0.changes.filter { $0.value < 0 }.keys } }

    /// An object that would come below none.
    func miscounted() throws -> MiscountedObject? {
        for (kind, references) in references {
            for (name, change) in references.changes {
                let count = try effects.catalog.referenceCount(of: name) + change
                if count < 0 { return MiscountedObject(kind: kind, referenceCount: count) }
            }
        }
        return nil
    }

    private var isFull: Bool {
        references.values.reduce(0) { $0 + $1.changes.count } >= effects.referencesPerBatch
    }

    // MARK: What happens to a manifest

    mutating func change(_ name: Digest, coming: Int, going: Int) throws {
        let tree = try effects.catalog.partialTree(of: name)
        let former = try effects.catalog.referenceCount(of: name) - (tree == nil ? 0 : 1)
        let sum = former + Int64(coming - going)
        guard sum >= 0 else { throw MiscountedObject(kind: .manifest, referenceCount: sum) }
        if former == 0, coming > 0 {
            let whole = try manifest(name)
            try add(min(tree?.segmentCount ?? 0, whole.segmentCount)..<whole.segmentCount, of: whole)
        }
        add(sum - former, to: name, .manifest)
        let left = try sum > 0 ? nil : PartialTree(manifest: name, segmentCount: readable(name)?.segmentCount ?? 0)
        replace(tree, by: left, of: name)
    }

    /// False when all is counted, or little enough is not.
    mutating func countSome(of name: Digest) throws -> Bool {
        let tree = try effects.catalog.partialTree(of: name)
        if tree == nil, try effects.catalog.referenceCount(of: name) > 0 { return false }
        let whole = try manifest(name)
        var counted = tree?.segmentCount ?? 0
        while counted < whole.segmentCount, !isFull {
            try add(counted..<counted + 1, of: whole)
            counted += 1
        }
        if counted >= whole.segmentCount { return false }
        replace(tree, by: PartialTree(manifest: name, segmentCount: counted), of: name)
        return true
    }

    /// From the end, so that those that are counted are still the first ones.
    mutating func takeSome(of tree: PartialTree) throws {
        let whole = try readable(tree.manifest)
        var counted = min(tree.segmentCount, whole?.segmentCount ?? 0)
        while let whole, counted > 0, !isFull {
            counted -= 1
            try take(counted..<counted + 1, of: whole)
        }
        let left = counted == 0 ? nil : PartialTree(manifest: tree.manifest, segmentCount: counted)
        replace(tree, by: left, of: tree.manifest)
    }

    private mutating func replace(_ former: PartialTree?, by tree: PartialTree?, of manifest: Digest) {
        add((tree == nil ? 0 : 1) - (former == nil ? 0 : 1), to: manifest, .manifest)
        if let tree {
            trees.append(.putPartialTree(tree))
        } else if former != nil {
            trees.append(.deletePartialTree(manifest))
        }
    }

    // MARK: What it names

    /// What is below a segment that was not needed before gains a reference too.
    private mutating func add(_ places: Range<Int>, of manifest: Manifest) throws {
        try effects.snapshots.forEachReference(of: manifest, segments: places) { name, kind in
            let change = add(1, to: name, kind)
            return try kind != .block && effects.catalog.referenceCount(of: name) + change == 1
        }
    }

    /// What is below a segment that is not needed any more loses a reference too.
    private mutating func take(_ places: Range<Int>, of manifest: Manifest) throws {
        try effects.snapshots.forEachReference(of: manifest, segments: places) { name, kind in
            let change = add(-1, to: name, kind)
            return try kind != .block && effects.catalog.referenceCount(of: name) + change == 0
        } unreadable: { _, error in
            try passOver(error)
        }
    }

    /// Gives what the object's count has changed by in all.
    @discardableResult
    private mutating func add(_ step: Int64, to name: Digest, _ kind: ObjectKind) -> Int64 {
        let sum = (references[kind]?.changes[name] ?? 0) + step
        references[kind, default: ObjectReferences(kind: kind)].changes[name] = sum
        return sum
    }

    // MARK: Reading

    private func manifest(_ name: Digest) throws -> Manifest {
        try effects.sources.source(of: name, effects.snapshots).manifest
    }

    /// `nil` for one that goes and is damaged.
    private func readable(_ name: Digest) throws -> Manifest? {
        do {
            return try manifest(name)
        } catch let error as SnapshotStoreError {
            try passOver(error)
            return nil
        }
    }

    /// Lets a walk over what goes away pass by what is damaged. What that names keeps its counts, which are too high
    /// then: it takes space for nothing, but nothing is ever removed that is needed.
    private func passOver(_ error: SnapshotStoreError) throws {
        guard error.isDamage else { throw error }
        effects.logger.error("\(error); what it names stays in the snapshot store, needed or not")
    }
}
