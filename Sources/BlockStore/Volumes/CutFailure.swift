public import SystemPackage

/// Why a cut will not become a snapshot. The volume is not harmed.
public enum CutFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// The disk is full: a block could be neither kept nor saved before it was written over.
    case noSpace
    case failed(Errno)
    /// The store refused a block, with something other than an errno.
    case refused(String)
    /// The store could not make durable what it had, or was killed at it: blocks that were copied may be lost.
    case storeFailed
    /// The cut that it counts from failed.
    case baseFailed
    case cancelled

    public var description: String {
        switch self {
        case .noSpace: "the disk is full"
        case .failed(let error): error.description
        case .refused(let reason): reason
        case .storeFailed: "blocks that were copied may have been lost"
        case .baseFailed: "the snapshot before it failed"
        case .cancelled: "it was cancelled"
        }
    }

    init(_ error: any Error) {
        switch error {
        case let failure as CutFailure: self = failure
        case let error as Errno: self = error == .noSpace ? .noSpace : .failed(error)
        default: self = .refused("\(error)")
        }
    }

    /// One word in the cut's `state` file; 0 is for none. Text is not kept.
    var word: UInt64 {
        switch self {
        case .noSpace: 1
        case .failed(let error): UInt64(UInt32(bitPattern: error.rawValue)) << 8 | 2
        case .refused: UInt64(UInt32(bitPattern: Errno.ioError.rawValue)) << 8 | 2
        case .baseFailed: 3
        case .cancelled: 4
        case .storeFailed: 5
        }
    }

    init?(word: UInt64) {
        switch word & 0xFF {
        case 1: self = .noSpace
        case 2: self = .failed(Errno(rawValue: Int32(truncatingIfNeeded: word >> 8)))
        case 3: self = .baseFailed
        case 4: self = .cancelled
        case 5: self = .storeFailed
        default: return nil
        }
    }
}
