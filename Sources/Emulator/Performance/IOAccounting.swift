// What counts as one I/O of a volume (EBS User Guide, "Amazon EBS I/O characteristics").
//
// Requests longer than the type's unit count as several; adjacent ones count together until they fill a unit.
// Adjacent means next to each other on the volume and in the order of arrival, but for the few places that
// requests of a deep queue change when several threads take them in.

/// One read or write of a volume, within it and not empty.
struct VolumeIO: Hashable, Sendable {
    enum Direction: Hashable, Sendable {
        case read
        case write
    }

    let direction: Direction
    let offset: Int64
    let length: Int64

    var end: Int64 { offset + length }
}

/// Counts I/Os, and remembers the last sequential runs so that what continues one is merged with it.
struct IOAccounting: Hashable, Sendable {
    /// What one request is charged.
    struct Charge: Hashable, Sendable {
        /// I/Os; none for what filled up a unit that was paid.
        var units: Int64
        /// Whether it continues a run.
        var isSequential: Bool
    }

    private let unitBytes: Int64
    private let smallestMergedBytes: Int64
    private var runs: Runs

    init(_ traits: PerformanceTraits) {
        unitBytes = traits.unitBytes
        smallestMergedBytes = traits.smallestMergedBytes
        runs = Runs(limit: traits.rememberedRuns)
    }

    mutating func charge(_ io: VolumeIO) -> Charge {
        guard io.length >= smallestMergedBytes else {
            return Charge(units: units(io.length), isSequential: false)
        }
        guard let index = runs.index(continuedBy: io) else {
            runs.begin(Run(io, paidUnits: units(io.length)))
            return Charge(units: units(io.length), isSequential: false)
        }
        var run = runs[index]
        run.take(io)
        if let next = runs.index(after: run, but: index) {
            run.take(runs[next])
            runs.end(next)
        }
        let unpaid = max(0, units(run.length) - run.paidUnits)
        run.paidUnits += unpaid
        runs.use(index, run)
        return Charge(units: unpaid, isSequential: true)
    }

    private func units(_ bytes: Int64) -> Int64 {
        (bytes + unitBytes - 1) / unitBytes
    }
}

/// A stretch of one direction that was asked for without a gap.
private struct Run: Hashable, Sendable {
    var direction: VolumeIO.Direction
    var start: Int64
    var end: Int64
    var paidUnits: Int64

    init(_ io: VolumeIO, paidUnits: Int64) {
        (direction, start, end) = (io.direction, io.offset, io.end)
        self.paidUnits = paidUnits
    }

    var length: Int64 { end - start }

    mutating func take(_ io: VolumeIO) {
        start = min(start, io.offset)
        end = max(end, io.end)
    }

    mutating func take(_ next: Run) {
        end = next.end
        paidUnits += next.paidUnits
    }
}

/// The runs that were continued last, the latest first.
private struct Runs: Hashable, Sendable {
    private let limit: Int
    private var latest: [Run] = []

    init(limit: Int) {
        self.limit = limit
        latest.reserveCapacity(limit)
    }

    subscript(index: Int) -> Run { latest[index] }

    /// The run that ends where the request begins, or begins where it ends.
    func index(continuedBy io: VolumeIO) -> Int? {
        latest.firstIndex { $0.direction == io.direction && ($0.end == io.offset || $0.start == io.end) }
    }

    /// Another run that begins where this one ends.
    func index(after run: Run, but own: Int) -> Int? {
        latest.indices.first { $0 != own && latest[$0].direction == run.direction && latest[$0].start == run.end }
    }

    mutating func begin(_ run: Run) {
        if latest.count == limit { latest.removeLast() }
        latest.insert(run, at: 0)
    }

    mutating func use(_ index: Int, _ run: Run) {
        latest.remove(at: index)
        latest.insert(run, at: 0)
    }

    /// Nothing continues this one any more.
    mutating func end(_ index: Int) {
        (latest[index].start, latest[index].end) = (-1, -1)
    }
}
