/// What volumes did, and what they may do: the numbers from which every metric follows.
#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// One volume's totals, and the limits that it is held to at the moment.
///
/// The totals are those of the statistics log page of EBS's NVMe devices (EBS User Guide, "Amazon EBS detailed
/// performance statistics"), with what its model knows besides. They only rise; two of them, a while apart, tell what
/// happened in between: see `StatisticsInterval`.
public struct VolumeStatistics: Hashable, Sendable, Codable {
    public var volumeID: VolumeID
    /// When they were taken.
    public var time: Date
    /// The same on the region's steady clock, whose zero is arbitrary.
    public var uptimeNanoseconds: Int64
    /// Since when the totals count, on the same clock. Another value than before tells that they began anew, as they
    /// do with each process that serves the region.
    public var countedSinceNanoseconds: Int64
    /// Source: the log page's total_read_ops, total_read_bytes, total_read_time and read histogram.
    public var reads: IOTotals
    /// Source: the log page's total_write_ops, total_write_bytes, total_write_time and write histogram.
    public var writes: IOTotals
    /// I/Os as they are charged: 256 KiB at most, 1 MiB on HDD, small sequential ones merged. Source: CloudWatch's
    /// VolumeConsumedReadWriteOps.
    public var chargedOperations: Int64
    /// Requests that have come and are not answered. Source: the log page's volume_queue_length.
    public var queueLength: Int
    /// How long there was at least one. Source: the opposite of CloudWatch's VolumeIdleTime.
    public var busyNanoseconds: Int64
    /// What the latency of the volume's type made all requests take, whatever else they waited for. Ours.
    public var serviceNanoseconds: Int64
    /// What requests waited for, an entry for each limit.
    public var waits: [LimitWait]
    /// What is left for bursting; `nil` where nothing has to be.
    public var credits: CreditStatus?
    /// `nil` for a volume that is as fast as the machine.
    public var limits: VolumeLimits?
    /// The limits of the instances that it is attached to; none for those without any.
    public var instances: [InstanceLimits]

    public init(
        volumeID: VolumeID, time: Date, uptimeNanoseconds: Int64, countedSinceNanoseconds: Int64 = 0,
        reads: IOTotals = IOTotals(), writes: IOTotals = IOTotals(), chargedOperations: Int64 = 0,
        queueLength: Int = 0, busyNanoseconds: Int64 = 0, serviceNanoseconds: Int64 = 0, waits: [LimitWait] = [],
        credits: CreditStatus? = nil, limits: VolumeLimits? = nil, instances: [InstanceLimits] = []
    ) {
        self.volumeID = volumeID
        self.time = time
        self.uptimeNanoseconds = uptimeNanoseconds
        self.countedSinceNanoseconds = countedSinceNanoseconds
        self.reads = reads
        self.writes = writes
        self.chargedOperations = chargedOperations
        self.queueLength = queueLength
        self.busyNanoseconds = busyNanoseconds
        self.serviceNanoseconds = serviceNanoseconds
        self.waits = waits
        self.credits = credits
        self.limits = limits
        self.instances = instances
    }
}

/// One direction's totals, over all requests that were answered.
public struct IOTotals: Hashable, Sendable, Codable {
    public var operations: Int64
    public var bytes: Int64
    /// From arrival to answer.
    public var timeNanoseconds: Int64
    public var latencies: LatencyCounts

    public init(
        operations: Int64 = 0, bytes: Int64 = 0, timeNanoseconds: Int64 = 0, latencies: LatencyCounts = LatencyCounts()
    ) {
        self.operations = operations
        self.bytes = bytes
        self.timeNanoseconds = timeNanoseconds
        self.latencies = latencies
    }
}

/// How many requests took how long, by powers of two of microseconds: bin 0 is under 1 µs, bin n from 2^(n-1) to 2^n µs,
/// the last one beyond. Source: the histograms of the NVMe log page, which have these 28 bins.
public struct LatencyCounts: Hashable, Sendable, Codable {
    public static let binCount = 28

    public var counts: [Int64]

    public init(_ counts: [Int64] = Array(repeating: 0, count: binCount)) {
        self.counts = counts
    }

    public init(from decoder: any Decoder) throws {
        counts = try decoder.singleValueContainer().decode([Int64].self)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(counts)
    }

    /// Where a bin ends; nothing for the last one.
    public static func upperMicroseconds(ofBin bin: Int) -> Int64? {
        bin < binCount - 1 ? 1 << Int64(bin) : nil
    }
}

/// Why a request was not begun when it came.
public enum VolumeLimit: String, Hashable, Sendable, Codable, CaseIterable {
    /// The volume's IOPS.
    case iops
    /// The volume's throughput.
    case throughput
    /// The credits for bursting had run out.
    case credits
    /// The IOPS or the throughput of the instance.
    case instance
}

/// What requests waited for one limit.
public struct LimitWait: Hashable, Sendable, Codable {
    public var limit: VolumeLimit
    /// Over all requests.
    public var waitedNanoseconds: Int64
    /// How long at least one request waited. Source: the log page's ebs_volume_performance_exceeded_iops and …_tp, and
    /// ec2_instance_ebs_performance_exceeded_….
    public var exceededNanoseconds: Int64

    public init(limit: VolumeLimit, waitedNanoseconds: Int64 = 0, exceededNanoseconds: Int64 = 0) {
        self.limit = limit
        self.waitedNanoseconds = waitedNanoseconds
        self.exceededNanoseconds = exceededNanoseconds
    }
}

/// A credit bucket. Source: EBS User Guide, "I/O credits and burst performance" and "Throughput credits and burst
/// performance".
public struct CreditStatus: Hashable, Sendable, Codable {
    public enum Currency: String, Hashable, Sendable, Codable {
        /// gp2's and standard's I/O credits.
        case operations
        /// st1's and sc1's throughput credits.
        case bytes
    }

    public var currency: Currency
    /// What is there now: I/Os or bytes.
    public var balance: Int64
    public var capacity: Int64
    /// What comes in each second: the baseline.
    public var fillPerSecond: Int64

    public init(currency: Currency, balance: Int64, capacity: Int64, fillPerSecond: Int64) {
        self.currency = currency
        self.balance = balance
        self.capacity = capacity
        self.fillPerSecond = fillPerSecond
    }

    /// CloudWatch's BurstBalance.
    public var balancePercent: Double { capacity > 0 ? Double(balance) * 100 / Double(capacity) : 100 }
}

/// What a volume may do now. Source: EBS User Guide, "Amazon EBS volume types" and "Amazon EBS I/O characteristics".
public struct VolumeLimits: Hashable, Sendable, Codable {
    public var type: VolumeType
    /// I/Os a second, as charged; with credits this is the burst.
    public var operationsPerSecond: Int64
    public var bytesPerSecond: Int64
    /// The same while there are no credits, where that is less (gp2 of 171 to 333 GiB).
    public var bytesPerSecondWithoutCredits: Int64
    /// The longest I/O that counts as one.
    public var unitBytes: Int64
    /// Whether short and random I/O is charged a whole unit of throughput (st1, sc1).
    public var chargesWholeUnits: Bool
    /// What a request takes that nothing holds back, seen from the instance.
    public var randomLatency: LatencyModel
    /// The same for one that continues another.
    public var sequentialLatency: LatencyModel
    /// Whether some seconds deliver less, as AWS's promise allows.
    public var fallsShort: Bool

    public init(
        type: VolumeType, operationsPerSecond: Int64, bytesPerSecond: Int64, bytesPerSecondWithoutCredits: Int64,
        unitBytes: Int64, chargesWholeUnits: Bool, randomLatency: LatencyModel, sequentialLatency: LatencyModel,
        fallsShort: Bool
    ) {
        self.type = type
        self.operationsPerSecond = operationsPerSecond
        self.bytesPerSecond = bytesPerSecond
        self.bytesPerSecondWithoutCredits = bytesPerSecondWithoutCredits
        self.unitBytes = unitBytes
        self.chargesWholeUnits = chargesWholeUnits
        self.randomLatency = randomLatency
        self.sequentialLatency = sequentialLatency
        self.fallsShort = fallsShort
    }
}

/// A distribution of latencies, by what people ask of one. Its source is the type's, in `Emulator/Performance`.
public struct LatencyModel: Hashable, Sendable, Codable {
    public var medianNanoseconds: Int64
    public var percentile99Nanoseconds: Int64
    public var meanNanoseconds: Int64

    public init(medianNanoseconds: Int64, percentile99Nanoseconds: Int64, meanNanoseconds: Int64) {
        self.medianNanoseconds = medianNanoseconds
        self.percentile99Nanoseconds = percentile99Nanoseconds
        self.meanNanoseconds = meanNanoseconds
    }
}

/// What all volumes of an instance may do together. Source: EC2 User Guide, "Amazon EBS-optimized instances".
public struct InstanceLimits: Hashable, Sendable, Codable {
    public var instanceID: InstanceID
    /// Such as `m5.large`.
    public var type: String
    /// The maximum, which may last only as long as the balance does.
    public var operationsPerSecond: Int64
    public var baselineOperationsPerSecond: Int64
    public var bytesPerSecond: Int64
    public var baselineBytesPerSecond: Int64
    /// CloudWatch's EBSIOBalance%; `nil` where the maximum is the baseline.
    public var operationsBalancePercent: Double?
    /// CloudWatch's EBSByteBalance%; `nil` where the maximum is the baseline.
    public var bytesBalancePercent: Double?

    public init(
        instanceID: InstanceID, type: String, operationsPerSecond: Int64, baselineOperationsPerSecond: Int64,
        bytesPerSecond: Int64, baselineBytesPerSecond: Int64, operationsBalancePercent: Double? = nil,
        bytesBalancePercent: Double? = nil
    ) {
        self.instanceID = instanceID
        self.type = type
        self.operationsPerSecond = operationsPerSecond
        self.baselineOperationsPerSecond = baselineOperationsPerSecond
        self.bytesPerSecond = bytesPerSecond
        self.baselineBytesPerSecond = baselineBytesPerSecond
        self.operationsBalancePercent = operationsBalancePercent
        self.bytesBalancePercent = bytesBalancePercent
    }
}
