// The last hours of CloudWatch's metrics, a data point a minute; pure.
//
// Points are made for volumes that are attached, from two looks at their statistics. They live in memory alone, some
// 150 bytes each: those of a volume that was attached for all of the three hours take 30 KB.
import Driver

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

struct MetricHistory: Sendable {
    static let periodSeconds: Int64 = 60
    /// How long a point is kept.
    static let lifetimeSeconds: Int64 = 3 * 3_600

    private struct Point: Sendable {
        /// The beginning of its minute, in seconds since 1970.
        var start: Int64
        /// A value for each metric, in the order of `VolumeMetric.allCases`.
        var values: [Double?]
    }

    private var points: [VolumeID: [Point]] = [:]
    /// Where the next point of each attached volume begins.
    private var last: [VolumeID: VolumeStatistics] = [:]

    /// A volume is attached: its first point begins here.
    mutating func begin(_ statistics: VolumeStatistics) {
        if last[statistics.volumeID] == nil { last[statistics.volumeID] = statistics }
    }

    /// A minute has ended, give or take what the wake-up was late.
    ///
    /// - Parameter attached: the statistics of all attached volumes.
    mutating func endMinute(_ attached: [VolumeStatistics], at now: Date) {
        let start = Self.minute(endingAt: now)
        var next: [VolumeID: VolumeStatistics] = [:]
        for statistics in attached {
            next[statistics.volumeID] = statistics
            guard let former = last[statistics.volumeID],
                let interval = StatisticsInterval(from: former, to: statistics)
            else { continue }
            add(Point(start: start, values: VolumeMetric.allCases.map { $0.value(of: interval) }), statistics.volumeID)
        }
        last = next
        forget(before: start - Self.lifetimeSeconds + Self.periodSeconds)
    }

    /// What matches, by volume and then in CloudWatch's order of metrics; no series without a point.
    func series(_ query: MetricDataQuery) -> [MetricSeries] {
        let volumes = query.volumeIDs.isEmpty ? points.keys.sorted() : query.volumeIDs
        let metrics = query.metrics.isEmpty ? VolumeMetric.allCases : query.metrics
        return volumes.flatMap { volume in
            let found = (points[volume] ?? []).filter { query.covers($0.start) }
            return metrics.compactMap { Self.series($0, of: volume, found) }
        }
    }

    private static func series(_ metric: VolumeMetric, of volume: VolumeID, _ points: [Point]) -> MetricSeries? {
        guard let index = VolumeMetric.allCases.firstIndex(of: metric) else { return nil }
        var series = MetricSeries(volumeID: volume, metric: metric)
        for point in points {
            guard let value = point.values[index] else { continue }
            series.timestamps.append(Date(timeIntervalSince1970: Double(point.start)))
            series.values.append(value)
        }
        return series.values.isEmpty ? nil : series
    }

    /// The minute that ended last, to the nearest: a sleep may end a little early by the wall clock.
    private static func minute(endingAt now: Date) -> Int64 {
        let seconds = now.milliseconds / 1_000
        return (seconds + periodSeconds / 2) / periodSeconds * periodSeconds - periodSeconds
    }

    /// After a wall clock was set back, its new minutes take the place of the old ones.
    private mutating func add(_ point: Point, _ volume: VolumeID) {
        points[volume, default: []].removeAll { $0.start >= point.start }
        points[volume, default: []].append(point)
    }

    private mutating func forget(before time: Int64) {
        for volume in points.keys { points[volume]?.removeAll { $0.start < time } }
        points = points.filter { !$0.value.isEmpty }
    }
}

extension MetricDataQuery {
    fileprivate func covers(_ start: Int64) -> Bool {
        let time = Date(timeIntervalSince1970: Double(start))
        return startTime.map { time >= $0 } ?? true && endTime.map { time < $0 } ?? true
    }
}
