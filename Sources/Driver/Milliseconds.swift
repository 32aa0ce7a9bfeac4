#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Whole milliseconds since 1970: the form of a time in the catalog and in a page's token. Times are cut to it when they
/// are made, so nothing is lost.
extension Date {
    public init(milliseconds: Int64) {
        // One division from whole milliseconds since a Date's own epoch: the nearest Date there is, as the RPC's
        // reader makes it too, so that a time is the same everywhere.
        let epoch = Int64(Date.timeIntervalBetween1970AndReferenceDate) * 1_000
        self.init(timeIntervalSinceReferenceDate: Double(milliseconds - epoch) / 1_000)
    }

    public var milliseconds: Int64 { Int64((timeIntervalSince1970 * 1_000).rounded()) }
}
