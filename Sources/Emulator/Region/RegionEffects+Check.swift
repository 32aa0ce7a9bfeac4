// What a check of the snapshot store asks of the store and the catalog. It changes nothing.
import BlockStore
import Driver
import Platform

/// An object that cannot be had, and why.
typealias BrokenObjects = [Digest: SnapshotStoreError]

/// An object that the catalog counts wrongly.
struct Miscount: Hashable, Sendable {
    let name: Digest
    let recorded: Int
    let actual: Int
}

extension RegionEffects {
    // MARK: References

    // While these run nothing is removed, or others wait for the key: they wait for no other task.

    func partialTrees() async throws -> [PartialTree] { try await blocking { try catalog.partialTrees() } }

    func count(
        _ trees: [Digest: CountedTree], _ progress: SnapshotTaskProgress
    ) async throws -> ReferenceCount {
        try await blocking {
            var count = ReferenceCount()
            for (manifest, tree) in trees {
                try count.set(manifest, to: tree, in: snapshots) { _ in try progress.check() }
            }
            return count
        }
    }

    /// Objects whose counts differ from the catalog's, which may have changed meanwhile.
    func suspects(_ count: ReferenceCount, _ progress: SnapshotTaskProgress) async throws -> Set<Digest> {
        try await blocking {
            var suspects: Set<Digest> = []
            var recordedCount = 0
            // In parts, so that nobody who commits waits for long.
            for byte in UInt8.min...UInt8.max {
                try progress.check()
                for (name, recorded) in try catalog.referenceCounts(beginningWith: byte) {
                    recordedCount += count.count(of: name) > 0 ? 1 : 0
                    if count.disagrees(name, recorded: recorded) { suspects.insert(name) }
                }
            }
            // Only then is there any that the catalog does not know.
            if recordedCount < count.objectCount {
                try count.forEachObject { name, _ in
                    if try catalog.referenceCount(of: name) == 0 { suspects.insert(name) }
                }
            }
            return suspects
        }
    }

    /// Counts what has come and gone since, and looks at suspects again. The caller has the key of the references.
    func follow(
        to now: [Digest: CountedTree], _ count: ReferenceCount, _ suspects: Set<Digest>
    ) async throws -> (ReferenceCount, Set<Digest>) {
        try await blocking {
            var (count, suspects) = (count, suspects)
            for manifest in Set(count.trees.keys).union(now.keys) {
                try count.set(manifest, to: now[manifest] ?? .none, in: snapshots) { suspects.insert($0) }
            }
            return (count, try suspects.filter { try disagrees($0, count) })
        }
    }

    private func disagrees(_ name: Digest, _ count: ReferenceCount) throws -> Bool {
        count.disagrees(name, recorded: Int(try catalog.referenceCount(of: name)))
    }

    func miscounts(_ names: Set<Digest>, _ count: ReferenceCount) async throws -> [Miscount] {
        try await blocking {
            try names.sorted().compactMap { name in
                let recorded = Int(try catalog.referenceCount(of: name))
                if !count.disagrees(name, recorded: recorded) { return nil }
                return Miscount(name: name, recorded: recorded, actual: count.count(of: name))
            }
        }
    }

    /// Lets a commit that the catalog knows of reach the region.
    func waitForCommits() async throws {
        try await blocking {
            waitInThisThread(untilUptimeNanoseconds: SystemClock().uptimeNanoseconds() + 50_000_000)
        }
    }

    // MARK: Bytes

    /// Verifies every object; gives those that cannot be had and are needed, and the bytes of the others.
    ///
    /// - Parameter forgotten: which are needed though the catalog does not know of them.
    func verify(
        _ count: ReferenceCount, forgotten: Set<Digest>, _ progress: SnapshotTaskProgress
    ) async throws -> (BrokenObjects, objectBytes: Int64) {
        try await carriers.run {
            var broken: BrokenObjects = count.unreadable
            var objectBytes: Int64 = 0
            try snapshots.verify(count) { name, error in
                broken[name] = error
            } progress: { kind, bytes in
                objectBytes += bytes
                try progress.update { $0.doneBytes += kind == .block ? Int64(SnapshotBlock.bytes) : 0 }
            }
            let stillBroken = try broken.filter { name, error in
                try forgotten.contains(name) ? isBroken(name, error) : isBrokenAndNeeded(name, error)
            }
            return (stillBroken, objectBytes)
        }
    }

    private func isBroken(_ name: Digest, _ error: SnapshotStoreError) -> Bool {
        snapshots.failure(of: name, error.kind) != nil
    }

    /// An object may have been deleted meanwhile. It is removed only after the catalog has forgotten it.
    private func isBrokenAndNeeded(_ name: Digest, _ error: SnapshotStoreError) throws -> Bool {
        try catalog.referenceCount(of: name) > 0 && isBroken(name, error) && catalog.referenceCount(of: name) > 0
    }

    func uses(
        of names: Set<Digest>, by references: [ManifestReference], _ progress: SnapshotTaskProgress
    ) async throws -> ObjectUses {
        let limit = SnapshotReport.maximumFindings
        if names.isEmpty { return ObjectUses(limit: limit) }
        return try await carriers.run {
            try snapshots.uses(
                of: names, by: references.sorted { $0.holder < $1.holder }.map { ($0.holder, $0.manifest) },
                limit: limit, check: progress.check)
        }
    }

    // MARK: What nothing needs

    /// Objects that neither the catalog refers to nor anybody may be about to refer to.
    func unneeded(_ progress: SnapshotTaskProgress) async throws -> [Digest] {
        try await carriers.run {
            var names: [Digest] = []
            try forEachUnreferenced { name in
                try progress.check()
                if try isUnneeded(name) { names.append(name) }
            }
            return names
        }
    }

    func stillUnneeded(_ names: [Digest]) async throws -> [Digest] {
        try await carriers.run {
            try names.filter { try snapshots.has($0) && isUnneeded($0) }
        }
    }

    /// Who holds it is asked first: he lets go of it only after the catalog knows of it.
    private func isUnneeded(_ name: Digest) throws -> Bool {
        try !snapshots.mayBeHeld(name) && catalog.referenceCount(of: name) == 0
    }
}
