#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Values to JSON text and back: by themselves where they can, through Foundation otherwise.
package enum WireCoding {
    package static func encode<Value: Encodable>(_ value: Value) throws -> [UInt8] {
        if let value = value as? any WireValue {
            var writer = JSONWriter()
            value.write(to: &writer)
            return writer.bytes
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .custom { date, encoder in
            var container = encoder.singleValueContainer()
            try container.encode(Timestamp.text(date))
        }
        return Array(try encoder.encode(value))
    }

    /// - Throws: `JSONError` or `DecodingError`.
    package static func decode<Value: Decodable>(
        _ type: Value.Type, from bytes: [UInt8], in range: Range<Int>
    ) throws -> Value {
        if let type = type as? any WireValue.Type {
            var reader = JSONReader(bytes, in: range)
            // The cast undoes the one above.
            if let value = try type.init(from: &reader) as? Value { return value }
        }
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .custom { decoder in
            let container = try decoder.singleValueContainer()
            let text = try container.decode(String.self)
            guard let date = Timestamp.date(text) else {
                throw DecodingError.dataCorruptedError(in: container, debugDescription: "'\(text)' is not a time")
            }
            return date
        }
        return try decoder.decode(type, from: Data(bytes[range]))
    }

    /// The whole of `bytes`.
    package static func decode<Value: Decodable>(_ type: Value.Type, from bytes: [UInt8]) throws -> Value {
        try decode(type, from: bytes, in: bytes.indices)
    }
}
