/// A request before it is signed.
public struct WireRequest: Sendable {
    public enum Method: String, Sendable {
        case delete = "DELETE"
        case get = "GET"
        case head = "HEAD"
        case post = "POST"
        case put = "PUT"
    }

    public struct Field: Hashable, Sendable {
        public var name: String
        public var value: String

        public init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    public var method: Method
    /// From the endpoint on, beginning with `/`, as it is meant: not percent-encoded.
    public var path: String
    public var query: [Field]
    /// Names in lower case. `host`, `content-length` and what belongs to the signature are added.
    public var headers: [Field]
    public var body: [UInt8]

    public init(
        _ method: Method, _ path: String, query: [Field] = [], headers: [Field] = [], body: [UInt8] = []
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
    }

    /// As a form's fields stand in a body.
    public static func formEncoded(_ fields: [Field]) -> String {
        fields.map { "\($0.name.percentEncoded())=\($0.value.percentEncoded())" }.joined(separator: "&")
    }

    /// As they stand in the request's first line.
    var encodedPath: String { path.percentEncoded(keepingSlashes: true) }

    /// - Parameter endpoint: whose path stands in the request's already.
    func url(at endpoint: Endpoint) -> String {
        "\(endpoint.isSecure ? "https" : "http")://\(endpoint.authority)\(encodedPath)"
            + (query.isEmpty ? "" : "?" + encodedQuery)
    }

    /// In the order in which they are signed.
    var encodedQuery: String {
        query.map { ($0.name.percentEncoded(), $0.value.percentEncoded()) }.sorted { $0 < $1 }
            .map { "\($0.0)=\($0.1)" }.joined(separator: "&")
    }
}

public struct WireAnswer: Sendable {
    public var status: Int
    /// Names in lower case; of a name that comes twice, the last.
    public var headers: [String: String]
    public var body: [UInt8]

    public init(status: Int, headers: [String: String] = [:], body: [UInt8] = []) {
        self.status = status
        self.headers = headers
        self.body = body
    }
}

/// Why no answer came.
public enum WireError: Error, Hashable, Sendable, CustomStringConvertible {
    case invalidEndpoint(String)
    /// What it says may be a password.
    case invalidProxy(variable: String)
    /// The file of the authorities that are trusted.
    case invalidAuthorities(path: String, reason: String)
    case unreachable(Endpoint, reason: String)
    /// Its certificate is not one that is trusted.
    case untrusted(Endpoint, reason: String)
    case answerTooLong(Endpoint)

    public var description: String {
        switch self {
        case .invalidEndpoint(let text): "\(text) is no endpoint: give a URL such as https://s3.example.org"
        case .invalidProxy(let variable): "\(variable) names no proxy: give a URL such as http://proxy.example.org:3128"
        case .invalidAuthorities(let path, let reason): "the authorities of \(path) cannot be had: \(reason)"
        case .unreachable(let endpoint, let reason): "\(endpoint) cannot be reached: \(reason)"
        case .untrusted(let endpoint, let reason): "the certificate of \(endpoint) is not trusted: \(reason)"
        case .answerTooLong(let endpoint): "\(endpoint) sent more than was asked for"
        }
    }
}

extension String {
    /// Source: Signature Version 4, "Create a canonical request" (`UriEncode`).
    func percentEncoded(keepingSlashes: Bool = false) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var encoded: [UInt8] = []
        for byte in utf8 {
            if byte.isUnreserved || (keepingSlashes && byte == UInt8(ascii: "/")) {
                encoded.append(byte)
            } else {
                encoded += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: encoded, as: UTF8.self)
    }
}

extension UInt8 {
    fileprivate var isUnreserved: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        case UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"): true
        default: false
        }
    }
}
