// What the emulated region does with snapshots, behind the driver protocol.
public import Driver

extension EmulatorDriver {
    public func createSnapshots(_ request: CreateSnapshotsRequest) async throws -> [Snapshot] {
        try await region.createSnapshots(request)
    }

    public func describeSnapshots(_ query: SnapshotQuery) async throws -> SnapshotPage {
        try await region.snapshots(query)
    }

    public func deleteSnapshot(_ id: SnapshotID) async throws {
        try await region.deleteSnapshot(id)
    }

    public func copySnapshot(_ request: CopySnapshotRequest) async throws -> Snapshot {
        try await region.copySnapshot(request)
    }

    public func modifySnapshotTags(_ request: ModifySnapshotTagsRequest) async throws -> Snapshot {
        try await region.modifySnapshotTags(request)
    }

    public func enableFastSnapshotRestores(
        _ request: FastSnapshotRestoreRequest
    ) async throws -> [FastSnapshotRestore] {
        try await region.enableFastRestores(request)
    }

    public func disableFastSnapshotRestores(
        _ request: FastSnapshotRestoreRequest
    ) async throws -> [FastSnapshotRestore] {
        try await region.disableFastRestores(request)
    }

    public func describeFastSnapshotRestores(
        _ query: FastSnapshotRestoreQuery
    ) async throws -> [FastSnapshotRestore] {
        await region.fastRestores(query)
    }

    public func startSnapshotTask(_ request: SnapshotTaskRequest) async throws -> SnapshotTask {
        try await region.startSnapshotTask(request)
    }

    public func describeSnapshotTasks(ids: [SnapshotTaskID]) async throws -> [SnapshotTask] {
        try await region.snapshotTasks(ids: ids)
    }

    public func cancelSnapshotTask(_ id: SnapshotTaskID) async throws {
        try await region.cancelSnapshotTask(id)
    }
}
