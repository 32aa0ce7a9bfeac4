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
            .invalidParameterValue, "\(path) lies on a volume of this region.",
            cause: "the daemon would wait for itself", advice: "choose a place on another disk, and copy from there")
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

    /// What came is right, and the store has spoiled, or cannot read, an object that it has.
    static func notStored(_ error: SnapshotStoreError) -> Self {
        Self(
            error.isDamage ? .snapshotDamaged : .internalError,
            "The snapshot could not be brought into the store.", cause: "\(error), in the store",
            advice: error.isDamage ? "see what else is damaged with snapshot check" : nil)
    }

    static func longDescription(_ id: SnapshotID) -> Self {
        Self(
            .invalidParameterValue, "The tags and the description of '\(id)' do not fit into a file.",
            cause: "they have more than 1 MiB", advice: "remove some tags")
    }

    // MARK: Places

    static func notPulled(_ cause: String) -> Self {
        Self(
            .snapshotFileInvalid, "The snapshot was not pulled.", cause: cause,
            advice: "push it again, thoroughly, from where it is whole")
    }

    /// - Parameter unreadableCount: how many there are besides of which nothing could be read.
    static func notOne(
        _ found: [FoundSnapshot], named name: String?, unreadableCount: Int, in location: String
    ) -> Self {
        let which = name.map { " named '\($0)'" } ?? ""
        let unread = "what tells of \(unreadableCount) \(unreadableCount == 1 ? "other" : "others") cannot be read"
        let cause = unreadableCount == 0 ? nil : unread
        if found.isEmpty {
            return Self(
                .snapshotNotFound, "There is no snapshot\(which) in \(location).", cause: cause,
                advice: cause == nil ? nil : "push those again, or say which, by its id")
        }
        let all = found.map { "\($0.id) (\($0.description.tags[Tag.name] ?? ""))" }.joined(separator: ", ")
        let count = found.count == 1 ? "is one snapshot" : "are \(found.count) snapshots"
        return Self(
            .invalidParameterValue, "There \(count)\(which) in \(location): \(all).", cause: cause,
            advice: "say which, by its id")
    }

    private static func notStored(_ error: Errno) -> Self {
        let isFull = error == .noSpace
        return Self(
            isFull ? .insufficientCapacity : .internalError, "The snapshot could not be brought into the store.",
            cause: "\(error)", advice: isFull ? "free space in the state directory" : nil)
    }

    /// For what a push or a pull ended with, but for what the store cannot read.
    static func ofPlace(_ error: any Error) -> any Error {
        switch error {
        case let error as PlaceError: ofPlace(error)
        case TransferError.noSuchSnapshot: Self(.snapshotNotFound, "\(error)")
        case let error as TransferError: notPulled("\(error)")
        case let error as MalformedDescription: notPulled("\(error)")
        case let error as Errno: notStored(error)
        default: error
        }
    }

    static func ofPlace(_ error: PlaceError) -> Self {
        switch error.code {
        case .invalidLocation, .noSuchPlace: Self(.invalidParameterValue, error.message)
        case .accessDenied: Self(.accessDenied, error.message)
        case .unreachable: Self(.snapshotStoreUnreachable, error.message)
        case .full: Self(.insufficientCapacity, error.message)
        case .tooLarge, .failed: Self(.internalError, error.message)
        }
    }

    // MARK: The store

    /// - Parameter error: of the store: what cannot be read, and why.
    static func unreadable(_ id: SnapshotID, _ error: any Error) -> Self {
        guard error.isDamage else { return .notRead([id], error) }
        return Self(
            .snapshotDamaged, "The snapshot '\(id)' cannot be read.", cause: "\(error)",
            advice: "see what else is damaged with snapshot check")
    }
}

extension Error {
    /// Whether something of the store is lost, and not only unreadable for the moment.
    var isDamage: Bool {
        switch self {
        case let error as SnapshotStoreError: error.isDamage
        case let part as UnreadableSnapshotPart: part.error.isDamage
        default: false
        }
    }
}
