import Driver
import Platform
import RPC

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Snapshots in REX-Ray's fields, and as a table.
enum SnapshotAnswer {
    static func snapshots(_ snapshots: [Snapshot]) -> Answer {
        Answer(value: .list(snapshots.map(record)), table: table(snapshots))
    }

    static func snapshot(_ snapshot: Snapshot) -> Answer {
        Answer(value: record(snapshot), table: table([snapshot]))
    }

    private static func table(_ snapshots: [Snapshot]) -> Table {
        Table(
            header: ["ID", "Name", "Status", "VolumeID"],
            rows: snapshots.map { [$0.id.rawValue, $0.name, status($0), $0.volumeID.rawValue] })
    }

    private static func status(_ snapshot: Snapshot) -> String {
        snapshot.state == .pending
            ? "\(snapshot.state.rawValue) \(snapshot.progressPercent)%" : snapshot.state.rawValue
    }

    private static func record(_ snapshot: Snapshot) -> Value {
        .record([
            .init("Name", .text(snapshot.name)),
            .init("VolumeID", .text(snapshot.volumeID.rawValue)),
            .init("SnapshotID", .text(snapshot.id.rawValue)),
            .init("VolumeSize", .text(String(snapshot.volumeSizeGiB))),
            .init("StartTime", .text(snapshot.startTime.formatted(.iso8601))),
            .init("Description", .text(snapshot.description)),
            .init("Status", .text(snapshot.state.rawValue)),
            .extra("Progress", .integer(snapshot.progressPercent)),
            .extra("StatusMessage", .text(snapshot.stateMessage ?? "")),
            .extra("CompletionTime", .text(snapshot.completionTime?.formatted(.iso8601) ?? "")),
            .extra("FullSnapshotSizeInBytes", .integer(Int(snapshot.fullSizeBytes ?? 0))),
            .extra("Region", .text(snapshot.region)),
        ])
    }
}

extension Session {
    func snapshots(_ query: SnapshotQuery) throws(StorageError) -> [Snapshot] {
        try call(Ebb.DescribeSnapshots.self, query, doing: "listing snapshots").snapshots
    }

    /// - Parameter text: an id or a name, whole.
    func snapshot(_ text: String) throws(StorageError) -> Snapshot {
        let isID = text.hasPrefix("snap-")
        let found = try snapshots(SnapshotQuery(ids: isID ? [SnapshotID(text)] : [], names: isID ? [] : [text]))
        guard let snapshot = found.first else {
            throw StorageError(.snapshotNotFound, "No snapshot is named '\(text)'", advice: "see snapshot ls")
        }
        return snapshot
    }

    /// Waits until the blocks are in the store.
    ///
    /// - Throws: why there will never be all of them.
    func completed(_ pending: Snapshot) throws(StorageError) -> Snapshot {
        try Progress.during("copying the blocks of \(pending.id)") { () throws(StorageError) -> Snapshot in
            var snapshot = pending
            while snapshot.state == .pending {
                waitInThisThread(untilUptimeNanoseconds: SystemClock().uptimeNanoseconds() + 100_000_000)
                let query = SnapshotQuery(ids: [pending.id], region: pending.region)
                guard let now = try snapshots(query).first else {
                    throw StorageError(.snapshotNotFound, "\(pending.id) was deleted meanwhile")
                }
                snapshot = now
            }
            guard snapshot.state == .error else { return snapshot }
            throw StorageError(
                .internalError, "\(pending.id) could not be completed", cause: snapshot.stateMessage ?? "")
        }
    }
}
