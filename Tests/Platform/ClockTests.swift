import Platform
import Testing

@Suite(.timeLimit(.minutes(1))) struct VirtualClockTests {
    @Test func timeStandsStillUntilItIsAdvanced() {
        let clock = VirtualClock()
        let start = clock.now()
        #expect(clock.uptime() == .zero)
        clock.advance(by: .milliseconds(1500))
        #expect(clock.uptime() == .milliseconds(1500))
        #expect(clock.now() == start.addingTimeInterval(1.5))
    }

    @Test func aSleeperWakesWhenItsDeadlineHasCome() async throws {
        let clock = VirtualClock()
        let sleeper = Task { try await clock.sleep(untilUptime: .seconds(5)) }
        clock.advance(by: .seconds(5))
        try await sleeper.value
    }

    @Test func aCancelledSleeperThrowsAndIsForgotten() async throws {
        let clock = VirtualClock()
        let sleeper = Task { try await clock.sleep(for: .seconds(5)) }
        sleeper.cancel()
        await #expect(throws: CancellationError.self) { try await sleeper.value }
        clock.advance(by: .seconds(10))
    }
}

@Suite struct SeededRandomTests {
    /// The first values of SplitMix64 for seed 1234567, from its authors' reference implementation.
    @Test func itIsSplitMix64() {
        let random = SeededRandom(seed: 1_234_567)
        let expected: [UInt64] = [
            6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
        ]
        #expect(expected.map { _ in random.next() } == expected)
    }

    @Test(arguments: [1, 8, 16, 17, 40])
    func hexDigitsAreAsManyAsAskedFor(count: Int) {
        let digits = SeededRandom(seed: 1).hexDigits(count)
        #expect(digits.count == count)
        #expect(digits.allSatisfy { $0.isHexDigit && !$0.isUppercase })
    }
}
