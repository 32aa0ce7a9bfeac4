import Driver

/// What a volume may be called. Names become mount points and Docker volumes, so they are checked where they enter.
public enum VolumeName {
    static let maximumBytes = 255

    /// Refuses with `InvalidParameterValue` what is not `^[a-zA-Z0-9][a-zA-Z0-9_.-]*$`, is longer than 255 bytes,
    /// or reads like a volume's id.
    public static func validate(_ name: String) throws(StorageError) {
        if let reason = defect(of: name) {
            throw StorageError(
                .invalidParameterValue, "Volume name '\(name.prefix(80))' is not valid: \(reason)",
                advice: "use letters, digits, '_', '.' and '-', beginning with a letter or digit")
        }
    }

    public static func isValid(_ name: String) -> Bool { defect(of: name) == nil }

    private static func defect(of name: String) -> String? {
        guard let first = name.utf8.first else { return "it is empty" }
        if name.utf8.count > maximumBytes { return "it is \(name.utf8.count) bytes long, at most \(maximumBytes) fit" }
        if !isLetterOrDigit(first) { return "it must begin with a letter or digit" }
        if !name.utf8.allSatisfy({ isLetterOrDigit($0) || "_.-".utf8.contains($0) }) {
            return "it holds other characters than letters, digits, '_', '.' and '-'"
        }
        return isLikeID(name) ? "it reads like a volume's id" : nil
    }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: false
        }
    }

    /// Whether it is `vol-` with 8 or 17 hexadecimal digits.
    public static func isLikeID(_ name: String) -> Bool {
        guard name.hasPrefix("vol-") else { return false }
        let digits = name.dropFirst(4)
        return (digits.count == 8 || digits.count == 17) && digits.allSatisfy(\.isHexDigit)
    }
}
