import Driver

/// How much of each limit is used: a name, what of what, and the share; pure.
struct Usage: Equatable {
    let name: String
    let text: String
    let share: Double

    /// One for each limit that the volume and its instances have.
    static func all(of interval: StatisticsInterval) -> [Usage] {
        limits(of: interval) + credits(of: interval) + interval.end.instances.flatMap { instance(of: interval, $0) }
    }

    private static func limits(of interval: StatisticsInterval) -> [Usage] {
        guard let limits = interval.end.limits else { return [] }
        return [
            operations("IOPS", interval.chargedOperationsPerSecond, of: limits.operationsPerSecond),
            bytes("MiB/s", interval.chargedBytesPerSecond, of: limits.bytesPerSecond),
        ]
    }

    private static func credits(of interval: StatisticsInterval) -> [Usage] {
        guard let credits = interval.end.credits else { return [] }
        let (balance, capacity) =
            credits.currency == .operations
            ? (Figures.integer(credits.balance), Figures.integer(credits.capacity))
            : (Figures.mebibytes(Double(credits.balance)), Figures.mebibytes(Double(credits.capacity)) + " MiB")
        return [Usage(name: "Credits", text: "\(balance) of \(capacity) left", share: credits.balancePercent / 100)]
    }

    private static func instance(of interval: StatisticsInterval, _ instance: InstanceLimits) -> [Usage] {
        [
            operations(instance.type, interval.chargedOperationsPerSecond, of: instance.operationsPerSecond),
            bytes(instance.type, interval.bytesPerSecond, of: instance.bytesPerSecond),
        ]
    }

    private static func operations(_ name: String, _ used: Double, of limit: Int64) -> Usage {
        Usage(
            name: name, text: "\(Figures.decimal(used, places: 0)) of \(Figures.integer(limit)) IOPS",
            share: used / Double(max(1, limit)))
    }

    private static func bytes(_ name: String, _ used: Double, of limit: Int64) -> Usage {
        Usage(
            name: name, text: "\(Figures.mebibytes(used)) of \(Figures.mebibytes(Double(limit))) MiB/s",
            share: used / Double(max(1, limit)))
    }
}

extension StatisticsInterval {
    /// Bytes as the type charges them: whole units where it does.
    fileprivate var chargedBytesPerSecond: Double {
        guard let limits = end.limits, limits.chargesWholeUnits else { return bytesPerSecond }
        return chargedOperationsPerSecond * Double(limits.unitBytes)
    }
}
