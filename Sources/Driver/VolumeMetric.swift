/// CloudWatch's metrics of EBS volumes, by their names and units.
///
/// Source of names, units and meanings: EBS User Guide, "Amazon CloudWatch metrics for Amazon EBS" (namespace AWS/EBS,
/// dimension VolumeId). What it leaves open is marked "ours".
#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

public enum VolumeMetric: String, Hashable, Sendable, Codable, CaseIterable {
    case readBytes = "VolumeReadBytes"
    case writeBytes = "VolumeWriteBytes"
    case readOps = "VolumeReadOps"
    case writeOps = "VolumeWriteOps"
    case totalReadTime = "VolumeTotalReadTime"
    case totalWriteTime = "VolumeTotalWriteTime"
    case idleTime = "VolumeIdleTime"
    case queueLength = "VolumeQueueLength"
    case throughputPercentage = "VolumeThroughputPercentage"
    case consumedReadWriteOps = "VolumeConsumedReadWriteOps"
    case burstBalance = "BurstBalance"
    case averageReadLatency = "VolumeAvgReadLatency"
    case averageWriteLatency = "VolumeAvgWriteLatency"
    case averageIOPS = "VolumeAvgIOPS"
    case averageThroughput = "VolumeAvgThroughput"
    case iopsExceededCheck = "VolumeIOPSExceededCheck"
    case throughputExceededCheck = "VolumeThroughputExceededCheck"
    case stalledIOCheck = "VolumeStalledIOCheck"

    /// CloudWatch's word for it; KiB/s is EBS's, which CloudWatch has no word for.
    public var unit: String {
        switch self {
        case .readBytes, .writeBytes: "Bytes"
        case .readOps, .writeOps, .queueLength, .consumedReadWriteOps: "Count"
        case .totalReadTime, .totalWriteTime, .idleTime: "Seconds"
        case .throughputPercentage, .burstBalance: "Percent"
        case .averageReadLatency, .averageWriteLatency: "Milliseconds"
        case .averageIOPS: "Count/Second"
        case .averageThroughput: "KiB/s"
        case .iopsExceededCheck, .throughputExceededCheck, .stalledIOCheck: "None"
        }
    }

    /// The data point of an interval; `nil` where the metric does not apply to the volume, or nothing was measured.
    public func value(of interval: StatisticsInterval) -> Double? {
        switch self {
        case .readBytes: Double(interval.reads.bytes)
        case .writeBytes: Double(interval.writes.bytes)
        case .readOps: Double(interval.reads.operations)
        case .writeOps: Double(interval.writes.operations)
        case .totalReadTime: Double(interval.reads.timeNanoseconds) / 1e9
        case .totalWriteTime: Double(interval.writes.timeNanoseconds) / 1e9
        case .idleTime: interval.idleSeconds
        case .queueLength: interval.averageQueueLength
        case .throughputPercentage: interval.deliveredPercent
        case .consumedReadWriteOps: interval.isProvisioned ? Double(interval.chargedOperations) : nil
        case .burstBalance: interval.burstBalance
        case .averageReadLatency: interval.reads.meanNanoseconds.map { $0 / 1e6 }
        case .averageWriteLatency: interval.writes.meanNanoseconds.map { $0 / 1e6 }
        case .averageIOPS: interval.operationsPerSecond
        case .averageThroughput: interval.bytesPerSecond / 1_024
        case .iopsExceededCheck: interval.exceeds(.iops) ? 1 : 0
        case .throughputExceededCheck: interval.exceeds(.throughput) ? 1 : 0
        case .stalledIOCheck: interval.isStalled ? 1 : 0
        }
    }
}

extension StatisticsInterval {
    /// Whether the volume is one of io1 and io2.
    fileprivate var isProvisioned: Bool {
        [.io1, .io2].contains(end.limits?.type)
    }

    /// "The percentage of IOPS delivered of the total provisioned"; "if there are no other pending I/O requests, the value
    /// is 100". Pending are those that waited for a limit.
    fileprivate var deliveredPercent: Double? {
        guard isProvisioned, let provisioned = end.limits?.operationsPerSecond else { return nil }
        if waits.allSatisfy({ $0.waitedNanoseconds == 0 }) { return 100 }
        return min(100, chargedOperationsPerSecond * 100 / Double(provisioned))
    }

    /// "Only for gp2, st1 and sc1."
    fileprivate var burstBalance: Double? {
        end.limits?.type == .standard ? nil : end.credits?.balancePercent
    }

    /// "1 if the application consistently attempted to drive more than is provisioned". Ours: when requests waited for it
    /// for a second in all, or for the whole of a shorter interval.
    fileprivate func exceeds(_ limit: VolumeLimit) -> Bool {
        Double(wait(for: limit).exceededNanoseconds) >= min(1, seconds) * 1e9
    }
}

/// Which data points to give. Empty lists match everything.
public struct MetricDataQuery: Hashable, Sendable, Codable {
    public var volumeIDs: [VolumeID]
    public var metrics: [VolumeMetric]
    /// The earliest timestamp.
    public var startTime: Date?
    /// Timestamps are before this one.
    public var endTime: Date?

    public init(
        volumeIDs: [VolumeID] = [], metrics: [VolumeMetric] = [], startTime: Date? = nil, endTime: Date? = nil
    ) {
        self.volumeIDs = volumeIDs
        self.metrics = metrics
        self.startTime = startTime
        self.endTime = endTime
    }
}

/// The data points of one metric of one volume, one for each minute, earliest first.
public struct MetricSeries: Hashable, Sendable, Codable {
    public var volumeID: VolumeID
    public var metric: VolumeMetric
    public var unit: String
    /// The beginnings of the minutes.
    public var timestamps: [Date]
    public var values: [Double]

    public init(volumeID: VolumeID, metric: VolumeMetric, timestamps: [Date] = [], values: [Double] = []) {
        self.volumeID = volumeID
        self.metric = metric
        unit = metric.unit
        self.timestamps = timestamps
        self.values = values
    }
}
