// A driver whose snapshots are the same few values, whatever is asked, and which remembers what was asked: it shows that
// requests and answers come over the socket whole.
import Driver
import Foundation
import Synchronization

final class SnapshotRecorder: DriverInFront {
    static let snapshot = Snapshot(
        id: "snap-0123456789abcdef0", volumeID: "vol-0123456789abcdef0", volumeSizeGiB: 10, state: .completed,
        progressPercent: 100, startTime: time, completionTime: time + 5, description: "nightly",
        tags: ["Name": "logs-1"], fullSizeBytes: 1_048_576, region: "us-east-1")
    static let pending = Snapshot(
        id: "snap-0123456789abcdef1", volumeID: "vol-0123456789abcdef0", volumeSizeGiB: 10, state: .pending,
        progressPercent: 40, startTime: time, description: "nightly", tags: ["Name": "logs-2"], region: "us-east-1")
    /// A group of two volumes' snapshots.
    static let group = ["0", "1"].map { digit in
        var member = snapshot
        member.id = SnapshotID("snap-0123456789abcdef" + digit)
        member.volumeID = VolumeID("vol-0123456789abcdef" + digit)
        member.tags = [
            "Name": "g.\(member.volumeID)", Tag.snapshotGroup: "gsnap-0123456789abcdef0", Tag.snapshotGroupName: "g",
        ]
        return member
    }
    static let restore = FastSnapshotRestore(
        snapshotID: snapshot.id, zone: "us-east-1b", state: .enabled, stateTime: time, creditsBalance: 0.5,
        creditsCapacity: 10)
    static let blocks = SnapshotBlockPage(
        blocks: [.init(index: SnapshotBlockIndex(3), token: "AAAB")], volumeSizeGiB: 10, expiryTime: time + 604_800,
        nextToken: "more")
    static let changes = ChangedBlockPage(
        blocks: [.init(index: SnapshotBlockIndex(3), firstToken: "AAAB", secondToken: "AAAC")], volumeSizeGiB: 10,
        expiryTime: time + 604_800)
    static let shortBlock = SnapshotBlock(data: Data("ebb".utf8), checksum: "c2hh")
    static let task = SnapshotTask(
        id: "task-0123456789abcdef0", action: .export, snapshotID: snapshot.id, location: "/srv/logs.ebbsnap",
        state: .active, doneBytes: 524_288, totalBytes: 1_048_576, startTime: time)
    static let check = SnapshotTask(
        id: "task-0123456789abcdef1", action: .check, state: .completed, doneBytes: 1_048_576,
        totalBytes: 1_048_576, startTime: time, endTime: time + 1,
        report: SnapshotReport(
            snapshotCount: 1, objectCount: 4, objectBytes: 1_048_576,
            findings: [
                SnapshotFinding(
                    kind: .damaged, object: "00ff", snapshotID: snapshot.id, blockIndex: SnapshotBlockIndex(3),
                    message: "Block 3 of snap-0123456789abcdef0 is not what its checksum says.")
            ]))

    private static let time = Date(timeIntervalSince1970: 1_700_000_000)

    let base: any StorageDriver
    private let requests = Mutex<[any Sendable & Hashable]>([])
    private let answeredBlock: SnapshotBlock

    init(_ base: any StorageDriver, block: SnapshotBlock = shortBlock) {
        self.base = base
        answeredBlock = block
    }

    /// The last request, if it is of this type.
    func last<Request: Sendable & Hashable>(_ type: Request.Type = Request.self) -> Request? {
        requests.withLock { $0.last as? Request }
    }

    private func record(_ request: some Sendable & Hashable) { requests.withLock { $0.append(request) } }

    private func answer<Answer>(_ request: some Sendable & Hashable, _ answer: Answer) -> Answer {
        record(request)
        return answer
    }

    func createSnapshots(_ request: CreateSnapshotsRequest) async throws -> [Snapshot] {
        answer(request, [Self.pending])
    }
    func describeSnapshots(_ query: SnapshotQuery) async throws -> SnapshotPage {
        if [Tag.snapshotGroup, Tag.snapshotGroupName].contains(where: { query.tags[$0] != nil }) {
            return answer(query, SnapshotPage(snapshots: Self.group))
        }
        return answer(query, SnapshotPage(snapshots: [Self.snapshot, Self.pending], nextToken: "more"))
    }
    func deleteSnapshot(_ id: SnapshotID) async throws { record(id) }
    func copySnapshot(_ request: CopySnapshotRequest) async throws -> Snapshot {
        answer(request, Self.pending)
    }
    func modifySnapshotTags(_ request: ModifySnapshotTagsRequest) async throws -> Snapshot {
        answer(request, Self.snapshot)
    }
    func enableFastSnapshotRestores(_ request: FastSnapshotRestoreRequest) async throws -> [FastSnapshotRestore] {
        answer(request, [Self.restore])
    }
    func disableFastSnapshotRestores(_ request: FastSnapshotRestoreRequest) async throws -> [FastSnapshotRestore] {
        answer(request, [Self.restore])
    }
    func describeFastSnapshotRestores(_ query: FastSnapshotRestoreQuery) async throws -> [FastSnapshotRestore] {
        answer(query, [Self.restore])
    }
    func listSnapshotBlocks(_ query: SnapshotBlockQuery) async throws -> SnapshotBlockPage {
        answer(query, Self.blocks)
    }
    func listChangedBlocks(_ query: ChangedBlockQuery) async throws -> ChangedBlockPage {
        answer(query, Self.changes)
    }
    func getSnapshotBlock(_ request: GetSnapshotBlockRequest) async throws -> SnapshotBlock {
        answer(request, answeredBlock)
    }
    func startSnapshot(_ request: StartSnapshotRequest) async throws -> Snapshot {
        answer(request, Self.pending)
    }
    func putSnapshotBlock(_ request: PutSnapshotBlockRequest) async throws { record(request) }
    func completeSnapshot(_ request: CompleteSnapshotRequest) async throws -> Snapshot {
        answer(request, Self.snapshot)
    }
    func startSnapshotTask(_ request: SnapshotTaskRequest) async throws -> SnapshotTask {
        answer(request, Self.task)
    }
    func describeSnapshotTasks(ids: [SnapshotTaskID]) async throws -> [SnapshotTask] {
        answer(ids, [Self.task, Self.check])
    }
    func cancelSnapshotTask(_ id: SnapshotTaskID) async throws { record(id) }
}
