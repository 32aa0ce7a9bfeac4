/// A strict reader of JSON text (RFC 8259), going forward over bytes that are known to be UTF-8.
///
/// It exists beside Foundation's decoder for two things which that cannot do: to take a request apart without decoding
/// its parameters, and to read lists of ten thousand volumes fast.
package struct JSONReader {
    /// How deep arrays and objects may stand in each other; deeper text is refused rather than recursed into.
    package static let depthLimit = 128

    private let bytes: [UInt8]
    private let end: Int
    package private(set) var position: Int
    private var depth = 0

    package init(_ bytes: [UInt8]) {
        self.init(bytes, in: bytes.startIndex..<bytes.endIndex)
    }

    package init(_ bytes: [UInt8], in range: Range<Int>) {
        self.bytes = bytes
        position = range.lowerBound
        end = range.upperBound
    }

    // MARK: Looking

    /// The next byte that is not white space; `nil` at the end.
    package mutating func peek() -> UInt8? {
        while position < end {
            let byte = bytes[position]
            if byte != 0x20, byte != 0x0A, byte != 0x0D, byte != 0x09 { return byte }
            position += 1
        }
        return nil
    }

    package mutating func expectEnd() throws(JSONError) {
        if peek() != nil { throw failure("more text after the value") }
    }

    package func failure(_ what: String) -> JSONError { JSONError(what: what, offset: position) }

    // MARK: Values

    /// Takes `null` if it stands here.
    package mutating func takeNull() throws(JSONError) -> Bool {
        guard peek() == UInt8(ascii: "n") else { return false }
        try literal("null")
        return true
    }

    package mutating func bool() throws(JSONError) -> Bool {
        switch peek() {
        case UInt8(ascii: "t"):
            try literal("true")
            return true
        case UInt8(ascii: "f"):
            try literal("false")
            return false
        default: throw failure("true or false expected")
        }
    }

    package mutating func integer() throws(JSONError) -> Int {
        let range = try number()
        guard let value = Int(String(decoding: bytes[range], as: UTF8.self)) else {
            throw failure("an integer expected")
        }
        return value
    }

    package mutating func string() throws(JSONError) -> String {
        try take(UInt8(ascii: "\""), "a string expected")
        let start = position
        while position < end {
            let byte = bytes[position]
            if byte == UInt8(ascii: "\"") {
                position += 1
                return String(decoding: bytes[start..<(position - 1)], as: UTF8.self)
            }
            if byte == UInt8(ascii: "\\") { return try escapedString(from: start) }
            if byte < 0x20 { throw failure("a control character in a string") }
            position += 1
        }
        throw failure("the string has no end")
    }

    /// Reads an object; `field` is called with each name and takes its value.
    package mutating func object(
        _ field: (inout JSONReader, String) throws(JSONError) -> Void
    ) throws(JSONError) {
        try take(UInt8(ascii: "{"), "an object expected")
        try nested { reader throws(JSONError) in
            try reader.elements(until: UInt8(ascii: "}")) { reader throws(JSONError) in
                let name = try reader.string()
                try reader.take(UInt8(ascii: ":"), "':' expected")
                try field(&reader, name)
            }
        }
    }

    /// Reads an array; `element` is called at each value and takes it.
    package mutating func array(
        _ element: (inout JSONReader) throws(JSONError) -> Void
    ) throws(JSONError) {
        try take(UInt8(ascii: "["), "an array expected")
        try nested { reader throws(JSONError) in
            try reader.elements(until: UInt8(ascii: "]"), element)
        }
    }

    /// Passes over any one value.
    ///
    /// - Returns: where its text stands.
    @discardableResult
    package mutating func skipValue() throws(JSONError) -> Range<Int> {
        guard let byte = peek() else { throw failure("a value expected") }
        let start = position
        switch byte {
        case UInt8(ascii: "{"): try skipObject()
        case UInt8(ascii: "["): try array { reader throws(JSONError) in try reader.skipValue() }
        case UInt8(ascii: "\""): try skipString()
        case UInt8(ascii: "t"), UInt8(ascii: "f"): _ = try bool()
        case UInt8(ascii: "n"): try literal("null")
        default: _ = try number()
        }
        return start..<position
    }

    // MARK: Parts

    private mutating func skipObject() throws(JSONError) {
        position += 1
        try nested { reader throws(JSONError) in
            try reader.elements(until: UInt8(ascii: "}")) { reader throws(JSONError) in
                try reader.skipString()
                try reader.take(UInt8(ascii: ":"), "':' expected")
                try reader.skipValue()
            }
        }
    }

    /// As `string`, without making one, unless it has escapes.
    private mutating func skipString() throws(JSONError) {
        try take(UInt8(ascii: "\""), "a string expected")
        let start = position
        while position < end {
            let byte = bytes[position]
            if byte == UInt8(ascii: "\\") {
                _ = try escapedString(from: start)
                return
            }
            if byte < 0x20 { throw failure("a control character in a string") }
            position += 1
            if byte == UInt8(ascii: "\"") { return }
        }
        throw failure("the string has no end")
    }

    private mutating func take(_ byte: UInt8, _ otherwise: String) throws(JSONError) {
        if peek() != byte { throw failure(otherwise) }
        position += 1
    }

    private mutating func literal(_ word: StaticString) throws(JSONError) {
        for byte in String(describing: word).utf8 {
            if position == end || bytes[position] != byte { throw failure("'\(word)' expected") }
            position += 1
        }
    }

    private mutating func nested(
        _ body: (inout JSONReader) throws(JSONError) -> Void
    ) throws(JSONError) {
        depth += 1
        if depth > Self.depthLimit { throw failure("values nested more than \(Self.depthLimit) deep") }
        try body(&self)
        depth -= 1
    }

    private mutating func elements(
        until closing: UInt8, _ element: (inout JSONReader) throws(JSONError) -> Void
    ) throws(JSONError) {
        if peek() == closing {
            position += 1
            return
        }
        while true {
            try element(&self)
            let next = peek()
            if next == closing {
                position += 1
                return
            }
            try take(UInt8(ascii: ","), "',' expected")
        }
    }

    /// - Returns: where its text stands.
    private mutating func number() throws(JSONError) -> Range<Int> {
        guard peek() != nil else { throw failure("a value expected") }
        let start = position
        if bytes[position] == UInt8(ascii: "-") { position += 1 }
        if position < end, bytes[position] == UInt8(ascii: "0") {
            position += 1
        } else {
            try digits()
        }
        if position < end, bytes[position] == UInt8(ascii: ".") {
            position += 1
            try digits()
        }
        if position < end, bytes[position] | 0x20 == UInt8(ascii: "e") {
            position += 1
            if position < end, bytes[position] == UInt8(ascii: "+") || bytes[position] == UInt8(ascii: "-") {
                position += 1
            }
            try digits()
        }
        return start..<position
    }

    private mutating func digits() throws(JSONError) {
        let start = position
        while position < end, UInt8(ascii: "0")...UInt8(ascii: "9") ~= bytes[position] { position += 1 }
        if position == start { throw failure("a value expected") }
    }

    private mutating func escapedString(from start: Int) throws(JSONError) -> String {
        var text = Array(bytes[start..<position])
        while position < end {
            let byte = bytes[position]
            position += 1
            switch byte {
            case UInt8(ascii: "\""): return String(decoding: text, as: UTF8.self)
            case UInt8(ascii: "\\"): try escape(into: &text)
            case ..<0x20: throw failure("a control character in a string")
            default: text.append(byte)
            }
        }
        throw failure("the string has no end")
    }

    private mutating func escape(into text: inout [UInt8]) throws(JSONError) {
        guard position < end else { throw failure("the string has no end") }
        let byte = bytes[position]
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"): text.append(contentsOf: String(try escapedScalar()).utf8)
        default: throw failure("an unknown escape in a string")
        }
    }

    /// The scalar of a `\u` escape, or of two that are a surrogate pair.
    private mutating func escapedScalar() throws(JSONError) -> Unicode.Scalar {
        let first = try hexWord()
        if let scalar = Unicode.Scalar(first) { return scalar }
        guard first < 0xDC00, end - position >= 6, bytes[position] == UInt8(ascii: "\\"),
            bytes[position + 1] == UInt8(ascii: "u")
        else { throw failure("half a surrogate pair in a string") }
        position += 2
        let second = try hexWord()
        guard 0xDC00...0xDFFF ~= second,
            let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
        else { throw failure("half a surrogate pair in a string") }
        return scalar
    }

    private mutating func hexWord() throws(JSONError) -> UInt32 {
        guard end - position >= 4 else { throw failure("four hexadecimal digits expected") }
        var word: UInt32 = 0
        for byte in bytes[position..<(position + 4)] {
            guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue, byte < 0x80 else {
                throw failure("four hexadecimal digits expected")
            }
            word = word << 4 | UInt32(digit)
        }
        position += 4
        return word
    }
}

/// Why a text is not the JSON that was expected.
package struct JSONError: Error, Hashable, CustomStringConvertible {
    package var what: String
    /// Counted in bytes from the beginning of the line.
    package var offset: Int

    package init(what: String, offset: Int) {
        self.what = what
        self.offset = offset
    }

    package var description: String { "\(what) at byte \(offset)" }
}
