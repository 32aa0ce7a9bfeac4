import Platform
import Synchronization
import Testing
import TestSupport

@testable import AWSWire

/// Answers as it was told to, in this order.
private final class PlayedTransport: WireTransport {
    private let answers: Mutex<[Result<WireAnswer, WireError>]>
    let requests = Mutex<[(request: WireRequest, time: Duration)]>([])

    init(_ answers: [Result<WireAnswer, WireError>]) { self.answers = Mutex(answers) }

    func send(
        _ request: WireRequest, to endpoint: Endpoint, limit: Int, within time: Duration
    ) async throws -> WireAnswer {
        requests.withLock { $0.append((request, time)) }
        return try answers.withLock { $0.removeFirst() }.get()
    }

    var count: Int { requests.withLock { $0.count } }
}

@Suite struct WireClientTests {
    private let clock = VirtualClock()
    private let endpoint: Endpoint

    init() throws { endpoint = try Endpoint("http://h:1/base") }

    private func client(_ transport: PlayedTransport) -> WireClient {
        let credentials = AWSCredentials(accessKeyID: "a", secretAccessKey: "b")
        return WireClient(
            endpoint, signer: RequestSigner(credentials: credentials, region: "r", service: "s3"),
            transport: transport, clock: clock, random: SeededRandom(seed: 1))
    }

    /// Moves the clock while the client waits.
    private func send(
        _ transport: PlayedTransport, _ request: WireRequest = WireRequest(.get, "/x")
    ) async throws -> WireAnswer {
        let client = client(transport)
        async let answer = client.send(request, limit: 10)
        let driver = Task { [clock] in
            while !Task.isCancelled {
                clock.advance(by: .milliseconds(50))
                await Task.yield()
            }
        }
        defer { driver.cancel() }
        return try await answer
    }

    private func unreachable() -> Result<WireAnswer, WireError> { .failure(.unreachable(endpoint, reason: "gone")) }

    private func status(_ status: Int) -> Result<WireAnswer, WireError> { .success(WireAnswer(status: status)) }

    @Test func whatMayHelpIsTriedAgain() async throws {
        let transport = PlayedTransport([unreachable(), status(503), status(429), status(500), status(200)])
        #expect(try await send(transport).status == 200)
        #expect(transport.count == 5)
        // Each is signed at its own time.
        let times = transport.requests.withLock { $0.map { $0.request.headers.first { $0.name == "x-amz-date" } } }
        #expect(Set(times).count > 1)
    }

    @Test(arguments: [200, 301, 400, 403, 404, 501]) func anAnswerIsAnAnswer(status: Int) async throws {
        let transport = PlayedTransport([self.status(status)])
        #expect(try await send(transport).status == status)
    }

    @Test func itGivesUp() async throws {
        let silent = PlayedTransport(Array(repeating: unreachable(), count: 6))
        await #expect(throws: WireError.unreachable(endpoint, reason: "gone")) { try await send(silent) }
        #expect(silent.count == 6)
        let busy = PlayedTransport(Array(repeating: status(503), count: 6))
        #expect(try await send(busy).status == 503)
        #expect(busy.count == 6)
    }

    @Test func whatCannotHelpIsNotTriedAgain() async throws {
        for error in [WireError.untrusted(endpoint, reason: "x"), .answerTooLong(endpoint)] {
            let transport = PlayedTransport([.failure(error)])
            await #expect(throws: error) { try await send(transport) }
        }
    }

    @Test func waitingEndsWithItsTask() async throws {
        let transport = PlayedTransport(Array(repeating: unreachable(), count: 6))
        let client = client(transport)
        let task = Task { try await client.send(WireRequest(.get, "/x"), limit: 10) }
        // The clock stands still: it waits before the second attempt.
        #expect(try await eventually { transport.count == 1 })
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }

    @Test func aRequestGoesBelowTheEndpointsPath() async throws {
        let transport = PlayedTransport([status(200)])
        _ = try await send(transport, WireRequest(.put, "/a b", body: Array(repeating: 1, count: 640 << 10)))
        let (request, time) = try #require(transport.requests.withLock { $0.first })
        #expect(request.path == "/base/a b")
        #expect(request.headers.contains(.init("host", "h:1")))
        // Half a minute, and ten seconds for the bytes.
        #expect(time == .seconds(40))
    }

    @Test func whoHasNoCredentialsSignsNothing() async throws {
        let transport = PlayedTransport([status(200)])
        let client = WireClient(
            endpoint, signer: nil, transport: transport, clock: clock, random: SeededRandom(seed: 1))
        _ = try await client.send(WireRequest(.get, "/x"), limit: 1)
        #expect(transport.requests.withLock { $0.first?.request.headers } == [.init("host", "h:1")])
    }
}
