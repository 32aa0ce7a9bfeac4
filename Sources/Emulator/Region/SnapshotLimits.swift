// How many snapshots there may be at once, and how soon one after another.
//
// Source: EBS User Guide, "Quotas for Amazon EBS"; EC2's API reference for CreateSnapshots, StartSnapshot.
import Driver

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// What a region's owner may choose of it.
public struct SnapshotPolicy: Sendable, Hashable {
    /// The least time between two snapshots of a volume. AWS publishes no figure, and advises to wait 15 seconds
    /// after a refusal; none by default.
    public var creationInterval: Duration
    /// How many blocks of one snapshot are copied into the store at a time, each by a thread. It is mostly hashing.
    public var copyWorkers: Int

    public init(creationInterval: Duration = .zero, copyWorkers: Int = 1) {
        self.creationInterval = creationInterval
        self.copyWorkers = copyWorkers
    }
}

enum SnapshotLimits {
    static let maximumDescriptionLength = 255
    static let maximumPerRegion = 100_000
    /// Snapshots of a region with fast restore, in however many zones.
    static let maximumFastRestored = 5
    /// How many that are written block by block may be `pending` at once.
    static let maximumUploads = 100
    /// Without a block for so long, such a snapshot fails.
    static let timeoutMinutes = 10...4_320
    static let uploadSizesGiB = 1...65_536
    /// How many blocks are in a page of them.
    static let blockPageSizes = 100...10_000
    /// MiB/s. Source: EC2's API reference, CreateVolume.
    static let initializationRates = 100...300

    /// How many snapshots of a volume may be `pending` at once.
    static func pending(of type: VolumeType) -> Int {
        type == .st1 || type == .sc1 ? 1 : 5
    }

    /// Whether one more snapshot of a volume may be begun.
    ///
    /// - Parameter earlier: the volume's snapshots.
    static func check(
        oneMoreOf volume: VolumeRecord, earlier: some Sequence<SnapshotRecord>, at time: Date, _ policy: SnapshotPolicy
    ) throws(StorageError) {
        var pending = 0
        var latest: Date?
        for snapshot in earlier {
            if snapshot.state == .pending { pending += 1 }
            latest = max(latest ?? snapshot.startTime, snapshot.startTime)
        }
        guard pending < Self.pending(of: volume.specification.type) else { throw .tooManyPending(volume) }
        let interval = policy.creationInterval.wholeMilliseconds
        if interval > 0, let latest, time < latest.adding(milliseconds: interval) { throw .snapshotsTooFast }
    }

    static func checkDescription(_ text: String) throws(StorageError) {
        guard text.count <= maximumDescriptionLength else {
            throw StorageError(
                .invalidParameterValue,
                "Description exceeds the maximum length of \(maximumDescriptionLength) characters",
                cause: "it has \(text.count)")
        }
    }
}
