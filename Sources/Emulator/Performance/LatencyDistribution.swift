// How long a volume takes for one I/O that no limit holds back, as a distribution.

/// A distribution given by points of its quantile function, straight between them: exact in integers, and the
/// same for the same draw on every machine.
struct LatencyDistribution: Hashable, Sendable {
    struct Point: Hashable, Sendable {
        /// The share of requests that take no longer, in millionths.
        let millionths: UInt64
        let microseconds: UInt64
    }

    private let points: [Point]

    /// - Parameter points: millionths and microseconds, both rising, from 0 to 1,000,000 millionths.
    init(_ points: [(millionths: UInt64, microseconds: UInt64)]) {
        self.points = points.map { Point(millionths: $0.millionths, microseconds: $0.microseconds) }
        precondition(self.points.first?.millionths == 0 && self.points.last?.millionths == 1_000_000)
        precondition(zip(self.points, self.points.dropFirst()).allSatisfy { $0.millionths < $1.millionths })
    }

    /// The time that a draw stands for; each value of `draw` is as likely as any other.
    func nanoseconds(for draw: UInt64) -> Nanoseconds {
        // Millionths with ten binary digits behind the point: nothing below overflows, and no draw reaches 1.
        let place = (draw >> 24).multipliedFullWidth(by: 1_000_000 << 10)
        return quantile(place.high << 24 | place.low >> 40)
    }

    /// The time that `millionths` / 2^10 of the requests do not exceed.
    private func quantile(_ place: UInt64) -> Nanoseconds {
        var index = 1
        while place > points[index].millionths << 10 { index += 1 }
        let (low, high) = (points[index - 1], points[index])
        let share = place - low.millionths << 10
        let width = (high.millionths - low.millionths) << 10
        let span = (high.microseconds - low.microseconds) * 1_000
        return Nanoseconds(low.microseconds * 1_000 + span * share / width)
    }

    /// The time that half of the requests do not exceed.
    var median: Nanoseconds { quantile(500_000 << 10) }
    /// The time that 99 of 100 do not exceed.
    var percentile99: Nanoseconds { quantile(990_000 << 10) }
    /// Of very many requests.
    var mean: Nanoseconds {
        let doubled = zip(points, points.dropFirst()).reduce(into: UInt64(0)) { sum, segment in
            let width = segment.1.millionths - segment.0.millionths
            sum += width * (segment.0.microseconds + segment.1.microseconds)
        }
        // Millionths of microseconds are picoseconds.
        return Nanoseconds(doubled / 2 / 1_000)
    }
}
