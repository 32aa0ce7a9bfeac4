import Driver

/// An error as it stands in an answer: JSON-RPC's code and line, with gRPC's and EC2's codes in `data`.
public struct RPCError: Error, Hashable, Sendable, Codable, CustomStringConvertible {
    /// JSON-RPC's own codes are negative; gRPC's status codes stand here otherwise.
    public var code: Int
    /// The one line that the command line and Docker print too.
    public var message: String
    public var data: Detail?

    public struct Detail: Hashable, Sendable, Codable {
        public var grpcCode: Int
        public var grpcName: String
        /// EC2's name, such as `InvalidVolume.NotFound`.
        public var awsCode: String
        /// The line without code, cause and advice.
        public var message: String
        public var cause: String?
        public var advice: String?
    }

    /// - Parameters:
    ///   - status: `nil` for the one that goes with the error's own code.
    ///   - protocolCode: one of JSON-RPC's own codes instead of the status code.
    public init(_ error: StorageError, status: StatusCode? = nil, protocolCode: ProtocolCode? = nil) {
        let status = status ?? StatusCode(error.code)
        code = protocolCode?.rawValue ?? status.rawValue
        message = error.description
        data = Detail(
            grpcCode: status.rawValue, grpcName: status.name, awsCode: error.code.name, message: error.message,
            cause: error.cause, advice: error.advice)
    }

    /// The codes of JSON-RPC 2.0, section 5.1.
    public enum ProtocolCode: Int, Sendable {
        case parseError = -32700
        case invalidRequest = -32600
        case methodNotFound = -32601
        case invalidParameters = -32602
        case internalError = -32603
    }

    /// The error as it was on the other side.
    public var storageError: StorageError {
        guard let data else { return StorageError(.internalError, message) }
        return StorageError(.init(data.awsCode), data.message, cause: data.cause, advice: data.advice)
    }

    public var description: String { message }
}
