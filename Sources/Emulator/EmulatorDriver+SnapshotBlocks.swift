// What the emulated region does with snapshots' blocks, behind the driver protocol.
public import Driver

extension EmulatorDriver {
    public func listSnapshotBlocks(_ query: SnapshotBlockQuery) async throws -> SnapshotBlockPage {
        try await region.listSnapshotBlocks(query)
    }

    public func listChangedBlocks(_ query: ChangedBlockQuery) async throws -> ChangedBlockPage {
        try await region.listChangedBlocks(query)
    }

    public func getSnapshotBlock(_ request: GetSnapshotBlockRequest) async throws -> SnapshotBlock {
        try await region.getSnapshotBlock(request)
    }

    public func startSnapshot(_ request: StartSnapshotRequest) async throws -> Snapshot {
        try await region.startSnapshot(request)
    }

    public func putSnapshotBlock(_ request: PutSnapshotBlockRequest) async throws {
        try await region.putSnapshotBlock(request)
    }

    public func completeSnapshot(_ request: CompleteSnapshotRequest) async throws -> Snapshot {
        try await region.completeSnapshot(request)
    }
}
