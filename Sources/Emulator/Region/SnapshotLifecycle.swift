// A snapshot's life as a pure state machine: an event in, the next state and whether the snapshot stays, or a refusal.
//
//     pending → completed → gone
//        ↓                   ↑
//      error ────────────────┘
//
// The catalog keeps what was decided: that the instant is fixed, that the blocks are in the store, that they never
// will be. How far the blocks have come is the copier's to say. A `pending` snapshot that is deleted goes when its
// blocks are in or given up, as on EC2; that wish is kept too, so that a restart does not forget it.
import Driver

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

enum SnapshotLifecycle {
    enum Event: Sendable {
        /// All blocks are in the store, durable.
        case copied(SnapshotContent, at: Date)
        /// They never will be.
        case failed(at: Date, reason: String)
        /// Someone wants the snapshot gone.
        case deletionBegan
    }

    enum Outcome: Sendable {
        case stays
        /// Its row and its references go now.
        case goes
    }
}

extension SnapshotRecord {
    /// Moves on, or refuses with EC2's answer and changes nothing. Whoever ends its being `pending` gives the reference
    /// of its `base` back.
    mutating func apply(_ event: SnapshotLifecycle.Event) throws(StorageError) -> SnapshotLifecycle.Outcome {
        switch (state, event) {
        case (.pending, .copied(let content, let time)):
            (state, self.content, endTime) = (.completed, content, time)
        case (.pending, .failed(let time, let reason)):
            (state, failure, endTime) = (.error, reason, time)
        case (.pending, .deletionBegan):
            isDeletionWanted = true
            return .stays
        case (.completed, .deletionBegan), (.error, .deletionBegan):
            return .goes
        case (.completed, _), (.error, _):
            throw .wrongSnapshotState(state)
        }
        base = nil
        return isDeletionWanted ? .goes : .stays
    }

    /// What a `completed` snapshot holds; refuses any other, and one that is about to go.
    func usableContent() throws(StorageError) -> SnapshotContent {
        guard let content else { throw .wrongSnapshotState(state) }
        return content
    }

    /// What EC2 would say of it.
    ///
    /// - Parameter copiedPercent: how far the copier is; counts while it is `pending`, when EC2 never says 100.
    func report(copiedPercent: Int) -> Snapshot {
        Snapshot(
            id: id, volumeID: origin.reportedVolumeID, volumeSizeGiB: sizeGiB, state: state,
            progressPercent: progress(copiedPercent), stateMessage: failure, startTime: startTime,
            completionTime: state == .completed ? endTime : nil, description: text, tags: tags,
            fullSizeBytes: content?.fullSizeBytes, region: region)
    }

    private func progress(_ copiedPercent: Int) -> Int {
        switch state {
        case .pending: min(max(copiedPercent, 0), 99)
        case .completed: 100
        case .error: 0
        }
    }
}
