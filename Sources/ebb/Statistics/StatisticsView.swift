import Driver

/// One volume as `volume stats --watch` shows it, a frame each second; pure.
struct StatisticsView {
    /// How many seconds the sparkline shows.
    static let historyLength = 60
    private static let barWidth = 28

    let volume: Volume
    /// The IOPS of the last seconds, the latest last.
    private var history: [Double] = []
    private var latest: StatisticsInterval?

    init(volume: Volume) {
        self.volume = volume
    }

    mutating func take(_ interval: StatisticsInterval) {
        latest = interval
        history.append(interval.operationsPerSecond)
        if history.count > Self.historyLength { history.removeFirst() }
    }

    private var title: String {
        let name = volume.name.isEmpty ? "" : volume.name + "  "
        return "\(name)\(volume.id)  \(volume.type) \(volume.sizeGiB) GiB  \(volume.zone)"
    }

    /// The lines of a terminal.
    var frame: [String] {
        guard let latest else { return [title] }
        var lines = [title, ""]
        lines += Usage.all(of: latest).map { usage in
            "\(Figures.left(usage.name, 10))\(Figures.right(usage.text, 30))  "
                + "\(Figures.bar(usage.share, width: Self.barWidth)) \(Figures.right(Figures.percent(usage.share), 6))"
        }
        lines += [
            "", "\(Figures.left("IOPS", 10))\(Figures.sparkline(history))", "",
            Self.line("Reads", latest.reads, latest),
            Self.line("Writes", latest.writes, latest),
            "\(Figures.left("Queue", 10))\(Figures.decimal(latest.averageQueueLength, places: 1)) on average, "
                + "\(latest.end.queueLength) now",
            "", Slowness(interval: latest).reason, "", "Ctrl-C ends.",
        ]
        return lines
    }

    /// The same second on one line, for what is no terminal.
    var line: String {
        guard let latest else { return title }
        return "\(Figures.decimal(latest.operationsPerSecond, places: 0)) IOPS  "
            + "\(Figures.mebibytes(latest.bytesPerSecond)) MiB/s  "
            + "queue \(Figures.decimal(latest.averageQueueLength, places: 1))  \(Slowness(interval: latest).reason)"
    }

    private static func line(_ name: String, _ totals: IOTotals, _ interval: StatisticsInterval) -> String {
        let iops = Figures.decimal(Double(totals.operations) / interval.seconds, places: 0)
        let mebibytes = Figures.mebibytes(Double(totals.bytes) / interval.seconds)
        let rates = "\(Figures.left(name, 10))\(Figures.right(iops, 7)) IOPS \(Figures.right(mebibytes, 8)) MiB/s"
        guard let mean = totals.meanNanoseconds else { return rates }
        return rates + "  mean \(Figures.milliseconds(mean))" + quantile("p50", 0.5, totals)
            + quantile("p99", 0.99, totals)
    }

    private static func quantile(_ name: String, _ share: Double, _ totals: IOTotals) -> String {
        totals.latencies.quantileMicroseconds(share).map { "  \(name) < \(Figures.milliseconds(Double($0) * 1e3))" }
            ?? ""
    }
}
