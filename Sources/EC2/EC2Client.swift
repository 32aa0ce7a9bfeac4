// One call of EC2's API: signed, sent, tried again where that may help, and its answer read.
import AWSWire
import Driver
import Platform

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

struct EC2Client: Sendable {
    let endpoint: Endpoint
    let region: String
    let limits: EC2Limits
    private let credentials: CredentialsCache
    private let transport: any WireTransport
    let clock: any Clock
    let random: any RandomSource

    /// A page of 500 volumes with 50 tags each is some megabytes; nobody sends more in earnest.
    private static let maximumAnswerBytes = 32 << 20
    /// An answer that is none may have been cut off; a page that is no EC2's stays one.
    private static let attemptsForAnAnswer = 3
    private static let attemptsForLostCalls = 4
    /// One with less time would only tell that there was no time, and not why the one before it failed.
    private static let shortestAttempt = Duration.milliseconds(100)

    /// - Throws: `WireError.invalidEndpoint`.
    init(
        _ access: EC2Access, transport: any WireTransport, clock: any Clock, random: any RandomSource
    ) throws(WireError) {
        endpoint = try access.resolvedEndpoint()
        region = access.region
        limits = access.limits
        credentials = access.credentials
        self.transport = transport
        self.clock = clock
        self.random = random
    }

    /// Gives the action's answer.
    ///
    /// What EC2 cannot do now is asked again after pauses that grow and are drawn by lot; so is what may have been lost,
    /// if doing it twice is doing it once.
    ///
    /// - Parameter repeating: whether anything is asked again at all.
    /// - Throws: `StorageError` for a refusal, or when nothing came in time; `UncertainCall` when a call that must not be
    ///   repeated may have been done; `CancellationError`.
    func send<Action: EC2Action>(_ action: Action, repeating: Bool = true) async throws -> Action.Answer {
        let deadline = clock.uptime() + limits.callTime
        var attempt = 1
        while true {
            let failure: StorageError
            switch try await outcome(of: action, attempt, until: deadline) {
            case .done(let answer): return answer
            case .refused(let error): throw error
            case .notNow(let error): failure = error
            case .unknown(let error, let mayChange):
                guard action.isRepeatable else { throw UncertainCall(reason: error) }
                guard mayChange else { throw error }
                failure = error
            }
            let pause = limits.backoff.pause(after: attempt, random)
            guard repeating, clock.uptime() + pause + Self.shortestAttempt < deadline else { throw failure }
            try await clock.sleep(for: pause)
            attempt += 1
        }
    }

    /// The same for an action on a snapshot, if it is on one, which not every server names when it does not have it.
    func send<Action: EC2Action>(_ action: Action, on snapshot: SnapshotID?) async throws -> Action.Answer {
        do {
            return try await send(action)
        } catch let error as StorageError where error.code == .snapshotNotFound {
            throw snapshot.map(StorageError.snapshotNotFound) ?? error
        }
    }

    /// Sends an action that puts something into a state, again when its answer was lost.
    ///
    /// - Parameter isDone: whether a refusal means that it was done. Only asked once an answer was lost.
    /// - Throws: `StorageError`, also for one that was lost too often; `CancellationError`.
    func sendUntilDone<Action: EC2Action>(
        _ action: Action, isDone: (StorageError) async throws -> Bool
    ) async throws {
        var attempt = 1
        while true {
            do {
                _ = try await send(action)
                return
            } catch let error as StorageError {
                if attempt > 1, try await isDone(error) { return }
                throw error
            } catch let lost as UncertainCall {
                guard attempt < Self.attemptsForLostCalls else { throw lost.reason }
                try await clock.sleep(for: limits.backoff.pause(after: attempt, random))
                attempt += 1
            }
        }
    }

    private enum Outcome<Answer> {
        case done(Answer)
        case refused(StorageError)
        /// Nothing was done.
        case notNow(StorageError)
        /// It may have been done.
        case unknown(StorageError, mayChange: Bool)
    }

    private func outcome<Action: EC2Action>(
        of action: Action, _ attempt: Int, until deadline: Duration
    ) async throws -> Outcome<Action.Answer> {
        do {
            let credentials = try await currentCredentials()
            let time = max(.milliseconds(1), min(limits.requestTime, deadline - clock.uptime()))
            let answer = try await exchange(action, as: credentials, within: time)
            if (200..<300).contains(answer.status) { return read(answer, action, attempt) }
            if Refusal(answer.body)?.isOfCredentials == true { await self.credentials.forget(credentials) }
            return refusal(in: answer, action)
        } catch let error as WireError {
            let failure = StorageError(
                .unavailable, "EC2 cannot be asked for \(Action.name)", cause: "\(error)", advice: advice(for: error))
            return if case .unreachable = error { .unknown(failure, mayChange: true) } else { .refused(failure) }
        }
    }

    private func exchange(
        _ action: some EC2Action, as credentials: AWSCredentials, within time: Duration
    ) async throws -> WireAnswer {
        let request = WireRequest(
            .post, "/", headers: [.init("content-type", "application/x-www-form-urlencoded; charset=utf-8")],
            body: try Self.body(of: action))
        let client = WireClient(
            endpoint, signer: RequestSigner(credentials: credentials, region: region, service: "ec2"),
            transport: transport, clock: clock, random: random)
        return try await client.sendOnce(request, limit: Self.maximumAnswerBytes, within: time)
    }

    static func body<Action: EC2Action>(of action: Action) throws -> [UInt8] {
        Array(WireRequest.formEncoded(try fields(of: action)).utf8)
    }

    private static func fields<Action: EC2Action>(of action: Action) throws -> [WireRequest.Field] {
        let fixed = [WireRequest.Field("Action", Action.name), .init("Version", Action.version)]
        return fixed + (try QueryEncoder.parameters(of: action))
    }

    /// The URL by which somebody else can ask for the action in the caller's name, for an hour. It is a credential.
    func presignedURL<Action: EC2Action>(of action: Action) async throws -> String {
        let request = WireRequest(.get, endpoint.path + "/", query: try Self.fields(of: action))
        return RequestSigner(credentials: try await currentCredentials(), region: region, service: "ec2").presignedURL(
            of: request, to: endpoint, at: clock.now(), expiringIn: 3600)
    }

    private func currentCredentials() async throws -> AWSCredentials {
        do {
            return try await credentials.credentials()
        } catch let error as IdentityError {
            throw StorageError(.unauthorized, "EC2 cannot be asked without credentials", cause: "\(error)")
        }
    }

    private func read<Action: EC2Action>(
        _ answer: WireAnswer, _ action: Action, _ attempt: Int
    ) -> Outcome<Action.Answer> {
        do {
            let document = try XMLElement(document: answer.body)
            guard document.name == Action.name + "Response" else { throw XMLElement.Malformed() }
            return .done(try XMLDecoder.decode(Action.Answer.self, from: document))
        } catch {
            let failure = StorageError(
                .internalError, "\(endpoint) does not answer \(Action.name) as EC2 does",
                cause: Self.description(of: error),
                advice: "see whether this is the endpoint of EC2 and nothing cuts it")
            return .unknown(failure, mayChange: attempt < Self.attemptsForAnAnswer)
        }
    }

    private static func description(of error: any Error) -> String {
        switch error {
        case DecodingError.keyNotFound(_, let context), DecodingError.valueNotFound(_, let context),
            DecodingError.typeMismatch(_, let context), DecodingError.dataCorrupted(let context):
            (context.codingPath.map(\.stringValue).joined(separator: "/") + " " + context.debugDescription)
        default: "it is no XML, or another document"
        }
    }

    private func refusal<Action: EC2Action>(in answer: WireAnswer, _ action: Action) -> Outcome<Action.Answer> {
        guard let refusal = Refusal(answer.body) else {
            let failure = StorageError(
                .unavailable, "\(endpoint) answers \(Action.name) with status \(answer.status) and no error of EC2's",
                advice: "see whether this is the endpoint of EC2")
            return answer.status >= 500 || answer.status == 429
                ? .unknown(failure, mayChange: true) : .refused(failure)
        }
        let error = StorageError(
            StorageError.Code(refusal.code), refusal.message,
            cause: refusal.isOfCredentials ? clockDifference(answer) : nil,
            advice: refusal.isOfCredentials ? "see whether the credentials are right and not expired" : nil)
        if refusal.isThrottling { return .notNow(error) }
        return answer.status >= 500 ? .unknown(error, mayChange: true) : .refused(error)
    }

    /// A signature holds for five minutes before and after its time.
    private func clockDifference(_ answer: WireAnswer) -> String? {
        guard let theirs = answer.headers["date"].flatMap(HTTPDate.date) else { return nil }
        let minutes = Int((clock.now().timeIntervalSince(theirs) / 60).rounded())
        guard abs(minutes) >= 5 else { return nil }
        return "the clock of this machine is \(abs(minutes)) minutes \(minutes > 0 ? "ahead" : "behind"); set it"
    }

    private func advice(for error: WireError) -> String? {
        switch error {
        case .unreachable: "see whether \(endpoint) is right, and can be reached from here"
        case .answerTooLong: "see whether this is the endpoint of EC2"
        default: nil
        }
    }
}

/// A call that must not be repeated blindly may have been done, or not.
struct UncertainCall: Error {
    let reason: StorageError
}
