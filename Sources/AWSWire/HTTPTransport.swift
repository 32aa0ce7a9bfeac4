import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Platform
import Synchronization
import SystemPackage

/// HTTP/1.1 over TCP and TLS. Connections are shared by all of the process, and kept for a minute.
public struct HTTPTransport: WireTransport {
    private let certificateAuthorities: String?
    private let proxies: ProxySettings

    /// - Parameters:
    ///   - certificateAuthorities: the path of a PEM file with those that are trusted; `nil` for the system's.
    ///   - proxies: none, unless they are named.
    public init(certificateAuthorities: String? = nil, proxies: ProxySettings = .none) {
        self.certificateAuthorities = certificateAuthorities
        self.proxies = proxies
    }

    /// One for each proxy, and one for none: a client has its own. They live as long as the process.
    private static let clients = Mutex<[Proxy?: HTTPClient]>([:])

    private static func client(through proxy: Proxy?) -> HTTPClient {
        clients.withLock { clients in
            let client = clients[proxy] ?? makeClient(through: proxy)
            clients[proxy] = client
            return client
        }
    }

    private static func makeClient(through proxy: Proxy?) -> HTTPClient {
        var configuration = HTTPClient.Configuration(
            redirectConfiguration: .disallow, timeout: .init(connect: .seconds(10)), decompression: .disabled)
        configuration.httpVersion = .http1Only
        // `WireClient` decides what is tried again.
        configuration.connectionPool.retryConnectionEstablishment = false
        // Whoever attaches hundreds of volumes at once does not wait in vain for one of eight.
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 64
        configuration.proxy = proxy.map { proxy in
            .server(
                host: proxy.host, port: proxy.port,
                authorization: proxy.user.map { .basic(username: $0, password: proxy.password ?? "") })
        }
        return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }

    public func send(
        _ request: WireRequest, to endpoint: Endpoint, limit: Int, within time: Duration
    ) async throws -> WireAnswer {
        do {
            return try await withThrowingTaskGroup(of: WireAnswer.self) { group in
                group.addTask { try await answer(request, endpoint, limit) }
                // The client's own deadline ends with the answer's head.
                group.addTask {
                    try await SystemClock().sleep(for: time)
                    throw HTTPClientError.deadlineExceeded
                }
                defer { group.cancelAll() }
                guard let first = try await group.next() else { throw CancellationError() }
                return first
            }
        } catch {
            try checkAuthorities(for: endpoint)
            throw Self.meaning(of: error, endpoint)
        }
    }

    private func answer(_ request: WireRequest, _ endpoint: Endpoint, _ limit: Int) async throws -> WireAnswer {
        let client = Self.client(through: proxies.proxy(for: endpoint))
        let response = try await client.execute(outgoing(request, endpoint), deadline: .distantFuture)
        let body = try await response.body.collect(upTo: limit)
        // What is cut off by that looks like an end.
        try Task.checkCancellation()
        let headers = response.headers.map { ($0.name.lowercased(), $0.value) }
        return WireAnswer(
            status: Int(response.status.code), headers: Dictionary(headers) { $1 },
            body: Array(body.readableBytesView))
    }

    private func outgoing(_ request: WireRequest, _ endpoint: Endpoint) -> HTTPClientRequest {
        var outgoing = HTTPClientRequest(url: request.url(at: endpoint))
        outgoing.method = HTTPMethod(rawValue: request.method.rawValue)
        for field in request.headers { outgoing.headers.add(name: field.name, value: field.value) }
        if !request.body.isEmpty { outgoing.body = .bytes(ByteBuffer(bytes: request.body)) }
        var security = TLSConfiguration.makeClientConfiguration()
        security.trustRoots = certificateAuthorities.map { .file($0) } ?? .default
        outgoing.tlsConfiguration = security
        return outgoing
    }

    /// Whether a failure came of the file of authorities, be it that it cannot be read or that there is none in it.
    private func checkAuthorities(for endpoint: Endpoint) throws(WireError) {
        guard endpoint.isSecure, let path = certificateAuthorities else { return }
        do throws(Errno) {
            _ = try readFile(FilePath(path), limit: 16 << 20)
        } catch {
            throw .invalidAuthorities(path: path, reason: error.description.lowercased())
        }
        // Why it is no PEM, BoringSSL says in words for nobody.
        guard let certificates = try? NIOSSLCertificate.fromPEMFile(path), !certificates.isEmpty else {
            throw .invalidAuthorities(path: path, reason: "it holds no certificate in PEM")
        }
    }

    private static func meaning(of error: any Error, _ endpoint: Endpoint) -> any Error {
        switch error {
        case is CancellationError: error
        case let error as HTTPClientError where error == .cancelled: CancellationError()
        case is NIOTooManyBytesError: WireError.answerTooLong(endpoint)
        case is NIOSSLExtraError: WireError.untrusted(endpoint, reason: "it is for another name")
        case NIOSSLError.handshakeFailed(let reason): handshake(reason, endpoint)
        default: WireError.unreachable(endpoint, reason: reason(error))
        }
    }

    private static func handshake(_ reason: BoringSSLError, _ endpoint: Endpoint) -> WireError {
        let text = "\(reason)"
        return text.contains("CERTIFICATE_VERIFY_FAILED")
            ? .untrusted(endpoint, reason: "no authority that is known here has signed it")
            : .unreachable(endpoint, reason: "it does not speak TLS as it should")
    }

    private static func reason(_ error: any Error) -> String {
        switch error {
        case let error as NIOConnectionError:
            error.connectionErrors.first.map { reason($0.error) } ?? "there is no host of this name"
        case let error as IOError: Errno(rawValue: error.errnoCode).description
        case let error as HTTPClientError: error.shortDescription.lowercased()
        default: "\(error)".split(whereSeparator: \.isNewline).joined(separator: " ")
        }
    }
}
