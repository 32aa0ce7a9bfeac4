// What volumes did, for whoever asks.
import Driver

extension Region {
    /// In the order of the ids; for none, of all volumes that can be used, in the listing's order.
    func statistics(ids: [VolumeID]) throws -> [VolumeStatistics] {
        guard ids.isEmpty else {
            return try ids.map { id in
                let volume = try state.volume(id)
                guard let statistics = statistics(of: volume) else {
                    throw StorageError.wrongState(volume.id, volume.reportedState)
                }
                return statistics
            }
        }
        return state.listed().compactMap(statistics)
    }

    /// `nil` for a volume that is not there to be used: being made, or deleted, or in error.
    func statistics(of volume: VolumeRecord) -> VolumeStatistics? {
        guard let report = effects.exports.report(of: volume.number) else { return nil }
        let counters = report.statistics
        return VolumeStatistics(
            volumeID: volume.id, time: currentTime(), uptimeNanoseconds: report.time,
            countedSinceNanoseconds: report.start, reads: IOTotals(counters.reads), writes: IOTotals(counters.writes),
            chargedOperations: counters.units, queueLength: Int(counters.inFlight),
            busyNanoseconds: counters.busy(at: report.time), serviceNanoseconds: counters.service,
            waits: LimitWait.all(counters), credits: credits(report),
            limits: report.limits.map {
                VolumeLimits($0, type: volume.specification.type, fallsShort: report.fallsShort)
            },
            instances: volume.attachments.compactMap { attachment in
                effects.exports.report(of: attachment.instance, in: volume.zone).map {
                    InstanceLimits($0, of: attachment.instance)
                }
            })
    }

    private func credits(_ report: PerformanceReport) -> CreditStatus? {
        guard let bucket = report.limits?.credits, let balance = report.credits else { return nil }
        return CreditStatus(bucket, balance: balance)
    }
}

// MARK: CloudWatch's metrics

extension Region {
    /// How long until the wall clock's next minute; until the one after that when it is about to come, since the sleep
    /// to it may have ended a little early.
    func timeToNextMinute() -> Duration {
        let period = MetricHistory.periodSeconds * 1_000
        let rest = period - clock.now().milliseconds % period
        return .milliseconds(rest < 1_000 ? rest + period : rest)
    }

    /// Writes down what attached volumes did since the last time.
    func endMetricMinute() {
        metrics.endMinute(attachedVolumes.compactMap(statistics), at: clock.now())
    }

    /// Begins to write down what attached volumes do.
    func beginMetrics() {
        for volume in attachedVolumes { beginMetrics(of: volume) }
    }

    func beginMetrics(of volume: VolumeRecord) {
        if let statistics = statistics(of: volume) { metrics.begin(statistics) }
    }

    private var attachedVolumes: [VolumeRecord] {
        var ids: Set<VolumeID> = []
        return state.instances.keys.flatMap(state.volumes(on:)).filter { ids.insert($0.id).inserted }
    }

    func metricData(_ query: MetricDataQuery) -> [MetricSeries] {
        metrics.series(query)
    }
}
