/// The name that a region gave to a resource, such as `vol-0123456789abcdef0`.
///
/// The phantom type keeps a volume's id from being passed where an instance's is meant.
public struct Identifier<Resource>: Hashable, Sendable, Comparable, TextValue {
    public let rawValue: String

    public init(_ rawValue: String) {
        self.rawValue = rawValue
    }

    public var description: String { rawValue }

    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

extension Identifier: ExpressibleByStringLiteral {
    public init(stringLiteral value: String) { self.init(value) }
}

/// `vol-` and 17 lower-case hexadecimal digits; EC2's older ids have 8.
public typealias VolumeID = Identifier<Volume>
/// `i-` and 17 lower-case hexadecimal digits on EC2; the emulator also accepts host names.
public typealias InstanceID = Identifier<Instance>
/// `snap-` and 17 lower-case hexadecimal digits.
public typealias SnapshotID = Identifier<Snapshot>
/// An availability zone's name, such as `us-east-1b`.
public typealias ZoneName = Identifier<Zone>

/// The name by which an instance sees an attached volume, such as `/dev/xvdb`.
public struct DeviceName: Hashable, Sendable, Comparable, TextValue {
    /// The whole path, with `/dev/` in front.
    public let path: String

    public init(_ path: String) {
        self.path = path.hasPrefix("/dev/") ? path : "/dev/" + path
    }

    public init(from decoder: any Decoder) throws {
        self.init(try decoder.singleValueContainer().decode(String.self))
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(path)
    }

    /// The last component: `xvdb` for `/dev/xvdb`.
    public var leaf: String { String(path.dropFirst("/dev/".count)) }

    public var description: String { path }

    public static func < (left: Self, right: Self) -> Bool { left.path < right.path }
}

extension DeviceName: ExpressibleByStringLiteral {
    public init(stringLiteral value: String) { self.init(value) }
}

extension VolumeID {
    /// `vol-` with 17 hexadecimal digits, or the 8 of EC2's older ids.
    public var isWellFormedVolumeID: Bool { rawValue.isEC2ID(after: "vol-") }
}

extension InstanceID {
    /// `i-` with 17 hexadecimal digits, or the 8 of EC2's older ids.
    public var isWellFormedInstanceID: Bool { rawValue.isEC2ID(after: "i-") }
}

extension SnapshotID {
    /// `snap-` with 17 hexadecimal digits, or the 8 of EC2's older ids.
    public var isWellFormedSnapshotID: Bool { rawValue.isEC2ID(after: "snap-") }
}

extension String {
    /// A prefix with 17 lower-case hexadecimal digits, or 8.
    fileprivate func isEC2ID(after prefix: String) -> Bool {
        guard hasPrefix(prefix) else { return false }
        let digits = dropFirst(prefix.count)
        return (digits.count == 17 || digits.count == 8)
            && digits.allSatisfy { ("0"..."9").contains($0) || ("a"..."f").contains($0) }
    }
}
