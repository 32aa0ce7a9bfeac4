// CloudWatch's metrics from two looks at a volume.
import Driver
import Foundation
import Testing

@Suite struct MetricTests {
    private static func statistics(_ second: Int64, of type: VolumeType = .gp3) -> VolumeStatistics {
        let latency = LatencyModel(medianNanoseconds: 1, percentile99Nanoseconds: 2, meanNanoseconds: 1)
        return VolumeStatistics(
            volumeID: "vol-1", time: Date(timeIntervalSince1970: Double(second)),
            uptimeNanoseconds: second * 1_000_000_000, waits: VolumeLimit.allCases.map { LimitWait(limit: $0) },
            limits: VolumeLimits(
                type: type, operationsPerSecond: 100, bytesPerSecond: 1 << 20, bytesPerSecondWithoutCredits: 1 << 20,
                unitBytes: 256 << 10, chargesWholeUnits: false, randomLatency: latency, sequentialLatency: latency,
                fallsShort: false))
    }

    /// A minute with 1,200 reads of 4 KiB and 600 writes of 8 KiB.
    private static func busyMinute(of type: VolumeType = .gp3) -> (VolumeStatistics, VolumeStatistics) {
        let start = statistics(0, of: type)
        var end = statistics(60, of: type)
        end.reads = IOTotals(operations: 1_200, bytes: 1_200 * 4_096, timeNanoseconds: 6_000_000_000)
        end.writes = IOTotals(operations: 600, bytes: 600 * 8_192, timeNanoseconds: 12_000_000_000)
        end.chargedOperations = 1_800
        end.busyNanoseconds = 15_000_000_000
        return (start, end)
    }

    private func value(
        _ metric: VolumeMetric, _ pair: (VolumeStatistics, VolumeStatistics)
    ) throws -> Double? {
        metric.value(of: try #require(StatisticsInterval(from: pair.0, to: pair.1)))
    }

    @Test("totals, rates, latencies and the queue follow from the difference")
    func busy() throws {
        let minute = Self.busyMinute()
        let expected: [(VolumeMetric, Double)] = [
            (.readBytes, 1_200 * 4_096), (.writeBytes, 600 * 8_192), (.readOps, 1_200), (.writeOps, 600),
            (.totalReadTime, 6), (.totalWriteTime, 12), (.idleTime, 45), (.queueLength, 0.3), (.averageReadLatency, 5),
            (.averageWriteLatency, 20), (.averageIOPS, 30), (.averageThroughput, 160), (.iopsExceededCheck, 0),
            (.throughputExceededCheck, 0), (.stalledIOCheck, 0),
        ]
        for (metric, value) in expected {
            let found = try #require(try self.value(metric, minute))
            #expect(abs(found - value) < 1e-9, "\(metric): \(found)")
        }
    }

    @Test("metrics of some types have no value for the others")
    func types() throws {
        for metric in [VolumeMetric.consumedReadWriteOps, .throughputPercentage, .burstBalance] {
            #expect(try value(metric, Self.busyMinute()) == nil)
        }
        #expect(try value(.consumedReadWriteOps, Self.busyMinute(of: .io2)) == 1_800)
        #expect(try value(.throughputPercentage, Self.busyMinute(of: .io1)) == 100)
        var minute = Self.busyMinute(of: .io1)
        minute.1.waits[0].waitedNanoseconds = 1
        #expect(try value(.throughputPercentage, minute) == 30)
        for (type, balance) in [(VolumeType.gp2, 25.0), (.standard, nil)] {
            var minute = Self.busyMinute(of: type)
            minute.1.credits = CreditStatus(currency: .operations, balance: 25, capacity: 100, fillPerSecond: 1)
            #expect(try value(.burstBalance, minute) == balance)
        }
    }

    @Test("a check is 1 when a limit held requests back for a second, or nothing came back")
    func checks() throws {
        var minute = Self.busyMinute()
        minute.1.waits[0].exceededNanoseconds = 1_000_000_000
        minute.1.waits[1].exceededNanoseconds = 999_999_999
        #expect(try value(.iopsExceededCheck, minute) == 1)
        #expect(try value(.throughputExceededCheck, minute) == 0)
        var (start, end) = (Self.statistics(0), Self.statistics(60))
        (start.queueLength, end.queueLength) = (3, 4)
        #expect(try value(.stalledIOCheck, (start, end)) == 1)
        end.reads.operations = 1
        #expect(try value(.stalledIOCheck, (start, end)) == 0)
    }

    @Test("totals that began anew count from there, and no time is no interval")
    func restarts() throws {
        var (start, end) = Self.busyMinute()
        start.reads.operations = 5_000
        end.countedSinceNanoseconds = 30_000_000_000
        #expect(try value(.readOps, (start, end)) == 1_200)
        #expect(StatisticsInterval(from: end, to: end) == nil)
        #expect(StatisticsInterval(from: end, to: start) == nil)
    }

    @Test("a quantile is the end of the bin that it lies in")
    func quantiles() {
        var counts = LatencyCounts()
        #expect(counts.quantileMicroseconds(0.5) == nil)
        counts.counts[10] = 90
        counts.counts[12] = 10
        #expect(counts.quantileMicroseconds(0.5) == 1_024)
        #expect(counts.quantileMicroseconds(0.9) == 1_024)
        #expect(counts.quantileMicroseconds(0.91) == 4_096)
        counts.counts[27] = 1_000
        #expect(counts.quantileMicroseconds(0.99) == nil)
    }
}
