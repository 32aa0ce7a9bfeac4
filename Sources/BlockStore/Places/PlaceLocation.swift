public import SystemPackage

/// Where a place is, as people write it; pure.
public enum PlaceLocation: Hashable, Sendable {
    /// An absolute path.
    case directory(FilePath)
    /// `s3://BUCKET/PREFIX`. The prefix may be empty, and neither begins nor ends with a `/`.
    case bucket(String, prefix: String)

    /// - Throws: `PlaceError.Code.invalidLocation`.
    public init(_ text: String) throws(PlaceError) {
        if text.hasPrefix("/") {
            self = .directory(FilePath(text))
        } else if text.hasPrefix("s3://") {
            self = try Self.bucket(ofURL: text)
        } else {
            throw PlaceError(
                .invalidLocation, "\(text) is no place for snapshots: give an absolute path, or s3://BUCKET/PREFIX")
        }
    }

    private static func bucket(ofURL text: String) throws(PlaceError) -> Self {
        let parts = text.dropFirst("s3://".count).split(separator: "/", omittingEmptySubsequences: false)
        let name = String(parts[0])
        guard isBucket(name) else {
            throw PlaceError(
                .invalidLocation,
                "\(text) names no bucket: 3 to 63 lower-case letters, digits, - and . stand after s3://")
        }
        return .bucket(name, prefix: parts.dropFirst().filter { !$0.isEmpty }.joined(separator: "/"))
    }

    /// Source: S3 User Guide, "General purpose bucket naming rules".
    private static func isBucket(_ name: String) -> Bool {
        let isEdge = { (byte: UInt8) in
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        }
        guard (3...63).contains(name.utf8.count), let first = name.utf8.first, let last = name.utf8.last else {
            return false
        }
        return isEdge(first) && isEdge(last)
            && name.utf8.allSatisfy { isEdge($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".") }
    }
}
