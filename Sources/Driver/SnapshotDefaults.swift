/// What drivers without the capability answer.
extension StorageDriver {
    public func createSnapshots(_ request: CreateSnapshotsRequest) async throws -> [Snapshot] { throw noSnapshots }
    public func describeSnapshots(_ query: SnapshotQuery) async throws -> SnapshotPage { throw noSnapshots }
    public func deleteSnapshot(_ id: SnapshotID) async throws { throw noSnapshots }
    public func copySnapshot(_ request: CopySnapshotRequest) async throws -> Snapshot { throw noSnapshots }
    public func modifySnapshotTags(_ request: ModifySnapshotTagsRequest) async throws -> Snapshot {
        throw noSnapshots
    }

    public func enableFastSnapshotRestores(
        _ request: FastSnapshotRestoreRequest
    ) async throws -> [FastSnapshotRestore] { throw noFastRestores }
    public func disableFastSnapshotRestores(
        _ request: FastSnapshotRestoreRequest
    ) async throws -> [FastSnapshotRestore] { throw noFastRestores }
    public func describeFastSnapshotRestores(
        _ query: FastSnapshotRestoreQuery
    ) async throws -> [FastSnapshotRestore] { throw noFastRestores }

    public func listSnapshotBlocks(_ query: SnapshotBlockQuery) async throws -> SnapshotBlockPage { throw noBlocks }
    public func listChangedBlocks(_ query: ChangedBlockQuery) async throws -> ChangedBlockPage { throw noBlocks }
    public func getSnapshotBlock(_ request: GetSnapshotBlockRequest) async throws -> SnapshotBlock { throw noBlocks }
    public func startSnapshot(_ request: StartSnapshotRequest) async throws -> Snapshot { throw noBlocks }
    public func putSnapshotBlock(_ request: PutSnapshotBlockRequest) async throws { throw noBlocks }
    public func completeSnapshot(_ request: CompleteSnapshotRequest) async throws -> Snapshot { throw noBlocks }

    public func startSnapshotTask(_ request: SnapshotTaskRequest) async throws -> SnapshotTask { throw noTasks }
    public func describeSnapshotTasks(ids: [SnapshotTaskID]) async throws -> [SnapshotTask] { throw noTasks }
    public func cancelSnapshotTask(_ id: SnapshotTaskID) async throws { throw noTasks }

    private var noSnapshots: StorageError { StorageError(.unsupportedOperation, "This driver has no snapshots.") }
    private var noFastRestores: StorageError {
        StorageError(.unsupportedOperation, "This driver has no fast snapshot restore.")
    }
    private var noBlocks: StorageError {
        StorageError(.unsupportedOperation, "This driver does not give access to snapshots' blocks.")
    }
    private var noTasks: StorageError {
        StorageError(.unsupportedOperation, "This driver's snapshots cannot be carried away.")
    }
}
