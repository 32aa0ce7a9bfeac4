// The worker is killed again and again while a snapshot is written block by block, and while it completes. What was
// answered is in it.
import Driver
import Foundation
import Glibc
import Platform
import RPC
import TestSupport
import Testing

/// Blocks that hold one number everywhere.
private enum Sample {
    static let blocks = [
        block(1, checksum: "M6FQvOsTwamSIx5ltPrRaBUhL8Bs20CJltMu6yzvnrs="),
        block(2, checksum: "Ioxb8/mw3beyMReNfgZ6/5ZqGRsfzT7Q4uNx7KM/zfw="),
        block(3, checksum: "RgmFYooXafbDhZc7A0SH1CVZunBNytq7Cjz2tJdNtP4="),
    ]

    private static func block(_ number: UInt8, checksum: String) -> SnapshotBlock {
        SnapshotBlock(data: Data(repeating: number, count: SnapshotBlock.bytes), checksum: checksum)
    }

    static func at(_ index: Int) -> SnapshotBlock { blocks[index % blocks.count] }
}

@Suite(.timeLimit(.minutes(10))) struct BlockUploadKillTests {
    private static let count = 160

    @Test func whatWasPutOutlivesAKilledWorker() async throws {
        let seed = UInt64.random(in: 0 ... .max)
        let random = SeededRandom(seed: seed)
        try await withDaemon { daemon in
            let driver = RemoteDriver(
                socketPath: daemon.rpcSocket.string, timeout: .seconds(30), clock: SystemClock(),
                random: SystemRandom())
            var isCompleted = false
            for trial in 1...8 where !isCompleted {
                let comment: Comment = "seed \(seed), trial \(trial)"
                let id = try await upload(killing: daemon, driver, random, comment)
                try await killWorker(of: daemon, driver)
                let ended = try await ended(id, driver, comment)
                if ended.state == .error {
                    // The store was being made durable: nobody knows what of it is. When that comes is luck.
                    #expect(ended.stateMessage == "The machine stopped before the snapshot was sealed.", comment)
                } else {
                    try await check(ended, driver, comment)
                    isCompleted = true
                }
            }
            let comment: Comment = "seed \(seed), completed without a kill"
            let id = try await upload(killing: daemon, driver, random, comment)
            try await check(try await ended(id, driver, comment), driver, comment)
        }
    }

    /// Puts all blocks while workers are killed, and begins to complete the snapshot.
    private func upload(
        killing daemon: RunningDaemon, _ driver: RemoteDriver, _ random: SeededRandom, _ comment: Comment
    ) async throws -> SnapshotID {
        let id = try await driver.startSnapshot(StartSnapshotRequest(volumeSizeGiB: 1)).id
        let putting = Task { try await putAll(into: id, driver) }
        for _ in 0..<4 {
            try await Task.sleep(for: .milliseconds(Int(random.next() % 200) + 50))
            try await killWorker(of: daemon, driver)
        }
        try await putting.value
        let seal = CompleteSnapshotRequest(snapshotID: id, changedBlocksCount: Self.count)
        #expect(try await driver.completeSnapshot(seal).state == .pending, comment)
        return id
    }

    /// Two clients; what is not answered is put again.
    private func putAll(into id: SnapshotID, _ driver: RemoteDriver) async throws {
        try await withThrowingTaskGroup { group in
            for client in 0..<2 {
                group.addTask {
                    for index in stride(from: client, to: Self.count, by: 2) {
                        let put = PutSnapshotBlockRequest(
                            snapshotID: id, index: SnapshotBlockIndex(index), block: Sample.at(index))
                        try await untilAnswered { try await driver.putSnapshotBlock(put) }
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    private func killWorker(of daemon: RunningDaemon, _ driver: RemoteDriver) async throws {
        let worker = try #require(try daemon.workers().first)
        #expect(kill(worker, SIGKILL) == 0)
        _ = try await untilAnswered { try await driver.describeZones() }
    }

    /// Waits long: a snapshot is completed when all of the filesystem is on the disk, which others fill too.
    private func ended(_ id: SnapshotID, _ driver: RemoteDriver, _ comment: Comment) async throws -> Snapshot {
        let deadline = ContinuousClock.now + .seconds(120)
        while true {
            let found = try await driver.describeSnapshots(SnapshotQuery(ids: [id])).snapshots
            let snapshot = try #require(found.first, comment)
            if snapshot.state != .pending { return snapshot }
            try #require(ContinuousClock.now < deadline, comment)
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    private func check(_ snapshot: Snapshot, _ driver: RemoteDriver, _ comment: Comment) async throws {
        try #require(snapshot.state == .completed, comment)
        let entries = try await driver.listSnapshotBlocks(SnapshotBlockQuery(snapshotID: snapshot.id)).blocks
        #expect(entries.map(\.index.rawValue) == Array(0..<Self.count), comment)
        for entry in entries {
            let get = GetSnapshotBlockRequest(snapshotID: snapshot.id, index: entry.index, token: entry.token)
            #expect(try await driver.getSnapshotBlock(get) == Sample.at(entry.index.rawValue), comment)
        }
    }
}
