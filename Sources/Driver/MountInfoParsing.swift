// One line of /proc/<pid>/mountinfo, see proc_pid_mountinfo(5). Pure; a line that does not parse is left out.

/// A block device's or filesystem's number, as the kernel prints it: `7:3`.
public struct DeviceNumber: Hashable, Sendable, Codable, CustomStringConvertible {
    public var major: Int
    public var minor: Int

    public init(major: Int, minor: Int) {
        self.major = major
        self.minor = minor
    }

    public init?(_ text: some StringProtocol) {
        let parts = text.split(separator: ":", maxSplits: 1)
        guard parts.count == 2, let major = Int(parts[0]), let minor = Int(parts[1]) else { return nil }
        self.init(major: major, minor: minor)
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let number = DeviceNumber(text) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "'\(text)' is no device number")
        }
        self = number
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }

    public var description: String { "\(major):\(minor)" }

    /// The loop driver's, from the kernel's list of devices.
    public static let loopMajor = 7
    public var isLoop: Bool { major == Self.loopMajor }
}

extension MountInfo {
    public var deviceNumber: DeviceNumber { DeviceNumber(major: major, minor: minor) }

    /// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue`
    public init?(line: some StringProtocol) {
        let fields = line.split(separator: " ", omittingEmptySubsequences: false)
        guard fields.count >= 9, let dash = fields.dropFirst(6).firstIndex(of: "-"), fields.count >= dash + 3,
            let id = Int(fields[0]), let parent = Int(fields[1]), let number = DeviceNumber(fields[2])
        else { return nil }
        self.init(
            id: id, parent: parent, major: number.major, minor: number.minor, root: unescaped(fields[3]),
            mountPoint: unescaped(fields[4]), options: unescaped(fields[5]),
            optionalFields: fields[6..<dash].joined(separator: " "), fsType: unescaped(fields[dash + 1]),
            source: unescaped(fields[dash + 2]),
            superOptions: fields.count > dash + 3 ? unescaped(fields[dash + 3]) : "")
    }

    /// All mounts of a mountinfo file, in its order.
    public static func parse(_ text: String) -> [MountInfo] {
        text.split(separator: "\n").compactMap { MountInfo(line: $0) }
    }
}

/// Undoes the kernel's `\040` for a space, and so on.
private func unescaped(_ field: some StringProtocol) -> String {
    guard field.utf8.contains(UInt8(ascii: "\\")) else { return String(field) }
    var bytes: [UInt8] = []
    var rest = Array(field.utf8)[...]
    while let byte = rest.popFirst() {
        if byte == UInt8(ascii: "\\"), let value = octal(rest.prefix(3)) {
            bytes.append(value)
            rest = rest.dropFirst(3)
        } else {
            bytes.append(byte)
        }
    }
    return String(decoding: bytes, as: UTF8.self)
}

private func octal(_ digits: ArraySlice<UInt8>) -> UInt8? {
    digits.count == 3 ? UInt8(String(decoding: digits, as: UTF8.self), radix: 8) : nil
}
