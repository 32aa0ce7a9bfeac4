// The driver as the host side calls it: every call has a deadline.

import Driver
import Platform

struct Region: Sendable {
    let driver: any StorageDriver
    let clock: any Clock
    let deadline: Duration

    func zones() async throws -> [Zone] {
        try await call("DescribeZones") { try await $0.describeZones() }
    }

    func allVolumes() async throws -> [Volume] { try await volumes(.all) }

    func volumes(attachedTo instance: InstanceID) async throws -> [Volume] {
        try await volumes(VolumeQuery(instanceID: instance))
    }

    private func volumes(_ query: VolumeQuery) async throws -> [Volume] {
        var query = query
        var volumes: [Volume] = []
        repeat {
            let page = try await describe(query)
            volumes += page.volumes
            query.nextToken = page.nextToken
        } while query.nextToken != nil
        return volumes
    }

    /// The volumes of these ids, in the ids' order; `InvalidVolume.NotFound` if there is one that is none.
    func volumes(ids: [VolumeID]) async throws -> [Volume] {
        if ids.isEmpty { return [] }
        let found = try await volumes(VolumeQuery(ids: ids))
        return try ids.map { id in
            guard let volume = found.first(where: { $0.id == id }) else { throw Self.notFound("volume '\(id)'") }
            return volume
        }
    }

    /// The one volume that is meant; `InvalidVolume.NotFound` if there is none.
    func volume(_ reference: VolumeReference) async throws -> Volume {
        switch reference {
        case .id(let id):
            let page = try await describe(VolumeQuery(ids: [id]))
            guard let volume = page.volumes.first else { throw Self.notFound("volume '\(id)'") }
            return volume
        case .name(let name):
            let found = try await describe(VolumeQuery(names: [name])).volumes
            guard let volume = found.first else { throw Self.notFound("volume named '\(name.prefix(80))'") }
            guard found.count == 1 else { throw Self.ambiguous("volumes", name, found.map(\.id.rawValue)) }
            return volume
        }
    }

    private static func notFound(_ what: String) -> StorageError {
        StorageError(.volumeNotFound, "The \(what) does not exist")
    }

    private static func ambiguous(_ kind: String, _ name: String, _ ids: [String]) -> StorageError {
        StorageError(
            .invalidParameterValue, "\(ids.count) \(kind) are named '\(name)': \(ids.joined(separator: ", "))",
            advice: "name one by its id")
    }

    private func describe(_ query: VolumeQuery) async throws -> VolumePage {
        try await call("DescribeVolumes") { try await $0.describeVolumes(query) }
    }

    func create(_ request: CreateVolumeRequest) async throws -> Volume {
        try await call("CreateVolume") { try await $0.createVolume(request) }
    }

    func delete(_ id: VolumeID) async throws {
        try await call("DeleteVolume of \(id)") { try await $0.deleteVolume(id) }
    }

    func attach(_ request: AttachVolumeRequest) async throws -> Attachment {
        try await call("AttachVolume of \(request.volumeID)") { try await $0.attachVolume(request) }
    }

    func detach(_ request: DetachVolumeRequest) async throws {
        try await call("DetachVolume of \(request.volumeID)") { try await $0.detachVolume(request) }
    }

    func modifyTags(_ request: ModifyTagsRequest) async throws -> Volume {
        try await call("ModifyTags of \(request.volumeID)") { try await $0.modifyTags(request) }
    }

    func modify(_ request: ModifyVolumeRequest) async throws -> VolumeModification {
        try await call("ModifyVolume of \(request.volumeID)") { try await $0.modifyVolume(request) }
    }

    /// The latest one.
    func modification(of id: VolumeID) async throws -> VolumeModification {
        let query = VolumeModificationQuery(volumeIDs: [id])
        let page = try await call("DescribeVolumeModifications of \(id)") {
            try await $0.describeVolumeModifications(query)
        }
        guard let modification = page.modifications.first else {
            throw StorageError(.volumeModificationNotFound, "Modification for volume '\(id)' does not exist.")
        }
        return modification
    }

    func createSnapshots(_ request: CreateSnapshotsRequest) async throws -> [Snapshot] {
        try await call("CreateSnapshots") { try await $0.createSnapshots(request) }
    }

    /// All that match, whatever the pages.
    func snapshots(_ query: SnapshotQuery) async throws -> [Snapshot] {
        var query = query
        var snapshots: [Snapshot] = []
        repeat {
            let page = try await call("DescribeSnapshots") { [query] in try await $0.describeSnapshots(query) }
            snapshots += page.snapshots
            query.nextToken = page.nextToken
        } while query.nextToken != nil
        return snapshots
    }

    /// The one snapshot of that name; `InvalidSnapshot.NotFound` if there is none.
    func snapshot(named name: String) async throws -> Snapshot {
        let found = try await snapshots(SnapshotQuery(names: [name]))
        guard let snapshot = found.first else {
            throw StorageError(.snapshotNotFound, "The snapshot named '\(name.prefix(80))' does not exist.")
        }
        guard found.count == 1 else { throw Self.ambiguous("snapshots", name, found.map(\.id.rawValue)) }
        return snapshot
    }

    func deleteSnapshot(_ id: SnapshotID) async throws {
        try await call("DeleteSnapshot of \(id)") { try await $0.deleteSnapshot(id) }
    }

    private func call<Value: Sendable>(
        _ what: String, _ operation: @escaping @Sendable (any StorageDriver) async throws -> Value
    ) async throws -> Value {
        let driver = driver
        return try await withDeadline(deadline, clock: clock, what) { try await operation(driver) }
    }
}
