// How far volumes are that were made from a snapshot or from another volume.
import Driver
import Synchronization

extension EC2Driver {
    /// What need not be asked for again.
    struct InitializationMemory {
        /// By volume, those that are completed.
        var completed: [VolumeID: VolumeInitialization] = [:]
        /// Whether the caller has no right to ask.
        var isRefused = false

        /// Volumes are deleted by others too, so that some are remembered in vain.
        static let limit = 10_000
    }

    /// How long EC2 may take to answer.
    static let initializationTime = Duration.seconds(1)

    /// The volumes with what EC2 tells of their initialization.
    ///
    /// Nothing is told where the caller has no right to ask, or EC2 does not answer at once, or of more volumes than are
    /// asked for in one call: nobody is to miss the volumes themselves for that, or to wait long.
    func withInitialization(_ volumes: [Volume]) async throws -> [Volume] {
        let (known, isRefused) = initializations.withLock { ($0.completed, $0.isRefused) }
        let unknown = volumes.filter {
            ($0.snapshotID != nil || $0.sourceVolumeID != nil) && known[$0.id] == nil
        }
        let asked = unknown.prefix(client.limits.idsPerCall).map(\.id)
        let told = isRefused || asked.isEmpty ? [:] : try await askForInitialization(of: asked)
        return volumes.map { volume in
            var volume = volume
            volume.initialization = known[volume.id] ?? told[volume.id]
            return volume
        }
    }

    private func askForInitialization(of ids: [VolumeID]) async throws -> [VolumeID: VolumeInitialization] {
        do {
            var told: [VolumeID: VolumeInitialization] = [:]
            for item in try await statusBatches.items(ids.map(\.rawValue)) {
                told[VolumeID(item.volumeId)] = Translator.initialization(item)
            }
            remember(told.filter { $0.value.state == .completed })
            return told
        } catch let error as StorageError {
            if error.code.isOfRights { initializations.withLock { $0.isRefused = true } }
            return [:]
        }
    }

    private func remember(_ completed: [VolumeID: VolumeInitialization]) {
        initializations.withLock { memory in
            if memory.completed.count > InitializationMemory.limit { memory.completed = [:] }
            memory.completed.merge(completed) { $1 }
        }
    }
}

extension StorageError.Code {
    /// IAM's refusals, by EC2 and by other servers of its API.
    fileprivate var isOfRights: Bool { name == "UnauthorizedOperation" || name == "AccessDenied" }
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
