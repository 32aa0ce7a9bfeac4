/// A size as people write it: whole GiB, or with a unit, rounded up to whole GiB as EBS sells them.
///
/// `10`, `10g`, `10G`, `10gb` and `10GiB` are the same; `512m` becomes 1 GiB; `1t` is 1,024 GiB.
public struct VolumeSize: Hashable, Sendable {
    public let gibibytes: Int
    /// What was written, when it was not whole GiB.
    public let roundedFrom: String?

    /// `nil` for what is not a positive size.
    public init?(_ text: String) {
        let digits = text.prefix(while: { $0.isASCII && $0.isNumber })
        guard let count = Int(digits), count > 0, let unit = Self.mebibytes(of: text.dropFirst(digits.count)) else {
            return nil
        }
        let (mebibytes, overflow) = count.multipliedReportingOverflow(by: unit)
        if overflow { return nil }
        let (whole, rest) = mebibytes.quotientAndRemainder(dividingBy: 1024)
        gibibytes = whole + (rest > 0 ? 1 : 0)
        roundedFrom = rest > 0 ? text : nil
    }

    /// - Throws: `InvalidParameterValue`, see `refusal`.
    public init(parsing text: String) throws(StorageError) {
        guard let size = VolumeSize(text) else { throw Self.refusal(of: text) }
        self = size
    }

    /// Why `text` is no size, and what would be one.
    public static func refusal(of text: String) -> StorageError {
        StorageError(
            .invalidParameterValue, "Value (\(text)) for parameter size is invalid",
            cause: "it is not a positive whole number of GiB",
            advice: "write 10 or 10g for GiB, 512m for MiB, 1t for TiB")
    }

    /// A unit's size in MiB; no unit is GiB. `nil` for what is no unit.
    private static func mebibytes(of unit: Substring) -> Int? {
        switch unit.lowercased() {
        case "m", "mb", "mib": 1
        case "", "g", "gb", "gib": 1024
        case "t", "tb", "tib": 1024 * 1024
        default: nil
        }
    }
}
