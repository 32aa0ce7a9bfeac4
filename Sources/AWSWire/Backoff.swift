public import Platform

/// Pauses between attempts: each may be twice as long as the one before, and is drawn by lot, so that not all come again
/// at once. Source: AWS Architecture Blog, "Exponential Backoff And Jitter".
public struct Backoff: Hashable, Sendable {
    /// After the first attempt, at most.
    public var first: Duration
    public var longest: Duration

    public init(first: Duration, longest: Duration) {
        self.first = first
        self.longest = longest
    }

    /// - Parameter atLeastHalf: for attempts that cost others something; otherwise a pause may be none.
    public func pause(after attempt: Int, _ random: any RandomSource, atLeastHalf: Bool = false) -> Duration {
        let most = min(longest, first * (1 << min(attempt - 1, 20)))
        let least = atLeastHalf ? most / 2 : .zero
        return least + .milliseconds(Int64(random.next() % UInt64(max(1, (most - least) / .milliseconds(1)))))
    }
}
