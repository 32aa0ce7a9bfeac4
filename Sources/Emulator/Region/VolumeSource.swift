// What a new volume is to hold, and whether the request fits to it.
import Driver

enum VolumeSource: Sendable {
    case blank
    case snapshot(SnapshotRecord)
    case volume(VolumeRecord)

    /// The size that is asked for, or the source's own.
    ///
    /// - Throws: for a smaller one, and for none of a blank volume.
    func sizeGiB(asked: Int?) throws(StorageError) -> Int {
        switch self {
        case .blank:
            guard let asked else { throw .missing("size/snapshot") }
            return asked
        case .snapshot(let snapshot):
            let size = asked ?? snapshot.sizeGiB
            guard size >= snapshot.sizeGiB else { throw .smallerThanSnapshot(size, snapshot) }
            return size
        case .volume(let volume):
            let size = asked ?? volume.specification.sizeGiB
            guard size >= volume.specification.sizeGiB else { throw .smallerThanSource(size, volume) }
            return size
        }
    }

    /// Whether there is content to begin with, for a volume in this zone. EC2 checks this last.
    func checkUsable(in zone: ZoneName) throws(StorageError) {
        switch self {
        case .blank: break
        case .snapshot(let snapshot):
            _ = try snapshot.usableContent()
        case .volume(let volume):
            guard volume.zone == zone else { throw .sourceInOtherZone(volume, zone) }
            guard volume.state == .available else { throw .wrongState(volume.id, volume.reportedState) }
        }
    }

    /// - Parameter rate: MiB/s.
    func check(initializationRateMiBps rate: Int?) throws(StorageError) {
        guard let rate else { return }
        guard case .snapshot = self else {
            throw StorageError(
                .invalidParameterCombination,
                "The parameter volumeInitializationRate requires the parameter snapshotId to be set.")
        }
        let rates = SnapshotLimits.initializationRates
        guard rates.contains(rate) else {
            throw StorageError(
                .invalidParameterValue,
                "Value ( \(rate) ) for parameter volumeInitializationRate is invalid.",
                advice: "choose \(rates.lowerBound) to \(rates.upperBound) MiB/s")
        }
    }
}
