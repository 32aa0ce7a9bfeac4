// How far volumes are that were made from a snapshot or from another volume.
import Driver

extension EC2Driver {
    /// The volumes with what EC2 tells of their initialization.
    ///
    /// Nothing is told where the caller has no right to ask, or EC2 cannot be asked now: nobody is to miss the volumes
    /// themselves for that, or to wait for it.
    func withInitialization(_ volumes: [Volume]) async throws -> [Volume] {
        let ids = volumes.filter { $0.snapshotID != nil || $0.sourceVolumeID != nil }.map(\.id.rawValue)
        guard !ids.isEmpty else { return volumes }
        let items: [VolumeStatusItem]
        do {
            items = try await statusBatches.items(ids)
        } catch is StorageError {
            return volumes
        }
        let known = Dictionary(items.map { ($0.volumeId, $0) }) { $1 }
        return volumes.map { volume in
            var volume = volume
            volume.initialization = known[volume.id.rawValue].flatMap(Translator.initialization)
            return volume
        }
    }
}

extension Translator {
    /// `nil` where EC2 tells none.
    static func initialization(_ item: VolumeStatusItem) -> VolumeInitialization? {
        guard let details = item.initializationStatusDetails,
            let kind = details.initializationType.flatMap(VolumeInitialization.Kind.init(rawValue:))
        else { return nil }
        let state = item.volumeStatus?.details?.first { $0.name == "initialization-state" }?.status
        let isCompleted = state.map { $0 == "completed" } ?? (details.progress == 100)
        return VolumeInitialization(
            kind: kind, state: isCompleted ? .completed : .initializing,
            progressPercent: details.progress ?? (isCompleted ? 100 : 0),
            estimatedSecondsLeft: details.estimatedTimeToCompleteInSeconds)
    }
}
