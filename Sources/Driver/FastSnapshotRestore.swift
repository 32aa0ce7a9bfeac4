#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Snapshots whose volumes need not wait for their first touch, zone by zone, for as many volumes as there are credits.
/// Source: EBS User Guide, "Amazon EBS fast snapshot restore".
public struct FastSnapshotRestore: Hashable, Sendable, Codable {
    public var snapshotID: SnapshotID
    public var zone: ZoneName
    public var state: State
    /// Why it is in this state.
    public var stateMessage: String?
    /// When it came into this state.
    public var stateTime: Date
    /// One is spent by each volume that is made; CloudWatch's FastSnapshotRestoreCreditsBalance.
    public var creditsBalance: Double
    /// CloudWatch's FastSnapshotRestoreCreditsBucketSize.
    public var creditsCapacity: Double

    public init(
        snapshotID: SnapshotID, zone: ZoneName, state: State, stateMessage: String? = nil, stateTime: Date,
        creditsBalance: Double, creditsCapacity: Double
    ) {
        self.snapshotID = snapshotID
        self.zone = zone
        self.state = state
        self.stateMessage = stateMessage
        self.stateTime = stateTime
        self.creditsBalance = creditsBalance
        self.creditsCapacity = creditsCapacity
    }

    public enum State: String, Sendable, Codable, CaseIterable {
        case enabling
        case optimizing
        case enabled
        case disabling
        case disabled
    }
}

/// For which snapshots in which zones: each with each.
public struct FastSnapshotRestoreRequest: Hashable, Sendable, Codable {
    public var snapshotIDs: [SnapshotID]
    public var zones: [ZoneName]

    public init(snapshotIDs: [SnapshotID], zones: [ZoneName]) {
        self.snapshotIDs = snapshotIDs
        self.zones = zones
    }
}

/// Empty lists match everything.
public struct FastSnapshotRestoreQuery: Hashable, Sendable, Codable {
    public var snapshotIDs: [SnapshotID]
    public var zones: [ZoneName]
    public var states: Set<FastSnapshotRestore.State>

    public init(
        snapshotIDs: [SnapshotID] = [], zones: [ZoneName] = [], states: Set<FastSnapshotRestore.State> = []
    ) {
        self.snapshotIDs = snapshotIDs
        self.zones = zones
        self.states = states
    }
}
