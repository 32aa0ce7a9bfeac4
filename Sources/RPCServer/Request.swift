import Driver
import RPC

/// A request taken apart, its parameters not yet decoded (JSON-RPC 2.0, section 4).
struct Request {
    /// What the caller sent as `id`, as it stands in the text; `nil` for a notification, which gets no answer.
    var id: ArraySlice<UInt8>?
    var method: String
    /// Where the parameters stand; `nil` when they were left out.
    var parameters: Range<Int>?
}

/// A line taken apart.
enum Message {
    case single(Result<Request, InvalidRequest>)
    case batch([Result<Request, InvalidRequest>])

    /// - Throws: `JSONError` for what is not JSON.
    init(_ line: [UInt8]) throws(JSONError) {
        if String(validating: line, as: UTF8.self) == nil {
            throw JSONError(what: "bytes that are not UTF-8", offset: 0)
        }
        var reader = JSONReader(line)
        if reader.peek() == UInt8(ascii: "[") {
            var elements: [Result<Request, InvalidRequest>] = []
            try reader.array { reader throws(JSONError) in elements.append(try Request.read(line, &reader)) }
            self =
                elements.isEmpty
                ? .single(.failure(InvalidRequest("A batch holds at least one request"))) : .batch(elements)
        } else {
            self = .single(try Request.read(line, &reader))
        }
        try reader.expectEnd()
    }
}

/// JSON that is not a request.
struct InvalidRequest: Error {
    /// What was sent as `id`, if that much was right.
    var id: ArraySlice<UInt8>?
    var why: String

    init(_ why: String, id: ArraySlice<UInt8>? = nil) {
        self.why = why
        self.id = id
    }
}

extension Request {
    /// - Throws: `JSONError` for what is not JSON; what is JSON, and no request, is the result's failure.
    fileprivate static func read(
        _ line: [UInt8], _ reader: inout JSONReader
    ) throws(JSONError) -> Result<Request, InvalidRequest> {
        guard reader.peek() == UInt8(ascii: "{") else {
            try reader.skipValue()
            return .failure(InvalidRequest("A request is an object"))
        }
        var fields: [String: Range<Int>] = [:]
        try reader.object { reader, name throws(JSONError) in fields[name] = try reader.skipValue() }
        return make(line, fields)
    }

    private static func make(_ line: [UInt8], _ fields: [String: Range<Int>]) -> Result<Request, InvalidRequest> {
        var id: ArraySlice<UInt8>?
        if let range = fields["id"] {
            guard isID(line[range.lowerBound]) else {
                return .failure(InvalidRequest("'id' is a string, a number or null"))
            }
            id = line[range]
        }
        guard string(line, fields["jsonrpc"]) == "2.0" else {
            return .failure(InvalidRequest("'jsonrpc' is \"2.0\"", id: id))
        }
        guard let method = string(line, fields["method"]) else {
            return .failure(InvalidRequest("'method' is a string", id: id))
        }
        return .success(Request(id: id, method: method, parameters: fields["params"]))
    }

    private static func isID(_ first: UInt8) -> Bool {
        switch first {
        case UInt8(ascii: "\""), UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "n"): true
        default: false
        }
    }

    private static func string(_ line: [UInt8], _ range: Range<Int>?) -> String? {
        guard let range else { return nil }
        var reader = JSONReader(line, in: range)
        do {
            return try reader.string()
        } catch {
            return nil  // It is JSON, as was seen before; so it is another kind of value.
        }
    }
}
