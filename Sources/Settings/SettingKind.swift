import Driver

/// What each kind of setting accepts, and the one form in which its value is kept.

extension Setting {
    /// The value in its kind's one form.
    func canonical(_ text: String, origin: Origin) throws(SettingsError) -> String {
        let text = trimmed(text)
        guard let canonical = kind.canonical(text) else {
            var isFlag = false
            if case .flag = origin { isFlag = true }
            throw SettingsError(
                "\(origin.place): \(key) is \(quoted(text)), but must be \(kind.expectation)", isUsage: isFlag)
        }
        return canonical
    }
}

extension Setting.Kind {
    /// `nil` when the text is not of this kind.
    func canonical(_ text: String) -> String? {
        switch self {
        case .path: text.hasPrefix("/") && text.contains { $0 != "/" } ? withoutTrailingSlashes(text) : nil
        case .optionalPath: text.isEmpty || text.hasPrefix("/") ? withoutTrailingSlashes(text) : nil
        case .text: text.isEmpty ? nil : text
        case .optionalText, .secret: text
        case .choice(let words): words.first { $0 == text.lowercased() }
        case .integer(let range): Int(text).flatMap { range.contains($0) ? String($0) : nil }
        case .optionalInteger(let range):
            text.isEmpty ? "" : Int(text).flatMap { range.contains($0) ? String($0) : nil }
        case .size: VolumeSize(text).map { String($0.gibibytes) }
        case .boolean: Self.boolean(text).map { $0 ? "true" : "false" }
        case .duration: Self.duration(text) == nil ? nil : text.lowercased()
        case .list: Self.words(text).isEmpty ? nil : Self.words(text).joined(separator: " ")
        }
    }

    /// What would be right, as the end of a sentence.
    var expectation: String {
        switch self {
        case .path: "an absolute path"
        case .optionalPath: "empty or an absolute path"
        case .text: "given"
        case .optionalText, .secret: "text"
        case .choice(let words): "one of " + words.joined(separator: ", ")
        case .integer(let range): "a whole number from \(range.lowerBound) to \(range.upperBound)"
        case .optionalInteger(let range): "empty or a whole number from \(range.lowerBound) to \(range.upperBound)"
        case .size: "a size such as 16, 16g or 1t"
        case .boolean: "true or false"
        case .duration: "a time such as 500ms, 5s or 2m"
        case .list: "at least one word"
        }
    }

    static func boolean(_ text: String) -> Bool? {
        switch text.lowercased() {
        case "true", "yes", "on", "1": true
        case "false", "no", "off", "0": false
        default: nil
        }
    }

    static func duration(_ text: String) -> Duration? {
        let digits = text.prefix { $0.isNumber }
        guard let count = Int64(digits), count <= 1_000_000 else { return nil }
        return switch text.dropFirst(digits.count).lowercased() {
        case "ms": .milliseconds(count)
        case "", "s": .seconds(count)
        case "m": .seconds(count * 60)
        case "h": .seconds(count * 3600)
        default: nil
        }
    }

    static func words(_ text: String) -> [String] {
        text.split { $0 == " " || $0 == "," || $0 == "\t" }.map(String.init)
    }

    private func withoutTrailingSlashes(_ text: String) -> String {
        var text = text
        while text.hasSuffix("/") { text.removeLast() }
        return text
    }
}

/// Quotes only what would be hard to see.
func quoted(_ text: String) -> String { text.isEmpty || text.contains(" ") ? "\"\(text)\"" : text }

func trimmed(_ text: some StringProtocol) -> String {
    var text = text[...]
    while let first = text.first, first.isWhitespace { text = text.dropFirst() }
    while let last = text.last, last.isWhitespace { text = text.dropLast() }
    return String(text)
}
