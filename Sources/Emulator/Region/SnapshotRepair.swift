// What start-up does about snapshots that a process left `pending`: a pure plan from the catalog and the cuts.
//
// A cut is made before its snapshot's row, and given back after the row says how it ended. So a row without a cut
// tells of a loss of power: the kernel's memory held what had not been copied, and the snapshot is in `error`. A cut
// without a `pending` row belongs to a create that was not answered, or to a snapshot that has ended: it is given
// back. What someone wanted gone goes now. Carrying the plan out twice, or half and then again, gives the same.
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
    var unfinished: [SnapshotID] = []
    /// One transaction, before the cuts are given back.
    var changes: [CatalogChange] = []
    /// By name, which is the snapshot's id.
    var cutsToGiveBack: Set<String>
    /// For the log.
    var remarks: [String] = []

    static let lostInstant = "The machine stopped before the volume's blocks were in the snapshot store."
    static let lostSource = "The snapshot that was being copied is gone."
    static let lostBlocks = "The machine stopped before the snapshot was sealed."

    /// - Parameters:
    ///   - cuts: the names of those that can go on.
    ///   - isWritable: whether the blocks that were put into a snapshot, which is not sealed yet, are still there.
    init(
        _ snapshots: [SnapshotRecord], cuts: Set<String>, at time: Date, isWritable: (SnapshotRecord) -> Bool
    ) throws(StorageError) {
        cutsToGiveBack = cuts
        let usable = Set(snapshots.filter { $0.content != nil }.map(\.id))
        for snapshot in snapshots {
            guard snapshot.state == .pending else {
                self.snapshots.append(snapshot)
                continue
            }
            if snapshot.isDeletionWanted {
                changes.append(.deleteSnapshot(snapshot.number))
                remarks.append("\(snapshot.id) was to be deleted while it was pending; it is deleted")
                continue
            }
            switch snapshot.origin {
            case .volume where cuts.contains(snapshot.id.rawValue):
                cutsToGiveBack.remove(snapshot.id.rawValue)
                goOn(snapshot)
            case .volume: try fail(snapshot, Self.lostInstant, at: time)
            case .copy(let source) where usable.contains(source): goOn(snapshot)
            case .copy: try fail(snapshot, Self.lostSource, at: time)
            case .blocks where isWritable(snapshot): self.snapshots.append(snapshot)
            case .blocks, .imported: try fail(snapshot, Self.lostBlocks, at: time)
            }
        }
    }

    private mutating func goOn(_ snapshot: SnapshotRecord) {
        snapshots.append(snapshot)
        unfinished.append(snapshot.id)
    }

    private mutating func fail(
        _ snapshot: SnapshotRecord, _ reason: String, at time: Date
    ) throws(StorageError) {
        var snapshot = snapshot
        _ = try snapshot.apply(.failed(at: time, reason: reason))
        snapshots.append(snapshot)
        changes.append(.putSnapshot(snapshot))
        remarks.append("\(snapshot.id) is in state 'error': \(reason)")
    }
}
