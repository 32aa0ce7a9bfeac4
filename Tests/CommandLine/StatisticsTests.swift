#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
import Driver
import Testing

@testable import ebb

/// What `volume stats` says, to the letter.
@Suite struct StatisticsTests {
    private let volume = Volume(
        id: "vol-0123456789abcdef0", zone: "us-east-1b", state: .inUse, type: .gp3, sizeGiB: 100,
        createTime: Date(timeIntervalSince1970: 0), tags: [Tag.name: "data"])

    private func statistics(_ second: Int64) -> VolumeStatistics {
        let latency = LatencyModel(
            medianNanoseconds: 570_000, percentile99Nanoseconds: 1_050_000, meanNanoseconds: 600_000)
        return VolumeStatistics(
            volumeID: volume.id, time: Date(timeIntervalSince1970: Double(second)),
            uptimeNanoseconds: second * 1_000_000_000, waits: VolumeLimit.allCases.map { LimitWait(limit: $0) },
            limits: VolumeLimits(
                type: .gp3, operationsPerSecond: 3_000, bytesPerSecond: 125 << 20,
                bytesPerSecondWithoutCredits: 125 << 20, unitBytes: 256 << 10, chargesWholeUnits: false,
                randomLatency: latency, sequentialLatency: latency, fallsShort: false))
    }

    /// A second in which 3,000 reads of 4 KiB took 18.8 ms each, 18.2 of which they waited.
    private func heldBack(_ change: (inout VolumeStatistics) -> Void = { _ in }) throws -> StatisticsInterval {
        var end = statistics(1)
        var latencies = LatencyCounts()
        latencies.counts[15] = 3_000
        end.reads = IOTotals(
            operations: 3_000, bytes: 3_000 * 4_096, timeNanoseconds: 3_000 * 18_800_000, latencies: latencies)
        end.chargedOperations = 3_000
        end.queueLength = 64
        end.busyNanoseconds = 1_000_000_000
        end.serviceNanoseconds = 3_000 * 600_000
        end.waits[0].waitedNanoseconds = 3_000 * 18_200_000
        end.waits[0].exceededNanoseconds = 990_000_000
        change(&end)
        return try #require(StatisticsInterval(from: statistics(0), to: end))
    }

    private func reason(_ change: (inout VolumeStatistics) -> Void = { _ in }) throws -> String {
        Slowness(interval: try heldBack(change)).reason
    }

    @Test func `the reason is what requests spend most of their time on`() throws {
        #expect(
            try reason()
                == "held back by its IOPS limit: 3,000 of 3,000 used; requests wait 18.20 ms of 18.80 ms")
        #expect(
            try reason {
                $0.waits[0].waitedNanoseconds = 0
                $0.waits[1].waitedNanoseconds = 3_000 * 18_000_000
                $0.reads.bytes = 125 << 20
            } == "held back by its throughput limit: 125.0 of 125.0 MiB/s used; requests wait 18.00 ms of 18.80 ms")
        #expect(
            try reason {
                $0.waits[0].waitedNanoseconds = 0
                $0.waits[2].waitedNanoseconds = 3_000 * 18_000_000
                $0.credits = CreditStatus(currency: .operations, balance: 0, capacity: 5_400_000, fillPerSecond: 300)
            }
                == "held back by its burst credits, which have run out: 300 I/Os come in each second; "
                + "requests wait 18.00 ms of 18.80 ms")
        #expect(
            try reason {
                $0.waits[0].waitedNanoseconds = 0
                $0.waits[3].waitedNanoseconds = 3_000 * 18_000_000
                $0.instances = [instance]
            } == "held back by the limits of its instance (m5.large); requests wait 18.00 ms of 18.80 ms")
    }

    private var instance: InstanceLimits {
        InstanceLimits(
            instanceID: "i-1", type: "m5.large", operationsPerSecond: 18_750, baselineOperationsPerSecond: 3_600,
            bytesPerSecond: 593_750_000, baselineBytesPerSecond: 81_250_000, operationsBalancePercent: 100,
            bytesBalancePercent: 50)
    }

    @Test func `without a limit it is the type's latency, or this machine`() throws {
        func quick(_ change: (inout VolumeStatistics) -> Void = { _ in }) throws -> String {
            try reason {
                $0.waits[0].waitedNanoseconds = 0
                $0.reads.timeNanoseconds = 3_000 * 610_000
                change(&$0)
            }
        }
        #expect(
            try quick()
                == "no limit holds it back: requests take 0.60 ms, as on gp3, and 1.8 are there at a time")
        #expect(
            try quick { $0.reads.timeNanoseconds = 3_000 * 4_600_000 }
                == "this machine is slower than the volume: requests are answered 4.00 ms after they are due")
        #expect(
            try quick {
                $0.limits = nil
                $0.serviceNanoseconds = 0
            } == "as fast as this machine: requests take 0.61 ms")
    }

    @Test func `a volume without requests is idle, and one that does not answer is told apart`() throws {
        let start = statistics(0)
        var end = statistics(1)
        #expect(
            Slowness(interval: try #require(StatisticsInterval(from: start, to: end))).reason
                == "idle: there were no requests")
        end.queueLength = 3
        #expect(
            Slowness(interval: try #require(StatisticsInterval(from: start, to: end))).reason
                == "nothing was answered: requests wait (3 of them)")
    }

    @Test func `a frame shows limits, rates, the queue and the reason`() throws {
        var view = StatisticsView(volume: volume)
        view.take(try #require(StatisticsInterval(from: statistics(0), to: statistics(1))))
        view.take(
            try heldBack {
                $0.credits = CreditStatus(
                    currency: .operations, balance: 2_700_000, capacity: 5_400_000, fillPerSecond: 300)
            })
        #expect(
            view.frame.joined(separator: "\n") == """
                data  vol-0123456789abcdef0  gp3 100 GiB  us-east-1b

                IOPS                 3,000 of 3,000 IOPS  ████████████████████████████  100 %
                MiB/s                11.7 of 125.0 MiB/s  ███░░░░░░░░░░░░░░░░░░░░░░░░░    9 %
                Credits      2,700,000 of 5,400,000 left  ██████████████░░░░░░░░░░░░░░   50 %

                IOPS      ▁█

                Reads       3,000 IOPS     11.7 MiB/s  mean 18.80 ms  p50 < 32.77 ms  p99 < 32.77 ms
                Writes          0 IOPS      0.0 MiB/s
                Queue     56.4 on average, 64 now

                held back by its IOPS limit: 3,000 of 3,000 used; requests wait 18.20 ms of 18.80 ms

                Ctrl-C ends.
                """)
        #expect(
            view.line
                == "3,000 IOPS  11.7 MiB/s  queue 56.4  "
                + "held back by its IOPS limit: 3,000 of 3,000 used; requests wait 18.20 ms of 18.80 ms")
    }

    @Test func `an instance's limits have bars of their own`() throws {
        let usage = Usage.all(of: try heldBack { $0.instances = [instance] })
        #expect(usage.map(\.name) == ["IOPS", "MiB/s", "m5.large", "m5.large"])
        #expect(usage.last?.text == "11.7 of 566.2 MiB/s")
    }

    @Test func `answers have numbers, and a table has the reason`() throws {
        let answer = StatisticsAnswer.answer([(volume, try heldBack())])
        let yaml = try answer.text(.yml, template: nil, isQuiet: false)
        #expect(yaml.hasPrefix("- name: data\n  volumeid: vol-0123456789abcdef0\n  volumetype: gp3\n  seconds: 1\n"))
        #expect(yaml.contains("  reads:\n    iops: 3000\n    mibps: 11.719\n    meanmilliseconds: 18.8\n"))
        #expect(yaml.contains("  waits:\n  - limit: iops\n    milliseconds: 18.2\n    exceededseconds: 0.99\n"))
        #expect(
            try answer.text(.tmpl, template: "{{.AverageQueueLength}} {{.Limits.IOPS}}", isQuiet: false)
                == "56.4 3000\n")
        #expect(
            try answer.text(.table, template: nil, isQuiet: false) == """
                Name  IOPS   MiB/s  Queue  Read      Write  Why
                data  3,000  11.7   56.4   18.80 ms  -      held back by its IOPS limit: 3,000 of 3,000 used; \
                requests wait 18.20 ms of 18.80 ms

                """)
    }

    @Test func `figures have a fixed number of decimals, and thousands set apart`() {
        #expect(Figures.decimal(1_234.56, places: 1) == "1,234.6")
        #expect(Figures.decimal(0.004, places: 2) == "0.00")
        #expect(Figures.decimal(-0.004, places: 2) == "0.00")
        #expect(Figures.decimal(-12.5, places: 1) == "-12.5")
        #expect(Figures.decimal(999.96, places: 1) == "1,000.0")
        #expect(Figures.decimal(.nan, places: 1) == "-")
        #expect(Figures.integer(5_400_000) == "5,400,000")
        #expect(Figures.sparkline([0, 1, 2, 4, 8]) == "▁▂▃▅█")
        #expect(Figures.sparkline([0, 0]) == "▁▁")
        #expect(Figures.bar(2, width: 3) == "███")
        #expect(Value.plain(10) == "10")
        #expect(Value.plain(0.5) == "0.5")
    }
}
