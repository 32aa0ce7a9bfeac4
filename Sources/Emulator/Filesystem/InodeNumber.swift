import Driver

/// The number by which the kernel knows a file or directory of the tree.
///
/// It follows from the catalog's numbers and from names alone, never from the order of events, so that the next
/// worker means the same things by the same numbers. The low three bits are the kind.
struct InodeNumber: Hashable, Sendable, Comparable {
    let rawValue: UInt64

    init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    private init(_ kind: Kind, _ number: UInt64) {
        rawValue = number << 3 | kind.rawValue
    }

    enum Kind: UInt64, Sendable {
        /// FUSE's own number for the root is 1.
        case root = 1
        case zone
        /// The directory `volumes` of a zone.
        case volumes
        case instance
        /// A volume by its id, for looking.
        case volume
        case attachment
    }

    /// Nil for a number that no worker ever gave out.
    var kind: Kind? { Kind(rawValue: rawValue & 7) }

    /// The catalog's number, or the hash of a name.
    var number: UInt64 { rawValue >> 3 }

    static let root = InodeNumber(.root, 0)

    static func zone(_ zone: ZoneName) -> Self { Self(.zone, hash(zone.rawValue)) }

    static func volumes(_ zone: ZoneName) -> Self { Self(.volumes, hash(zone.rawValue)) }

    static func instance(_ instance: InstanceID, in zone: ZoneName) -> Self {
        Self(.instance, hash("\(zone)/\(instance)"))
    }

    static func volume(_ volume: VolumeNumber) -> Self { Self(.volume, UInt64(volume.rawValue)) }

    static func attachment(_ attachment: AttachmentNumber) -> Self {
        Self(.attachment, UInt64(attachment.rawValue))
    }

    /// FNV-1a, folded to 59 bits so that a number is a positive `off_t` too. Two of 10,000 names share one with
    /// a probability of 1e-10.
    private static func hash(_ name: String) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return (hash ^ hash >> 59) & (1 << 59 - 1)
    }

    static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}
