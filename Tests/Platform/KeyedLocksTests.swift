import Platform
import Testing

@Suite(.timeLimit(.minutes(1))) struct KeyedLocksTests {
    private struct TooLate: Error {}

    private let locks = KeyedLocks<String>()
    private let clock = VirtualClock()

    private func deadline(_ uptime: Duration) -> KeyedLocks<String>.Deadline {
        .init(uptime: uptime, clock: clock, error: TooLate())
    }

    /// Runs `body` while somebody holds the key.
    private func whileHeld(_ key: String, _ body: @escaping @Sendable () async throws -> Void) async throws {
        try await locks.withLock(key) { try await body() }
    }

    @Test func aDeadlineEndsWaiting() async throws {
        try await whileHeld("a") { [self] in
            let waiting = Task { try await locks.withLock("a", until: deadline(.seconds(1))) {} }
            while locks.waiterCount("a") == 0 { await Task.yield() }
            clock.advance(by: .seconds(2))
            await #expect(throws: TooLate.self) { try await waiting.value }
            #expect(locks.waiterCount("a") == 0)
        }
    }

    /// It may have passed before anybody waits: whoever does is not forgotten.
    @Test func aDeadlineThatHasPassedEndsWaitingToo() async throws {
        clock.advance(by: .seconds(5))
        try await whileHeld("a") { [self] in
            for _ in 0..<200 {
                await #expect(throws: TooLate.self) { try await locks.withLock("a", until: deadline(.seconds(1))) {} }
            }
        }
        try await locks.withLock("a", until: deadline(.seconds(1))) {}
    }

    @Test func keysDoNotWaitForEachOther() async throws {
        try await whileHeld("a") { [self] in
            try await locks.withLock("b") {}
            let waiting = Task { try await locks.withLock("a") {} }
            while locks.waiterCount("a") == 0 { await Task.yield() }
            waiting.cancel()
            await #expect(throws: CancellationError.self) { try await waiting.value }
        }
    }
}
