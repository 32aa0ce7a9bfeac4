// How a volume performs: pure arithmetic that turns each I/O into the time at which it is answered.
//
// A volume is a queue, first come first served. Each I/O, and each unit of a long one, is dispatched as soon as
// every limit lets it: I/Os a second, bytes a second, credits. From then on it takes what the type's latency
// distribution says. Reads and writes, and all attachments of a Multi-Attach volume, share one model.
//
// The same I/Os at the same times give the same answers, in real time and in simulated time.
import Platform

/// Why an I/O was not dispatched when it came.
enum Limit: Int, Hashable, Sendable, CaseIterable {
    /// The volume's IOPS.
    case operations
    /// The volume's throughput.
    case bytes
    /// The credits for bursting had run out.
    case credits
    /// The instance's IOPS or throughput.
    case instance
}

/// What the model says of one I/O.
struct Admission: Hashable, Sendable {
    /// When the volume begins with it; the last unit of a long one.
    var dispatch: Nanoseconds
    /// How long it then takes.
    var service: Nanoseconds
    /// What held it back, if anything did.
    var heldBack: Limit?
    /// What it was charged, in the type's units.
    var units: Int64
}

struct VolumeModel: Hashable, Sendable {
    /// How far ahead of its rate a volume may be: what a late wake-up or a gap between two requests took from it, it
    /// may make up for within this time. So short that no 100 ms show more than 4 % too much.
    static let allowance: Nanoseconds = 4_000_000

    let limits: PerformanceLimits
    /// Whether some seconds fall short, as AWS's promise allows ("90 % of the provisioned performance 99 % of the
    /// time").
    let fallsShort: Bool
    private let seed: UInt64
    private var generator: SplitMix64
    private var accounting: IOAccounting
    private var operations: Pace
    private var bytes: Pace
    private var bucket: CreditBucket?
    private var lastArrival: Nanoseconds
    private var lastDispatch: Nanoseconds
    private var lastLimit: Limit?

    /// A volume that nothing has used yet.
    ///
    /// - Parameter credits: what is in the bucket; `nil` for a full one.
    init(
        _ limits: PerformanceLimits, seed: UInt64, fallsShort: Bool = false, credits: Int64? = nil,
        at start: Nanoseconds
    ) {
        self.limits = limits
        self.fallsShort = fallsShort
        self.seed = seed
        generator = SplitMix64(seed: seed)
        accounting = IOAccounting(limits.traits)
        operations = Pace(perSecond: limits.operationsPerSecond, since: start)
        bytes = Pace(perSecond: limits.bytesPerSecond, since: start)
        bucket = limits.credits.map {
            CreditBucket(
                capacity: $0.capacity, fillPerSecond: $0.fillPerSecond, balance: credits ?? $0.capacity, at: start)
        }
        lastArrival = start
        lastDispatch = start
    }

    /// What is in the bucket; `nil` for a volume that has none.
    func credits(at time: Nanoseconds) -> Int64? {
        bucket?.balance(at: time)
    }

    /// Takes in an I/O that comes now.
    mutating func admit(_ io: VolumeIO, at now: Nanoseconds) -> Admission {
        let now = following(now)
        let charge = accounting.charge(io)
        var time = max(now, lastDispatch)
        var limit = time > now ? lastLimit : nil
        var rest = io.length
        var unpaid = charge.units
        while rest > 0 {
            let piece = min(rest, limits.traits.unitBytes)
            let units = min(unpaid, 1)
            let cost = limits.traits.chargesWholeUnits ? units * limits.traits.unitBytes : piece
            dispatch(units: units, bytes: cost, at: &time, limit: &limit)
            rest -= piece
            unpaid -= units
        }
        (lastDispatch, lastLimit) = (time, limit)
        let latency = charge.isSequential ? limits.traits.sequentialLatency : limits.traits.randomLatency
        return Admission(
            dispatch: time, service: latency.nanoseconds(for: generator.next()), heldBack: limit, units: charge.units)
    }

    /// Moves the time on to where every limit lets a unit pass, and charges it.
    private mutating func dispatch(units: Int64, bytes cost: Int64, at time: inout Nanoseconds, limit: inout Limit?) {
        if units > 0 { wait(until: operations.next - Self.allowance, for: .operations, &time, &limit) }
        if cost > 0 { wait(until: bytes.next - Self.allowance, for: .bytes, &time, &limit) }
        let price = limits.credits?.currency == .bytes ? cost : units
        if price > 0, let bucket { wait(until: bucket.earliest(spending: price), for: .credits, &time, &limit) }
        let share = share(at: time)
        operations.pass(units, at: time, permille: share)
        bytes.pass(cost, at: time, permille: share * bytesShare(at: time) / 1_000)
        bucket?.spend(price, at: time)
    }

    private func wait(until earliest: Nanoseconds, for cause: Limit, _ time: inout Nanoseconds, _ limit: inout Limit?) {
        if earliest > time { (time, limit) = (earliest, cause) }
    }

    /// The time that the model goes by. A clock that was set back takes the volume with it: what was due stays as
    /// far away as it was. Less than a second is two threads that came in another order than they looked.
    private mutating func following(_ now: Nanoseconds) -> Nanoseconds {
        let step = lastArrival - now
        if (0..<nanosecondsPerSecond).contains(step) { return lastArrival }
        lastArrival = now
        if step > 0 {
            operations.shift(back: step)
            bytes.shift(back: step)
            bucket?.shift(back: step)
            lastDispatch -= step
        }
        return now
    }

    /// gp2's throughput between 170 and 334 GiB depends on its credits.
    private func bytesShare(at time: Nanoseconds) -> Int64 {
        guard let bucket, let credits = limits.credits, credits.bytesPermilleWhenEmpty < 1_000 else { return 1_000 }
        return bucket.balance(at: time) > 0 ? 1_000 : credits.bytesPermilleWhenEmpty
    }

    /// What this second delivers of what is provisioned, in thousandths: all, or in a short one 50 to 80 %.
    private func share(at time: Nanoseconds) -> Int64 {
        guard fallsShort else { return 1_000 }
        let word = SplitMix64.word(UInt64(bitPattern: time / nanosecondsPerSecond), ofSeed: seed)
        guard word % 1_000 < limits.traits.shortSecondsPermille else { return 1_000 }
        return [500, 640, 800][Int(word / 1_000 % 3)]
    }
}
