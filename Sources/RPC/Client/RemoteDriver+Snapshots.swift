import Driver

extension RemoteDriver {
    public func createSnapshots(_ request: CreateSnapshotsRequest) async throws -> [Snapshot] {
        try await callWithToken(Ebb.CreateSnapshots.self, request).snapshots
    }

    public func describeSnapshots(_ query: SnapshotQuery) async throws -> SnapshotPage {
        try await call(Ebb.DescribeSnapshots.self, query)
    }

    public func deleteSnapshot(_ id: SnapshotID) async throws {
        _ = try await call(Ebb.DeleteSnapshot.self, .init(snapshotID: id))
    }

    public func copySnapshot(_ request: CopySnapshotRequest) async throws -> Snapshot {
        try await callWithToken(Ebb.CopySnapshot.self, request)
    }

    public func modifySnapshotTags(_ request: ModifySnapshotTagsRequest) async throws -> Snapshot {
        try await call(Ebb.ModifySnapshotTags.self, request)
    }

    public func enableFastSnapshotRestores(
        _ request: FastSnapshotRestoreRequest
    ) async throws -> [FastSnapshotRestore] {
        try await call(Ebb.EnableFastSnapshotRestores.self, request).restores
    }

    public func disableFastSnapshotRestores(
        _ request: FastSnapshotRestoreRequest
    ) async throws -> [FastSnapshotRestore] {
        try await call(Ebb.DisableFastSnapshotRestores.self, request).restores
    }

    public func describeFastSnapshotRestores(
        _ query: FastSnapshotRestoreQuery
    ) async throws -> [FastSnapshotRestore] {
        try await call(Ebb.DescribeFastSnapshotRestores.self, query).restores
    }
}

extension RemoteDriver {
    public func listSnapshotBlocks(_ query: SnapshotBlockQuery) async throws -> SnapshotBlockPage {
        try await call(Ebb.ListSnapshotBlocks.self, query)
    }

    public func listChangedBlocks(_ query: ChangedBlockQuery) async throws -> ChangedBlockPage {
        try await call(Ebb.ListChangedBlocks.self, query)
    }

    public func getSnapshotBlock(_ request: GetSnapshotBlockRequest) async throws -> SnapshotBlock {
        try await call(Ebb.GetSnapshotBlock.self, request)
    }

    public func startSnapshot(_ request: StartSnapshotRequest) async throws -> Snapshot {
        try await callWithToken(Ebb.StartSnapshot.self, request)
    }

    public func putSnapshotBlock(_ request: PutSnapshotBlockRequest) async throws {
        _ = try await call(Ebb.PutSnapshotBlock.self, request)
    }

    public func completeSnapshot(_ request: CompleteSnapshotRequest) async throws -> Snapshot {
        try await call(Ebb.CompleteSnapshot.self, request)
    }
}

extension RemoteDriver {
    public func startSnapshotTask(_ request: SnapshotTaskRequest) async throws -> SnapshotTask {
        try await call(Ebb.StartSnapshotTask.self, request)
    }

    public func describeSnapshotTasks(ids: [SnapshotTaskID]) async throws -> [SnapshotTask] {
        try await call(Ebb.DescribeSnapshotTasks.self, .init(ids: ids)).tasks
    }

    public func cancelSnapshotTask(_ id: SnapshotTaskID) async throws {
        _ = try await call(Ebb.CancelSnapshotTask.self, .init(id: id))
    }
}
