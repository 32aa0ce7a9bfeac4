// What snapshots need and do not need any more, a batch at a time: others commit between two.
//
// Who is about to refer to a manifest counts most of its tree before; a tree to which nothing refers any more, or that
// was counted for nothing, is taken back in the background, and what that leaves without a reference is removed. A
// writer holds the manifest that he counts for, and so his own tree is not taken back meanwhile. A process that dies
// between two batches leaves a tree that is counted in part, as the catalog says, and the next one goes on there.
import BlockStore

extension Region {
    /// Counts a tree but for what is little enough for the transaction that refers to it. The caller's writer has
    /// written the manifest, or something refers to it already.
    ///
    /// - Parameter check: throws to end early.
    func countTree(of manifest: Digest, check: () throws -> Void) async throws {
        var mayGoOn = true
        while mayGoOn {
            try check()
            mayGoOn = try await exclusively(.references) { try await $0.effects.countBatch(of: manifest) }
        }
    }

    // MARK: What nothing needs any more

    /// Removes objects that may not be needed any more, in the background.
    func remove(_ names: [Digest]) {
        work.litter += names
        removeLitter()
    }

    /// What a writer may be about to refer to stays until that one has ended, and this is called again.
    func removeLitter() {
        if work.end.isHere { return }
        if work.removal != nil {
            work.removesAgain = true
            return
        }
        work.removesAgain = false
        work.removal = Task {
            let kept = await removeAll()
            work.litter += kept
            work.removal = nil
            if work.removesAgain { removeLitter() }
        }
    }

    /// Gives what has to stay for now.
    private func removeAll() async -> [Digest] {
        var kept: [Digest] = []
        do {
            try await work.preparation?.value
            while !work.end.isHere {
                if work.litter.isEmpty, try await !takeBackSome() { break }
                let batch = Array(work.litter.suffix(Self.removalBatch))
                work.litter.removeLast(batch.count)
                kept += try await effects.remove(batch)
            }
        } catch {
            logger.error("what snapshots left could not be removed, and is at the next start: \(error)")
        }
        return kept
    }

    /// Makes litter of what a batch leaves without a reference. False when nothing is to be taken back now.
    private func takeBackSome() async throws -> Bool {
        do {
            let losing = try await exclusively(.references) { region in
                try await region.effects.takeBackBatch(but: region.work.stuckTrees)
            }
            work.litter += losing ?? []
            return losing != nil
        } catch let tree as StuckTree {
            logger.error("what manifest \(tree.manifest) names stays in the snapshot store: \(tree.cause)")
            work.stuckTrees.insert(tree.manifest)
            return true
        }
    }

    /// So many that ending the region does not wait for long.
    private static let removalBatch = 256
}
