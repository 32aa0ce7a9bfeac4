// What the region knows of a snapshot, and of where a volume's first content came from.
import BlockStore
import Driver

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// The content of one or more volumes at one instant. `state` and `content` always agree: see `SnapshotLifecycle`.
struct SnapshotRecord: Hashable, Sendable {
    let number: SnapshotNumber
    let id: SnapshotID
    /// The emulated region that it lies in; not always this one.
    let region: String
    let origin: SnapshotOrigin
    let sizeGiB: Int
    /// The instant that it holds.
    let startTime: Date
    /// EC2's `description`.
    let text: String
    var tags: [String: String]
    var state = Snapshot.State.pending
    /// Goes as soon as it is no longer `pending`.
    var isDeletionWanted = false
    /// The manifest of which a `pending` one counts as one reference: the copied one's, or that of a deleted snapshot
    /// or volume, whose blocks it has where its own volume did not change since.
    var base: Digest?
    /// Present when `completed`.
    var content: SnapshotContent?
    /// When it was completed or failed.
    var endTime: Date?
    var failure: String?
    /// The lineage of what it was made of, where that is known to go on; `nil` where it begins with that itself.
    var inheritedLineage: String?

    var name: String { tags[Tag.name] ?? "" }
    var place: ListingPlace<Snapshot> { ListingPlace(time: startTime, id: id) }
    var sizeBytes: Int64 { Int64(sizeGiB) << 30 }

    /// What snapshots of one volume, of volumes that were made from those, their copies, and what was written block by
    /// block over any of them have in common: the id of what was first.
    var lineage: String { inheritedLineage ?? origin.sourceID ?? id.rawValue }
}

/// A request for snapshots that was answered, so that repeating it repeats the answer.
struct SnapshotTokenRecord: Hashable, Sendable {
    let token: String
    /// In the order of the answer.
    let snapshots: [SnapshotID]
    /// The request's parameters in one canonical form.
    let parameters: String
    let time: Date
}

/// What is in the store.
struct SnapshotContent: Hashable, Sendable {
    let manifest: Digest
    /// All written blocks, also those that other snapshots share.
    let fullSizeBytes: Int64
}

/// What a snapshot was made of.
enum SnapshotOrigin: Hashable, Sendable {
    case volume(VolumeID)
    case copy(of: SnapshotID)
    /// Written block by block, over those of the parent.
    case blocks(parent: SnapshotID?, timeoutMinutes: Int)
    /// Fetched from a file, a directory or a bucket, where it was of this volume.
    case imported(VolumeID)

    /// `nil` for what was written block by block over nothing, and for what came from elsewhere and was of no volume.
    var sourceID: String? {
        switch self {
        case .imported(.ofNoVolume): nil
        case .volume(let id), .imported(let id): id.rawValue
        case .copy(let id): id.rawValue
        case .blocks(let parent, _): parent?.rawValue
        }
    }

    /// The volume that was cut; EC2 names none for a copy and for what was written block by block.
    var reportedVolumeID: VolumeID {
        switch self {
        case .volume(let id), .imported(let id): id
        case .copy, .blocks: .ofNoVolume
        }
    }
}

/// Where a volume's first content came from.
struct VolumeOrigin: Hashable, Sendable {
    var source: Source
    /// What holds the blocks that the volume has not restored yet. Of a copy that is `creating`, what the original has
    /// not restored yet, if anything; of one that failed, nothing.
    var manifest: Digest?
    /// Until it has all its blocks, the volume counts as one reference of the manifest; then as none.
    var isRestored = false
    var initializationRateMiBps: Int?
    var isFastRestored = false
    /// That of what it was made from.
    var lineage: String?

    /// What people call it.
    var title: String {
        switch source {
        case .snapshot(let id): id.rawValue
        case .volume(let id): "the copy of \(id)"
        }
    }

    enum Source: Hashable, Sendable {
        case snapshot(SnapshotID)
        /// A copy, through an unnamed snapshot of that volume.
        case volume(VolumeID)
    }
}
