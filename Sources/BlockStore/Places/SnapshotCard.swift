/// What a place tells of a snapshot: the small file that comes last. Its bytes are written down in `docs/format.md`.
public struct SnapshotCard: Hashable, Sendable {
    static let version: UInt32 = 1
    static let magic = Array("ebb-push".utf8)
    private static let fixedBytes = 56
    static let maximumBytes = fixedBytes + SnapshotArchive.maximumDescriptionBytes + Digest.byteCount

    public let manifest: Digest
    /// Of all blocks that hold anything.
    public let fullSizeBytes: Int64
    /// The pusher's: JSON, at most 1 MiB.
    public let description: String

    init(manifest: Digest, fullSizeBytes: Int64, description: String) {
        precondition(description.utf8.count <= SnapshotArchive.maximumDescriptionBytes, "a description is short")
        self.manifest = manifest
        self.fullSizeBytes = fullSizeBytes
        self.description = description
    }

    var encoded: [UInt8] {
        var bytes = Self.magic
        bytes.append(littleEndian: Self.version)
        bytes.append(littleEndian: UInt32(description.utf8.count))
        bytes += manifest.bytes
        bytes.append(littleEndian: fullSizeBytes)
        bytes += Array(description.utf8)
        return bytes + (unsafe Digest(of: bytes.span.bytes)).bytes
    }

    init(decoding bytes: [UInt8]) throws(MalformedObject) {
        var reader = ByteReader(bytes)
        guard reader.take(8).map({ Array($0) }) == Self.magic else {
            throw MalformedObject(reason: "it is no snapshot's")
        }
        guard let version = reader.number(UInt32.self), version == Self.version else {
            throw MalformedObject(reason: "its version is not known")
        }
        guard let length = reader.number(UInt32.self), length <= SnapshotArchive.maximumDescriptionBytes,
            let manifest = reader.digest(), let fullSizeBytes = reader.number(Int64.self), fullSizeBytes >= 0,
            let bytesOfText = reader.take(Int(length))
        else { throw MalformedObject(reason: "its length is wrong") }
        // Not mended: what is no text would become longer than it may be.
        guard let text = String(validating: bytesOfText, as: UTF8.self) else {
            throw MalformedObject(reason: "its description is no text")
        }
        self.init(manifest: manifest, fullSizeBytes: fullSizeBytes, description: text)
        guard encoded == bytes else { throw MalformedObject(reason: "it is damaged") }
    }
}
