import Driver

/// What EBS would give a load, as the volume's model has it; pure.
struct ExpectedRate: Equatable {
    /// What decides it.
    enum Bound: String {
        case iops = "IOPS"
        case throughput
        case credits
        case instance
        case latency
    }

    /// I/Os a second.
    let operationsPerSecond: Double
    let bound: Bound
    let latency: LatencyModel
    /// What so many requests at a time would give if only the latency held them back.
    let byLatency: Double
    /// What the limits would give to any number of requests at a time.
    let byLimits: Double
    /// How long a request may take before the volume has nothing to do for the limits: the others of the queue keep it
    /// busy, the parts of a long one are let through one by one, and 4 ms may be made up for later (the model's
    /// allowance).
    let slackNanoseconds: Double

    /// `nil` for a volume without limits.
    ///
    /// - Parameters:
    ///   - statistics: from before the load.
    ///   - warmUpSeconds: how long the load runs before it is measured, and spends credits.
    ///   - seconds: how long it is measured.
    init?(of shape: LoadShape, _ statistics: VolumeStatistics, warmUpSeconds: Double, seconds: Double) {
        guard let limits = statistics.limits else { return nil }
        let cost = Cost(shape, limits)
        var (rate, bound) = (Double(limits.operationsPerSecond) / cost.units, Bound.iops)
        func hold(_ other: Double, _ cause: Bound) {
            if other < rate { (rate, bound) = (other, cause) }
        }
        let isDrained = statistics.credits.map { $0.balance < $0.capacity / 1_000 } ?? false
        let bytesPerSecond = isDrained ? limits.bytesPerSecondWithoutCredits : limits.bytesPerSecond
        hold(Double(bytesPerSecond) / cost.bytes, .throughput)
        for instance in statistics.instances {
            hold(instance.operations / cost.units, .instance)
            hold(instance.bytes / Double(shape.sizeBytes), .instance)
        }
        if let credits = statistics.credits {
            let price = credits.currency == .operations ? cost.units : cost.bytes
            hold(credits.mean(at: rate * price, after: warmUpSeconds, over: seconds) / price, .credits)
        }
        latency = shape.isSequential ? limits.sequentialLatency : limits.randomLatency
        byLimits = rate
        let nanosecondsEach = 1e9 / byLimits
        slackNanoseconds =
            Double(shape.depth - 1) * nanosecondsEach + nanosecondsEach / max(1, cost.units) + 4_000_000
        byLatency = Double(shape.depth) * 1e9 / Double(max(1, latency.meanNanoseconds))
        hold(byLatency, .latency)
        operationsPerSecond = rate
        self.bound = bound
    }

    /// What one request is charged.
    private struct Cost {
        let units: Double
        let bytes: Double

        init(_ shape: LoadShape, _ limits: VolumeLimits) {
            let size = Double(shape.sizeBytes)
            let unit = Double(limits.unitBytes)
            // Those in order are merged up to a unit.
            units = shape.isSequential ? size / unit : (size / unit).rounded(.up)
            bytes = limits.chargesWholeUnits ? units * unit : size
        }
    }
}

extension CreditStatus {
    /// What can be spent each second by who wants to spend `wanted`: first what was saved, then what comes in.
    fileprivate func mean(at wanted: Double, after warmUp: Double, over seconds: Double) -> Double {
        func spent(until time: Double) -> Double {
            min(wanted * time, Double(balance) + Double(fillPerSecond) * time)
        }
        return (spent(until: warmUp + seconds) - spent(until: warmUp)) / seconds
    }
}

extension InstanceLimits {
    fileprivate var operations: Double {
        Double((operationsBalancePercent ?? 100) > 1 ? operationsPerSecond : baselineOperationsPerSecond)
    }

    fileprivate var bytes: Double {
        Double((bytesBalancePercent ?? 100) > 1 ? bytesPerSecond : baselineBytesPerSecond)
    }
}
