import Driver
import RPC

extension MethodTable {
    /// One method for each call of the driver that is about snapshots.
    mutating func addSnapshots(_ driver: any StorageDriver) {
        add(Ebb.CreateSnapshots.self) { .init(snapshots: try await driver.createSnapshots($0)) }
        add(Ebb.DescribeSnapshots.self) { try await driver.describeSnapshots($0) }
        add(Ebb.DeleteSnapshot.self) {
            try await driver.deleteSnapshot($0.snapshotID)
            return Empty()
        }
        add(Ebb.CopySnapshot.self) { try await driver.copySnapshot($0) }
        add(Ebb.ModifySnapshotTags.self) { try await driver.modifySnapshotTags($0) }
        add(Ebb.EnableFastSnapshotRestores.self) {
            .init(restores: try await driver.enableFastSnapshotRestores($0))
        }
        add(Ebb.DisableFastSnapshotRestores.self) {
            .init(restores: try await driver.disableFastSnapshotRestores($0))
        }
        add(Ebb.DescribeFastSnapshotRestores.self) {
            .init(restores: try await driver.describeFastSnapshotRestores($0))
        }
    }

    mutating func addSnapshotBlocks(_ driver: any StorageDriver) {
        add(Ebb.ListSnapshotBlocks.self) { try await driver.listSnapshotBlocks($0) }
        add(Ebb.ListChangedBlocks.self) { try await driver.listChangedBlocks($0) }
        add(Ebb.GetSnapshotBlock.self) { try await driver.getSnapshotBlock($0) }
        add(Ebb.StartSnapshot.self) { try await driver.startSnapshot($0) }
        add(Ebb.PutSnapshotBlock.self) {
            try await driver.putSnapshotBlock($0)
            return Empty()
        }
        add(Ebb.CompleteSnapshot.self) { try await driver.completeSnapshot($0) }
    }

    mutating func addSnapshotTasks(_ driver: any StorageDriver) {
        add(Ebb.StartSnapshotTask.self) { try await driver.startSnapshotTask($0) }
        add(Ebb.DescribeSnapshotTasks.self) { .init(tasks: try await driver.describeSnapshotTasks(ids: $0.ids ?? [])) }
        add(Ebb.CancelSnapshotTask.self) {
            try await driver.cancelSnapshotTask($0.id)
            return Empty()
        }
    }
}
