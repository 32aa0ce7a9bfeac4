import Driver

/// What volumes did in a while, in every form that commands answer in.
enum StatisticsAnswer {
    static func answer(_ volumes: [(volume: Volume, interval: StatisticsInterval)]) -> Answer {
        Answer(
            value: .list(volumes.map { record($0.volume, $0.interval) }),
            table: Table(
                header: ["Name", "IOPS", "MiB/s", "Queue", "Read", "Write", "Why"],
                rows: volumes.map { row($0.volume, $0.interval) }))
    }

    private static func row(_ volume: Volume, _ interval: StatisticsInterval) -> [String] {
        [
            volume.name.isEmpty ? volume.id.rawValue : volume.name,
            Figures.decimal(interval.operationsPerSecond, places: 0), Figures.mebibytes(interval.bytesPerSecond),
            Figures.decimal(interval.averageQueueLength, places: 1), latency(interval.reads), latency(interval.writes),
            Slowness(interval: interval).reason,
        ]
    }

    private static func latency(_ totals: IOTotals) -> String {
        totals.meanNanoseconds.map(Figures.milliseconds) ?? "-"
    }

    private static func record(_ volume: Volume, _ interval: StatisticsInterval) -> Value {
        .record([
            .init("Name", .text(volume.name)),
            .init("VolumeID", .text(volume.id.rawValue)),
            .init("VolumeType", .text(volume.type.name)),
            .init("Seconds", .decimal(interval.seconds)),
            .init("Reads", direction(interval.reads, interval.seconds)),
            .init("Writes", direction(interval.writes, interval.seconds)),
            .init("ChargedIOPS", .decimal(interval.chargedOperationsPerSecond)),
            .init("QueueLength", .integer(interval.end.queueLength)),
            .init("AverageQueueLength", .decimal(interval.averageQueueLength)),
            .init("IdleSeconds", .decimal(interval.idleSeconds)),
            .init("Waits", .list(interval.waits.map { wait($0, interval) })),
            .init("ServiceMilliseconds", perOperation(interval.serviceNanoseconds, interval)),
            .init("MachineMilliseconds", .decimal(interval.machineNanosecondsPerOperation / 1e6)),
            .init("Limits", .record(limits(interval.end))),
            .init("Credits", .record(credits(interval.end))),
            .init("Instances", .list(interval.end.instances.map(instance))),
            .init("Why", .text(Slowness(interval: interval).reason)),
        ])
    }

    private static func direction(_ totals: IOTotals, _ seconds: Double) -> Value {
        var fields: [Value.Field] = [
            .init("IOPS", .decimal(Double(totals.operations) / seconds)),
            .init("MiBps", .decimal(Double(totals.bytes) / seconds / 1_048_576)),
        ]
        if let mean = totals.meanNanoseconds { fields.append(.init("MeanMilliseconds", .decimal(mean / 1e6))) }
        for (name, share) in [("MedianBelowMicroseconds", 0.5), ("P99BelowMicroseconds", 0.99)] {
            if let end = totals.latencies.quantileMicroseconds(share) {
                fields.append(.init(name, .integer(Int(end))))
            }
        }
        return .record(fields)
    }

    private static func wait(_ wait: LimitWait, _ interval: StatisticsInterval) -> Value {
        .record([
            .init("Limit", .text(wait.limit.rawValue)),
            .init("Milliseconds", perOperation(wait.waitedNanoseconds, interval)),
            .init("ExceededSeconds", .decimal(Double(wait.exceededNanoseconds) / 1e9)),
        ])
    }

    /// Milliseconds a request, on average.
    private static func perOperation(_ nanoseconds: Int64, _ interval: StatisticsInterval) -> Value {
        .decimal(Double(nanoseconds) / 1e6 / Double(max(1, interval.operations)))
    }

    private static func limits(_ statistics: VolumeStatistics) -> [Value.Field] {
        guard let limits = statistics.limits else { return [] }
        return [
            .init("IOPS", .integer(Int(limits.operationsPerSecond))),
            .init("MiBps", .decimal(Double(limits.bytesPerSecond) / 1_048_576)),
            .init("UnitKiB", .integer(Int(limits.unitBytes >> 10))),
            .init("MedianMilliseconds", .decimal(Double(limits.randomLatency.medianNanoseconds) / 1e6)),
            .init("P99Milliseconds", .decimal(Double(limits.randomLatency.percentile99Nanoseconds) / 1e6)),
        ]
    }

    private static func credits(_ statistics: VolumeStatistics) -> [Value.Field] {
        guard let credits = statistics.credits else { return [] }
        return [
            .init("Currency", .text(credits.currency.rawValue)),
            .init("Balance", .integer(Int(credits.balance))),
            .init("Capacity", .integer(Int(credits.capacity))),
            .init("FillPerSecond", .integer(Int(credits.fillPerSecond))),
            .init("BurstBalancePercent", .decimal(credits.balancePercent)),
        ]
    }

    private static func instance(_ limits: InstanceLimits) -> Value {
        var fields: [Value.Field] = [
            .init("InstanceID", .text(limits.instanceID.rawValue)),
            .init("InstanceType", .text(limits.type)),
            .init("IOPS", .integer(Int(limits.operationsPerSecond))),
            .init("MiBps", .decimal(Double(limits.bytesPerSecond) / 1_048_576)),
        ]
        if let percent = limits.operationsBalancePercent { fields.append(.init("IOBalancePercent", .decimal(percent))) }
        if let percent = limits.bytesBalancePercent { fields.append(.init("ByteBalancePercent", .decimal(percent))) }
        return .record(fields)
    }
}
