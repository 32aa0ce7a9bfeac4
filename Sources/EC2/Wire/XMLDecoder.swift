import AWSWire

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Reads a value from an element of EC2's XML; pure. Elements may come in any order, and those that nobody knows are
/// passed over. An element that is missing or empty is `nil`, or a list of nothing.
struct XMLDecoder {
    static func decode<Value: Decodable>(_ type: Value.Type, from element: XMLElement) throws -> Value {
        try Place(element: element).value(type)
    }

    fileprivate struct Place: Decoder {
        /// `nil` for one that is not there.
        let element: XMLElement?
        var codingPath: [any CodingKey] = []
        let userInfo: [CodingUserInfoKey: Any] = [:]

        func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedDecodingContainer<Key> {
            KeyedDecodingContainer(Structure(place: self))
        }

        func unkeyedContainer() -> any UnkeyedDecodingContainer { List(place: self) }

        func singleValueContainer() -> any SingleValueDecodingContainer { self }

        func inner(_ key: some CodingKey) -> Place {
            Place(element: element?[key.stringValue], codingPath: codingPath + [key])
        }

        var isEmpty: Bool { element.map { $0.children.isEmpty && $0.text.isEmpty } ?? true }

        func value<Value: Decodable>(_ type: Value.Type) throws -> Value {
            guard type == Date.self else { return try Value(from: self) }
            let text = try text()
            guard let date = Self.date(text), let value = date as? Value else { throw unfit("a time", text) }
            return value
        }

        func text() throws -> String {
            guard let element, element.children.isEmpty else {
                throw DecodingError.valueNotFound(
                    String.self, .init(codingPath: codingPath, debugDescription: "there is no text"))
            }
            return element.text
        }

        func number<Number: FixedWidthInteger>(_ type: Number.Type) throws -> Number {
            let text = try text()
            guard let number = Number(text) else { throw unfit("a whole number", text) }
            return number
        }

        func unfit(_ what: String, _ text: String) -> DecodingError {
            .dataCorrupted(.init(codingPath: codingPath, debugDescription: "'\(text.prefix(40))' is not \(what)"))
        }

        /// With and without fractions of a second; `nil` for what is of neither form, which the caller refuses.
        private static func date(_ text: String) -> Date? {
            let precise = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
            return (try? precise.parse(text)) ?? (try? Date.ISO8601FormatStyle().parse(text))
        }
    }

    fileprivate struct Structure<Key: CodingKey>: KeyedDecodingContainerProtocol {
        let place: Place
        var codingPath: [any CodingKey] { place.codingPath }
        var allKeys: [Key] { place.element?.children.compactMap { Key(stringValue: $0.name) } ?? [] }

        func contains(_ key: Key) -> Bool { !place.inner(key).isEmpty }
        func decodeNil(forKey key: Key) -> Bool { !contains(key) }

        func decode<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value {
            let inner = place.inner(key)
            guard contains(key) || type is any ExpressibleByArrayLiteral.Type else {
                throw DecodingError.keyNotFound(
                    key, .init(codingPath: codingPath, debugDescription: "there is no <\(key.stringValue)>"))
            }
            return try inner.value(type)
        }

        func nestedContainer<Inner: CodingKey>(
            keyedBy type: Inner.Type, forKey key: Key
        ) -> KeyedDecodingContainer<Inner> { place.inner(key).container(keyedBy: type) }

        func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedDecodingContainer {
            place.inner(key).unkeyedContainer()
        }

        func superDecoder() -> any Decoder { place }
        func superDecoder(forKey key: Key) -> any Decoder { place.inner(key) }
    }

    fileprivate struct List: UnkeyedDecodingContainer {
        private let items: [XMLElement]
        let codingPath: [any CodingKey]
        var currentIndex = 0

        init(place: Place) {
            items = place.element?.all("item") ?? []
            codingPath = place.codingPath
        }

        var count: Int? { items.count }
        var isAtEnd: Bool { currentIndex == items.count }

        private mutating func next() throws -> Place {
            guard !isAtEnd else {
                throw DecodingError.valueNotFound(
                    XMLElement.self, .init(codingPath: codingPath, debugDescription: "there is no further <item>"))
            }
            currentIndex += 1
            return Place(element: items[currentIndex - 1], codingPath: codingPath)
        }

        mutating func decodeNil() -> Bool { false }
        mutating func decode<Value: Decodable>(_ type: Value.Type) throws -> Value { try next().value(type) }

        mutating func nestedContainer<Inner: CodingKey>(
            keyedBy type: Inner.Type
        ) throws -> KeyedDecodingContainer<Inner> { try next().container(keyedBy: type) }

        mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer {
            try next().unkeyedContainer()
        }

        mutating func superDecoder() throws -> any Decoder { try next() }
    }
}

extension XMLDecoder.Place: SingleValueDecodingContainer {
    func decodeNil() -> Bool { isEmpty }
    func decode(_ type: String.Type) throws -> String { try text() }
    func decode(_ type: Int.Type) throws -> Int { try number(type) }
    func decode(_ type: Int8.Type) throws -> Int8 { try number(type) }
    func decode(_ type: Int16.Type) throws -> Int16 { try number(type) }
    func decode(_ type: Int32.Type) throws -> Int32 { try number(type) }
    func decode(_ type: Int64.Type) throws -> Int64 { try number(type) }
    func decode(_ type: UInt.Type) throws -> UInt { try number(type) }
    func decode(_ type: UInt8.Type) throws -> UInt8 { try number(type) }
    func decode(_ type: UInt16.Type) throws -> UInt16 { try number(type) }
    func decode(_ type: UInt32.Type) throws -> UInt32 { try number(type) }
    func decode(_ type: UInt64.Type) throws -> UInt64 { try number(type) }
    func decode<Value: Decodable>(_ type: Value.Type) throws -> Value { try value(type) }

    func decode(_ type: Bool.Type) throws -> Bool {
        let text = try text()
        guard let value = Bool(text) else { throw unfit("true or false", text) }
        return value
    }

    func decode(_ type: Double.Type) throws -> Double {
        let text = try text()
        guard let value = Double(text) else { throw unfit("a number", text) }
        return value
    }

    func decode(_ type: Float.Type) throws -> Float { Float(try decode(Double.self)) }
}
