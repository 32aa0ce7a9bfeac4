/// Under which keys a place has what; written down in `docs/format.md`.
enum ObjectKey {
    /// As the local store names its files.
    static func object(_ name: Digest) -> String {
        let hex = name.hex
        return "objects/\(hex.prefix(2))/\(hex.dropFirst(2))"
    }

    static let snapshots = "snapshots/"

    /// Every folder in which something may lie.
    static let folders: [String] =
        (0...255).map { "objects/" + (UInt8($0) < 16 ? "0" : "") + String($0, radix: 16) } + ["snapshots"]
}

/// A snapshot that is in a place. Its manifest, and all that belongs to it, is there too.
public struct PlacedSnapshot: Hashable, Sendable {
    /// What it is called in the region that pushed it: letters, digits and `-`.
    public let id: String
    public let manifest: Digest

    public init(id: String, manifest: Digest) {
        precondition(Self.isID(id), "\(id) is no snapshot's id")
        self.id = id
        self.manifest = manifest
    }

    static func isID(_ text: some StringProtocol) -> Bool {
        !text.isEmpty && text.utf8.count <= 64
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"):
                    true
                default: false
                }
            }
    }

    /// The manifest stands in the key, so that a list of the keys tells what is there.
    var key: String { "\(ObjectKey.snapshots)\(id).\(manifest.hex)" }

    /// Nil for what is no snapshot's.
    init?(key: String) {
        let parts = key.dropFirst(ObjectKey.snapshots.count).split(separator: ".", omittingEmptySubsequences: false)
        guard key.hasPrefix(ObjectKey.snapshots), parts.count == 2, Self.isID(parts[0]),
            let manifest = Digest(hex: parts[1])
        else { return nil }
        self.init(id: String(parts[0]), manifest: manifest)
    }
}

extension ObjectPlace {
    /// Every snapshot that is there.
    public func snapshots() async throws -> [PlacedSnapshot] {
        try await keys(ObjectKey.snapshots).compactMap(PlacedSnapshot.init(key:))
    }
}
