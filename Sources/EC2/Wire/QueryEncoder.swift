import AWSWire

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Writes a value as parameters of EC2's Query API: `VolumeId.1=vol-…`, `TagSpecification.1.Tag.1.Key=Name`; pure.
struct QueryEncoder {
    /// In the order of the value's fields.
    static func parameters(of value: some Encodable) throws -> [WireRequest.Field] {
        let parameters = Parameters()
        try value.encode(to: Place(name: "", parameters: parameters))
        return parameters.all
    }

    fileprivate final class Parameters {
        var all: [WireRequest.Field] = []
    }

    /// Where in the parameters a value goes: what it is encoded to, in whichever way it wants.
    fileprivate struct Place: Encoder {
        let name: String
        let parameters: Parameters
        let codingPath: [any CodingKey] = []
        let userInfo: [CodingUserInfoKey: Any] = [:]

        func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
            KeyedEncodingContainer(Structure(place: self))
        }

        func unkeyedContainer() -> any UnkeyedEncodingContainer { List(place: self) }

        func singleValueContainer() -> any SingleValueEncodingContainer { self }

        func inner(_ key: some CodingKey) -> Place {
            let field = key.stringValue.prefix(1).uppercased() + key.stringValue.dropFirst()
            return Place(name: name.isEmpty ? field : "\(name).\(field)", parameters: parameters)
        }

        func item(_ number: Int) -> Place { Place(name: "\(name).\(number)", parameters: parameters) }

        func put(_ text: String) { parameters.all.append(WireRequest.Field(name, text)) }

        func put(_ value: some Encodable) throws {
            if let date = value as? Date { put(date.formatted(.iso8601)) } else { try value.encode(to: self) }
        }
    }

    fileprivate struct Structure<Key: CodingKey>: KeyedEncodingContainerProtocol {
        let place: Place
        let codingPath: [any CodingKey] = []

        mutating func encodeNil(forKey key: Key) {}
        mutating func encode(_ value: some Encodable, forKey key: Key) throws { try place.inner(key).put(value) }

        mutating func nestedContainer<Inner: CodingKey>(
            keyedBy type: Inner.Type, forKey key: Key
        ) -> KeyedEncodingContainer<Inner> { place.inner(key).container(keyedBy: type) }

        mutating func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer {
            place.inner(key).unkeyedContainer()
        }

        mutating func superEncoder() -> any Encoder { place }
        mutating func superEncoder(forKey key: Key) -> any Encoder { place.inner(key) }
    }

    fileprivate struct List: UnkeyedEncodingContainer {
        let place: Place
        let codingPath: [any CodingKey] = []
        var count = 0

        init(place: Place) { self.place = place }

        private mutating func next() -> Place {
            count += 1
            return place.item(count)
        }

        mutating func encodeNil() { _ = next() }
        mutating func encode(_ value: some Encodable) throws { try next().put(value) }

        mutating func nestedContainer<Inner: CodingKey>(keyedBy type: Inner.Type) -> KeyedEncodingContainer<Inner> {
            next().container(keyedBy: type)
        }

        mutating func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer { next().unkeyedContainer() }
        mutating func superEncoder() -> any Encoder { next() }
    }
}

extension QueryEncoder.Place: SingleValueEncodingContainer {
    mutating func encodeNil() {}
    mutating func encode(_ value: String) { put(value) }
    mutating func encode(_ value: Bool) { put(value ? "true" : "false") }
    mutating func encode(_ value: Double) { put("\(value)") }
    mutating func encode(_ value: Float) { put("\(value)") }
    mutating func encode(_ value: Int) { put("\(value)") }
    mutating func encode(_ value: Int8) { put("\(value)") }
    mutating func encode(_ value: Int16) { put("\(value)") }
    mutating func encode(_ value: Int32) { put("\(value)") }
    mutating func encode(_ value: Int64) { put("\(value)") }
    mutating func encode(_ value: UInt) { put("\(value)") }
    mutating func encode(_ value: UInt8) { put("\(value)") }
    mutating func encode(_ value: UInt16) { put("\(value)") }
    mutating func encode(_ value: UInt32) { put("\(value)") }
    mutating func encode(_ value: UInt64) { put("\(value)") }
    mutating func encode(_ value: some Encodable) throws { try put(value) }
}
