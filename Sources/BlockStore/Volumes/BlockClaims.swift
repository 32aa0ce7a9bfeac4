import Platform

/// Who has which blocks to himself: a claim waits until no other one overlaps it.
///
/// A thread holds one claim of a set at a time, so nobody waits in a circle.
struct BlockClaims: ~Copyable, Sendable {
    private let claimed = Monitor<[Range<Int>]>(Self.none)

    /// With room for more threads than there are, so that a claim allocates nothing.
    private static var none: [Range<Int>] {
        var none: [Range<Int>] = []
        none.reserveCapacity(64)
        return none
    }

    /// Blocks the thread while others have claimed any of the blocks, then claims all of them. `release` must follow.
    func take(_ blocks: Range<Int>) {
        claimed.wait { claimed -> Void? in
            if claimed.contains(where: { $0.overlaps(blocks) }) { return nil }
            claimed.append(blocks)
        }
    }

    func release(_ blocks: Range<Int>) {
        claimed.withLock { claimed in
            if let place = claimed.firstIndex(of: blocks) { claimed.remove(at: place) }
        }
    }

    /// Runs `body` with the blocks claimed.
    func with<Result, Failure>(
        _ blocks: Range<Int>, _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        take(blocks)
        defer { release(blocks) }
        return try body()
    }
}
