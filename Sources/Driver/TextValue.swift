/// A value that is one text, for people and in JSON: its description.
public protocol TextValue: Codable, CustomStringConvertible {
    init(_ text: String)
}

extension TextValue {
    public init(from decoder: any Decoder) throws {
        self.init(try decoder.singleValueContainer().decode(String.self))
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
