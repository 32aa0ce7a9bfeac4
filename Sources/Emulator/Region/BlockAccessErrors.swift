// The refusals of the EBS direct APIs: their codes, with their reasons as the cause. Their texts are not known to us,
// except for that of an unknown snapshot.
//
// Source: the API's reference, "ValidationException", "ResourceNotFoundException", "ConflictException",
// "ServiceQuotaExceededException".
import Driver
import SystemPackage

extension StorageError {
    /// What a value that cannot be is about.
    private enum Reason: String {
        case block = "INVALID_BLOCK"
        case blockToken = "INVALID_BLOCK_TOKEN"
        case pageToken = "INVALID_PAGE_TOKEN"
        case parameter = "INVALID_PARAMETER_VALUE"
        case snapshotID = "INVALID_SNAPSHOT_ID"
        case tag = "INVALID_TAG"
        case unrelatedSnapshots = "UNRELATED_SNAPSHOTS"
        case volumeSize = "INVALID_VOLUME_SIZE"
    }

    private static func invalid(_ reason: Reason, _ message: String, advice: String? = nil) -> Self {
        Self(.validation, message, cause: reason.rawValue, advice: advice)
    }

    // MARK: Snapshots

    static func blockSnapshotNotFound(_ id: SnapshotID) -> Self {
        Self(.resourceNotFound, "The snapshot '\(id)' does not exist.", cause: "SNAPSHOT_NOT_FOUND")
    }

    static func malformedBlockSnapshotID(_ id: SnapshotID) -> Self {
        invalid(.snapshotID, "The snapshot ID '\(id)' is malformed.")
    }

    static func notCompleted(_ snapshot: SnapshotRecord) -> Self {
        invalid(
            .snapshotID, "The snapshot '\(snapshot.id)' is in state '\(snapshot.state.rawValue)'.",
            advice: snapshot.state == .pending ? "wait until it is completed" : nil)
    }

    static func notWritable(_ snapshot: SnapshotRecord) -> Self {
        let why =
            switch (snapshot.origin, snapshot.state) {
            case (.blocks, .pending):
                snapshot.isDeletionWanted ? "is being deleted" : "is being completed"
            case (.blocks, .error): "is in state 'error'"
            case (.blocks, .completed): "is completed"
            default: "is not written block by block"
            }
        return invalid(.snapshotID, "The snapshot '\(snapshot.id)' \(why).", advice: "start a new snapshot")
    }

    static func unrelated(_ first: SnapshotID, _ second: SnapshotID) -> Self {
        invalid(
            .unrelatedSnapshots, "The snapshots '\(first)' and '\(second)' are not of one lineage.",
            advice: "list all blocks of '\(second)'")
    }

    // MARK: Lists

    static let invalidPageToken = invalid(
        .pageToken, "The page token is of another list, altered, or older than 60 minutes.",
        advice: "list again from the first page, or from a startingBlockIndex")

    static func pageSize(_ count: Int, _ allowed: ClosedRange<Int>) -> Self {
        invalid(
            .parameter, "maxResults is \(count), and may be \(allowed.lowerBound) to \(allowed.upperBound).")
    }

    static func startingIndex(_ index: SnapshotBlockIndex) -> Self {
        invalid(.parameter, "startingBlockIndex is \(index), and may not be negative.")
    }

    // MARK: Blocks

    static func invalidBlockToken(_ index: SnapshotBlockIndex, _ snapshot: SnapshotID) -> Self {
        invalid(
            .blockToken, "The token is not one of block \(index) of '\(snapshot)', or older than 7 days.",
            advice: "list the snapshot's blocks again")
    }

    static func damaged(_ index: SnapshotBlockIndex, of snapshot: SnapshotID, _ error: any Error) -> Self {
        Self(
            .snapshotDamaged, "Block \(index) of the snapshot '\(snapshot)' cannot be read.", cause: "\(error)",
            advice: "take it from another snapshot, or from the volume")
    }

    static func damagedList(_ snapshots: [SnapshotID], _ error: any Error) -> Self {
        let names = snapshots.map { "'\($0)'" }.joined(separator: " and ")
        return Self(.snapshotDamaged, "The blocks of the snapshot \(names) cannot be listed.", cause: "\(error)")
    }

    static func notRead(_ snapshots: [SnapshotID], _ error: any Error) -> Self {
        let names = snapshots.map { "'\($0)'" }.joined(separator: " and ")
        return Self(
            .internalError, "The snapshot \(names) could not be read now.", cause: "\(error)", advice: "try again")
    }

    static func noSuchBlock(_ index: SnapshotBlockIndex, of snapshot: SnapshotID, count: Int) -> Self {
        invalid(.block, "The snapshot '\(snapshot)' has the blocks 0 to \(count - 1), and no block \(index).")
    }

    static func blockLength(_ count: Int) -> Self {
        invalid(.block, "The block has \(count) bytes, and must have \(SnapshotBlock.bytes).")
    }

    static let blockChecksum = invalid(
        .block, "The block's checksum is not the SHA-256 of its data in base64.", advice: "send it again")

    static func notPut(_ index: SnapshotBlockIndex, of snapshot: SnapshotID, _ error: any Error) -> Self {
        notKept("Block \(index) of the snapshot '\(snapshot)' could not be written.", error)
    }

    // MARK: Begin and end

    static func snapshotSize(_ sizeGiB: Int, _ allowed: ClosedRange<Int>) -> Self {
        invalid(
            .volumeSize,
            "A volume of \(sizeGiB) GiB cannot be; it may have \(allowed.lowerBound) to \(allowed.upperBound) GiB.")
    }

    static func smallerThanParent(_ sizeGiB: Int, _ parent: SnapshotRecord) -> Self {
        invalid(
            .volumeSize,
            "A volume of \(sizeGiB) GiB is smaller than that of the parent '\(parent.id)', \(parent.sizeGiB) GiB.")
    }

    static func timeoutMinutes(_ minutes: Int, _ allowed: ClosedRange<Int>) -> Self {
        invalid(
            .parameter,
            "The timeout is \(minutes) minutes, and may be \(allowed.lowerBound) to \(allowed.upperBound).")
    }

    static func invalidTags(_ error: StorageError) -> Self { invalid(.tag, error.message) }

    /// What EC2 and the direct APIs have in common, as these would refuse it.
    var asBlockAccess: Self {
        switch code {
        case .idempotentParameterMismatch: Self(.conflict, message, advice: "use a new client token")
        case .snapshotLimitExceeded: Self(.serviceQuotaExceeded, message, advice: advice)
        case .invalidParameterValue: .invalid(.parameter, message)
        default: self
        }
    }

    static let tooManyUploads = Self(
        .serviceQuotaExceeded,
        "The region has \(SnapshotLimits.maximumUploads) pending snapshots that are written block by block, its limit.",
        advice: "complete or delete one of them first")

    static func notBegun(_ error: any Error) -> Self { notKept("The snapshot could not be started.", error) }

    static func notSealed(_ snapshot: SnapshotID, _ error: any Error) -> Self {
        notKept("The snapshot '\(snapshot)' could not be completed.", error)
    }

    static func changedBlocks(_ count: Int, found: Int, _ snapshot: SnapshotID) -> Self {
        invalid(
            .parameter, "\(found) blocks were put into the snapshot '\(snapshot)', not \(count).",
            advice: "put what is missing, and complete it then")
    }

    static func snapshotChecksum(_ snapshot: SnapshotID) -> Self {
        invalid(
            .parameter, "The checksum is not that of the blocks of the snapshot '\(snapshot)'.",
            advice: "put the blocks that differ again, and complete it then")
    }

    private static func notKept(_ message: String, _ error: any Error) -> Self {
        let isFull = (error as? Errno) == .noSpace
        return Self(
            isFull ? .insufficientCapacity : .internalError, message, cause: "\(error)",
            advice: isFull ? "free space in the state directory" : nil)
    }
}
