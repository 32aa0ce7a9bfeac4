public import SystemPackage

/// One snapshot as one file that stands by itself. Its bytes are written down in `docs/format.md`: a head, each
/// object after those that it names, and an end. They follow from the manifest and the description alone, so that
/// an interrupted file goes on where it is whole.
public enum SnapshotArchive {
    static let version: UInt32 = 1
    static let magic = Array("ebb-snap".utf8)
    static let recordHeadBytes = 40
    public static let maximumDescriptionBytes = 1 << 20

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

    /// How far a file has been written or read.
    public struct Progress: Hashable, Sendable {
        /// The file's bytes so far.
        public var doneBytes: Int64
        /// Of which records that needed not to be written, since what they hold was there.
        public var presentBytes: Int64

        public init(doneBytes: Int64 = 0, presentBytes: Int64 = 0) {
            self.doneBytes = doneBytes
            self.presentBytes = presentBytes
        }
    }

    /// What a file says of itself at its beginning.
    ///
    /// - Throws: `SnapshotArchiveError`.
    public static func description(of file: FileDescriptor) throws -> String {
        try ArchiveReader(file).head().head.description
    }

    /// Whether a file is empty, or the beginning of one with this manifest, or such a file: what an export of it may
    /// go on with.
    public static func mayBecome(_ manifest: Digest, _ file: FileDescriptor) throws(Errno) -> Bool {
        let found = try file.bytes(at: 0, count: Head.fixedBytes)
        let expected = Head(manifest: manifest, description: "").encoded
        // The length of the description may be another one.
        return found.indices.allSatisfy { (12..<16).contains($0) || found[$0] == expected[$0] }
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
    /// The file could not be read.
    case unreadable(atByte: Int64, Errno)

    public var description: String {
        switch self {
        case .foreign: "this is no snapshot file"
        case .unknownVersion: "this snapshot file is of a version that is not known"
        case .truncated(let byte): "the snapshot file ends at byte \(byte), before its end"
        case .damaged(let byte): "the snapshot file is damaged at byte \(byte)"
        case .trailing(let byte): "something follows the snapshot file's end at byte \(byte)"
        case .incomplete(let error): "the snapshot file is incomplete: \(error)"
        case .unreadable(let byte, let error): "the snapshot file could not be read at byte \(byte): \(error)"
        }
    }
}
