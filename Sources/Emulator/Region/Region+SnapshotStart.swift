// What start-up does about snapshots, before any volume is shown, and what goes on afterwards in the background.
//
// Before: volumes that are not restored learn where their blocks are, cuts that outlived the last process are found,
// and what it left half done is finished or given up. Afterwards, and before anything is written into the store: what
// the catalog does not know of is removed from it. That takes as long as the store is large, so nobody waits for it
// but those who write.
import BlockStore
import Driver
import Synchronization

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// What is under way for snapshots. It begins and ends with the process: the catalog and the cuts tell what is left.
struct SnapshotWork: Sendable {
    /// Of what is being copied into the store, but for copies of other snapshots.
    var cuts: [CopyTarget: Cut] = [:]
    /// Bring blocks into the store; each ends when its snapshot is not `pending` any more, or its volume not `creating`,
    /// or the region is closed.
    var jobs: [CopyTarget: Task<Void, Never>] = [:]
    /// Of pending snapshots that are written block by block and not sealed.
    var uploads: [SnapshotID: SnapshotUpload] = [:]
    /// Volumes that are not restored.
    var restores: [VolumeID: RestoreJob] = [:]
    var restoreStart: Task<Void, Never>?
    /// What may be needed by nothing any more.
    var litter: [Digest] = []
    /// Of what failed while that could not be written down: they hold what the next start goes on with.
    var unended: [SnapshotWriter] = []
    var removal: Task<Void, Never>?
    /// Trees that could not be taken back, until the next start tries again.
    var stuckTrees: Set<Digest> = []
    /// Volumes whose reference of a manifest may not be in the catalog yet.
    var unsettled: Set<VolumeID> = []
    /// Whether something may have become removable since the removal began.
    var removesAgain = false
    /// Ends when the store may be written.
    var preparation: Task<Void, any Error>?
    var tasks = SnapshotTasks()
    /// Until then what nothing refers to may be what an import left that ended early.
    var leftoverEnd: Date?
    /// Removes that.
    var sweep: Task<Void, Never>?
    let end = EndOfWork()
}

/// What becomes of blocks that are brought into the store.
enum CopyTarget: Hashable, Sendable, CustomStringConvertible {
    case snapshot(SnapshotID)
    /// A copy of another volume.
    case volume(VolumeID)

    /// The name of its cut.
    var description: String {
        switch self {
        case .snapshot(let id): id.rawValue
        case .volume(let id): id.rawValue
        }
    }
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
    /// Before any volume is opened, so that no write passes by a cut or a missing block.
    ///
    /// - Returns: what goes on.
    func repairSnapshots(_ snapshots: [SnapshotRecord]) async throws -> [CopyTarget] {
        effects.setSources(of: state.listed()) { volume, error in
            logger.error("\(volume.id) cannot be restored from its snapshot: \(error)")
        }
        let cuts = try effects.volumes.pendingCuts { cut, error in
            logger.error("the cut for \(cut) cannot be opened, and is given up: \(error)")
        }
        let uploads = try findUploads()
        let plan = try SnapshotRepairPlan(
            snapshots, copies: state.listed().filter(\.isBeingCopied), cuts: Set(cuts.map(\.name)),
            bases: Set(cuts.compactMap(\.base)), at: currentTime(),
            isWritable: { uploads[$0.id] != nil })
        for remark in plan.remarks { logger.warning("start-up repair: \(remark)") }
        let references = try await effects.referenceChanges(going: plan.releases)
        if !plan.changes.isEmpty { try await effects.commit(plan.changes + references) }
        state.snapshots = SnapshotIndex(plan.snapshots)
        for volume in plan.failedCopies { state.put(volume) }
        for cut in cuts where plan.cutsToGiveBack.contains(cut.name) { await giveBack(cut) }
        for target in plan.unfinished { work.cuts[target] = cuts.first { $0.name == target.description } }
        await keep(uploads)
        return plan.unfinished
    }

    /// Goes on with what the last process left, when the store is ready.
    func takeUp(_ unfinished: [CopyTarget]) {
        let jobs = unfinished.map { (target: $0, cut: work.cuts[$0], writer: effects.snapshots.beginWriting()) }
        let written = jobs.compactMap { job in job.cut.map { (cut: $0, writer: job.writer) } }
        let uploads = Array(work.uploads.values)
        work.preparation = Task { [effects, logger, end = work.end] in
            let count = try await effects.prepareStore(holding: written, uploads, check: end.check)
            if count > 0 {
                logger.notice("\(count) objects of the snapshot store belonged to nothing; they are removed")
            }
            await giveUpUnreadable()
        }
        for job in jobs { beginCopying(job.target, job.cut, job.writer) }
        takeUpSealed()
        takeUpRestores()
        removeLitter()
    }

    // MARK: The end

    /// Returns when what is in the background now is done.
    func finishSnapshotWork() async throws {
        try await work.preparation?.value
        await finishHydrations()
        await endRestores()
        while let job = work.jobs.values.first { await job.value }
        await finishSnapshotTasks()
        await work.sweep?.value
        while let removal = work.removal { await removal.value }
    }

    /// Tells what is in the background to end where the next process can take it up.
    func cancelSnapshotWork() {
        work.end.come()
        for cut in work.cuts.values { cut.cancel() }
        for task in work.tasks.active { task.progress.interrupt() }
    }

    /// Returns when it has ended.
    func endSnapshotWork() async {
        // Some may have begun since it was told before.
        cancelSnapshotWork()
        // What it gives up becomes a job.
        _ = await work.preparation?.result
        await finishHydrations()
        for job in work.jobs.values { await job.value }
        await finishSnapshotTasks()
        await work.sweep?.value
        await work.removal?.value
    }
}
