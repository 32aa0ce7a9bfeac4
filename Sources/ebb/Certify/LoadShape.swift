import Driver

/// A load: requests of one size and direction, so many at a time.
struct LoadShape: Hashable, Sendable {
    var sizeBytes: Int
    var depth: Int
    var isSequential = false
    var isWrite = false

    var description: String {
        let size = sizeBytes >= 1 << 20 ? "\(sizeBytes >> 20) MiB" : "\(sizeBytes >> 10) KiB"
        return "\(size) \(isSequential ? "sequential" : "random") \(isWrite ? "writes" : "reads"), \(depth) at a time"
    }
}

extension LoadShape {
    /// What a volume of these limits is driven with: each limit, and the latency below them.
    ///
    /// Where the limit and the latency would give about the same, or now and then a slow request would leave the volume
    /// idle, nobody can say which one was measured: there the depth is doubled until the limit holds.
    static func all(for statistics: VolumeStatistics, isWrite: Bool) -> [LoadShape] {
        let isHardDisk = statistics.limits.map { $0.chargesWholeUnits || $0.type == .standard } ?? false
        var shapes: [LoadShape] = []
        for var shape in isHardDisk ? hardDisk : solidState {
            shape.isWrite = isWrite
            while shape.depth < 256, isUndecided(shape, statistics) { shape.depth *= 2 }
            if !shapes.contains(shape) { shapes.append(shape) }
        }
        return shapes
    }

    private static func isUndecided(_ shape: LoadShape, _ statistics: VolumeStatistics) -> Bool {
        guard let rate = ExpectedRate(of: shape, statistics, warmUpSeconds: 0, seconds: 1) else { return false }
        let ratio = rate.byLatency / rate.byLimits
        let isHeldBack = Double(2 * rate.latency.percentile99Nanoseconds) > rate.slackNanoseconds
        return ratio > 0.65 && (ratio < 1.5 || isHeldBack)
    }

    private static let solidState = [
        LoadShape(sizeBytes: 4 << 10, depth: 1), LoadShape(sizeBytes: 4 << 10, depth: 4),
        LoadShape(sizeBytes: 4 << 10, depth: 16), LoadShape(sizeBytes: 4 << 10, depth: 64),
        LoadShape(sizeBytes: 16 << 10, depth: 16), LoadShape(sizeBytes: 256 << 10, depth: 16),
        LoadShape(sizeBytes: 1 << 20, depth: 16),
    ]

    private static let hardDisk = [
        LoadShape(sizeBytes: 16 << 10, depth: 1), LoadShape(sizeBytes: 16 << 10, depth: 32),
        LoadShape(sizeBytes: 1 << 20, depth: 1, isSequential: true),
        LoadShape(sizeBytes: 1 << 20, depth: 8, isSequential: true), LoadShape(sizeBytes: 1 << 20, depth: 32),
    ]
}
