/// One value of a configuration file.
struct ConfigurationEntry: Hashable {
    /// The keys of the maps that it stands in, and its own, as they are written.
    let path: [String]
    /// One, unless it is a list.
    let words: [String]
    let isList: Bool
    let line: Int
}

/// Reads the part of YAML that settings need.
///
/// Maps within maps, by indentation or in braces; values plain or in quotes; lists of values as `[a, b]` or as lines of
/// `- a`; comments. Whatever else YAML has (anchors, folded text, lists of maps) is refused with its line. A whole YAML
/// library would bring Foundation and its Unicode tables into every start of the command line. Values are not repeated
/// in its errors, since one may be a secret that stands in the wrong place.
struct ConfigurationReader {
    private let file: String
    private var entries: [ConfigurationEntry] = []
    /// The maps that may go on, from the outermost.
    private var maps: [(indent: Int, path: [String])] = [(0, [])]
    /// The last key, if it had no value: a map, a list or nothing may follow.
    private var open: (path: [String], indent: Int, line: Int, words: [String])?

    /// - Parameter file: what errors call it.
    static func entries(of text: String, file: String) throws(SettingsError) -> [ConfigurationEntry] {
        var reader = ConfigurationReader(file: file)
        var line = 0
        // Some editors begin a file with a mark of its byte order.
        let text = text.first == "\u{FEFF}" ? text.dropFirst() : text[...]
        for content in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline) {
            line += 1
            try reader.take(content, line: line)
        }
        reader.closeOpen()
        return reader.entries
    }

    private init(file: String) {
        self.file = file
    }

    private mutating func take(_ raw: Substring, line: Int) throws(SettingsError) {
        if raw.prefix(while: \.isWhitespace).contains("\t") {
            throw problem(line, "a tab in the indentation; YAML wants blanks")
        }
        let content = trimmed(withoutComment(raw))
        if content.isEmpty || content == "---" { return }
        let indent = raw.prefix { $0 == " " }.count
        if content == "-" || content.hasPrefix("- ") {
            try takeItem(trimmed(content.dropFirst()), indent: indent, line: line)
        } else {
            try enterMap(at: indent, line: line)
            let (key, value) = try pair(content, line: line)
            try takeValue(value, at: (maps.last?.path ?? []) + [key], indent: indent, line: line)
        }
    }

    private mutating func takeItem(_ item: String, indent: Int, line: Int) throws(SettingsError) {
        guard let list = open, indent >= list.indent else { throw problem(line, "a list item without a key before it") }
        let word = try scalar(item, line: line)
        open?.words.append(word)
    }

    /// Finds the map that a line of this indentation belongs to, which may begin with it.
    private mutating func enterMap(at indent: Int, line: Int) throws(SettingsError) {
        if let parent = open, parent.words.isEmpty, indent > parent.indent {
            maps.append((indent, parent.path))
            open = nil
            return
        }
        closeOpen()
        while let last = maps.last, last.indent > indent { maps.removeLast() }
        guard maps.last?.indent == indent else {
            throw problem(line, "an indented line that belongs to none before it")
        }
    }

    private mutating func takeValue(
        _ value: String, at path: [String], indent: Int, line: Int
    ) throws(SettingsError) {
        switch value.first {
        case nil: open = (path, indent, line, [])
        case _ where Self.nulls.contains(value): break
        case "[":
            var words: [String] = []
            for item in try parts(of: value, .list, line: line) { words.append(try scalar(item, line: line)) }
            add(path, words, isList: true, line: line)
        case "{":
            for part in try parts(of: value, .map, line: line) {
                let (key, value) = try pair(part, line: line)
                try takeValue(value, at: path + [key], indent: indent, line: line)
            }
            // What follows belongs to none of them.
            open = nil
        default: add(path, [try scalar(value, line: line)], isList: false, line: line)
        }
    }

    /// YAML's null in words: as if the key were not there.
    private static let nulls: Set<String> = ["~", "null", "Null", "NULL"]

    /// A key with neither value nor items is null too.
    private mutating func closeOpen() {
        guard let list = open else { return }
        open = nil
        if !list.words.isEmpty { add(list.path, list.words, isList: true, line: list.line) }
    }

    private mutating func add(_ path: [String], _ words: [String], isList: Bool, line: Int) {
        entries.append(ConfigurationEntry(path: path, words: words, isList: isList, line: line))
    }

    // MARK: Within a line

    private enum Brackets {
        case list, map

        var end: Character { self == .list ? "]" : "}" }
    }

    private func pair(_ content: String, line: Int) throws(SettingsError) -> (key: String, value: String) {
        guard let colon = content.firstIndex(of: ":") else {
            throw problem(line, "not of the form \"key: value\"")
        }
        let key = try scalar(trimmed(content[..<colon]), line: line)
        let rest = content[content.index(after: colon)...]
        guard rest.isEmpty || rest.first == " " else { throw problem(line, "no blank after \"\(key):\"") }
        return (key, trimmed(rest))
    }

    /// What stands between the commas of a list or map, which may hold further ones.
    private func parts(of text: String, _ kind: Brackets, line: Int) throws(SettingsError) -> [String] {
        var parts: [String] = []
        var part = ""
        var depth = 0
        var quote: Character?
        /// Not a blank.
        var previous: Character = ","
        for character in text.dropFirst() {
            if let open = quote {
                // Two quotes for one end the text and begin it again.
                if character == open { quote = nil }
            } else if character == "\"" || character == "'" {
                if ":,[{\"'".contains(previous) { quote = character }
            } else if character == "[" || character == "{" {
                depth += 1
            } else if character == "]" || character == "}" {
                depth -= 1
            }
            if !character.isWhitespace { previous = character }
            if depth < 0 || (depth == 0 && character == "," && quote == nil) {
                if !trimmed(part).isEmpty { parts.append(trimmed(part)) }
                part = ""
            } else {
                part.append(character)
            }
        }
        guard text.last == kind.end, depth == -1, part.isEmpty else {
            throw problem(line, "a \(kind) that does not end with \(kind.end)")
        }
        return parts
    }

    private func scalar(_ text: String, line: Int) throws(SettingsError) -> String {
        guard let first = text.first else { return "" }
        if first == "\"" || first == "'" { return try unquoted(text, by: first, line: line) }
        if "{}[]&*!|>%@`".contains(first) { throw problem(line, "a value that starts with \(first); quote it") }
        // What is meant as another key must not become part of a value.
        if text.contains(": ") || text.hasSuffix(":") { throw problem(line, "a value with a colon; quote it") }
        if text.hasPrefix("- ") { throw problem(line, "a list within a list") }
        return text
    }

    private func unquoted(_ text: String, by quote: Character, line: Int) throws(SettingsError) -> String {
        guard text.count >= 2, text.last == quote else { throw problem(line, "a quote that is not closed") }
        let inner = text.dropFirst().dropLast()
        if quote == "\"" {
            if inner.contains("\\") { throw problem(line, "escapes; use single quotes instead") }
            if inner.contains(quote) { throw problem(line, "a quote within a quoted value") }
            return String(inner)
        }
        let parts = inner.split(separator: "''", omittingEmptySubsequences: false)
        if parts.contains(where: { $0.contains(quote) }) { throw problem(line, "a quote within a quoted value") }
        return parts.joined(separator: "'")
    }

    /// Without what follows a `#` at the start or after a blank, outside quotes.
    private func withoutComment(_ line: Substring) -> Substring {
        var quote: Character?
        var previous: Character = " "
        for index in line.indices {
            let character = line[index]
            if let open = quote {
                if character == open { quote = nil }
            } else if character == "#", previous.isWhitespace {
                return line[..<index]
            } else if character == "\"" || character == "'", !previous.isLetter, !previous.isNumber {
                quote = character
            }
            previous = character
        }
        return line
    }

    private func problem(_ line: Int, _ what: String) -> SettingsError {
        SettingsError("\(file):\(line): \(what)")
    }
}
