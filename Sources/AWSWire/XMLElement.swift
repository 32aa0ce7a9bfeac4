/// An element of an answer; pure. Reads what AWS and its like send: elements, text, references, CDATA; attributes,
/// comments and instructions are passed over, and a document type is refused.
public struct XMLElement: Hashable, Sendable {
    /// Without the prefix of a namespace.
    public var name: String
    /// All text that lies directly in it.
    public var text = ""
    public var children: [XMLElement] = []

    /// What is no XML, or is nested more than 32 deep.
    public struct Malformed: Error, Hashable {
        public init() {}
    }

    /// The document's outermost element.
    public init(document bytes: [UInt8]) throws(Malformed) {
        var reader = XMLReader(bytes)
        self = try reader.document()
    }

    fileprivate init(name: String) { self.name = name }

    /// The first child of this name.
    public subscript(name: String) -> XMLElement? { children.first { $0.name == name } }

    public func all(_ name: String) -> [XMLElement] { children.filter { $0.name == name } }
}

private struct XMLReader {
    private let bytes: [UInt8]
    private var position = 0
    private static let maximumDepth = 32

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    mutating func document() throws(XMLElement.Malformed) -> XMLElement {
        // A mark of the byte order may come first.
        _ = skip("\u{FEFF}")
        try skipBetween()
        guard skip("<") else { throw .init() }
        let root = try element(depth: 0)
        try skipBetween()
        guard position == bytes.count else { throw .init() }
        return root
    }

    /// Blanks, comments and instructions.
    private mutating func skipBetween() throws(XMLElement.Malformed) {
        while true {
            while let byte = peek, byte.isBlank { position += 1 }
            if try !skipAside() { return }
        }
    }

    private mutating func skipAside() throws(XMLElement.Malformed) -> Bool {
        if skip("<!--") {
            _ = try take(until: "-->")
        } else if skip("<?") {
            _ = try take(until: "?>")
        } else {
            return false
        }
        return true
    }

    /// From behind its `<`.
    private mutating func element(depth: Int) throws(XMLElement.Malformed) -> XMLElement {
        guard depth < Self.maximumDepth else { throw .init() }
        let tag = try name()
        var element = XMLElement(name: tag.split(separator: ":").last.map(String.init) ?? tag)
        if try attributes() { return element }
        while true {
            if skip("</") {
                guard try name() == tag else { throw .init() }
                while let byte = peek, byte.isBlank { position += 1 }
                guard skip(">") else { throw .init() }
                return element
            } else if skip("<![CDATA[") {
                element.text += try take(until: "]]>")
            } else if try skipAside() {
                continue
            } else if skip("<") {
                element.children.append(try self.element(depth: depth + 1))
            } else {
                element.text += try text()
            }
        }
    }

    private mutating func name() throws(XMLElement.Malformed) -> String {
        let start = position
        while let byte = peek, !byte.isBlank, !Array("<>/=!?\"'&".utf8).contains(byte) { position += 1 }
        guard position > start else { throw .init() }
        return String(decoding: bytes[start..<position], as: UTF8.self)
    }

    /// Up to the tag's end. Gives whether the element ends with it.
    private mutating func attributes() throws(XMLElement.Malformed) -> Bool {
        while let byte = peek {
            if skip("/>") { return true }
            if skip(">") { return false }
            position += 1
            if byte == UInt8(ascii: "\"") { _ = try take(until: "\"") }
            if byte == UInt8(ascii: "'") { _ = try take(until: "'") }
        }
        throw .init()
    }

    /// Up to the next tag, with its references resolved.
    private mutating func text() throws(XMLElement.Malformed) -> String {
        var text = ""
        var start = position
        while let byte = peek, byte != UInt8(ascii: "<") {
            position += 1
            guard byte == UInt8(ascii: "&") else { continue }
            text += String(decoding: bytes[start..<position - 1], as: UTF8.self)
            text += try Self.resolve(try take(until: ";"))
            start = position
        }
        guard peek != nil else { throw .init() }
        return text + String(decoding: bytes[start..<position], as: UTF8.self)
    }

    private static func resolve(_ reference: String) throws(XMLElement.Malformed) -> String {
        switch reference {
        case "lt": return "<"
        case "gt": return ">"
        case "amp": return "&"
        case "quot": return "\""
        case "apos": return "'"
        default:
            let digits = reference.dropFirst(reference.hasPrefix("#x") ? 2 : 1)
            let number = UInt32(digits, radix: reference.hasPrefix("#x") ? 16 : 10)
            guard reference.hasPrefix("#"), let scalar = number.flatMap({ Unicode.Scalar($0) }) else { throw .init() }
            return String(Character(scalar))
        }
    }

    private var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func skip(_ text: String) -> Bool {
        guard bytes[position...].starts(with: text.utf8) else { return false }
        position += text.utf8.count
        return true
    }

    private mutating func take(until end: String) throws(XMLElement.Malformed) -> String {
        let start = position
        while position < bytes.count {
            let found = position
            if skip(end) { return String(decoding: bytes[start..<found], as: UTF8.self) }
            position += 1
        }
        throw .init()
    }
}

extension UInt8 {
    fileprivate var isBlank: Bool { self == 0x20 || (0x09...0x0D).contains(self) }
}
