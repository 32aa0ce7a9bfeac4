import AWSWire
import Platform
import Synchronization

@testable import EC2

/// The way to a real server, on which much goes wrong, by a seed: calls are throttled, lost before or after they were
/// carried out, fail, take long, and descriptions are old. Never twice in a row for one action, so that there is an end.
///
/// It honours client tokens, as EC2 does and moto does not.
final class FaultyWay: WireTransport {
    enum Fault: CaseIterable {
        case throttled
        case lostBefore
        case lostAfter
        case failsAfter
        case slow
    }

    private struct State {
        var troubled: Set<String> = []
        /// By client token: what was answered at first.
        var made: [String: WireAnswer] = [:]
        /// By what was asked: the last true answer, and when.
        var descriptions: [[UInt8]: (answer: WireAnswer, uptime: Duration)] = [:]
        var counts: [String: Int] = [:]
        var faults = 0
    }

    private let base = HTTPTransport()
    private let random: any RandomSource
    private let clock = SystemClock()
    /// Of how many calls one has a fault; 0 for none.
    private let rarity: UInt64
    private let staleness: Duration
    private let state = Mutex(State())

    init(seed: UInt64, rarity: UInt64 = 4, staleness: Duration = .seconds(1)) {
        random = SeededRandom(seed: seed)
        self.rarity = rarity
        self.staleness = staleness
    }

    func count(_ action: String) -> Int { state.withLock { $0.counts[action] ?? 0 } }
    var faults: Int { state.withLock { $0.faults } }

    func send(
        _ request: WireRequest, to endpoint: Endpoint, limit: Int, within time: Duration
    ) async throws -> WireAnswer {
        let fields = request.form
        let action = fields["Action"] ?? ""
        let fault = draw(for: action)
        switch fault {
        case .throttled: return Self.refusal("RequestLimitExceeded", status: 503)
        case .lostBefore: throw WireError.unreachable(endpoint, reason: "connection reset by peer")
        case .slow: try await clock.sleep(for: .milliseconds(200))
        default: break
        }
        if action.hasPrefix("Describe"), let old = old(request.body) { return old }
        let answer = try await carryOut(request, fields["ClientToken"], to: endpoint, limit: limit, within: time)
        switch fault {
        case .lostAfter: throw WireError.unreachable(endpoint, reason: "connection reset by peer")
        case .failsAfter: return Self.refusal("InternalError", status: 500)
        default: return answer
        }
    }

    private func draw(for action: String) -> Fault? {
        state.withLock { state in
            state.counts[action, default: 0] += 1
            guard rarity > 0, state.troubled.remove(action) == nil, random.next() % rarity == 0 else { return nil }
            state.troubled.insert(action)
            state.faults += 1
            return Fault.allCases[Int(random.next() % UInt64(Fault.allCases.count))]
        }
    }

    private func old(_ question: [UInt8]) -> WireAnswer? {
        let now = clock.uptime()
        return state.withLock { state in
            guard rarity > 0, let last = state.descriptions[question], now < last.uptime + staleness,
                random.next() % 2 == 0
            else { return nil }
            return last.answer
        }
    }

    private func carryOut(
        _ request: WireRequest, _ token: String?, to endpoint: Endpoint, limit: Int, within time: Duration
    ) async throws -> WireAnswer {
        if let token, let answer = state.withLock({ $0.made[token] }) { return answer }
        let answer = try await base.send(request, to: endpoint, limit: limit, within: time)
        let now = clock.uptime()
        state.withLock { state in
            if let token, answer.status == 200 { state.made[token] = answer }
            state.descriptions[request.body] = (answer, now)
        }
        return answer
    }

    private static func refusal(_ code: String, status: Int) -> WireAnswer {
        guard case .answer(_, let body, _) = PlayedEC2.Reply.refused(code) else { preconditionFailure() }
        return WireAnswer(status: status, body: Array(body.utf8))
    }
}
