// The region's refusals about tasks on snapshots. EC2 has none of them: there a snapshot cannot be carried away.
import BlockStore
import Driver
import SystemPackage

extension StorageError {
    static func taskNotFound(_ id: SnapshotTaskID) -> Self {
        Self(
            .invalidParameterValue, "The snapshot task '\(id)' does not exist.",
            cause: "a task is forgotten an hour after its end, and when the daemon is restarted",
            advice: "begin it again: it goes on where it was")
    }

    static let tooManyTasks = Self(
        .snapshotTaskLimitExceeded, "\(SnapshotTasks.maximumActive) tasks on snapshots are under way.",
        advice: "wait until one has ended, or cancel one")

    static func noSnapshotStores(_ action: SnapshotTask.Action) -> Self {
        Self(
            .unsupportedOperation, "This region cannot \(action.rawValue) snapshots.",
            advice: "use export and import")
    }

    static func taskFailed(_ action: SnapshotTask.Action, _ error: any Error) -> Self {
        Self(.internalError, "The task '\(action.rawValue)' failed.", cause: "\(error)")
    }

    // MARK: Files

    static func relativePath(_ location: String) -> Self {
        Self(
            .invalidParameterValue, "Value (\(location)) for parameter location is invalid.",
            cause: "it is no absolute path of a file on the daemon's machine")
    }

    static func fileNotOpened(_ path: FilePath, _ error: Errno) -> Self {
        if error == .wouldBlock {
            return Self(
                .incorrectState, "The file \(path) is in use.", cause: "another export writes it",
                advice: "wait for that one")
        }
        return Self(.invalidParameterValue, "The file \(path) cannot be opened.", cause: "\(error)")
    }

    static func notRegular(_ path: FilePath) -> Self {
        Self(.invalidParameterValue, "\(path) is no regular file.")
    }

    static func foreignFile(_ path: FilePath) -> Self {
        Self(
            .invalidParameterValue, "The file \(path) is there, and is something else than this snapshot.",
            advice: "choose another name, or remove it first")
    }

    static func ownVolume(_ path: FilePath) -> Self {
        Self(
            .invalidParameterValue, "The file \(path) lies on a volume of this region.",
            cause: "the daemon would wait for itself", advice: "choose a place on another disk, and copy the file")
    }

    static func notWritten(_ path: FilePath, _ error: Errno) -> Self {
        Self(
            error == .noSpace ? .insufficientCapacity : .internalError, "The file \(path) could not be written.",
            cause: "\(error)", advice: "what is there stays: export again, and it goes on")
    }

    static func invalidFile(_ path: FilePath, _ cause: String) -> Self {
        Self(
            .snapshotFileInvalid, "The file \(path) was not imported.", cause: cause,
            advice: "get the file anew from where it came from")
    }

    static func notStored(_ path: FilePath, _ error: any Error) -> Self {
        let isFull = error as? Errno == .noSpace
        return Self(
            isFull ? .insufficientCapacity : .internalError,
            "The snapshot of \(path) could not be brought into the store.", cause: "\(error)",
            advice: isFull ? "free space in the state directory" : nil)
    }

    static func longDescription(_ id: SnapshotID) -> Self {
        Self(
            .invalidParameterValue, "The tags and the description of '\(id)' do not fit into a file.",
            cause: "they have more than 1 MiB", advice: "remove some tags")
    }

    // MARK: The store

    static func damaged(_ id: SnapshotID, _ part: UnreadableSnapshotPart) -> Self {
        Self(
            .snapshotDamaged, "The snapshot '\(id)' cannot be read.", cause: "\(part)",
            advice: "see what else is damaged with snapshot check")
    }
}
