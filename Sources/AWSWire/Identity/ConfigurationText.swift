/// A file of settings as AWS' tools write and read it; pure. Sections in brackets, `name = value` or `name: value` in
/// lines of their own, and what is indented below a name without a value: settings of one level further in. A line that
/// begins with `#` or `;` is a comment. Sections and names that come again are added to what was there; the last counts.
///
/// Source: AWS SDKs and Tools Reference Guide, "Shared config and credentials files"; the AWS CLI's reader.
struct ConfigurationText: Sendable {
    struct Section: Sendable {
        var values = GuardedValues()
        /// Settings of one level further in, by the name above them.
        var inner: [String: GuardedValues] = [:]
    }

    /// A line that is neither. What it says may be a secret, and is not kept.
    struct Malformed: Error, Hashable {
        let line: Int
    }

    /// By what stands in the brackets, with single blanks and without quotes.
    private(set) var sections: [String: Section] = [:]

    init() {}

    init(_ bytes: [UInt8]) throws(Malformed) {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Malformed(line: Self.firstLineThatIsNoText(bytes))
        }
        var reader = Reader()
        let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        for (number, line) in zip(1..., lines) {
            // A mark of the byte order may come first.
            guard reader.take(number == 1 && line.first == "\u{FEFF}" ? line.dropFirst() : line) else {
                throw Malformed(line: number)
            }
        }
        sections = reader.sections
    }

    private static func firstLineThatIsNoText(_ bytes: [UInt8]) -> Int {
        let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        return 1 + (lines.firstIndex { String(validating: $0, as: UTF8.self) == nil } ?? 0)
    }
}

private struct Reader {
    var sections: [String: ConfigurationText.Section] = [:]
    private var section: String?
    /// The name whose value may go on in lines that are indented more.
    private var open: (name: String, indentation: Int, hasValue: Bool)?

    /// - Returns: `false` for what is none of what a line may be.
    mutating func take(_ line: Substring) -> Bool {
        let text = line.trimmedBlanks
        if text.isEmpty || text.hasPrefix("#") || text.hasPrefix(";") { return true }
        let indentation = line.prefix(while: \.isWhitespace).count
        if let section, let open, indentation > open.indentation {
            return takeInner(text, below: open, in: section)
        }
        return text.hasPrefix("[") ? begin(text) : takeSetting(text, indentation)
    }

    private mutating func begin(_ text: Substring) -> Bool {
        guard let end = text.firstIndex(of: "]") else { return false }
        let words = text[..<end].dropFirst().filter { $0 != "\"" && $0 != "'" }.split(whereSeparator: \.isWhitespace)
        guard !words.isEmpty else { return false }
        let name = words.joined(separator: " ")
        sections[name] = sections[name] ?? .init()
        section = name
        open = nil
        return true
    }

    private mutating func takeSetting(_ text: Substring, _ indentation: Int) -> Bool {
        guard let section, let (name, value) = text.setting(separatedBy: ["=", ":"]) else { return false }
        open = (name, indentation, !value.isEmpty)
        sections[section]?.values[name] = value
        return true
    }

    /// A value's next line adds to it; below a name without a value it is a setting.
    private mutating func takeInner(
        _ text: Substring, below open: (name: String, indentation: Int, hasValue: Bool), in section: String
    ) -> Bool {
        if open.hasValue {
            let before = sections[section]?.values[open.name] ?? ""
            sections[section]?.values[open.name] = "\(before)\n\(text)"
            return true
        }
        guard let (name, value) = text.setting(separatedBy: ["="]) else { return false }
        sections[section]?.inner[open.name, default: .init()][name] = value
        return true
    }
}

extension Substring {
    fileprivate var trimmedBlanks: Substring {
        var text = drop(while: \.isWhitespace)
        while text.last?.isWhitespace == true { text.removeLast() }
        return text
    }

    /// A name in small letters and its value, which may be empty.
    fileprivate func setting(separatedBy separators: Set<Character>) -> (name: String, value: String)? {
        guard let place = firstIndex(where: separators.contains) else { return nil }
        let name = self[..<place].trimmedBlanks
        return name.isEmpty ? nil : (name.lowercased(), String(self[index(after: place)...].trimmedBlanks))
    }
}
