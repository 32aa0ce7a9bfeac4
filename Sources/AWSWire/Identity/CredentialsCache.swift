#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
public import Platform

/// Keeps what a source gives, and asks it again before that ends: once, however many are waiting.
///
/// If the source fails while the old credentials still hold, they are used on. Those whose end is not known are asked
/// for anew every minute, since a file may have been written meanwhile.
public actor CredentialsCache: CredentialsSource {
    /// How long before the end others are asked for.
    static let margin = 300.0
    /// After a failure, and for credentials that are given with less time than the margin.
    static let pause = 30.0
    static let unknownLifetime = 60.0

    private struct Kept {
        var credentials: AWSCredentials
        var askAgain: Date
    }

    private let source: any CredentialsSource
    private let clock: any Clock
    private var kept: Kept?
    private var refresh: Task<AWSCredentials, any Error>?

    public init(_ source: any CredentialsSource, clock: any Clock) {
        self.source = source
        self.clock = clock
    }

    public func credentials() async throws -> AWSCredentials {
        if let kept, clock.now() < kept.askAgain { return kept.credentials }
        let task = refresh ?? beginRefresh()
        let credentials = try await task.value
        // The asking goes on for the others; its end is near, whatever the source is.
        try Task.checkCancellation()
        return credentials
    }

    /// Forgets credentials that were refused, so that the source is asked for others.
    public func forget(_ credentials: AWSCredentials) {
        if kept?.credentials == credentials { kept = nil }
    }

    private func beginRefresh() -> Task<AWSCredentials, any Error> {
        let task = Task { try await self.askAnew() }
        refresh = task
        return task
    }

    private func askAnew() async throws -> AWSCredentials {
        defer { refresh = nil }
        do {
            let credentials = try await source.credentials()
            kept = Kept(credentials: credentials, askAgain: Self.timeToAsk(after: credentials, at: clock.now()))
            return credentials
        } catch {
            guard var old = kept, clock.now() < old.credentials.expiration ?? .distantFuture else { throw error }
            old.askAgain = min(clock.now().addingTimeInterval(Self.pause), old.credentials.expiration ?? .distantFuture)
            kept = old
            return old.credentials
        }
    }

    /// An instance is given credentials that have ended while its service cannot renew them, and EC2 takes them.
    private static func timeToAsk(after credentials: AWSCredentials, at now: Date) -> Date {
        guard let end = credentials.expiration else { return now.addingTimeInterval(unknownLifetime) }
        return max(now.addingTimeInterval(pause), end.addingTimeInterval(-margin))
    }
}
