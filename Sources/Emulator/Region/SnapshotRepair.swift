// What start-up does about snapshots that a process left `pending`, and copies of volumes that it left `creating`: a pure
// plan from the catalog and the cuts.
//
// A cut is made before the row of its snapshot or volume, and given back after the row says how it ended. So a row
// without a cut tells of a loss of power: the kernel's memory held what had not been copied, and what the row tells of
// is in `error`. A cut without such a row belongs to a create that was not answered, or to what has ended: it is given
// back. What someone wanted gone goes now, unless another cut counts from it: then it goes when its blocks are in.
// Carrying the plan out twice, or half and then again, gives the same.
import BlockStore
import Driver

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

struct SnapshotRepairPlan {
    /// What remains.
    var snapshots: [SnapshotRecord] = []
    /// Of these the blocks are still to be brought into the store, or the copy to be made.
    var unfinished: [CopyTarget] = []
    /// Volumes that are in `error` now.
    var failedCopies: [VolumeRecord] = []
    /// One transaction, before the cuts are given back.
    var changes: [CatalogChange] = []
    /// Manifests that lose a reference in that transaction, as often as they are here.
    var releases: [Digest] = []
    /// By name, which is the snapshot's or the volume's id.
    var cutsToGiveBack: Set<String>
    /// For the log.
    var remarks: [String] = []

    static let lostInstant = "The machine stopped before the volume's blocks were in the snapshot store."
    static let lostBlocks = "The machine stopped before the snapshot was sealed."

    /// - Parameters:
    ///   - copies: volumes that are being copied.
    ///   - cuts: the names of those that can go on.
    ///   - bases: what those count from.
    ///   - isWritable: whether the blocks that were put into a snapshot, which is not sealed yet, are still there.
    init(
        _ snapshots: [SnapshotRecord], copies: [VolumeRecord] = [], cuts: Set<String>, bases: Set<String>,
        at time: Date, isWritable: (SnapshotRecord) -> Bool
    ) throws(StorageError) {
        cutsToGiveBack = cuts
        for snapshot in snapshots {
            if snapshot.state != .pending {
                self.snapshots.append(snapshot)
            } else if snapshot.isDeletionWanted, !bases.contains(snapshot.id.rawValue) {
                delete(snapshot)
            } else if let loss = loss(of: snapshot, cuts, isWritable) {
                try fail(snapshot, loss, at: time)
            } else {
                goOn(snapshot)
            }
        }
        for copy in copies { if cuts.contains(copy.id.rawValue) { goOn(copy) } else { fail(copy) } }
    }

    /// Why a pending one can never be completed; `nil` when it can.
    private func loss(
        of snapshot: SnapshotRecord, _ cuts: Set<String>, _ isWritable: (SnapshotRecord) -> Bool
    ) -> String? {
        switch snapshot.origin {
        case .volume: cuts.contains(snapshot.id.rawValue) ? nil : Self.lostInstant
        // It has a reference of what it copies.
        case .copy: nil
        case .blocks: isWritable(snapshot) ? nil : Self.lostBlocks
        case .imported: Self.lostBlocks
        }
    }

    private mutating func goOn(_ snapshot: SnapshotRecord) {
        snapshots.append(snapshot)
        cutsToGiveBack.remove(snapshot.id.rawValue)
        // Nobody but its writer can go on with one that is written block by block.
        if case .blocks = snapshot.origin { return }
        unfinished.append(.snapshot(snapshot.id))
    }

    private mutating func goOn(_ copy: VolumeRecord) {
        cutsToGiveBack.remove(copy.id.rawValue)
        unfinished.append(.volume(copy.id))
    }

    private mutating func fail(_ copy: VolumeRecord) {
        let failed = copy.failed(Self.lostInstant)
        releases += [copy.neededManifest].compactMap { $0 }
        failedCopies.append(failed)
        changes += failed.ownRows
        remarks.append("\(copy.id) is in state 'error': \(Self.lostInstant)")
    }

    private mutating func delete(_ snapshot: SnapshotRecord) {
        releases += [snapshot.base].compactMap { $0 }
        changes.append(.deleteSnapshot(snapshot.number))
        remarks.append("\(snapshot.id) was to be deleted while it was pending; it is deleted")
    }

    private mutating func fail(
        _ snapshot: SnapshotRecord, _ reason: String, at time: Date
    ) throws(StorageError) {
        var failed = snapshot
        guard case .stays = try failed.apply(.failed(at: time, reason: reason)) else { return delete(snapshot) }
        releases += [snapshot.base].compactMap { $0 }
        snapshots.append(failed)
        changes.append(.putSnapshot(failed))
        remarks.append("\(snapshot.id) is in state 'error': \(reason)")
    }
}
