// A region whose snapshots have no bytes: they come, are completed or fail when a test says so, and go.
import Driver
import Foundation
import Synchronization

final class SnapshotRegion: DriverInFront {
    private struct State {
        var snapshots: [Snapshot] = []
        var made = 0
        /// What volumes were made from.
        var sources: [VolumeID: (snapshot: SnapshotID?, volume: VolumeID?)] = [:]
        var failures: [StorageError] = []
        /// What copies of volumes are, and why.
        var copies = (state: Volume.State.available, message: String?.none)
        var answersLate = false
    }

    let base: any StorageDriver
    private let state = Mutex(State())

    init(_ base: any StorageDriver) { self.base = base }

    // MARK: For tests

    var snapshots: [Snapshot] { state.withLock { $0.snapshots } }

    /// All blocks are in.
    func completeSnapshots() {
        state.withLock { state in
            for index in state.snapshots.indices where state.snapshots[index].state == .pending {
                state.snapshots[index].state = .completed
                state.snapshots[index].progressPercent = 100
            }
        }
    }

    func failSnapshots(_ message: String) {
        state.withLock { state in
            for index in state.snapshots.indices {
                state.snapshots[index].state = .error
                state.snapshots[index].stateMessage = message
            }
        }
    }

    func setCopies(_ copies: Volume.State, _ message: String? = nil) {
        state.withLock { $0.copies = (copies, message) }
    }

    /// What a question about snapshots is answered is old when it comes: others had their turn meanwhile.
    func answerLate() { state.withLock { $0.answersLate = true } }

    /// The next snapshot is refused.
    func refuseNext(_ error: StorageError) { state.withLock { $0.failures.append(error) } }

    // MARK: StorageDriver

    func describeDriver() async throws -> DriverDescription {
        var description = try await base.describeDriver()
        description.capabilities.formUnion([.snapshots, .copyVolumes])
        return description
    }

    func createSnapshots(_ request: CreateSnapshotsRequest) async throws -> [Snapshot] {
        let volumes = try await base.describeVolumes(VolumeQuery(ids: request.sources.map(\.volumeID))).volumes
        return try state.withLock { state in
            if !state.failures.isEmpty { throw state.failures.removeFirst() }
            var made: [Snapshot] = []
            for source in request.sources {
                let name = source.tags[Tag.name]
                if let name, (state.snapshots + made).contains(where: { $0.name == name }) {
                    throw StorageError(.snapshotDuplicate, "The snapshot '\(name)' already exists.")
                }
                state.made += 1
                let digits = String(state.made, radix: 16)
                made.append(
                    Snapshot(
                        id: SnapshotID("snap-" + String(repeating: "0", count: 17 - digits.count) + digits),
                        volumeID: source.volumeID,
                        volumeSizeGiB: volumes.first { $0.id == source.volumeID }?.sizeGiB ?? 0, state: .pending,
                        progressPercent: 0, startTime: Date(timeIntervalSince1970: 1_700_000_000),
                        description: request.description, tags: source.tags, region: "us-east-1"))
            }
            state.snapshots += made
            return made
        }
    }

    func describeSnapshots(_ query: SnapshotQuery) async throws -> SnapshotPage {
        for id in query.ids {
            guard id.rawValue.wholeMatch(of: #/snap-[0-9a-f]{17}/#) != nil else {
                throw StorageError(.snapshotIDMalformed, "Invalid id: \"\(id)\" (expecting \"snap-...\")")
            }
            guard snapshots.contains(where: { $0.id == id }) else { throw Self.notFound(id) }
        }
        let all = snapshots.filter { snapshot in
            (query.ids.isEmpty || query.ids.contains(snapshot.id))
                && (query.names.isEmpty || query.names.contains(snapshot.name))
                && (query.volumeIDs.isEmpty || query.volumeIDs.contains(snapshot.volumeID))
                && query.tags.allSatisfy { snapshot.tags[$0.key] == $0.value }
        }
        guard let start = Int(query.nextToken ?? "0"), 0...all.count ~= start else {
            throw StorageError(.invalidNextToken, "The token is no token")
        }
        if state.withLock({ $0.answersLate }) { for _ in 1...100 { await Task.yield() } }
        let end = min(all.count, start + (query.maxResults ?? all.count))
        return SnapshotPage(snapshots: Array(all[start..<end]), nextToken: end < all.count ? "\(end)" : nil)
    }

    func deleteSnapshot(_ id: SnapshotID) async throws {
        try state.withLock { state in
            if !state.failures.isEmpty { throw state.failures.removeFirst() }
            guard state.snapshots.contains(where: { $0.id == id }) else { throw Self.notFound(id) }
            state.snapshots.removeAll { $0.id == id }
        }
    }

    private static func notFound(_ id: SnapshotID) -> StorageError {
        StorageError(.snapshotNotFound, "The snapshot '\(id)' does not exist.")
    }

    func createVolume(_ request: CreateVolumeRequest) async throws -> Volume {
        var blank = request
        (blank.snapshotID, blank.sourceVolumeID) = (nil, nil)
        if let id = request.snapshotID {
            let snapshot = try await describeSnapshots(SnapshotQuery(ids: [id])).snapshots[0]
            guard snapshot.state == .completed else {
                throw StorageError(.incorrectState, "Snapshot is in invalid state - \(snapshot.state.rawValue)")
            }
            let size = request.sizeGiB ?? snapshot.volumeSizeGiB
            guard size >= snapshot.volumeSizeGiB else {
                throw StorageError(
                    .invalidParameterValue, "Volume of size \(size)GB is smaller than snapshot '\(id)'")
            }
            blank.sizeGiB = size
        }
        let volume = try await base.createVolume(blank)
        state.withLock { $0.sources[volume.id] = (request.snapshotID, request.sourceVolumeID) }
        return withSource(volume)
    }

    func describeVolumes(_ query: VolumeQuery) async throws -> VolumePage {
        var page = try await base.describeVolumes(query)
        page.volumes = page.volumes.map(withSource)
        return page
    }

    private func withSource(_ volume: Volume) -> Volume {
        var volume = volume
        state.withLock { state in
            (volume.snapshotID, volume.sourceVolumeID) = state.sources[volume.id] ?? (nil, nil)
            if volume.sourceVolumeID != nil { (volume.state, volume.stateMessage) = state.copies }
        }
        return volume
    }
}
