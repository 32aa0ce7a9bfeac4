// Which device names an instance has, and which is free.
//
// Source: EC2 User Guide, "Device names for volumes" (HVM) and "Volume limits". The choice follows from the
// region's attachments and never from scanning the machine, so that a name is never handed out twice.

public enum DeviceSlots {
    /// The names handed out when the request has none: `/dev/xvdb` to `/dev/xvdz`.
    public static let automatic: [DeviceName] = letters("b"..."z").map { DeviceName("xvd" + $0) }

    /// Volumes on one instance beside its root device, as Nitro's shared limit leaves.
    public static let maximumPerInstance = 27

    /// Whether EC2 takes the name: `sd[a-z]`, `xvd[a-z]`, `xvd[a-c][a-z]`, `xvdd[a-x]`.
    public static func isValid(_ device: DeviceName) -> Bool {
        let leaf = device.leaf
        if leaf.hasPrefix("xvd") { return isXenSuffix(leaf.dropFirst(3)) }
        if leaf.hasPrefix("sd") { return leaf.count == 3 && isLetter(leaf.last) }
        return false
    }

    /// The attachment point behind a name: `sdf` and `xvdf` are one, since the kernel renames the first.
    public static func slot(_ device: DeviceName) -> String {
        device.leaf.hasPrefix("sd") ? "xvd" + device.leaf.dropFirst(2) : device.leaf
    }

    /// The root volume's.
    public static let root = "xvda"

    public static func firstFree(taken: Set<String>) -> DeviceName? {
        automatic.first { !taken.contains(slot($0)) }
    }

    private static func letters(_ range: ClosedRange<Unicode.Scalar>) -> [String] {
        (range.lowerBound.value...range.upperBound.value).compactMap(Unicode.Scalar.init).map { String($0) }
    }

    private static func isLetter(_ character: Character?) -> Bool {
        guard let character else { return false }
        return ("a"..."z").contains(character)
    }

    private static func isXenSuffix(_ suffix: Substring) -> Bool {
        guard suffix.allSatisfy({ isLetter($0) }), let first = suffix.first else { return false }
        switch suffix.count {
        case 1: return true
        case 2: return first < "d" || (first == "d" && suffix.last.map { $0 <= "x" } == true)
        default: return false
        }
    }
}
