/// What a volume did between two looks at its statistics; pure.
public struct StatisticsInterval: Hashable, Sendable {
    /// How long it was; more than nothing.
    public let seconds: Double
    public let reads: IOTotals
    public let writes: IOTotals
    public let chargedOperations: Int64
    public let busyNanoseconds: Int64
    public let serviceNanoseconds: Int64
    public let waits: [LimitWait]
    /// The statistics at its end.
    public let end: VolumeStatistics
    /// Whether requests were there at its beginning, and none of them was answered in it.
    public let isStalled: Bool

    /// `nil` when no time has passed, or the two are not of one volume. Totals that began anew in between, as a new
    /// process's do, count from there.
    public init?(from start: VolumeStatistics, to end: VolumeStatistics) {
        guard start.volumeID == end.volumeID, end.uptimeNanoseconds > start.uptimeNanoseconds else { return nil }
        let isContinued = start.countedSinceNanoseconds == end.countedSinceNanoseconds
        let base =
            isContinued
            ? start
            : VolumeStatistics(volumeID: end.volumeID, time: start.time, uptimeNanoseconds: start.uptimeNanoseconds)
        seconds = Double(end.uptimeNanoseconds - start.uptimeNanoseconds) / 1e9
        reads = end.reads.since(base.reads)
        writes = end.writes.since(base.writes)
        chargedOperations = end.chargedOperations - base.chargedOperations
        busyNanoseconds = end.busyNanoseconds - base.busyNanoseconds
        serviceNanoseconds = end.serviceNanoseconds - base.serviceNanoseconds
        waits = end.waits.map { wait in wait.since(base.waits.first { $0.limit == wait.limit }) }
        self.end = end
        isStalled =
            isContinued && start.queueLength > 0 && end.queueLength > 0 && reads.operations + writes.operations == 0
    }

    public var operations: Int64 { reads.operations + writes.operations }
    public var bytes: Int64 { reads.bytes + writes.bytes }
    /// From arrival to answer, over all that were answered.
    public var timeNanoseconds: Int64 { reads.timeNanoseconds + writes.timeNanoseconds }

    public var operationsPerSecond: Double { Double(operations) / seconds }
    public var chargedOperationsPerSecond: Double { Double(chargedOperations) / seconds }
    public var bytesPerSecond: Double { Double(bytes) / seconds }

    /// How many requests were there on average: by Little's law what is answered each second, times how long it was
    /// there.
    public var averageQueueLength: Double { Double(timeNanoseconds) / 1e9 / seconds }

    /// How long no request was there, of `seconds`.
    public var idleSeconds: Double { max(0, seconds - Double(busyNanoseconds) / 1e9) }

    public func wait(for limit: VolumeLimit) -> LimitWait {
        waits.first { $0.limit == limit } ?? LimitWait(limit: limit)
    }

    /// How long the instance's machine, and not the model, kept each request on average: 0 for one that answers in time.
    public var machineNanosecondsPerOperation: Double {
        guard operations > 0 else { return 0 }
        let modelled = serviceNanoseconds + waits.reduce(0) { $0 + $1.waitedNanoseconds }
        return max(0, Double(timeNanoseconds - modelled) / Double(operations))
    }
}

extension IOTotals {
    /// The mean latency; `nil` when nothing was answered.
    public var meanNanoseconds: Double? { operations > 0 ? Double(timeNanoseconds) / Double(operations) : nil }

    fileprivate func since(_ start: IOTotals) -> IOTotals {
        IOTotals(
            operations: operations - start.operations, bytes: bytes - start.bytes,
            timeNanoseconds: timeNanoseconds - start.timeNanoseconds,
            latencies: LatencyCounts(zip(latencies.counts, start.latencies.counts).map { $0 - $1 }))
    }
}

extension LimitWait {
    fileprivate func since(_ start: LimitWait?) -> LimitWait {
        LimitWait(
            limit: limit, waitedNanoseconds: waitedNanoseconds - (start?.waitedNanoseconds ?? 0),
            exceededNanoseconds: exceededNanoseconds - (start?.exceededNanoseconds ?? 0))
    }
}

extension LatencyCounts {
    public static func + (left: Self, right: Self) -> Self {
        Self(zip(left.counts, right.counts).map { $0 + $1 })
    }

    /// A time that this share of the requests did not exceed: the end of the bin that it lies in; `nil` for no requests,
    /// and for the last bin, which has no end.
    public func quantileMicroseconds(_ share: Double) -> Int64? {
        let total = counts.reduce(0, +)
        guard total > 0 else { return nil }
        let rank = max(1, Int64((Double(total) * share).rounded(.up)))
        var seen: Int64 = 0
        for (bin, count) in counts.enumerated() {
            seen += count
            if seen >= rank { return Self.upperMicroseconds(ofBin: bin) }
        }
        return nil
    }
}
