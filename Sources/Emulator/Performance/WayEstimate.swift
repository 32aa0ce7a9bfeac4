// How long an I/O is on its way outside of this process, as far as that can be seen from inside.

/// What the way through the kernel takes, from an instance's request to this process and back: a part of the time that
/// the instance measures, and so of the modelled latency.
///
/// Learned from volumes that one I/O after another goes to: from an answer to the next request the way is gone once,
/// in both directions, and what the instance does in between is most often little. It depends on the machine, and
/// on how deeply its processors sleep meanwhile (on one machine 45 µs when requests followed at once, 100 µs when
/// each took half a millisecond).
struct WayEstimate: Hashable, Sendable {
    /// What to subtract from a modelled latency.
    private(set) var nanoseconds: Nanoseconds = 30_000

    /// An instance that thinks for long is not to make its volume faster than the model.
    static let longest: Nanoseconds = 120_000
    /// Longer pauses are no way at all.
    private static let longestPause: Nanoseconds = 500_000
    /// The estimate follows the pause that three of ten do not exceed: for each that does it rises by three steps, for
    /// each that does not it falls by seven.
    private static let step: Nanoseconds = 200

    /// Takes in how long nothing was in flight before a request came.
    mutating func take(pause: Nanoseconds) {
        guard (0..<Self.longestPause).contains(pause) else { return }
        let change = pause > nanoseconds ? 3 * Self.step : -7 * Self.step
        nanoseconds = max(0, min(nanoseconds + change, Self.longest))
    }
}
