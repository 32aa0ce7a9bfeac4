import AWSWire
import Synchronization

/// The way to a server, with a count of what was asked on it.
final class CountingWay: WireTransport {
    private let base = HTTPTransport()
    private let counts = Mutex<[String: Int]>([:])

    /// Every action that was asked for.
    var actions: Set<String> { counts.withLock { Set($0.keys) } }

    func count(_ action: String) -> Int { counts.withLock { $0[action] ?? 0 } }

    func send(
        _ request: WireRequest, to endpoint: Endpoint, limit: Int, within time: Duration
    ) async throws -> WireAnswer {
        counts.withLock { $0[request.form["Action"] ?? "", default: 0] += 1 }
        return try await base.send(request, to: endpoint, limit: limit, within: time)
    }
}
