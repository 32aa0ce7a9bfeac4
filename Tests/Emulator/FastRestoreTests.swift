// Fast snapshot restore over time: states, and the credits of snapshots of different sizes.
import Driver
import Testing

@testable import Emulator

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

@Suite struct FastRestoreTests {
    private static let policy = FastRestorePolicy(
        enabling: .seconds(1), optimizing: .seconds(5), disabling: .seconds(2))
    private static let hourMilliseconds: Int64 = 3_600_000

    private func record(sizeGiB: Int = 1_024) -> FastRestoreRecord {
        FastRestoreRecord(
            Sample.snapshot(sizeGiB: sizeGiB), zone: "us-east-1b", at: Sample.start, Self.policy)
    }

    private func time(_ milliseconds: Int64) -> Date { Sample.start.adding(milliseconds: milliseconds) }

    /// A time counted from when it is enabled.
    private func enabled(_ milliseconds: Int64) -> Date { time(6_000 + milliseconds) }

    @Test("it is enabling, optimizing, enabled, and once it is disabled, disabling and disabled")
    func states() {
        var record = record()
        let expected: [(Int64, FastSnapshotRestore.State, Int64)] = [
            (-1, .enabling, 0), (0, .enabling, 0), (999, .enabling, 0), (1_000, .optimizing, 1_000),
            (5_999, .optimizing, 1_000), (6_000, .enabled, 6_000), (1 << 40, .enabled, 6_000),
        ]
        for (milliseconds, state, since) in expected {
            let report = record.report(at: time(milliseconds))
            #expect(report.state == state)
            #expect(report.stateTime == time(since))
        }
        record.disable(at: time(10_000))
        record.disable(at: time(11_000))
        #expect(record.report(at: time(11_999)).state == .disabling)
        #expect(record.report(at: time(11_999)).stateTime == time(10_000))
        #expect(record.report(at: time(12_000)).state == .disabled)
        #expect(record.report(at: time(12_000)).creditsBalance == 0)
    }

    @Test(
        "the bucket is as large, and fills as fast, as EBS's",
        arguments: [
            // GiB, capacity, credits an hour
            (1, 10, 10), (100, 10, 10), (102, 10, 10), (128, 8, 8), (512, 2, 2), (1_024, 1, 1), (2_048, 1, 0.5),
            (5_120, 1, 0.2), (16_384, 1, 0.0625),
        ] as [(Int, Double, Double)])
    func bucket(_ sizeGiB: Int, _ capacity: Double, _ hourly: Double) {
        let record = record(sizeGiB: sizeGiB)
        #expect(record.report(at: enabled(0)).creditsCapacity == capacity)
        #expect(record.report(at: enabled(0)).creditsBalance == 0)
        #expect(record.report(at: enabled(Self.hourMilliseconds / 2)).creditsBalance == min(capacity, hourly / 2))
        #expect(record.report(at: enabled(Self.hourMilliseconds * 100)).creditsBalance == capacity)
        #expect(record.report(at: enabled(1 << 52)).creditsBalance == capacity)
    }

    @Test("a credit makes one volume, to the millisecond", arguments: [1, 100, 1_024, 5_120, 16_384])
    func spending(_ sizeGiB: Int) {
        var record = record(sizeGiB: sizeGiB)
        let rate = min(10 * sizeGiB, 1_024)
        // The first whole millisecond at which one credit is there.
        let due = (Int64(sizeGiB) * Self.hourMilliseconds + Int64(rate) - 1) / Int64(rate)
        let early = record.spend(at: enabled(due - 1))
        let inTime = record.spend(at: enabled(due))
        let again = record.spend(at: enabled(due))
        #expect([early, inTime, again] == [false, true, false])
        let next = record.spend(at: enabled(2 * due))
        #expect(next)
    }

    @Test("no credit is spent before it is enabled, nor after; a clock set back gives none")
    func refused() {
        var record = record(sizeGiB: 1)
        let before = record.spend(at: time(5_999))
        let spent = (0..<11).map { _ in record.spend(at: enabled(Self.hourMilliseconds)) }
        #expect(!before)
        #expect(spent == Array(repeating: true, count: 10) + [false])
        let back = record.spend(at: enabled(0))
        #expect(!back)
        record.disable(at: enabled(Self.hourMilliseconds))
        let disabled = record.spend(at: enabled(Self.hourMilliseconds * 9))
        #expect(!disabled)
    }
}
