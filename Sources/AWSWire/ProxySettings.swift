#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Through whom servers are asked; pure. What lies on this machine is always asked directly.
///
/// Source: curl's manual page, "Environment", which AWS' tools follow.
public struct ProxySettings: Hashable, Sendable {
    /// Asks all directly.
    public static let none = ProxySettings()

    private let secure: Proxy?
    private let plain: Proxy?
    private let exceptions: [Exception]

    private init() {
        (secure, plain, exceptions) = (nil, nil, [])
    }

    /// From `https_proxy`, `http_proxy` and `no_proxy` among the variables; those in capitals where these are not set.
    ///
    /// - Throws: `WireError.invalidProxy`.
    public init(environment: [String: String]) throws(WireError) {
        let variables = GuardedValues(environment)
        secure = try Self.proxy("https_proxy", variables)
        plain = try Self.proxy("http_proxy", variables)
        let list = variables["no_proxy"] ?? variables["NO_PROXY"] ?? ""
        exceptions = list.split { $0 == "," || $0.isWhitespace }.map(Exception.init)
    }

    private static func proxy(_ name: String, _ variables: GuardedValues) throws(WireError) -> Proxy? {
        for name in [name, name.uppercased()] {
            guard let text = variables[name] else { continue }
            guard let proxy = Proxy(text) else { throw .invalidProxy(variable: name) }
            return proxy
        }
        return nil
    }

    func proxy(for endpoint: Endpoint) -> Proxy? {
        guard let proxy = endpoint.isSecure ? secure : plain, !endpoint.isLoopback,
            !exceptions.contains(where: { $0.covers(endpoint) })
        else { return nil }
        return proxy
    }
}

/// A server that passes on what it is asked, by `CONNECT`. Whoever prints it does not get its password.
struct Proxy: Hashable, Sendable, CustomStringConvertible, CustomReflectable {
    let host: String
    let port: Int
    let user: String?
    let password: String?

    /// - Parameter text: `http://USER:PASSWORD@HOST:PORT`, all but the host of which may be missing.
    init?(_ text: String) {
        guard let parts = URLComponents(string: text.contains("://") ? text : "http://\(text)"),
            parts.scheme?.lowercased() == "http", let host = parts.host, !host.isEmpty,
            parts.port.map((1...65535).contains) ?? (parts.rangeOfPort == nil), parts.path.isEmpty || parts.path == "/",
            parts.query == nil, parts.fragment == nil
        else { return nil }
        self.host = host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : host
        port = parts.port ?? 80
        user = parts.user
        password = parts.password
    }

    var description: String { "proxy \(host):\(port)" }

    var customMirror: Mirror { Mirror(self, children: ["host": host, "port": port]) }
}

/// One word of `no_proxy`: all, or a host and those below it, on all ports or one.
private struct Exception: Hashable, Sendable {
    private let host: String
    private let port: Int?

    init(_ word: Substring) {
        let (host, port) = Self.parts(word.lowercased())
        self.host = host.hasPrefix("*.") ? String(host.dropFirst(2)) : String(host.drop { $0 == "." })
        self.port = port
    }

    /// An address of IPv6 has colons of its own, and needs brackets before a port.
    private static func parts(_ word: String) -> (host: String, port: Int?) {
        if word.hasPrefix("["), let end = word.firstIndex(of: "]") {
            let rest = word[word.index(after: end)...]
            return (String(word[..<end].dropFirst()), rest.hasPrefix(":") ? Int(rest.dropFirst()) : nil)
        }
        let pieces = word.split(separator: ":", omittingEmptySubsequences: false)
        guard pieces.count == 2, let port = Int(pieces[1]) else { return (word, nil) }
        return (String(pieces[0]), port)
    }

    func covers(_ endpoint: Endpoint) -> Bool {
        if let port, port != endpoint.port ?? (endpoint.isSecure ? 443 : 80) { return false }
        let asked = endpoint.host.lowercased()
        return host == "*" || asked == host || (!host.isEmpty && asked.hasSuffix(".\(host)"))
    }
}
