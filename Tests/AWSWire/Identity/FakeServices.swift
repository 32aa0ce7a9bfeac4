#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
import Platform
import Synchronization
import Testing

@testable import AWSWire

/// Services that answer as a test says.
final class FakeServices: WireTransport {
    struct Call: Hashable {
        let method: WireRequest.Method
        let url: String
        let headers: [WireRequest.Field]
        let time: Duration

        func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }
    }

    private let answer: (@Sendable (Call) async throws -> WireAnswer)?
    private let made = Mutex<[Call]>([])

    /// - Parameter answer: `nil` where nobody is there.
    init(_ answer: (@Sendable (Call) async throws -> WireAnswer)?) { self.answer = answer }

    static func none() -> FakeServices { FakeServices(nil) }

    func send(
        _ request: WireRequest, to endpoint: Endpoint, limit: Int, within time: Duration
    ) async throws -> WireAnswer {
        let scheme = endpoint.isSecure ? "https" : "http"
        let query = request.query.isEmpty ? "" : "?\(request.encodedQuery)"
        let call = Call(
            method: request.method, url: "\(scheme)://\(endpoint.authority)\(request.path)\(query)",
            headers: request.headers, time: time)
        made.withLock { $0.append(call) }
        guard let answer else { throw WireError.unreachable(endpoint, reason: "no route to host") }
        return try await answer(call)
    }

    var calls: [Call] { made.withLock { $0 } }

    /// Methods and URLs, in order.
    var lines: [String] { calls.map { "\($0.method.rawValue) \($0.url)" } }
}

/// A clock whose waits take no time.
struct ImpatientClock: Clock {
    let clock = VirtualClock()

    func now() -> Date { clock.now() }

    func uptime() -> Duration { clock.uptime() }

    func sleep(untilUptime deadline: Duration) async throws {
        clock.advance(by: max(.zero, deadline - clock.uptime()))
    }
}

extension WireAnswer {
    init(_ text: String) { self.init(status: 200, body: Array(text.utf8)) }
}

/// The error that came, if it is one of those whose code is expected.
func identityError(
    _ code: IdentityError.Code, sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () async throws -> Void
) async throws -> IdentityError {
    let error = try await #require(throws: IdentityError.self, sourceLocation: sourceLocation) { try await body() }
    #expect(error.code == code, sourceLocation: sourceLocation)
    #expect(!error.message.contains { $0.isNewline }, sourceLocation: sourceLocation)
    return error
}

struct SeededWords {
    private var words: SplitMix64

    init(seed: UInt64) { words = SplitMix64(seed: seed) }

    mutating func next(below bound: Int) -> Int { Int(words.next() % UInt64(bound)) }
}
