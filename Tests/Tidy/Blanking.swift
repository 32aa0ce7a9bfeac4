/// Swift source with each character of comments and string literals replaced by a space, line breaks kept.
///
/// What is interpolated into a string is blanked with it: no rule here needs to see it.
func blankingCommentsAndStrings(_ text: String) -> String {
    var scanner = Scanner(bytes: Array(text.utf8))
    scanner.scan()
    return String(decoding: scanner.bytes, as: UTF8.self)
}

/// A position in source text that blanks what it passes, except for code.
private struct Scanner {
    var bytes: [UInt8]
    var position = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    mutating func scan() {
        while position < bytes.count {
            if follows("//") {
                blank(until: { $0.bytes[$0.position] == UInt8(ascii: "\n") })
            } else if follows("/*") {
                blankNestedComment()
            } else if let hashes = hashesBeforeQuote() {
                blankString(hashes: hashes)
            } else {
                position += 1
            }
        }
    }

    private func follows(_ word: String) -> Bool { bytes[position...].starts(with: word.utf8) }

    /// How many `#` stand here before a quote; nil if no string literal begins here.
    private func hashesBeforeQuote() -> Int? {
        let hashes = bytes[position...].prefix { $0 == UInt8(ascii: "#") }.count
        let quote = position + hashes
        return quote < bytes.count && bytes[quote] == UInt8(ascii: "\"") ? hashes : nil
    }

    private mutating func blankNestedComment() {
        var depth = 0
        repeat {
            if follows("/*") { depth += 1 }
            if follows("*/") { depth -= 1 }
            blankBytes(follows("/*") || follows("*/") ? 2 : 1)
        } while depth > 0 && position < bytes.count
    }

    private mutating func blankString(hashes: Int) {
        blankBytes(hashes)
        let quote = follows("\"\"\"") ? "\"\"\"" : "\""
        blankBytes(quote.utf8.count)
        let pounds = String(repeating: "#", count: hashes)
        var parentheses = 0
        while position < bytes.count {
            if parentheses == 0 && follows(quote + pounds) { break }
            if parentheses > 0 && follows("\"") {
                blankString(hashes: 0)
            } else if follows("\\" + pounds + "(") {
                parentheses += 1
                blankBytes(2 + hashes)
            } else if follows("\\" + pounds) {
                blankBytes(2 + hashes)
            } else {
                if parentheses > 0 && follows("(") { parentheses += 1 }
                if parentheses > 0 && follows(")") { parentheses -= 1 }
                blankBytes(1)
            }
        }
        blankBytes(quote.utf8.count + hashes)
    }

    private mutating func blank(until ends: (Scanner) -> Bool) {
        while position < bytes.count && !ends(self) { blankBytes(1) }
    }

    private mutating func blankBytes(_ count: Int) {
        for _ in 0..<count where position < bytes.count {
            if bytes[position] != UInt8(ascii: "\n") { bytes[position] = UInt8(ascii: " ") }
            position += 1
        }
    }
}
