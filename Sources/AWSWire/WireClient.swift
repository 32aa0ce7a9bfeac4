public import Platform

/// How long is waited and how often is tried.
public struct WireLimits: Hashable, Sendable {
    /// For one request and its answer, beside what its bytes take.
    public var requestTime = Duration.seconds(30)
    /// The slowest connection that is borne, in both directions together.
    public var minimumBytesPerSecond = 64 << 10
    public var attempts = 6
    public var backoff = Backoff(first: .milliseconds(200), longest: .seconds(10))

    public init() {}

    func requestTime(bytes: Int) -> Duration {
        requestTime + .milliseconds(Int64(bytes) * 1000 / Int64(minimumBytesPerSecond))
    }
}

/// Sends requests to one endpoint, signed, again when that may help.
public struct WireClient: Sendable {
    public let endpoint: Endpoint
    private let signer: RequestSigner?
    private let limits: WireLimits
    private let transport: any WireTransport
    private let clock: any Clock
    private let random: any RandomSource

    /// - Parameter signer: `nil` to ask as anybody.
    public init(
        _ endpoint: Endpoint, signer: RequestSigner?, limits: WireLimits = WireLimits(),
        transport: any WireTransport, clock: any Clock, random: any RandomSource
    ) {
        self.endpoint = endpoint
        self.signer = signer
        self.limits = limits
        self.transport = transport
        self.clock = clock
        self.random = random
    }

    /// Gives the server's answer, also when it refuses. For requests that can be done twice.
    ///
    /// Nobody there, and answers that ask to come again later, are tried again after pauses that grow and are drawn by
    /// lot, so that not all come again at once.
    ///
    /// - Parameter limit: the most bytes of an answer.
    /// - Throws: `WireError`, `CancellationError`.
    public func send(_ request: WireRequest, limit: Int) async throws -> WireAnswer {
        for attempt in 1..<limits.attempts {
            do {
                let answer = try await sendOnce(request, limit: limit, within: time(for: request, limit))
                if !answer.asksToComeAgain { return answer }
            } catch WireError.unreachable {
                // Perhaps it is there in a moment.
            }
            try await clock.sleep(for: limits.backoff.pause(after: attempt, random))
        }
        return try await sendOnce(request, limit: limit, within: time(for: request, limit))
    }

    private func time(for request: WireRequest, _ limit: Int) -> Duration {
        limits.requestTime(bytes: request.body.count + (request.method == .get ? limit : 0))
    }

    /// The same without a second try.
    public func sendOnce(_ request: WireRequest, limit: Int, within time: Duration) async throws -> WireAnswer {
        var outgoing = request
        outgoing.path = endpoint.path + request.path
        outgoing.headers =
            signer?.headers(of: outgoing, authority: endpoint.authority, at: clock.now())
            ?? request.headers + [.init("host", endpoint.authority)]
        return try await transport.send(outgoing, to: endpoint, limit: limit, within: time)
    }
}

extension WireAnswer {
    /// Source: AWS SDKs Reference Guide, "Retry behavior": transient and throttling errors.
    fileprivate var asksToComeAgain: Bool { [429, 500, 502, 503, 504, 509].contains(status) }
}

/// What carries requests: TCP with or without TLS; something else in a test.
public protocol WireTransport: Sendable {
    /// - Parameters:
    ///   - request: with all its headers.
    ///   - limit: the most bytes of an answer.
    /// - Throws: `WireError`, `CancellationError`.
    func send(
        _ request: WireRequest, to endpoint: Endpoint, limit: Int, within time: Duration
    ) async throws -> WireAnswer
}
