import Testing

@testable import Emulator

@Suite struct WayEstimateTests {
    private func estimate(after pauses: [Nanoseconds]) -> Nanoseconds {
        var way = WayEstimate()
        for pause in pauses { way.take(pause: pause) }
        return way.nanoseconds
    }

    @Test("one I/O after another shows the way, on machines of any speed", arguments: [5_000, 45_000, 100_000])
    func constantPause(pause: Nanoseconds) {
        let learned = estimate(after: Array(repeating: pause, count: 1_000))
        #expect(abs(learned - pause) < 2_000)
    }

    @Test("of pauses in which the instance thinks now and then, the short ones count")
    func thinking() {
        let learned = estimate(after: (0..<3_000).map { $0 % 2 == 0 ? 40_000 : 300_000 })
        #expect(abs(learned - 40_000) < 3_000)
    }

    @Test("an instance that always thinks takes no more than the longest way from its volume")
    func cap() {
        #expect(estimate(after: Array(repeating: 400_000, count: 5_000)) == WayEstimate.longest)
    }

    @Test("idle time and clocks that step back say nothing", arguments: [500_000, 60_000_000_000, -1])
    func nothingLearned(pause: Nanoseconds) {
        #expect(estimate(after: Array(repeating: pause, count: 1_000)) == WayEstimate().nanoseconds)
    }
}
