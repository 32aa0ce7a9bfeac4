import Driver

/// gRPC's status codes, by which CSI sorts errors (grpc.io, "Status codes and their use in gRPC").
public enum StatusCode: Int, Sendable, Hashable, Codable, CaseIterable {
    case cancelled = 1
    case unknown = 2
    case invalidArgument = 3
    case deadlineExceeded = 4
    case notFound = 5
    case alreadyExists = 6
    case permissionDenied = 7
    case resourceExhausted = 8
    case failedPrecondition = 9
    case aborted = 10
    case outOfRange = 11
    case unimplemented = 12
    case internalError = 13
    case unavailable = 14
    case dataLoss = 15
    case unauthenticated = 16

    /// `NOT_FOUND` and so on.
    public var name: String {
        switch self {
        case .cancelled: "CANCELLED"
        case .unknown: "UNKNOWN"
        case .invalidArgument: "INVALID_ARGUMENT"
        case .deadlineExceeded: "DEADLINE_EXCEEDED"
        case .notFound: "NOT_FOUND"
        case .alreadyExists: "ALREADY_EXISTS"
        case .permissionDenied: "PERMISSION_DENIED"
        case .resourceExhausted: "RESOURCE_EXHAUSTED"
        case .failedPrecondition: "FAILED_PRECONDITION"
        case .aborted: "ABORTED"
        case .outOfRange: "OUT_OF_RANGE"
        case .unimplemented: "UNIMPLEMENTED"
        case .internalError: "INTERNAL"
        case .unavailable: "UNAVAILABLE"
        case .dataLoss: "DATA_LOSS"
        case .unauthenticated: "UNAUTHENTICATED"
        }
    }

    /// The one place that maps EC2's codes to gRPC's. New codes of a real region are sorted by how they are spelled.
    public init(_ code: StorageError.Code) {
        switch code {
        case .unavailable, .snapshotStoreUnreachable: self = .unavailable
        case .accessDenied: self = .permissionDenied
        case .snapshotDamaged: self = .dataLoss
        case .resourceNotFound: self = .notFound
        case .conflict: self = .alreadyExists
        case .validation, .snapshotFileInvalid: self = .invalidArgument
        case .deadlineExceeded: self = .deadlineExceeded
        case .internalError, .hostOperationFailed: self = .internalError
        case .volumeInUse, .incorrectState, .deviceBusy, .deviceNotBlank, .zoneMismatch: self = .failedPrecondition
        case .attachmentLimitExceeded, .serviceQuotaExceeded: self = .resourceExhausted
        case .idempotentParameterMismatch: self = .alreadyExists
        case .unknownVolumeType, .missingParameter: self = .invalidArgument
        case .unsupportedOperation: self = .unimplemented
        default: self.init(spelling: code.name)
        }
    }

    private init(spelling name: String) {
        if name.hasSuffix(".NotFound") || name.hasSuffix("NotFound") {
            self = .notFound
        } else if name.hasSuffix(".Duplicate") || name.hasSuffix("AlreadyExists") {
            self = .alreadyExists
        } else if name.hasPrefix("InvalidParameter") || name.hasSuffix(".Malformed") {
            self = .invalidArgument
        } else if name.hasSuffix("LimitExceeded") || name.hasSuffix("RateExceeded") || name.hasPrefix("Insufficient") {
            self = .resourceExhausted
        } else if name.hasSuffix("InUse") || name.hasPrefix("Incorrect") {
            self = .failedPrecondition
        } else if name == "UnauthorizedOperation" || name == "AuthFailure" {
            self = .permissionDenied
        } else {
            self = .unknown
        }
    }
}
