import Driver
import RPC

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Writes answers (JSON-RPC 2.0, section 5).
enum Answer {
    private static let null = ArraySlice("null".utf8)

    static func result(_ json: [UInt8], id: ArraySlice<UInt8>) -> [UInt8] {
        var writer = JSONWriter(capacity: json.count + 64)
        writer.object { writer in
            writer.field("jsonrpc", "2.0")
            writer.field("id", json: id)
            writer.field("result", json: json)
        }
        return writer.bytes
    }

    /// - Parameter id: `nil` when it could not be made out.
    static func failure(_ error: RPCError, id: ArraySlice<UInt8>?) -> [UInt8] {
        var writer = JSONWriter()
        writer.object { writer in
            writer.field("jsonrpc", "2.0")
            writer.field("id", json: id ?? null)
            writer.name("error")
            writer.object { writer in
                writer.field("code", error.code)
                writer.field("message", error.message)
                if let data = error.data {
                    writer.name("data")
                    write(data, &writer)
                }
            }
        }
        return writer.bytes
    }

    private static func write(_ data: RPCError.Detail, _ writer: inout JSONWriter) {
        writer.object { writer in
            writer.field("grpcCode", data.grpcCode)
            writer.field("grpcName", data.grpcName)
            writer.field("awsCode", data.awsCode)
            writer.field("message", data.message)
            if let cause = data.cause { writer.field("cause", cause) }
            if let advice = data.advice { writer.field("advice", advice) }
        }
    }
}

extension RPCError {
    static func parseError(_ error: JSONError) -> RPCError {
        RPCError(
            StorageError(.invalidParameterValue, "The line is not JSON", cause: error.description),
            protocolCode: .parseError)
    }

    static func lineTooLong(limit: Int) -> RPCError {
        RPCError(
            StorageError(
                .invalidParameterValue, "The request is longer than \(limit) bytes",
                advice: "send less in one line"),
            status: .resourceExhausted, protocolCode: .invalidRequest)
    }

    static func invalidRequest(_ invalid: InvalidRequest) -> RPCError {
        RPCError(StorageError(.invalidParameterValue, invalid.why), protocolCode: .invalidRequest)
    }

    static func methodNotFound(_ name: String) -> RPCError {
        RPCError(
            StorageError(
                .unsupportedOperation, "There is no method '\(name.prefix(100))'",
                advice: "see docs/rpc.md for those that there are"),
            protocolCode: .methodNotFound)
    }

    static func invalidParameters(_ why: String) -> RPCError {
        RPCError(StorageError(.invalidParameterValue, why), protocolCode: .invalidParameters)
    }

    /// Parameters that cannot be decoded, with the place and what was expected there.
    static func invalidParameters(_ error: DecodingError) -> RPCError {
        switch error {
        case .keyNotFound(let key, let context):
            let path = place(context.codingPath + [key])
            return RPCError(
                StorageError(.missingParameter, "The request must contain the parameter '\(path)'"),
                protocolCode: .invalidParameters)
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
            return invalidParameters("Parameter '\(place(context.codingPath))': \(context.debugDescription)")
        @unknown default:
            return invalidParameters("\(error)")
        }
    }

    private static func place(_ path: [any CodingKey]) -> String {
        path.isEmpty ? "params" : path.map { $0.intValue.map(String.init) ?? $0.stringValue }.joined(separator: ".")
    }
}
