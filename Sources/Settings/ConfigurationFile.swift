import Platform
import SystemPackage

/// Reads `config.yml`: the flat part of YAML that settings need.
///
/// One `key: value` a line; values plain or in quotes; lists as `[a, b]` or as lines of `- a`; comments.
/// Whatever else YAML has (nested maps, anchors, folded text) is refused with its line. A whole YAML library
/// would bring Foundation and its Unicode tables into every start of the command line. Text of a line is never
/// repeated in an error, since it may be a secret that stands in the wrong place.
enum ConfigurationFile {
    typealias Entries = [Setting: (text: String, origin: Origin)]

    static func read(at path: String, mustExist: Bool) throws(SettingsError) -> Entries {
        let bytes: [UInt8]
        do {
            bytes = try readFile(FilePath(path))
        } catch  where error == .noSuchFileOrDirectory && !mustExist {
            return [:]
        } catch {
            throw SettingsError("\(path): the configuration file cannot be read: \(error)")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw SettingsError("\(path): the configuration file is not UTF-8 text")
        }
        return try parse(text, path: path)
    }

    static func parse(_ text: String, path: String) throws(SettingsError) -> Entries {
        var parser = Parser(path: path)
        var line = 0
        for content in text.split(separator: "\n", omittingEmptySubsequences: false) {
            line += 1
            try parser.take(content.last == "\r" ? content.dropLast() : content, line: line)
        }
        return try parser.finish()
    }

    private struct Parser {
        let path: String
        private var entries: Entries = [:]
        /// The key whose list is being read, with the words so far.
        private var openList: (setting: Setting, words: [String], line: Int)?

        init(path: String) {
            self.path = path
        }

        mutating func take(_ raw: Substring, line: Int) throws(SettingsError) {
            if raw.contains("\t"), raw.prefix(while: \.isWhitespace).contains("\t") {
                throw problem(line, "a tab in the indentation; YAML wants blanks")
            }
            let content = trimmed(withoutComment(raw))
            if content.isEmpty || content == "---" { return }
            if content == "-" || content.hasPrefix("- ") {
                return try takeItem(trimmed(content.dropFirst()), line: line)
            }
            if raw.first == " " { throw problem(line, "an indented line; settings do not nest") }
            try takeEntry(content, line: line)
        }

        mutating func finish() throws(SettingsError) -> Entries {
            try closeList()
            return entries
        }

        private mutating func takeItem(_ item: String, line: Int) throws(SettingsError) {
            guard openList != nil else { throw problem(line, "a list item without a key before it") }
            let word = try scalar(item, line: line)
            openList?.words.append(word)
        }

        private mutating func takeEntry(_ content: String, line: Int) throws(SettingsError) {
            try closeList()
            guard let colon = content.firstIndex(of: ":") else {
                throw problem(line, "not of the form \"key: value\"")
            }
            let key = try scalar(trimmed(content[..<colon]), line: line)
            let rest = content[content.index(after: colon)...]
            guard rest.isEmpty || rest.first == " " else { throw problem(line, "no blank after \"\(key):\"") }
            guard let setting = Setting.named(key) else {
                throw problem(
                    line, "unknown setting \(key); there are " + Setting.all.map(\.key).joined(separator: ", "))
            }
            guard entries[setting] == nil else { throw problem(line, "\(setting.key) is set twice") }
            try takeValue(trimmed(rest), of: setting, line: line)
        }

        private mutating func takeValue(_ value: String, of setting: Setting, line: Int) throws(SettingsError) {
            if value.isEmpty {
                openList = (setting, [], line)
            } else if value.hasPrefix("[") {
                guard value.hasSuffix("]") else { throw problem(line, "a list that does not end with ]") }
                var words: [String] = []
                for item in value.dropFirst().dropLast().split(separator: ",") {
                    words.append(try scalar(trimmed(item), line: line))
                }
                try set(setting, words, line: line)
            } else {
                entries[setting] = (try scalar(value, line: line), .file(path: path, line: line))
            }
        }

        /// A key with neither value nor items is YAML's null: the default holds.
        private mutating func closeList() throws(SettingsError) {
            guard let list = openList else { return }
            openList = nil
            if !list.words.isEmpty { try set(list.setting, list.words, line: list.line) }
        }

        private mutating func set(_ setting: Setting, _ words: [String], line: Int) throws(SettingsError) {
            guard setting.kind == .list else { throw problem(line, "\(setting.key) takes one value, not a list") }
            entries[setting] = (words.joined(separator: " "), .file(path: path, line: line))
        }

        private func scalar(_ text: String, line: Int) throws(SettingsError) -> String {
            guard let first = text.first else { return "" }
            if first == "\"" || first == "'" {
                guard text.count >= 2, text.last == first else { throw problem(line, "a quote that is not closed") }
                let inner = text.dropFirst().dropLast()
                if first == "\"", inner.contains("\\") { throw problem(line, "escapes; use single quotes instead") }
                return first == "'"
                    ? inner.split(separator: "''", omittingEmptySubsequences: false).joined(separator: "'")
                    : String(inner)
            }
            if "{}[]&*!|>%@`".contains(first) { throw problem(line, "a value that starts with \(first); quote it") }
            return text
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
            SettingsError("\(path):\(line): \(what)")
        }
    }
}
