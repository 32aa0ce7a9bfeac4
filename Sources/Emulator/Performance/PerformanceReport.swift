// What a volume did and may do, as the region tells it.
import Driver

/// A volume's counters and limits at one moment.
struct PerformanceReport: Sendable {
    var time: Nanoseconds
    /// When counting began.
    var start: Nanoseconds
    var statistics: IOStatistics
    var limits: PerformanceLimits?
    var fallsShort: Bool
    /// What is in the credit bucket.
    var credits: Int64?
}

/// An instance's limits at one moment.
struct InstanceReport: Sendable {
    var type: InstanceType
    /// What is left of the burst, of 1,000; `nil` where there is none.
    var balance: (operations: Int64, bytes: Int64)?
}

extension VolumeLimits {
    init(_ limits: PerformanceLimits, type: VolumeType, fallsShort: Bool) {
        let permille = limits.credits?.bytesPermilleWhenEmpty ?? 1_000
        self.init(
            type: type, operationsPerSecond: limits.operationsPerSecond, bytesPerSecond: limits.bytesPerSecond,
            bytesPerSecondWithoutCredits: limits.bytesPerSecond * permille / 1_000, unitBytes: limits.traits.unitBytes,
            chargesWholeUnits: limits.traits.chargesWholeUnits,
            randomLatency: LatencyModel(limits.traits.randomLatency),
            sequentialLatency: LatencyModel(limits.traits.sequentialLatency), fallsShort: fallsShort)
    }
}

extension LatencyModel {
    fileprivate init(_ distribution: LatencyDistribution) {
        self.init(
            medianNanoseconds: distribution.median, percentile99Nanoseconds: distribution.percentile99,
            meanNanoseconds: distribution.mean)
    }
}

extension InstanceLimits {
    init(_ report: InstanceReport, of instance: InstanceID) {
        self.init(
            instanceID: instance, type: report.type.name,
            operationsPerSecond: report.type.operationsPerSecond.upperBound,
            baselineOperationsPerSecond: report.type.operationsPerSecond.lowerBound,
            bytesPerSecond: report.type.bytesPerSecond.upperBound,
            baselineBytesPerSecond: report.type.bytesPerSecond.lowerBound,
            operationsBalancePercent: report.balance.map { Double($0.operations) / 10 },
            bytesBalancePercent: report.balance.map { Double($0.bytes) / 10 })
    }
}

extension CreditStatus {
    init(_ bucket: PerformanceLimits.Credits, balance: Int64) {
        self.init(
            currency: bucket.currency == .bytes ? .bytes : .operations, balance: balance, capacity: bucket.capacity,
            fillPerSecond: bucket.fillPerSecond)
    }
}

extension IOTotals {
    init(_ totals: IOStatistics.Totals) {
        let counts = (0..<LatencyHistogram.binCount).map { totals.histogram.counts[$0] }
        self.init(
            operations: totals.operations, bytes: totals.bytes, timeNanoseconds: totals.time,
            latencies: LatencyCounts(counts))
    }
}

extension LimitWait {
    static func all(_ statistics: IOStatistics) -> [LimitWait] {
        Limit.allCases.map { limit in
            LimitWait(
                limit: VolumeLimit(limit), waitedNanoseconds: statistics.waited[limit.rawValue],
                exceededNanoseconds: statistics.exceeded[limit.rawValue])
        }
    }
}

extension VolumeLimit {
    fileprivate init(_ limit: Limit) {
        switch limit {
        case .operations: self = .iops
        case .bytes: self = .throughput
        case .credits: self = .credits
        case .instance: self = .instance
        }
    }
}
