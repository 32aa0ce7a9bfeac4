import Driver

/// Why a volume is as slow as it is, in words; pure.
struct Slowness {
    let interval: StatisticsInterval

    /// What requests spent their time on.
    private enum Cause: Hashable {
        case limit(VolumeLimit)
        case latency
        case machine
    }

    var reason: String {
        if interval.operations == 0 {
            let queue = interval.end.queueLength
            return queue == 0
                ? "idle: there were no requests" : "nothing was answered: requests wait (\(queue) of them)"
        }
        let causes = self.causes
        guard let (cause, nanoseconds) = causes.max(by: { $0.1 < $1.1 }), nanoseconds > 0 else {
            return "requests take no time"
        }
        switch cause {
        case .limit(let limit): return "held back by \(words(for: limit)); \(waiting(nanoseconds, of: causes))"
        case .latency: return latencyReason(nanoseconds)
        case .machine: return machineReason(nanoseconds)
        }
    }

    /// Nanoseconds a request, on average.
    private var causes: [(Cause, Double)] {
        let count = Double(interval.operations)
        let limits = VolumeLimit.allCases.map { limit in
            (Cause.limit(limit), Double(interval.wait(for: limit).waitedNanoseconds) / count)
        }
        return limits + [
            (.latency, Double(interval.serviceNanoseconds) / count),
            (.machine, interval.machineNanosecondsPerOperation),
        ]
    }

    private func waiting(_ nanoseconds: Double, of causes: [(Cause, Double)]) -> String {
        // Waits are known before they are over: a queue that grows has more of them than of answers.
        let total = max(meanNanoseconds, causes.reduce(0) { $0 + $1.1 })
        return "requests wait \(Figures.milliseconds(nanoseconds)) of \(Figures.milliseconds(total))"
    }

    private var meanNanoseconds: Double { Double(interval.timeNanoseconds) / Double(interval.operations) }

    private func words(for limit: VolumeLimit) -> String {
        switch limit {
        case .iops: "its IOPS limit: " + operations(of: interval.end.limits?.operationsPerSecond)
        case .throughput: "its throughput limit: " + throughput(of: interval.end.limits?.bytesPerSecond)
        case .credits: "its burst credits, which have run out: " + baseline
        case .instance:
            "the limits of its instance" + (interval.end.instances.first.map { " (\($0.type))" } ?? "")
        }
    }

    private func operations(of limit: Int64?) -> String {
        let used = Figures.decimal(interval.chargedOperationsPerSecond, places: 0)
        return limit.map { "\(used) of \(Figures.integer($0)) used" } ?? "\(used) used"
    }

    private func throughput(of limit: Int64?) -> String {
        let used = Figures.mebibytes(interval.bytesPerSecond)
        return limit.map { "\(used) of \(Figures.mebibytes(Double($0))) MiB/s used" } ?? "\(used) MiB/s used"
    }

    private var baseline: String {
        guard let credits = interval.end.credits else { return "there are none" }
        switch credits.currency {
        case .operations: return "\(Figures.integer(credits.fillPerSecond)) I/Os come in each second"
        case .bytes: return "\(Figures.mebibytes(Double(credits.fillPerSecond))) MiB come in each second"
        }
    }

    private func latencyReason(_ nanoseconds: Double) -> String {
        let type = interval.end.limits?.type.name ?? "its type"
        return "no limit holds it back: requests take \(Figures.milliseconds(nanoseconds)), as on \(type), and "
            + "\(Figures.decimal(interval.averageQueueLength, places: 1)) are there at a time"
    }

    private func machineReason(_ nanoseconds: Double) -> String {
        guard interval.end.limits != nil else {
            return "as fast as this machine: requests take \(Figures.milliseconds(meanNanoseconds))"
        }
        return "this machine is slower than the volume: requests are answered "
            + "\(Figures.milliseconds(nanoseconds)) after they are due"
    }
}
