/// YAML as REX-Ray printed it (go-yaml v1): lower-case keys, lists at their key's own indentation, text in
/// quotes only where it would be read as something else.
enum YAML {
    static func text(of value: Value) -> String {
        var writer = YAMLWriter()
        writer.write(value, indentation: 0)
        return writer.text
    }
}

/// Grows one text, since a list of ten thousand volumes is a hundred thousand lines.
private struct YAMLWriter {
    private(set) var text = ""

    /// Writes a value that begins where the text ends; its further lines are indented.
    mutating func write(_ value: Value, indentation: Int) {
        switch value {
        case .list(let items):
            if items.isEmpty { return text += "[]\n" }
            for (index, item) in items.enumerated() {
                if index > 0 { indent(indentation) }
                text += "- "
                write(item, indentation: indentation + 2)
            }
        case .record(let fields):
            if fields.isEmpty { return text += "{}\n" }
            for (index, field) in fields.lazy.filter(\.isInYAML).enumerated() {
                if index > 0 { indent(indentation) }
                write(field, indentation: indentation)
            }
        case .text(let content): write(scalar: YAMLText.quotedIfNeeded(content))
        case .integer(let number): write(scalar: String(number))
        case .decimal(let number): write(scalar: Value.plain(number))
        case .boolean(let truth): write(scalar: truth ? "true" : "false")
        }
    }

    private mutating func write(_ field: Value.Field, indentation: Int) {
        text += field.name.lowercased()
        text += ":"
        let startsOnItsOwnLine =
            switch field.value {
            case .list(let items): !items.isEmpty
            case .record(let fields): !fields.isEmpty
            case .text, .integer, .decimal, .boolean: false
            }
        guard startsOnItsOwnLine else {
            text += " "
            return write(field.value, indentation: indentation)
        }
        text += "\n"
        let inner = if case .record = field.value { indentation + 2 } else { indentation }
        indent(inner)
        write(field.value, indentation: inner)
    }

    private mutating func write(scalar: String) {
        text += scalar
        text += "\n"
    }

    private mutating func indent(_ count: Int) {
        for _ in 0..<count { text += " " }
    }
}

/// Which text YAML 1.1 reads as text without quotes. Bytes are looked at, not characters: all that matters is ASCII.
private enum YAMLText {
    static func quotedIfNeeded(_ text: String) -> String {
        if text.isEmpty || looksLikeAnotherType(text) || text.utf8.contains(where: isControl) {
            return JSON.quoted(text)
        }
        guard hasSpecialForm(text.utf8) else { return text }
        return "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''") + "'"
    }

    /// Numbers, truths, nothings and dates.
    private static func looksLikeAnotherType(_ text: String) -> Bool {
        guard let first = text.utf8.first else { return false }
        switch first {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."),
            UInt8(ascii: "_"), UInt8(ascii: ","):
            return isNumber(text) || isDate(text.utf8) || isWord(text)
        default: return isWord(text)
        }
    }

    private static let words: Set<String> = [
        "true", "false", "yes", "no", "on", "off", "y", "n", "null", "~", ".nan", ".inf",
    ]
    private static let longestWord = 5

    private static func isWord(_ text: String) -> Bool {
        text.utf8.count <= longestWord && words.contains(text.lowercased())
    }

    private static func isNumber(_ text: String) -> Bool {
        let digits = text.filter { $0 != "_" && $0 != "," }
        return Double(digits) != nil || digits.hasPrefix("0x") || digits.hasPrefix("0b")
    }

    /// Whether it begins as `2024-01-02`.
    private static func isDate(_ text: String.UTF8View) -> Bool {
        let start = Array(text.prefix(10))
        return start.count == 10
            && start.indices.allSatisfy { index in
                let isDash = index == 4 || index == 7
                return isDash ? start[index] == UInt8(ascii: "-") : isDigit(start[index])
            }
    }

    private static func isDigit(_ byte: UInt8) -> Bool { UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte }

    private static func hasSpecialForm(_ text: String.UTF8View) -> Bool {
        guard let first = text.first, let last = text.last else { return false }
        if first == UInt8(ascii: " ") || last == UInt8(ascii: " ") || last == UInt8(ascii: ":") { return true }
        if "!&*|>%@`\"'#,[]{}".utf8.contains(first) { return true }
        if "-?:".utf8.contains(first), text.dropFirst().first.map({ $0 == UInt8(ascii: " ") }) ?? true { return true }
        // A value, or a comment, would begin there.
        return zip(text, text.dropFirst()).contains { pair in
            pair == (UInt8(ascii: ":"), UInt8(ascii: " ")) || pair == (UInt8(ascii: " "), UInt8(ascii: "#"))
        }
    }

    private static func isControl(_ byte: UInt8) -> Bool { byte < 0x20 || byte == 0x7F }
}
