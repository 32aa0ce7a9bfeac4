import Glibc
public import SystemPackage

/// What an object of the store is.
public enum ObjectKind: String, Hashable, Sendable {
    case block
    case segment
    case manifest
}

/// Why an object of the snapshot store could not be had. Nothing else is harmed by it.
public enum SnapshotStoreError: Error, Hashable, Sendable, CustomStringConvertible {
    case missing(ObjectKind, Digest)
    /// The bytes are not those that the name stands for.
    case damaged(ObjectKind, Digest)
    /// The bytes are those that were written, but no version that is known here, or against the format's rules.
    case malformed(ObjectKind, Digest, reason: String)
    case failed(ObjectKind, Digest, Errno)

    /// Whether the object is lost, so that reading it once more would not help.
    public var isDamage: Bool {
        switch self {
        case .missing, .damaged, .malformed: true
        case .failed(_, _, let error): error.isDamage
        }
    }

    /// Whether an object cannot be had after all were brought that there are: it was not among them, or is not what the
    /// format asks for. Otherwise the store has it, and has spoiled it or cannot read it.
    var isOfWhoBroughtIt: Bool {
        switch self {
        case .missing, .malformed: true
        case .damaged, .failed: false
        }
    }

    public var kind: ObjectKind {
        switch self {
        case .missing(let kind, _), .damaged(let kind, _), .malformed(let kind, _, _), .failed(let kind, _, _): kind
        }
    }

    public var description: String {
        switch self {
        case .missing(let kind, let name): "\(kind.rawValue) \(name) is missing"
        case .damaged(let kind, let name): "\(kind.rawValue) \(name) is damaged"
        case .malformed(let kind, let name, let reason): "\(kind.rawValue) \(name) cannot be understood: \(reason)"
        case .failed(let kind, let name, let error): "\(kind.rawValue) \(name) could not be read: \(error)"
        }
    }
}

extension Errno {
    /// A disk that cannot be read, and a filesystem that is itself damaged, say so with these.
    var isDamage: Bool { [.ioError, .badMessage, Errno(rawValue: EUCLEAN)].contains(self) }
}
