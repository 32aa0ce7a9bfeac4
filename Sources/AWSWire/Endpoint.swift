#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// The server that is asked: `https://s3.eu-central-1.amazonaws.com`, `http://127.0.0.1:9000`.
public struct Endpoint: Hashable, Sendable, CustomStringConvertible {
    public let isSecure: Bool
    /// The name, or the address without brackets.
    public let host: String
    /// `nil` for the scheme's own.
    public let port: Int?
    /// What comes before each request's path; empty, or it begins and does not end with a `/`.
    public let path: String

    /// - Parameter text: a URL with `http` or `https`, without user, query and fragment.
    /// - Throws: `WireError.invalidEndpoint`.
    public init(_ text: String) throws(WireError) {
        guard let parts = URLComponents(string: text), let scheme = parts.scheme?.lowercased(),
            scheme == "http" || scheme == "https", let host = parts.host, !host.isEmpty, parts.user == nil,
            parts.password == nil, parts.query == nil, parts.fragment == nil,
            parts.port.map((1...65535).contains) ?? (parts.rangeOfPort == nil)
        else { throw .invalidEndpoint(text) }
        isSecure = scheme == "https"
        self.host = host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : host
        let usual = isSecure ? 443 : 80
        port = parts.port == usual ? nil : parts.port
        path = parts.path.split(separator: "/").map { "/" + $0 }.joined()
    }

    /// The same service in another region, if the host's name has the region in it; otherwise the same server. `nil` for
    /// a VPC's own endpoint, which has none elsewhere.
    public func inRegion(_ other: String, insteadOf region: String) -> Endpoint? {
        if host.lowercased().hasSuffix(".vpce.amazonaws.com") { return nil }
        let labels = host.split(separator: ".", omittingEmptySubsequences: false)
        guard labels.contains(Substring(region)) else { return self }
        let name = labels.map { $0 == region ? other : String($0) }.joined(separator: ".")
        return Endpoint(isSecure: isSecure, host: name, port: port, path: path)
    }

    private init(isSecure: Bool, host: String, port: Int?, path: String) {
        self.isSecure = isSecure
        self.host = host
        self.port = port
        self.path = path
    }

    /// What the header `Host` says.
    public var authority: String {
        let name = host.contains(":") ? "[\(host)]" : host
        return port.map { "\(name):\($0)" } ?? name
    }

    /// Whether it is on this machine, by its name or address alone.
    var isLoopback: Bool {
        let bytes = host.split(separator: ".", omittingEmptySubsequences: false)
        return host == "::1" || host.lowercased() == "localhost"
            || (bytes.count == 4 && bytes[0] == "127" && bytes.allSatisfy { UInt8($0) != nil })
    }

    public var description: String { "\(isSecure ? "https" : "http")://\(authority)\(path)" }
}
