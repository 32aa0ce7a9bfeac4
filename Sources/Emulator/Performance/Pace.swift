// A rate limit in exact integers: the generic cell rate algorithm (ITU-T I.371), and credits as the same thing.
//
// A pace knows when its next unit is due. Each unit moves that time on by one over the rate; the fraction of a
// nanosecond is kept as a remainder, so that nothing drifts in any number of units.

/// A point in time, or a length of it: nanoseconds since the arbitrary start of `Clock.uptimeNanoseconds`.
typealias Nanoseconds = Int64

let nanosecondsPerSecond: Nanoseconds = 1_000_000_000

/// When the next unit of a constant rate is due.
struct Pace: Hashable, Sendable {
    /// Units a second; at least one.
    let perSecond: Int64
    /// The next unit is due at `due` and `remainder` parts of `perSecond` of a nanosecond.
    private var due: Nanoseconds
    private var remainder: Int64 = 0

    /// A pace that nothing has used yet.
    init(perSecond: Int64, since start: Nanoseconds) {
        precondition(perSecond > 0, "a rate is positive")
        self.perSecond = perSecond
        due = start
    }

    /// The first whole nanosecond at which the next unit is due.
    var next: Nanoseconds { remainder == 0 ? due : due + 1 }

    /// The first whole nanosecond at which a unit may pass where the pace may be so many units ahead.
    func earliest(ahead units: Int64) -> Nanoseconds {
        let (high, low) = units.multipliedFullWidth(by: nanosecondsPerSecond)
        let (whole, rest) = perSecond.dividingFullWidth((high, low))
        return due - whole + (remainder > rest ? 1 : 0)
    }

    /// How many units the pace is ahead at a time, rounded up; none when the next one is due.
    func unitsAhead(at time: Nanoseconds) -> Int64 {
        if time >= next { return 0 }
        let (high, low) = (due - time).multipliedFullWidth(by: perSecond)
        let (sum, carry) = low.addingReportingOverflow(UInt64(remainder))
        let (whole, rest) = nanosecondsPerSecond.dividingFullWidth((high + (carry ? 1 : 0), sum))
        return whole + (rest > 0 ? 1 : 0)
    }

    /// Lets units pass at a time that is not before `earliest`.
    ///
    /// - Parameter permille: the share of `perSecond` that holds for these units; exact where it divides 10^12.
    mutating func pass(_ units: Int64, at time: Nanoseconds, permille: Int64 = 1_000) {
        if time > due { (due, remainder) = (time, 0) }
        let (high, low) = units.multipliedFullWidth(by: nanosecondsPerSecond * 1_000 / permille)
        let (sum, carry) = low.addingReportingOverflow(UInt64(remainder))
        let (whole, rest) = perSecond.dividingFullWidth((high + (carry ? 1 : 0), sum))
        due += whole
        remainder = rest
    }

    /// Moves with a clock that was set back.
    mutating func shift(back step: Nanoseconds) {
        due -= step
    }
}

/// Credits that fill at a constant rate up to a capacity, and are spent: a pace that may be ahead of its time by
/// as long as filling takes.
struct CreditBucket: Hashable, Sendable {
    let capacity: Int64
    private var pace: Pace

    /// - Parameter balance: what is there at `start`, within 0 and the capacity.
    init(capacity: Int64, fillPerSecond: Int64, balance: Int64, at start: Nanoseconds) {
        self.capacity = capacity
        let missing = capacity - max(0, min(balance, capacity))
        pace = Pace(perSecond: fillPerSecond, since: start)
        pace.pass(missing, at: start)
    }

    var fillPerSecond: Int64 { pace.perSecond }

    /// When there is enough to spend so many.
    func earliest(spending credits: Int64) -> Nanoseconds {
        pace.earliest(ahead: capacity - credits)
    }

    /// Spends credits at a time that is not before `earliest`.
    mutating func spend(_ credits: Int64, at time: Nanoseconds) {
        pace.pass(credits, at: time)
    }

    /// What is there at a time: whole credits, rounded down.
    func balance(at time: Nanoseconds) -> Int64 {
        max(0, capacity - pace.unitsAhead(at: time))
    }

    mutating func shift(back step: Nanoseconds) {
        pace.shift(back: step)
    }
}
