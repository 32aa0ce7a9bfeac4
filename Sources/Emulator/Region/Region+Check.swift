// Checks of the snapshot store, while snapshots, volumes and tasks come and go.
//
// References are counted anew from what refers at one moment, and compared with the catalog; for that long nothing is
// removed from the store, but nobody waits. What looks wrong is looked at again with the key of the references, after
// what has come and gone since has been counted too. Bytes are verified after that, with no key: an object that cannot
// be had, and that the catalog still needs when it is looked at again, is damaged. Nothing is repaired.
import BlockStore
import Driver

extension Region {
    func startCheck() throws -> SnapshotTask {
        try begin(.check) { region, progress in
            SnapshotTaskResult(report: try await region.check(progress))
        }
    }

    /// Everything that counts as a reference of a manifest.
    var manifestReferences: [ManifestReference] {
        let snapshots = state.snapshots.snapshots.values.flatMap { snapshot in
            [snapshot.content?.manifest, snapshot.base].compactMap { $0 }
                .map { ManifestReference(holder: snapshot.id.rawValue, manifest: $0) }
        }
        return snapshots
            + state.volumes.values.compactMap { volume in
                if work.unsettled.contains(volume.id) { return nil }
                return volume.neededManifest.map { ManifestReference(holder: volume.id.rawValue, manifest: $0) }
            }
    }

    private func check(_ progress: SnapshotTaskProgress) async throws -> SnapshotReport {
        try await work.preparation?.value
        let (count, miscounts, wrongTrees) = try await countReferences(progress)
        try progress.update { $0.totalBytes = Int64(count.blockCount) * Int64(SnapshotBlock.bytes) }
        let forgotten = Set(miscounts.filter { $0.recorded == 0 }.map(\.name))
        let (broken, objectBytes) = try await effects.verify(count, forgotten: forgotten, progress)
        let unreferenced = try await unreferencedObjects(progress).filter { !forgotten.contains($0) }
        let uses = try await effects.uses(of: Set(broken.keys), by: manifestReferences, progress)
        let endangered = Set(miscounts.filter(\.isTooLow).map(\.name))
        let endangeredUses = try await effects.uses(of: endangered, by: manifestReferences, progress)
        let findings =
            SnapshotFinding.unreadable(broken, uses) + miscounts.map { .miscounted($0, endangeredUses) }
            + wrongTrees.map { .notPartial($0) } + unreferenced.map { .unreferenced($0) }
        return SnapshotReport(
            snapshotCount: state.snapshots.snapshots.values.count { $0.content != nil },
            objectCount: count.objectCount, objectBytes: objectBytes, limiting: findings,
            omittedCount: uses.omittedCount)
    }

    // MARK: References

    private func countReferences(
        _ progress: SnapshotTaskProgress
    ) async throws -> (ReferenceCount, [Miscount], wrongTrees: [PartialTree]) {
        let writer = effects.snapshots.beginWriting()
        defer { end(writer) }
        // From here on: what refers now can be read as long as it is held.
        writer.holdAll()
        var count = try await effects.count(try await countedTrees(effects.partialTrees()), progress)
        var partial: [PartialTree] = []
        var suspects = try await effects.suspects(count, progress)
        // Who adds a reference of a manifest that has one holds no key of the counts, and the catalog knows of it a
        // moment before the region does.
        for attempt in 0..<Self.countAttempts {
            if attempt > 0 { try await effects.waitForCommits() }
            (partial, count, suspects) = try await exclusively(.references) { [count, suspects] region in
                let partial = try await region.effects.partialTrees()
                let (new, doubtful) = try await region.effects.follow(
                    to: region.countedTrees(partial), count, suspects)
                return (partial, new, doubtful)
            }
            if suspects.isEmpty { break }
        }
        // A row is where nothing else refers to the manifest.
        let wrong = partial.filter { count.count(of: $0.manifest) > 1 }
        return (count, try await effects.miscounts(suspects, count), wrong)
    }

    /// What is to be counted of each manifest's tree.
    private func countedTrees(_ partial: [PartialTree]) -> [Digest: CountedTree] {
        var trees: [Digest: CountedTree] = [:]
        for tree in partial { trees[tree.manifest] = CountedTree(references: 1, segmentCount: tree.segmentCount) }
        for reference in manifestReferences {
            let references = trees[reference.manifest]?.references ?? 0
            trees[reference.manifest] = CountedTree(references: references + 1, segmentCount: .max)
        }
        return trees
    }

    private static let countAttempts = 3

    // MARK: What nothing needs

    /// Objects that only take space, and will until the next start.
    private func unreferencedObjects(_ progress: SnapshotTaskProgress) async throws -> [Digest] {
        var names = try await effects.unneeded(progress)
        // The same bytes may have been brought again meanwhile, by somebody who is just ending.
        for _ in 0..<Self.looksAtUnneeded where !names.isEmpty {
            try await finishRemovals()
            // Without names, what an import has left cannot be told from what was forgotten.
            if work.leftoverEnd != nil { return [] }
            let litter = Set(work.litter)
            names = try await effects.stillUnneeded(names.filter { !litter.contains($0) })
        }
        return names
    }

    private static let looksAtUnneeded = 3

    /// Returns when what is being removed now is removed.
    private func finishRemovals() async throws {
        // What was deleted is on its way: who has ended with the key has asked for it.
        try await exclusively(.references) { _ in }
        // Uploads that end remove what they had by themselves.
        for (target, job) in work.jobs where !isUnended(target) { await job.value }
        while let removal = work.removal { await removal.value }
        await work.sweep?.value
    }
}

/// Who needs a manifest: a snapshot, or a volume that is not restored.
struct ManifestReference: Hashable, Sendable {
    let holder: String
    let manifest: Digest
}
