#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
import Platform
import Synchronization
import TestSupport
import Testing

@testable import AWSWire

/// Gives credentials that are numbered, and end some time after they were asked for.
private final class NumberedSource: CredentialsSource {
    private struct State {
        var asked = 0
        var lifetime: Double?
        var failure: IdentityError?
        var isHeld = false
        var held: [CheckedContinuation<Void, Never>] = []
    }

    private let clock: VirtualClock
    private let state = Mutex(State())

    init(_ clock: VirtualClock, lifetime: Double?) {
        self.clock = clock
        state.withLock { $0.lifetime = lifetime }
    }

    var asked: Int { state.withLock { $0.asked } }

    func fail(_ error: IdentityError?) { state.withLock { $0.failure = error } }

    func hold() { state.withLock { $0.isHeld = true } }

    func release() {
        let held = state.withLock { state in
            state.isHeld = false
            defer { state.held = [] }
            return state.held
        }
        for continuation in held { continuation.resume() }
    }

    func credentials() async throws -> AWSCredentials {
        let number = state.withLock { state in
            state.asked += 1
            return state.asked
        }
        await withCheckedContinuation { continuation in
            let waits = state.withLock { state in
                if state.isHeld { state.held.append(continuation) }
                return state.isHeld
            }
            if !waits { continuation.resume() }
        }
        let (lifetime, failure) = state.withLock { ($0.lifetime, $0.failure) }
        if let failure { throw failure }
        return AWSCredentials(
            accessKeyID: "K\(number)", secretAccessKey: "s",
            expiration: lifetime.map { clock.now().addingTimeInterval($0) })
    }
}

@Suite(.timeLimit(.minutes(1))) struct CredentialsCacheTests {
    private let clock = VirtualClock()

    private func cache(lifetime: Double?) -> (NumberedSource, CredentialsCache) {
        let source = NumberedSource(clock, lifetime: lifetime)
        return (source, CredentialsCache(source, clock: clock))
    }

    private func id(_ cache: CredentialsCache, after seconds: Int = 0) async throws -> String {
        clock.advance(by: .seconds(seconds))
        return try await cache.credentials().accessKeyID
    }

    @Test func othersAreAskedForFiveMinutesBeforeTheEnd() async throws {
        let (source, cache) = cache(lifetime: 3600)
        #expect(try await id(cache) == "K1")
        #expect(try await id(cache, after: 3299) == "K1")
        #expect(source.asked == 1)
        #expect(try await id(cache, after: 1) == "K2")
        #expect(try await id(cache) == "K2")
        #expect(source.asked == 2)
    }

    @Test func theOldOnesAreUsedWhileTheyHold() async throws {
        let (source, cache) = cache(lifetime: 3600)
        #expect(try await id(cache) == "K1")
        source.fail(IdentityError(.refused, "gone"))
        #expect(try await id(cache, after: 3400) == "K1")
        #expect(source.asked == 2)
        // Not asked again at once.
        #expect(try await id(cache, after: 29) == "K1")
        #expect(source.asked == 2)
        #expect(try await id(cache, after: 1) == "K1")
        #expect(source.asked == 3)
        #expect(try await id(cache, after: 169) == "K1")
        // They have ended.
        let error = try await identityError(.refused) { _ = try await id(cache, after: 1) }
        #expect(error.message == "gone")
        source.fail(nil)
        #expect(try await id(cache) == "K6")
    }

    /// The pause after a failure does not reach beyond the end.
    @Test func noneThatHaveEndedAreGivenAfterAFailure() async throws {
        let (source, cache) = cache(lifetime: 3600)
        #expect(try await id(cache) == "K1")
        source.fail(IdentityError(.refused, "gone"))
        #expect(try await id(cache, after: 3590) == "K1")
        _ = try await identityError(.refused) { _ = try await id(cache, after: 10) }
    }

    @Test func whatFailsAtFirstIsAskedAgain() async throws {
        let (source, cache) = cache(lifetime: nil)
        source.fail(IdentityError(.notFound, "none"))
        _ = try await identityError(.notFound) { _ = try await id(cache) }
        source.fail(nil)
        #expect(try await id(cache) == "K2")
    }

    @Test func thoseWithoutAnEndAreLookedAtEachMinute() async throws {
        let (source, cache) = cache(lifetime: nil)
        #expect(try await id(cache) == "K1")
        #expect(try await id(cache, after: 59) == "K1")
        #expect(try await id(cache, after: 1) == "K2")
        source.fail(IdentityError(.malformed, "half written"))
        #expect(try await id(cache, after: 60) == "K2")
        #expect(source.asked == 3)
    }

    /// An instance is given those while its service cannot renew them.
    @Test(arguments: [-100.0, 10, 200]) func thoseThatEndAtOnceAreUsedForAMoment(lifetime: Double) async throws {
        let (source, cache) = cache(lifetime: lifetime)
        #expect(try await id(cache) == "K1")
        #expect(try await id(cache, after: 29) == "K1")
        #expect(try await id(cache, after: 1) == "K2")
        #expect(source.asked == 2)
    }

    @Test func whoeverWaitsIsGivenTheSameAnswer() async throws {
        let (source, cache) = cache(lifetime: 3600)
        source.hold()
        try await withThrowingTaskGroup(of: String.self) { group in
            for _ in 0..<20 { group.addTask { try await cache.credentials().accessKeyID } }
            #expect(try await eventually { source.asked == 1 })
            source.release()
            for try await id in group { #expect(id == "K1") }
        }
        #expect(source.asked == 1)
    }

    @Test func whoGoesAwayDoesNotTakeTheAnswerFromOthers() async throws {
        let (source, cache) = cache(lifetime: 3600)
        source.hold()
        let first = Task { try await cache.credentials().accessKeyID }
        #expect(try await eventually { source.asked == 1 })
        let second = Task { try await cache.credentials().accessKeyID }
        first.cancel()
        source.release()
        await #expect(throws: CancellationError.self) { try await first.value }
        #expect(try await second.value == "K1")
        #expect(source.asked == 1)
    }

    @Test func thoseThatWereRefusedAreForgotten() async throws {
        let (source, cache) = cache(lifetime: 3600)
        let first = try await cache.credentials()
        await cache.forget(AWSCredentials(accessKeyID: "other", secretAccessKey: "x"))
        #expect(try await id(cache) == "K1")
        await cache.forget(first)
        #expect(try await id(cache) == "K2")
        #expect(source.asked == 2)
    }
}
