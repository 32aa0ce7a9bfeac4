// What start-up does about snapshots, before any volume is shown, and what goes on afterwards in the background.
//
// Before: volumes that are not restored learn where their blocks are, cuts that outlived the last process are found,
// and what it left half done is finished or given up. Afterwards, and before anything is written into the store: what
// the catalog does not know of is removed from it. That takes as long as the store is large, so nobody waits for it
// but those who write.
import BlockStore
import Driver
import Synchronization

/// What is under way for snapshots. It begins and ends with the process: the catalog and the cuts tell what is left.
struct SnapshotWork: Sendable {
    /// Of the snapshots that were cut and are not completed.
    var cuts: [SnapshotID: Cut] = [:]
    /// Ends when the store may be written.
    var preparation: Task<Void, any Error>?
    let end = EndOfWork()
}

/// Tells work on other threads that the region is being closed.
final class EndOfWork: Sendable {
    private let hasCome = Atomic(false)

    var isHere: Bool { hasCome.load(ordering: .acquiring) }

    func come() { hasCome.store(true, ordering: .releasing) }

    /// - Throws: `CancellationError` once it is here.
    func check() throws {
        if isHere { throw CancellationError() }
    }
}

extension Region {
    func repairSnapshots(_ snapshots: [SnapshotRecord]) async throws {
        effects.setSources(of: state.listed()) { volume, error in
            logger.error("\(volume.id) cannot be restored from its snapshot: \(error)")
        }
        let cuts = try effects.volumes.pendingCuts { cut, error in
            logger.error("the cut for \(cut) cannot be opened, and is given up: \(error)")
        }
        let plan = try SnapshotRepairPlan(
            snapshots, cuts: Set(cuts.map(\.name)), bases: Set(cuts.compactMap(\.base)), at: currentTime(),
            isWritable: { _ in false })
        for remark in plan.remarks { logger.warning("start-up repair: \(remark)") }
        let references = try await effects.referenceDelta(going: plan.releases)
        if !plan.changes.isEmpty { try await effects.commit(plan.changes + references.changes) }
        state.snapshots = SnapshotIndex(plan.snapshots)
        for cut in cuts {
            if plan.cutsToGiveBack.contains(cut.name) {
                await giveBack(cut)
            } else {
                work.cuts[SnapshotID(cut.name)] = cut
            }
        }
    }

    /// A cut that cannot be given back now is given back at the next start.
    func giveBack(_ cut: Cut) async {
        do {
            try await effects.finish(cut)
        } catch {
            logger.error("the space of the cut for \(cut.name) could not be given back: \(error)")
        }
    }

    // MARK: In the background

    func beginSnapshotWork() {
        let written = work.cuts.values.map { (cut: $0, writer: effects.snapshots.beginWriting()) }
        work.preparation = Task { [effects, logger, end = work.end] in
            let count = try await effects.prepareStore(holding: written, check: end.check)
            if count > 0 {
                logger.notice("\(count) objects of the snapshot store belonged to nothing; they are removed")
            }
        }
    }

    func finishSnapshotWork() async throws {
        try await work.preparation?.value
    }

    func endSnapshotWork() async {
        work.end.come()
        _ = await work.preparation?.result
    }
}
