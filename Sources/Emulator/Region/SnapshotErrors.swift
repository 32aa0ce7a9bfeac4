// The region's refusals about snapshots, in EC2's codes and words where those are known.
import BlockStore
import Driver

extension StorageError {
    /// Using what has no content yet, or never will.
    static func wrongSnapshotState(_ state: Snapshot.State) -> Self {
        Self(
            .incorrectState, "Snapshot is in invalid state - \(state.rawValue)",
            advice: state == .pending ? "wait until it is completed" : nil)
    }

    /// Ours: EBS keeps what it has.
    static func unusable(_ origin: VolumeOrigin?, _ error: SnapshotStoreError) -> Self {
        Self(
            .snapshotDamaged, "No volume can be made from \(origin?.title ?? "this").", cause: "\(error)",
            advice: "use another snapshot, and delete this one")
    }

    static func snapshotNameTaken(_ name: String, by holder: SnapshotRecord) -> Self {
        snapshotNameTaken(name, by: holder.id, in: holder.region)
    }

    static func tooManyPending(_ volume: VolumeRecord) -> Self {
        let limit = SnapshotLimits.pending(of: volume.specification.type)
        return Self(
            .concurrentSnapshotLimitExceeded,
            "Maximum allowed in-progress snapshots for a single volume exceeded.",
            cause: "\(volume.id) may have \(limit) at once", advice: "wait until one is completed")
    }

    static let snapshotsTooFast = Self(
        .snapshotCreationRateExceeded,
        """
        The maximum per volume CreateSnapshot request rate has been exceeded. Use an increasing or variable sleep \
        interval between requests.
        """)

    /// EC2's text for this code is not known to us.
    static let tooManySnapshots = Self(
        .snapshotLimitExceeded,
        "The region has reached its limit of \(SnapshotLimits.maximumPerRegion) snapshots.",
        advice: "delete some first")

    static func smallerThanSnapshot(_ sizeGiB: Int, _ snapshot: SnapshotRecord) -> Self {
        Self(
            .invalidParameterValue,
            """
            Volume of size \(sizeGiB)GB is smaller than snapshot '\(snapshot.id)', expect size >= \
            \(snapshot.sizeGiB)GB
            """)
    }

    /// EC2's text for this is not known to us; the form is that of a smaller size than a snapshot's.
    static func smallerThanSource(_ sizeGiB: Int, _ volume: VolumeRecord) -> Self {
        Self(
            .invalidParameterValue,
            """
            Volume of size \(sizeGiB)GB is smaller than volume '\(volume.id)', expect size >= \
            \(volume.specification.sizeGiB)GB
            """)
    }

    /// EC2's text for this is not known to us.
    static func sourceInOtherZone(_ volume: VolumeRecord, _ zone: ZoneName) -> Self {
        Self(
            .zoneMismatch, "The volume '\(volume.id)' is not in the availability zone '\(zone)'.",
            cause: "it is in \(volume.zone)", advice: "copy it there, or take a snapshot and restore it in \(zone)")
    }
}
