// Fast snapshot restore: switching it on and off, and the credits that new volumes spend.
import Driver

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

extension Region {
    /// Of a snapshot that has it in a zone already, nothing changes there.
    func enableFastRestores(_ request: FastSnapshotRestoreRequest) async throws -> [FastSnapshotRestore] {
        try await changeFastRestores(request) { region, snapshot, zone, now in
            _ = try snapshot.usableContent()
            if let known = region.state.fastRestore(of: snapshot.id, in: zone), known.isActive(at: now) { return known }
            return FastRestoreRecord(snapshot, zone: zone, at: now, region.configuration.fastRestore)
        }
    }

    func disableFastRestores(_ request: FastSnapshotRestoreRequest) async throws -> [FastSnapshotRestore] {
        try await changeFastRestores(request) { region, snapshot, zone, now in
            guard var known = region.state.fastRestore(of: snapshot.id, in: zone) else {
                throw StorageError.notFastRestored(snapshot.id, zone)
            }
            known.disable(at: now)
            return known
        }
    }

    /// Each snapshot in each zone, all or none.
    private func changeFastRestores(
        _ request: FastSnapshotRestoreRequest,
        _ change: @Sendable (isolated Region, SnapshotRecord, ZoneName, Date) throws -> FastRestoreRecord
    ) async throws -> [FastSnapshotRestore] {
        if request.snapshotIDs.isEmpty { throw StorageError.missing("SourceSnapshotId") }
        if request.zones.isEmpty { throw StorageError.missing("AvailabilityZone") }
        for zone in request.zones where !configuration.zones.contains(zone) {
            throw StorageError.zoneNotFound(zone, known: configuration.zones)
        }
        let snapshots = try Set(request.snapshotIDs).map { try state.snapshots.snapshot($0, in: configuration.name) }
        let ordered = snapshots.sorted { $0.number < $1.number }.map(\.id)
        return try await exclusively(ordered.map { .snapshot($0) } + [.fastRestores]) { region in
            let now = region.currentTime()
            var records: [FastRestoreRecord] = []
            for id in ordered {
                let snapshot = try region.state.snapshots.snapshot(id)
                for zone in Set(request.zones).sorted() { records.append(try change(region, snapshot, zone, now)) }
            }
            try region.checkFastRestoreCount(adding: records, at: now)
            try await region.effects.commit(records.map { .putFastRestore($0) })
            for record in records { region.state.put(record) }
            return records.map { $0.report(at: now) }
        }
    }

    private func checkFastRestoreCount(adding records: [FastRestoreRecord], at now: Date) throws(StorageError) {
        let known = Set(state.fastRestores.filter { $0.isActive(at: now) }.map(\.snapshot))
        let wanted = known.union(records.filter { $0.isActive(at: now) }.map(\.snapshot))
        guard wanted.count <= max(known.count, SnapshotLimits.maximumFastRestored) else {
            throw .tooManyFastRestored
        }
    }

    func fastRestores(_ query: FastSnapshotRestoreQuery) -> [FastSnapshotRestore] {
        let now = currentTime()
        return state.fastRestores.map { $0.report(at: now) }
            .filter { restore in
                (query.snapshotIDs.isEmpty || query.snapshotIDs.contains(restore.snapshotID))
                    && (query.zones.isEmpty || query.zones.contains(restore.zone))
                    && (query.states.isEmpty || query.states.contains(restore.state))
            }
            .sorted { ($0.snapshotID, $0.zone) < ($1.snapshotID, $1.zone) }
    }

    /// What is left after one volume more; `nil` when it gets none. The caller has the snapshot's key.
    func spentCredit(of snapshot: SnapshotID, in zone: ZoneName) -> FastRestoreRecord? {
        guard var restore = state.fastRestore(of: snapshot, in: zone), restore.spend(at: currentTime()) else {
            return nil
        }
        return restore
    }
}

extension RegionState {
    func fastRestore(of snapshot: SnapshotID, in zone: ZoneName) -> FastRestoreRecord? {
        fastRestores.first { $0.snapshot == snapshot && $0.zone == zone }
    }

    mutating func put(_ restore: FastRestoreRecord) {
        fastRestores.removeAll { $0.snapshot == restore.snapshot && $0.zone == restore.zone }
        fastRestores.append(restore)
    }
}

extension FastRestoreRecord {
    fileprivate func isActive(at time: Date) -> Bool {
        switch state(at: time).state {
        case .enabling, .optimizing, .enabled: true
        case .disabling, .disabled: false
        }
    }
}

extension StorageError {
    /// EC2's answer to this is not known to us; the code is the one of limits that have none of their own.
    fileprivate static let tooManyFastRestored = Self(
        .resourceLimitExceeded,
        "The region has reached its limit of \(SnapshotLimits.maximumFastRestored) snapshots with fast snapshot restore.",
        advice: "disable it for another snapshot first")

    /// EC2's text for this is not known to us.
    fileprivate static func notFastRestored(_ id: SnapshotID, _ zone: ZoneName) -> Self {
        Self(.incorrectState, "Fast snapshot restore is not enabled for snapshot '\(id)' in availability zone \(zone).")
    }
}
