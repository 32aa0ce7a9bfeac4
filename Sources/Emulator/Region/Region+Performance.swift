// How volumes perform, and the credits that they have left, which outlive attachments and processes.
//
// The catalog has each bucket as it was at some time; since then it has filled at its baseline, also while nobody
// was here to count. What was spent in the seconds before a kill is forgotten.
import Driver

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// A credit bucket at a time.
struct CreditBalance: Hashable, Sendable {
    let credits: Int64
    let time: Date

    /// What is in it later. A clock that was set back has filled nothing.
    func filled(_ bucket: PerformanceLimits.Credits, until now: Date) -> Int64 {
        let milliseconds = max(0, now.milliseconds - time.milliseconds)
        let (gain, isMuch) = bucket.fillPerSecond.multipliedReportingOverflow(by: milliseconds)
        return isMuch ? bucket.capacity : min(bucket.capacity, credits + gain / 1_000)
    }
}

extension Region {
    /// How often the buckets of volumes that are in use are kept.
    static let creditInterval = Duration.seconds(5)

    /// Shows a volume as the catalog has it now.
    func show(_ volume: VolumeRecord) throws {
        try effects.show(volume, plan(for: volume))
    }

    private func plan(for volume: VolumeRecord) -> PerformancePlan? {
        guard configuration.performance != .off, let limits = PerformanceLimits(volume.specification) else {
            return nil
        }
        let kept = effects.exports.credits(of: volume.number) == nil ? keptCredits[volume.number] : nil
        return PerformancePlan(
            limits: limits, seed: volume.id.seed, fallsShort: configuration.performance == .promise,
            credits: limits.credits.flatMap { bucket in kept?.filled(bucket, until: clock.now()) })
    }

    /// Writes down the buckets of the volumes that are attached. One that cannot be written is written next time.
    func keepCredits() async {
        let now = currentTime()
        var balances: [VolumeNumber: CreditBalance] = [:]
        for instance in state.instances.keys {
            for volume in state.volumes(on: instance) {
                guard let credits = effects.exports.credits(of: volume.number) else { continue }
                if isWorthKeeping(credits, of: volume, at: now) {
                    balances[volume.number] = CreditBalance(credits: credits, time: now)
                }
            }
        }
        do {
            try await effects.commit(balances.map { .putCredits($0.key, $0.value) }, durable: false)
            keptCredits.merge(balances) { _, new in new }
        } catch {
            logger.warning("credit balances could not be kept: \(error)")
        }
    }

    /// Whether it is less than what has been kept would be by now.
    private func isWorthKeeping(_ credits: Int64, of volume: VolumeRecord, at now: Date) -> Bool {
        guard let bucket = PerformanceLimits(volume.specification)?.credits else { return false }
        return credits < keptCredits[volume.number]?.filled(bucket, until: now) ?? bucket.capacity
    }
}

extension VolumeID {
    /// Makes a volume's latencies its own: the last 16 hexadecimal digits of an id that was drawn from the region's
    /// generator.
    fileprivate var seed: UInt64 {
        UInt64(rawValue.suffix(16), radix: 16) ?? UInt64(rawValue.utf8.count)
    }
}
