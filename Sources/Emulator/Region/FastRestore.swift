// Fast snapshot restore of one snapshot in one zone: its states, and the credits that volumes spend.
//
//     enabling → optimizing → enabled → disabling → disabled
//
// Kept is what was asked for and when; the state follows from the time of the question, so that neither a restart nor
// a lost task can leave it half way. Credits gather from `enabled` on, beginning with none.
//
// Source: EBS User Guide, "Amazon EBS fast snapshot restore": a bucket of MAX(1, MIN(10, 1024/GiB)) credits, filled
// with MIN(10, 1024/GiB) an hour; one credit makes one volume that needs no first touch.
import Driver

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// How long enabling and disabling take. In EBS an hour for each TiB, which nobody would want to wait for.
public struct FastRestorePolicy: Sendable, Hashable {
    public var enabling: Duration
    public var optimizing: Duration
    public var disabling: Duration

    public init(
        enabling: Duration = .seconds(1), optimizing: Duration = .seconds(5), disabling: Duration = .seconds(1)
    ) {
        self.enabling = enabling
        self.optimizing = optimizing
        self.disabling = disabling
    }
}

struct FastRestoreRecord: Hashable, Sendable {
    let snapshot: SnapshotID
    let zone: ZoneName
    let enableTime: Date
    /// As the policy was when it was enabled: a change of it does not change what has been begun.
    let enablingMilliseconds: Int64
    let optimizingMilliseconds: Int64
    let disablingMilliseconds: Int64
    private(set) var disableTime: Date?
    private(set) var credits: FastRestoreCredits

    /// As the catalog has it.
    init(
        snapshot: SnapshotID, zone: ZoneName, enableTime: Date, enablingMilliseconds: Int64,
        optimizingMilliseconds: Int64, disablingMilliseconds: Int64, disableTime: Date?, credits: FastRestoreCredits
    ) {
        self.snapshot = snapshot
        self.zone = zone
        self.enableTime = enableTime
        self.enablingMilliseconds = enablingMilliseconds
        self.optimizingMilliseconds = optimizingMilliseconds
        self.disablingMilliseconds = disablingMilliseconds
        self.disableTime = disableTime
        self.credits = credits
    }

    init(_ snapshot: SnapshotRecord, zone: ZoneName, at time: Date, _ policy: FastRestorePolicy) {
        self.snapshot = snapshot.id
        self.zone = zone
        enableTime = time
        enablingMilliseconds = policy.enabling.wholeMilliseconds
        optimizingMilliseconds = policy.optimizing.wholeMilliseconds
        disablingMilliseconds = policy.disabling.wholeMilliseconds
        credits = FastRestoreCredits(
            snapshotGiB: snapshot.sizeGiB,
            since: time.adding(milliseconds: enablingMilliseconds + optimizingMilliseconds))
    }

    /// The state at a time, and since when.
    func state(at time: Date) -> (state: FastSnapshotRestore.State, since: Date) {
        if let disableTime {
            let end = disableTime.adding(milliseconds: disablingMilliseconds)
            return time < end ? (.disabling, disableTime) : (.disabled, end)
        }
        let optimizing = enableTime.adding(milliseconds: enablingMilliseconds)
        let enabled = optimizing.adding(milliseconds: optimizingMilliseconds)
        if time < optimizing { return (.enabling, enableTime) }
        return time < enabled ? (.optimizing, optimizing) : (.enabled, enabled)
    }

    /// Begins to disable it; what is disabled already stays so.
    mutating func disable(at time: Date) {
        disableTime = disableTime ?? time
    }

    /// Spends a credit on a new volume, when it is enabled and there is one.
    mutating func spend(at time: Date) -> Bool {
        state(at: time).state == .enabled && credits.spend(at: time)
    }

    /// Takes a `spend` back: its volume was not made.
    var givenBack: Self {
        var restore = self
        restore.credits.giveBack()
        return restore
    }

    func report(at time: Date) -> FastSnapshotRestore {
        let (state, since) = state(at: time)
        return FastSnapshotRestore(
            snapshotID: snapshot, zone: zone, state: state, stateTime: since,
            creditsBalance: state == .enabled ? credits.balance(at: time) : 0, creditsCapacity: credits.capacity)
    }
}

/// A bucket of credits in whole numbers, so that what is full after an hour is full after an hour: its unit is the
/// part of a credit that one GiB·millisecond is of a credit's GiB·hour.
struct FastRestoreCredits: Hashable, Sendable {
    private static let hourMilliseconds: Int64 = 3_600_000
    private static let maximum: Int64 = 10
    private static let hourlyGiB: Int64 = 1_024

    let snapshotGiB: Int64
    private(set) var units: Int64
    /// When there were so many; not before it is enabled.
    private(set) var time: Date

    init(snapshotGiB: Int, units: Int64 = 0, since time: Date) {
        self.snapshotGiB = Int64(snapshotGiB)
        self.units = units
        self.time = time
    }

    private var unitsOfACredit: Int64 { snapshotGiB * Self.hourMilliseconds }
    private var unitsAMillisecond: Int64 { min(Self.maximum * snapshotGiB, Self.hourlyGiB) }
    private var capacityUnits: Int64 { max(snapshotGiB, unitsAMillisecond) * Self.hourMilliseconds }

    var capacity: Double { Double(capacityUnits) / Double(unitsOfACredit) }

    func balance(at now: Date) -> Double { Double(units(at: now)) / Double(unitsOfACredit) }

    mutating func spend(at now: Date) -> Bool {
        let units = units(at: now)
        guard units >= unitsOfACredit else { return false }
        (self.units, time) = (units - unitsOfACredit, max(time, now))
        return true
    }

    /// After a `spend` as if that had not been, but for what did not fit into the bucket since.
    mutating func giveBack() { units = min(capacityUnits, units + unitsOfACredit) }

    private func units(at now: Date) -> Int64 {
        let elapsed = max(0, now.milliseconds - time.milliseconds)
        let (gained, overflows) = elapsed.multipliedReportingOverflow(by: unitsAMillisecond)
        return overflows ? capacityUnits : min(capacityUnits, units + min(gained, capacityUnits))
    }
}
