/// One snapshot as one file that stands by itself. Its bytes are written down in `docs/format.md`: a head, each
/// object after those that it names, and an end. They follow from the manifest and the description alone, so that
/// an interrupted file goes on where it is whole.
public enum SnapshotArchive {
    static let version: UInt32 = 1
    static let magic = Array("ebb-snap".utf8)
    static let recordHeadBytes = 40
    static let maximumDescriptionBytes = 1 << 20

    /// What a record holds. The numbers are the format's.
    enum RecordKind: UInt32 {
        case block = 1
        case segment = 2
        case manifest = 3
        case end = 4
    }

    /// The head: who made it does not matter, but all of it is vouched for by its last 32 bytes.
    struct Head: Hashable {
        var manifest: Digest
        /// The caller's: JSON.
        var description: String

        static let fixedBytes = 48

        var encoded: [UInt8] {
            var bytes = magic
            bytes.append(littleEndian: version)
            bytes.append(littleEndian: UInt32(description.utf8.count))
            bytes += manifest.bytes
            bytes += Array(description.utf8)
            return bytes + (unsafe Digest(of: bytes.span.bytes)).bytes
        }
    }

    static func recordHead(_ kind: RecordKind, count: Int, _ name: Digest) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(littleEndian: kind.rawValue)
        bytes.append(littleEndian: UInt32(count))
        return bytes + name.bytes
    }
}

/// Why a file is no snapshot that can be taken in. Nothing of it has become one.
public enum SnapshotArchiveError: Error, Hashable, Sendable, CustomStringConvertible {
    case foreign
    case unknownVersion
    /// The file ends where more must follow.
    case truncated(atByte: Int64)
    case damaged(atByte: Int64)
    /// Bytes follow the end.
    case trailing(atByte: Int64)
    /// It lacks an object that it needs.
    case incomplete(SnapshotStoreError)

    public var description: String {
        switch self {
        case .foreign: "this is no snapshot file"
        case .unknownVersion: "this snapshot file is of a version that is not known"
        case .truncated(let byte): "the snapshot file ends at byte \(byte), before its end"
        case .damaged(let byte): "the snapshot file is damaged at byte \(byte)"
        case .trailing(let byte): "something follows the snapshot file's end at byte \(byte)"
        case .incomplete(let error): "the snapshot file is incomplete: \(error)"
        }
    }
}
