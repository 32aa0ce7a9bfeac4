import Driver
import RPC

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// The methods that a server answers, by name.
struct MethodTable: Sendable {
    /// Takes the line and where the parameters stand in it; gives the result as JSON, or throws.
    typealias Handler = @Sendable (_ line: [UInt8], _ parameters: Range<Int>?) async throws -> [UInt8]

    private var handlers: [String: Handler] = [:]

    var names: [String] { handlers.keys.sorted() }

    mutating func add<Method: RPCMethod>(
        _ method: Method.Type, _ body: @escaping @Sendable (Method.Parameters) async throws -> Method.Result
    ) {
        precondition(handlers[Method.name] == nil, "\(Method.name) is answered twice")
        handlers[Method.name] = { line, range in
            let parameters = try Self.parameters(Method.Parameters.self, line, range)
            return try WireCoding.encode(try await body(parameters))
        }
    }

    /// Answers one request; `nil` for a notification.
    func answer(_ request: Request, in line: [UInt8]) async -> [UInt8]? {
        let outcome: Result<[UInt8], RPCError>
        if let handler = handlers[request.method] {
            outcome = await run(handler, line, request.parameters)
        } else {
            outcome = .failure(.methodNotFound(request.method))
        }
        guard let id = request.id else { return nil }
        switch outcome {
        case .success(let json): return Answer.result(json, id: id)
        case .failure(let error): return Answer.failure(error, id: id)
        }
    }

    private func run(
        _ handler: Handler, _ line: [UInt8], _ parameters: Range<Int>?
    ) async -> Result<[UInt8], RPCError> {
        do {
            return .success(try await handler(line, parameters))
        } catch let error as RPCError {
            return .failure(error)
        } catch let error as StorageError {
            return .failure(RPCError(error))
        } catch {
            return .failure(RPCError(StorageError(.internalError, "\(error)"), protocolCode: .internalError))
        }
    }

    /// Parameters that were left out, or are an empty array, are an empty object.
    private static func parameters<Parameters: Decodable>(
        _ type: Parameters.Type, _ line: [UInt8], _ range: Range<Int>?
    ) throws -> Parameters {
        var text = line
        var place = range ?? line.startIndex..<line.startIndex
        if range.map({ isEmptyArray(line[$0]) }) ?? true {
            text = Array("{}".utf8)
            place = text.indices
        }
        guard text[place.lowerBound] == UInt8(ascii: "{") else {
            throw RPCError.invalidParameters("'params' is an object: parameters have names")
        }
        do {
            return try WireCoding.decode(type, from: text, in: place)
        } catch let error as DecodingError {
            throw RPCError.invalidParameters(error)
        } catch let error as JSONError {
            throw RPCError.invalidParameters(error.description)
        }
    }

    private static func isEmptyArray(_ text: ArraySlice<UInt8>) -> Bool {
        text.first == UInt8(ascii: "[") && text.dropFirst().allSatisfy { $0 <= 0x20 || $0 == UInt8(ascii: "]") }
    }
}
