/// What a command answers, before it has a form: an ordered tree, so that fields print in REX-Ray's order.
enum Value: Equatable {
    case text(String)
    case integer(Int)
    /// Printed with up to three decimals.
    case decimal(Double)
    case boolean(Bool)
    case list([Value])
    case record([Field])

    /// A named part of a record.
    struct Field: Equatable {
        /// REX-Ray's name in its own case, such as `VolumeID`; YAML has it in lower case.
        let name: String
        let value: Value
        /// Whether YAML has it too. REX-Ray's YAML is kept to the letter; what Ebb knows beyond it stands in
        /// JSON and templates only.
        let isInYAML: Bool

        init(_ name: String, _ value: Value, isInYAML: Bool = true) {
            self.name = name
            self.value = value
            self.isInYAML = isInYAML
        }

        static func extra(_ name: String, _ value: Value) -> Field { Field(name, value, isInYAML: false) }
    }

    var isEmpty: Bool {
        switch self {
        case .text(let text): text.isEmpty
        case .list(let items): items.isEmpty
        case .record(let fields): fields.isEmpty
        case .integer, .decimal, .boolean: false
        }
    }

    /// The field of that name, in any case.
    subscript(name: String) -> Value? {
        guard case .record(let fields) = self else { return nil }
        return fields.first { $0.name.lowercased() == name.lowercased() }?.value
    }
}

extension Value: ExpressibleByStringLiteral {
    init(stringLiteral value: String) { self = .text(value) }
}

extension Value {
    /// A number without its trailing zeros, such as `2999.5`; 0 for what is no number, which JSON has no word for.
    static func plain(_ number: Double) -> String {
        var text = Figures.decimal(number, places: 3).filter { $0 != "," }
        while text.contains("."), text.hasSuffix("0") || text.hasSuffix(".") { text.removeLast() }
        return text == "-" ? "0" : text
    }
}
