/// JSON with fields in the order of their record, on one line or indented.
enum JSON {
    static func text(of value: Value, isPretty: Bool) -> String {
        write(value, indentation: isPretty ? "" : nil) + "\n"
    }

    /// - Parameter indentation: of the line that the value starts on; `nil` for everything on one line.
    private static func write(_ value: Value, indentation: String?) -> String {
        switch value {
        case .text(let text): return quoted(text)
        case .integer(let number): return String(number)
        case .decimal(let number): return Value.plain(number)
        case .boolean(let truth): return truth ? "true" : "false"
        case .list(let items):
            let inner = indentation.map { $0 + "  " }
            return wrapped("[", items.map { write($0, indentation: inner) }, "]", indentation: indentation)
        case .record(let fields):
            let inner = indentation.map { $0 + "  " }
            let separator = indentation == nil ? ":" : ": "
            let members = fields.map { quoted($0.name) + separator + write($0.value, indentation: inner) }
            return wrapped("{", members, "}", indentation: indentation)
        }
    }

    private static func wrapped(_ open: String, _ parts: [String], _ close: String, indentation: String?) -> String {
        guard let indentation, !parts.isEmpty else { return open + parts.joined(separator: ",") + close }
        let inner = parts.map { "\(indentation)  \($0)" }.joined(separator: ",\n")
        return "\(open)\n\(inner)\n\(indentation)\(close)"
    }

    static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case _ where scalar.value < 0x20 || scalar.value == 0x7F:
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
