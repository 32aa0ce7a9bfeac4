import AWSWire
import Driver
import Platform
import Synchronization

@testable import EC2

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// EC2 as it was told to be: gives the answers in their order, and keeps what it was asked.
final class PlayedEC2: WireTransport {
    enum Reply: Sendable {
        case answer(status: Int, body: String, headers: [String: String] = [:])
        /// The connection breaks, whatever was done.
        case cut

        /// An action's answer: what stands in it.
        static func done(_ action: String, _ members: String = "<return>true</return>") -> Reply {
            let root = action + "Response"
            return .answer(
                status: 200,
                body: "<\(root) xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>r</requestId>"
                    + "\(members)</\(root)>")
        }

        static func refused(_ code: String, _ message: String = "No.", status: Int = 400) -> Reply {
            .answer(
                status: status,
                body: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>\(code)</Code>"
                    + "<Message>\(message)</Message></Error></Errors><RequestID>r</RequestID></Response>")
        }
    }

    struct Asked: Sendable {
        let action: String
        let parameters: [String: String]
        /// How long an answer is waited for.
        let time: Duration
    }

    /// What comes next, given what is asked and how often that action was asked before.
    private let play: @Sendable (Asked, Int) throws -> Reply
    private let asked = Mutex<[Asked]>([])

    init(_ play: @escaping @Sendable (Asked, Int) throws -> Reply) { self.play = play }

    /// In this order, for whatever is asked; the last one again and again.
    convenience init(_ replies: Reply...) {
        let left = Mutex(replies)
        self.init { _, _ in left.withLock { $0.count > 1 ? $0.removeFirst() : $0[0] } }
    }

    func send(
        _ request: WireRequest, to endpoint: Endpoint, limit: Int, within time: Duration
    ) async throws -> WireAnswer {
        let parameters = request.form
        let asked = Asked(action: parameters["Action"] ?? "", parameters: parameters, time: time)
        let before = self.asked.withLock { all in
            defer { all.append(asked) }
            return all.count { $0.action == asked.action }
        }
        switch try play(asked, before) {
        case .answer(let status, let body, let headers):
            return WireAnswer(status: status, headers: headers, body: Array(body.utf8))
        case .cut: throw WireError.unreachable(endpoint, reason: "connection reset by peer")
        }
    }

    /// How long each answer was waited for, in order.
    var times: [Duration] { asked.withLock { $0.map(\.time) } }

    /// The actions, in order.
    var actions: [String] { asked.withLock { $0.map(\.action) } }

    func parameters(of action: String) -> [[String: String]] {
        asked.withLock { $0.filter { $0.action == action }.map(\.parameters) }
    }

    /// A client or driver that asks it; its clock runs as fast as somebody waits.
    func access() throws -> EC2Access {
        let credentials = FixedCredentials(AWSCredentials(accessKeyID: "AKIDEXAMPLE", secretAccessKey: "hush"))
        return EC2Access(
            region: "us-east-1", endpoint: try Endpoint("http://ec2.test"),
            credentials: CredentialsCache(credentials, clock: HastyClock()))
    }

    func driver(scope: EC2Scope? = nil, volumeKey: String? = nil) throws -> EC2Driver {
        try EC2Driver(
            try access(), scope: scope, volumeKey: volumeKey, transport: self, clock: HastyClock(),
            random: SeededRandom(seed: 1))
    }
}

/// A clock that is moved by whoever sleeps: nobody waits, and deadlines come as they would.
final class HastyClock: Clock {
    private let time = Mutex(Duration.zero)

    func now() -> Date { Date(timeIntervalSince1970: 1_795_736_787 + Double(uptime().components.seconds)) }
    func uptime() -> Duration { time.withLock { $0 } }

    func sleep(untilUptime deadline: Duration) async throws {
        try Task.checkCancellation()
        time.withLock { $0 = max($0, deadline) }
        await Task.yield()
    }
}

extension WireRequest {
    /// The parameters of a call of EC2's Query API.
    var form: [String: String] {
        var form = URLComponents()
        form.percentEncodedQuery = String(decoding: body, as: UTF8.self)
        return Dictionary((form.queryItems ?? []).map { ($0.name, $0.value ?? "") }) { $1 }
    }
}
