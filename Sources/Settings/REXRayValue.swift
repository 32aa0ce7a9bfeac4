/// REX-Ray's values in the words of our settings.
enum REXRayValue {
    case plain
    /// `ebs` is what later versions call it.
    case driver
    /// `true` makes calls succeed without doing anything.
    case disabling
    /// A host's name, without a scheme.
    case endpoint
    /// The value of the tag `rexraySet`.
    case tag
    /// 0 for none.
    case iops
    /// As Go writes it: `1m30s`.
    case duration

    /// What is no such value is left as it is, and refused by the setting's kind.
    func callAsFunction(_ text: String) -> String {
        switch self {
        case .plain: text
        case .driver: text.lowercased() == "ebs" ? StorageWorld.ec2.rawValue : text
        case .disabling: Setting.Kind.boolean(text).map { $0 ? "ignore" : "allow" } ?? text
        case .endpoint: text.contains("://") ? text : "https://" + text
        case .tag: "rexraySet=" + text
        case .iops: text == "0" ? "" : text
        case .duration: Self.milliseconds(text).map { $0 % 1000 == 0 ? "\($0 / 1000)s" : "\($0)ms" } ?? text
        }
    }

    /// Whether REX-Ray would have put a variable of its environment into the text, which is not done here.
    static func namesVariable(_ text: String) -> Bool {
        zip(text, text.dropFirst()).contains { $0 == "$" && ($1.isLetter || $1 == "_" || $1 == "{") }
    }

    /// Source: Go's `time.ParseDuration`, without fractions.
    private static func milliseconds(_ text: String) -> Int? {
        var rest = text[...]
        var sum = 0
        while !rest.isEmpty {
            let digits = rest.prefix(while: \.isNumber)
            let unit = rest.dropFirst(digits.count).prefix(while: \.isLetter)
            let factors = ["ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000]
            guard let count = Int(digits), count < 1_000_000, let factor = factors[String(unit)] else { return nil }
            sum += count * factor
            rest = rest.dropFirst(digits.count + unit.count)
        }
        return text.isEmpty ? nil : sum
    }
}
