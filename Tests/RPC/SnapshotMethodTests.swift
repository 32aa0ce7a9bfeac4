// Snapshots over the socket: what is asked and what is answered arrive as they were.
import Driver
import Foundation
import RPC
import Testing

@Suite struct SnapshotMethodTests {
    private typealias Stage = SnapshotRecorder

    @Test("snapshots are made, described, copied, tagged and deleted, and what makes one carries a token")
    func snapshots() async throws {
        try await withRecorder { (remote, recorder) async throws -> Void in
            var create = CreateSnapshotsRequest(
                sources: [.init(volumeID: "vol-1", tags: ["Name": "a"])], description: "nightly")
            #expect(try await remote.createSnapshots(create) == [Stage.pending])
            let token = try #require(recorder.last(CreateSnapshotsRequest.self)?.clientToken)
            #expect(token.count <= 64)
            create.clientToken = token
            #expect(recorder.last() == create)
            create.clientToken = ""
            _ = try await remote.createSnapshots(create)
            #expect(recorder.last(CreateSnapshotsRequest.self)?.clientToken?.isEmpty == false)

            let query = SnapshotQuery(
                ids: ["snap-1"], names: ["a"], volumeIDs: ["vol-1"], states: [.pending], tags: ["k": "v"],
                region: "eu-west-1", maxResults: 2, nextToken: "t")
            let page = SnapshotPage(snapshots: [Stage.snapshot, Stage.pending], nextToken: "more")
            #expect(try await remote.describeSnapshots(query) == page)
            #expect(recorder.last() == query)

            let copy = CopySnapshotRequest(
                clientToken: "c", sourceSnapshotID: "snap-1", sourceRegion: "us-east-1",
                destinationRegion: "eu-west-1", description: "d", tags: ["Name": "b"])
            #expect(try await remote.copySnapshot(copy) == Stage.pending)
            #expect(recorder.last() == copy)

            let tags = ModifySnapshotTagsRequest(snapshotID: "snap-1", set: ["a": "b"], remove: ["c"])
            #expect(try await remote.modifySnapshotTags(tags) == Stage.snapshot)
            #expect(recorder.last() == tags)

            try await remote.deleteSnapshot("snap-1")
            #expect(recorder.last() == SnapshotID("snap-1"))
        }
    }

    @Test("fast snapshot restore is enabled, described and disabled")
    func fastRestores() async throws {
        try await withRecorder { (remote, recorder) async throws -> Void in
            let request = FastSnapshotRestoreRequest(snapshotIDs: ["snap-1"], zones: ["us-east-1b"])
            #expect(try await remote.enableFastSnapshotRestores(request) == [Stage.restore])
            #expect(recorder.last() == request)
            #expect(try await remote.disableFastSnapshotRestores(request) == [Stage.restore])
            let query = FastSnapshotRestoreQuery(snapshotIDs: ["snap-1"], zones: ["z"], states: [.enabled])
            #expect(try await remote.describeFastSnapshotRestores(query) == [Stage.restore])
            #expect(recorder.last() == query)
        }
    }

    @Test("whole blocks go both ways, each in one line")
    func blocks() async throws {
        let data = Data((0..<SnapshotBlock.bytes).map { UInt8(truncatingIfNeeded: $0 &* 31) })
        let block = SnapshotBlock(data: data, checksum: String(repeating: "=", count: 44))
        try await withRecorder(block: block) { (remote, recorder) async throws -> Void in
            let get = GetSnapshotBlockRequest(snapshotID: "snap-1", index: SnapshotBlockIndex(7), token: "t")
            #expect(try await remote.getSnapshotBlock(get) == block)
            #expect(recorder.last() == get)
            let put = PutSnapshotBlockRequest(snapshotID: "snap-1", index: SnapshotBlockIndex(7), block: block)
            try await remote.putSnapshotBlock(put)
            #expect(recorder.last() == put)
        }
    }

    @Test("blocks are listed, and snapshots written of them are begun and sealed")
    func blockLists() async throws {
        try await withRecorder { (remote, recorder) async throws -> Void in
            let list = SnapshotBlockQuery(
                snapshotID: "snap-1", startingBlockIndex: SnapshotBlockIndex(3), maxResults: 100, nextToken: "t")
            #expect(try await remote.listSnapshotBlocks(list) == Stage.blocks)
            #expect(recorder.last() == list)
            let changes = ChangedBlockQuery(firstSnapshotID: "snap-1", secondSnapshotID: "snap-2")
            #expect(try await remote.listChangedBlocks(changes) == Stage.changes)
            #expect(recorder.last() == changes)
            let start = StartSnapshotRequest(clientToken: "s", volumeSizeGiB: 1, parentSnapshotID: "snap-1")
            #expect(try await remote.startSnapshot(start) == Stage.pending)
            #expect(recorder.last() == start)
            let complete = CompleteSnapshotRequest(snapshotID: "snap-1", changedBlocksCount: 2, checksum: "c")
            #expect(try await remote.completeSnapshot(complete) == Stage.snapshot)
            #expect(recorder.last() == complete)
        }
    }

    @Test("tasks are begun, watched with what they found, and cancelled")
    func tasks() async throws {
        try await withRecorder { (remote, recorder) async throws -> Void in
            let request = SnapshotTaskRequest(
                action: .pull, snapshotID: "snap-1", location: "s3://b/p", endpoint: "http://localhost:5000",
                name: "n", description: "d")
            #expect(try await remote.startSnapshotTask(request) == Stage.task)
            #expect(recorder.last() == request)
            #expect(try await remote.describeSnapshotTasks(ids: ["task-1"]) == [Stage.task, Stage.check])
            #expect(recorder.last() == [SnapshotTaskID("task-1")])
            try await remote.cancelSnapshotTask("task-1")
            #expect(recorder.last() == SnapshotTaskID("task-1"))
        }
    }

    private func withRecorder(
        block: SnapshotBlock = SnapshotRecorder.shortBlock,
        _ body: (RemoteDriver, SnapshotRecorder) async throws -> Void
    ) async throws {
        var recorder: SnapshotRecorder?
        try await withServer(
            wrap: { base in
                let made = SnapshotRecorder(base, block: block)
                recorder = made
                return made
            }
        ) { server in
            try await body(server.remote(), try #require(recorder))
        }
    }
}
