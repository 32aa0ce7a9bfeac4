import Driver
import Platform
import RPC

/// CSI's group controller: snapshots of several volumes at one instant, which come and go together.
///
/// A group is what its snapshots have as tags: an id that no other group ever has, and its name. Their own names are
/// made of the group's, so that the region, where names are unique, lets a group be made once; for groups that have no
/// volume in common it would not, and so calls with one name come one after another.
struct GroupController: Sendable {
    let controller: Controller
    let clock: any Clock
    let random: any RandomSource
    private let names = KeyedLocks<String>()

    init(controller: Controller, clock: any Clock, random: any RandomSource) {
        self.controller = controller
        self.clock = clock
        self.random = random
    }

    /// How long a call waits for others with its name.
    private static let nameWait = Duration.seconds(110)

    private var driver: any StorageDriver { controller.driver }

    func capabilities() async throws -> CSI.Capabilities {
        let hasSnapshots = try await driver.describeDriver().capabilities.contains(.snapshots)
        return .init(capabilities: hasSnapshots ? [.rpc("CREATE_DELETE_GET_VOLUME_GROUP_SNAPSHOT")] : [])
    }

    /// By name: the same wish gives the same snapshots, and tells each time how far they are.
    func create(
        _ request: CSI.CreateVolumeGroupSnapshot.Parameters
    ) async throws -> CSI.VolumeGroupSnapshotResult {
        let name = try required(request.name, "name")
        let sources = try required(request.sourceVolumeIds, "sourceVolumeIds")
        if sources.contains("") || Set(sources).count < sources.count {
            throw RPCError.invalidArgument("'sourceVolumeIds' names each volume once")
        }
        let wish = try SnapshotParameters(request.parameters ?? [:])
        return try await names.withLock(name, until: endOfWait(for: name)) {
            try await createOnce(name, of: sources, wish)
        }
    }

    private func endOfWait(for name: String) -> KeyedLocks<String>.Deadline {
        let error = StorageError(
            .deadlineExceeded, "The group of snapshots '\(name)' is busy with another operation",
            advice: "try again later")
        return .init(uptime: clock.uptime() + Self.nameWait, clock: clock, error: error)
    }

    private func createOnce(
        _ name: String, of sources: [String], _ wish: SnapshotParameters
    ) async throws -> CSI.VolumeGroupSnapshotResult {
        if let group = try await existing(name, of: sources) { return group }
        do {
            return try await make(name, of: sources, wish)
        } catch let error as StorageError where error.code == .snapshotDuplicate {
            // Another host was faster.
            guard let group = try await existing(name, of: sources) else { throw error }
            return group
        }
    }

    private func make(
        _ name: String, of sources: [String], _ wish: SnapshotParameters
    ) async throws -> CSI.VolumeGroupSnapshotResult {
        let id = "gsnap-" + random.hexDigits(17)
        var request = CreateSnapshotsRequest(sources: [], description: wish.description ?? "")
        for source in sources {
            let volume = try await controller.volume(source)
            let tags = [
                Tag.name: "\(name).\(volume.id)", Tag.snapshotGroup: id, Tag.snapshotGroupName: name,
            ]
            request.sources.append(.init(volumeID: volume.id, tags: tags))
        }
        return result(id, try await controller.host.createSnapshots(request, freeze: wish.freezes))
    }

    private func existing(_ name: String, of sources: [String]) async throws -> CSI.VolumeGroupSnapshotResult? {
        let snapshots = try await snapshots(with: [Tag.snapshotGroupName: name])
        guard let id = snapshots.first?.tags[Tag.snapshotGroup] else { return nil }
        let volumes = snapshots.map(\.volumeID.rawValue)
        guard volumes.sorted() == sources.sorted() else {
            throw RPCError.refusal(
                .alreadyExists, .snapshotDuplicate,
                "There is a group '\(name)' already, but it is of \(volumes.joined(separator: ", "))")
        }
        for snapshot in snapshots { try controller.requireNoFailure(snapshot) }
        return result(id, snapshots)
    }

    private func members(_ group: String) async throws -> [Snapshot] {
        try await snapshots(with: [Tag.snapshotGroup: group])
    }

    private func snapshots(with tags: [String: String]) async throws -> [Snapshot] {
        try await driver.describeSnapshots(SnapshotQuery(tags: tags)).snapshots
    }

    private func result(_ id: String, _ snapshots: [Snapshot]) -> CSI.VolumeGroupSnapshotResult {
        .init(groupSnapshot: .init(id: id, snapshots))
    }

    func get(_ request: CSI.VolumeGroupSnapshotParameters) async throws -> CSI.VolumeGroupSnapshotResult {
        let (group, ids) = try identity(request)
        let snapshots = try await members(group)
        if snapshots.isEmpty {
            throw StorageError(.snapshotNotFound, "The group of snapshots '\(group)' does not exist.")
        }
        guard Set(snapshots.map(\.id.rawValue)) == Set(ids) else { throw mismatch(group, snapshots) }
        return result(group, snapshots)
    }

    /// Begun and not finished, it can be repeated: snapshots that are gone are no mismatch.
    func delete(_ request: CSI.VolumeGroupSnapshotParameters) async throws -> Empty {
        let (group, ids) = try identity(request)
        let snapshots = try await members(group)
        guard Set(snapshots.map(\.id.rawValue)).isSubset(of: ids) else { throw mismatch(group, snapshots) }
        for id in Set(ids).subtracting(snapshots.map(\.id.rawValue)) where try await exists(id) {
            throw RPCError.invalidArgument("The snapshot '\(id)' is not part of '\(group)'")
        }
        for snapshot in snapshots {
            do {
                try await driver.deleteSnapshot(snapshot.id)
            } catch let error as StorageError where error.code == .snapshotNotFound {
                // Deleted is deleted.
            }
        }
        return Empty()
    }

    private func identity(
        _ request: CSI.VolumeGroupSnapshotParameters
    ) throws(RPCError) -> (group: String, ids: [String]) {
        (try required(request.groupSnapshotId, "groupSnapshotId"), try required(request.snapshotIds, "snapshotIds"))
    }

    private func exists(_ id: String) async throws -> Bool {
        do {
            _ = try await controller.snapshot(id)
            return true
        } catch let error as StorageError where error.code == .snapshotNotFound {
            return false
        }
    }

    private func mismatch(_ group: String, _ snapshots: [Snapshot]) -> RPCError {
        .invalidArgument(
            "'snapshotIds' are not those of '\(group)': \(snapshots.map(\.id.rawValue).joined(separator: ", "))")
    }
}

extension MethodTable {
    mutating func addGroupController(_ group: GroupController) {
        add(CSI.GroupControllerGetCapabilities.self) { _ in try await group.capabilities() }
        add(CSI.CreateVolumeGroupSnapshot.self, group.create)
        add(CSI.GetVolumeGroupSnapshot.self, group.get)
        add(CSI.DeleteVolumeGroupSnapshot.self, group.delete)
    }
}
