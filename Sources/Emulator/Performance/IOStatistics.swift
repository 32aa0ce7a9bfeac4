// What a volume did, counted as EBS counts it: in the shape of the NVMe log page of an EBS device and of
// CloudWatch's metrics, which follow from these totals.
import Driver

/// Totals since the volume's first I/O in this process. Changed for each I/O, read now and then.
struct IOStatistics: Sendable {
    /// One direction's totals.
    struct Totals: Sendable {
        var operations: Int64 = 0
        var bytes: Int64 = 0
        /// From arrival to answer, over all that were answered.
        var time: Nanoseconds = 0
        var histogram = LatencyHistogram()
    }

    var reads = Totals()
    var writes = Totals()
    /// I/Os of 256 KiB or 1 MiB, as charged.
    var units: Int64 = 0
    var inFlight: Int64 = 0
    /// What the type's latency made requests take.
    var service: Nanoseconds = 0
    /// How long something was in flight, up to when that last ended.
    private var busy: Nanoseconds = 0
    private var busySince: Nanoseconds = 0
    /// How long requests waited for each limit, by `Limit.rawValue`; over all requests.
    var waited: InlineArray<4, Nanoseconds> = .init(repeating: 0)
    /// How long at least one request waited for it.
    var exceeded: InlineArray<4, Nanoseconds> = .init(repeating: 0)
    /// Until when each limit is known to hold something back.
    private var exceededUntil: InlineArray<4, Nanoseconds> = .init(repeating: .min)

    mutating func begin(units: Int64, service: Nanoseconds, at now: Nanoseconds) {
        if inFlight == 0 { busySince = now }
        inFlight += 1
        self.units += units
        self.service += service
    }

    mutating func end(_ io: VolumeIO, arrived: Nanoseconds, at now: Nanoseconds) {
        inFlight -= 1
        if inFlight == 0 { busy += now - busySince }
        switch io.direction {
        case .read: reads.add(io, now - arrived)
        case .write: writes.add(io, now - arrived)
        }
    }

    /// How long something was in flight.
    func busy(at now: Nanoseconds) -> Nanoseconds {
        inFlight > 0 ? busy + now - busySince : busy
    }

    mutating func wait(for limit: Limit, from start: Nanoseconds, until end: Nanoseconds) {
        let index = limit.rawValue
        waited[index] += end - start
        exceeded[index] += max(0, end - max(start, exceededUntil[index]))
        exceededUntil[index] = max(exceededUntil[index], end)
    }
}

extension IOStatistics.Totals {
    fileprivate mutating func add(_ io: VolumeIO, _ took: Nanoseconds) {
        operations += 1
        bytes += io.length
        time += took
        histogram.add(took)
    }
}

/// Counts by powers of two of microseconds: bin 0 is under 1 µs, bin n from 2^(n-1) to 2^n µs, the last one beyond.
/// The bins are those of the NVMe log page of EBS volumes.
struct LatencyHistogram: Sendable {
    static let binCount = 28

    private(set) var counts: InlineArray<28, Int64> = .init(repeating: 0)

    mutating func add(_ time: Nanoseconds) {
        let microseconds = max(0, time / 1_000)
        let bin = Int64.bitWidth - microseconds.leadingZeroBitCount
        counts[min(bin, Self.binCount - 1)] += 1
    }
}
