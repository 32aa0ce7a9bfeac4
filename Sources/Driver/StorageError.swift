/// Why the world refused: what failed, EC2's code for it, the cause beneath, and what to do next.
///
/// The same one line reaches the command line, Docker and the RPC.
public struct StorageError: Error, Hashable, Sendable, Codable, CustomStringConvertible {
    public var code: Code
    /// One sentence in EC2's words, naming the ids concerned.
    public var message: String
    /// What lies beneath, such as a system call and its errno.
    public var cause: String?
    /// What the user can do about it, in the imperative.
    public var advice: String?

    public init(_ code: Code, _ message: String, cause: String? = nil, advice: String? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
        self.advice = advice
    }

    /// `MESSAGE (Code): cause; advice`, on one line.
    public var description: String {
        var line = "\(message) (\(code.name))"
        if let cause { line += ": \(cause)" }
        if let advice { line += "; \(advice)" }
        return line.split(whereSeparator: \.isNewline).joined(separator: " ")
    }

    /// EC2's name for an error. New names may come from a real region, so it is open.
    public struct Code: Hashable, Sendable, TextValue {
        public let name: String

        public init(_ name: String) {
            self.name = name
        }

        public var description: String { name }

        public static let attachmentNotFound = Code("InvalidAttachment.NotFound")
        public static let attachmentLimitExceeded = Code("AttachmentLimitExceeded")
        public static let deadlineExceeded = Code("DeadlineExceeded")
        public static let idempotentParameterMismatch = Code("IdempotentParameterMismatch")
        public static let incorrectModificationState = Code("IncorrectModificationState")
        public static let incorrectState = Code("IncorrectState")
        public static let instanceNotFound = Code("InvalidInstanceID.NotFound")
        public static let internalError = Code("InternalError")
        public static let invalidParameterCombination = Code("InvalidParameterCombination")
        public static let invalidParameterValue = Code("InvalidParameterValue")
        public static let missingParameter = Code("MissingParameter")
        public static let insufficientCapacity = Code("InsufficientVolumeCapacity")
        public static let invalidNextToken = Code("InvalidNextToken")
        public static let concurrentSnapshotLimitExceeded = Code("ConcurrentSnapshotLimitExceeded")
        public static let copyVolumesLimitExceeded = Code("CopyVolumesLimitExceeded")
        public static let pendingSnapshotLimitExceeded = Code("PendingSnapshotLimitExceeded")
        public static let resourceLimitExceeded = Code("ResourceLimitExceeded")
        public static let snapshotCreationRateExceeded = Code("SnapshotCreationPerVolumeRateExceeded")
        /// Not EC2's, as `volumeDuplicate` is not.
        public static let snapshotDuplicate = Code("InvalidSnapshot.Duplicate")
        public static let snapshotIDMalformed = Code("InvalidSnapshotID.Malformed")
        public static let snapshotInUse = Code("InvalidSnapshot.InUse")
        public static let snapshotLimitExceeded = Code("SnapshotLimitExceeded")
        /// Not EC2's for this: how many tasks on snapshots may be under way.
        public static let snapshotTaskLimitExceeded = Code("SnapshotTaskLimitExceeded")
        public static let snapshotNotFound = Code("InvalidSnapshot.NotFound")
        public static let tagLimitExceeded = Code("TagLimitExceeded")
        public static let unauthorized = Code("UnauthorizedOperation")
        public static let unavailable = Code("Unavailable")
        public static let unknownVolumeType = Code("UnknownVolumeType")
        public static let unsupportedOperation = Code("UnsupportedOperation")
        /// Not EC2's: its names are not unique, Ebb's are. Formed like `InvalidGroup.Duplicate`.
        public static let volumeDuplicate = Code("InvalidVolume.Duplicate")
        public static let volumeInUse = Code("VolumeInUse")
        public static let volumeModificationNotFound = Code("InvalidVolumeModification.NotFound")
        public static let volumeModificationRateExceeded = Code("VolumeModificationRateExceeded")
        public static let volumeNotFound = Code("InvalidVolume.NotFound")
        public static let zoneMismatch = Code("InvalidVolume.ZoneMismatch")
        public static let zoneNotFound = Code("InvalidZone.NotFound")
        /// The EBS direct APIs': something else with this token, or a second writer of one block.
        public static let conflict = Code("ConflictException")
        /// The EBS direct APIs': no such snapshot; the cause is their reason.
        public static let resourceNotFound = Code("ResourceNotFoundException")
        /// The EBS direct APIs': no more of something than there is.
        public static let serviceQuotaExceeded = Code("ServiceQuotaExceededException")
        /// The EBS direct APIs': a value that cannot be; the cause is their reason.
        public static let validation = Code("ValidationException")
        /// The store's: a block or a map of a snapshot is missing or not what its checksum says.
        public static let snapshotDamaged = Code("SnapshotDamaged")
        /// The store's: the file is no exported snapshot, not whole, or altered.
        public static let snapshotFileInvalid = Code("InvalidSnapshotFile")
        /// The store's: the directory or the bucket does not let the daemon in. Formed as S3's own.
        public static let accessDenied = Code("AccessDenied")
        /// The store's: the directory or the bucket did not answer; what was sent stays and is not sent again.
        public static let snapshotStoreUnreachable = Code("SnapshotStoreUnreachable")
        /// The host's, not EC2's: what is on the device is not ours to overwrite, or not to be mounted.
        public static let deviceNotBlank = Code("DeviceNotBlank")
        /// The host's: a command of the machine (mkfs, mount, losetup, …) failed.
        public static let hostOperationFailed = Code("HostOperationFailed")
        /// The host's: the volume, device or mount is still in use on this machine.
        public static let deviceBusy = Code("DeviceBusy")
    }
}
