// A region whose volumes have bytes: blocks that hold one number each, and what snapshots hold of them.
import BlockStore
import Driver
import SystemPackage
import TestSupport
import Testing

@testable import Emulator

/// The number that each block holds; a block of zeros is not there.
typealias Blocks = [Int: UInt8]

extension TestRegion {
    /// Where tests write: the beginning and end of segments and of a volume of 1 GiB.
    static let places = [0, 1, 2, 63, 64, 700, 2047]

    func write(_ blocks: Blocks, to id: VolumeID) throws {
        let volume = try volumes.open(id.rawValue)
        for (block, number) in blocks {
            let offset = Int64(block) * Int64(SnapshotBlock.bytes)
            if number == 0 {
                try volume.punchHole(at: offset, length: Int64(SnapshotBlock.bytes))
            } else {
                let bytes = [UInt8](repeating: number, count: SnapshotBlock.bytes)
                try unsafe volume.write(bytes.span.bytes, at: offset)
            }
        }
    }

    func blocks(of id: VolumeID) throws -> Blocks {
        let volume = try volumes.open(id.rawValue)
        return try Self.blocks { block, span in
            try volume.read(into: &span, count: span.byteCount, at: Int64(block) * Int64(SnapshotBlock.bytes))
            return true
        }
    }

    /// What a completed snapshot holds.
    func blocks(of id: SnapshotID) async throws -> Blocks {
        let content = try #require(await driver.region.state.snapshots.snapshots[id]?.content)
        let store = await driver.region.effects.snapshots
        let source = SnapshotSource(store, try store.manifest(content.manifest))
        return try Self.blocks { block, span in try source.read(block, into: &span) }
    }

    private static func blocks(_ read: (Int, inout MutableRawSpan) throws -> Bool) throws -> Blocks {
        var blocks: Blocks = [:]
        for block in places {
            var bytes = [UInt8](repeating: 0xEE, count: SnapshotBlock.bytes)
            var elements = bytes.mutableSpan
            var span = unsafe elements.mutableBytes
            if try !read(block, &span) { continue }
            let (first, last) = (bytes[0], bytes[bytes.count - 1])
            if first != last { throw MixedBlock(index: block) }
            if first != 0 { blocks[block] = first }
        }
        return blocks
    }

    struct MixedBlock: Error {
        let index: Int
    }

    func createSnapshots(_ ids: [VolumeID], names: [String] = []) async throws -> [SnapshotID] {
        let sources = ids.enumerated().map { index, id in
            CreateSnapshotsRequest.Source(
                volumeID: id, tags: index < names.count ? [Tag.name: names[index]] : [:])
        }
        return try await driver.createSnapshots(CreateSnapshotsRequest(sources: sources)).map(\.id)
    }

    func createSnapshot(_ id: VolumeID, name: String = "") async throws -> SnapshotID {
        try #require(try await createSnapshots([id], names: name.isEmpty ? [] : [name]).first)
    }

    /// One that is completed.
    func completeSnapshot(_ id: VolumeID, name: String = "") async throws -> SnapshotID {
        let snapshot = try await createSnapshot(id, name: name)
        try await driver.finishSnapshotWork()
        return snapshot
    }

    /// What has become of a copy of a volume.
    func copied(_ id: VolumeID) async throws -> Volume {
        let copy = try await driver.createVolume(
            CreateVolumeRequest(zone: Self.zone, type: .gp3, sourceVolumeID: id))
        try await driver.finishSnapshotWork()
        return try await volume(copy.id)
    }

    var snapshots: [Snapshot] {
        get async throws { try await driver.describeSnapshots(.all).snapshots }
    }

    func snapshot(_ id: SnapshotID) async throws -> Snapshot {
        try #require(try await driver.describeSnapshots(SnapshotQuery(ids: [id])).snapshots.first)
    }

    /// Whether counts, manifests and files of the store tell the same story, and no cut is left over.
    func checkStore(_ comment: Comment, line: SourceLocation = #_sourceLocation) async throws {
        try await driver.finishSnapshotWork()
        let checked = try await ended(SnapshotTaskRequest(action: .check))
        #expect(checked.report?.findings == [], comment, sourceLocation: line)
        let effects = await driver.region.effects
        let uploads = await driver.region.work.uploads
        #expect(try effects.uploads.names() == uploads.keys.map(\.rawValue).sorted(), comment, sourceLocation: line)
        let cuts = try volumes.pendingCuts { cut, error in Issue.record("\(cut): \(error)", sourceLocation: line) }
        #expect(cuts.isEmpty, comment, sourceLocation: line)
    }
}

extension TestRegion {
    /// Returns once something has come about.
    func wait(until holds: () async throws -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(60)
        while try await !holds() {
            try #require(ContinuousClock.now < deadline, "it never came about")
            try await Task.sleep(for: .milliseconds(2))
        }
    }

    /// Begins a task, and gives it as it is when it has ended.
    func ended(_ request: SnapshotTaskRequest) async throws -> SnapshotTask {
        let task = try await driver.startSnapshotTask(request)
        try await driver.finishSnapshotWork()
        return try #require(try await driver.describeSnapshotTasks(ids: [task.id]).first)
    }
}

/// What a call is refused with.
func refusal(
    line: SourceLocation = #_sourceLocation, _ body: () async throws -> some Sendable
) async -> StorageError? {
    do {
        Issue.record("not refused: \(try await body())", sourceLocation: line)
    } catch let error as StorageError {
        return error
    } catch {
        Issue.record("no refusal: \(error)", sourceLocation: line)
    }
    return nil
}

extension TestRegion {
    /// A region with a volume, and a snapshot of it that holds these blocks; its store is right afterwards.
    static func withSnapshot(
        of blocks: Blocks, beforeStep: @escaping @Sendable (RegionEffects.Step) throws -> Void,
        _ body: (TestRegion, Volume, SnapshotID) async throws -> Void
    ) async throws {
        try await withTemporaryDirectory { directory in
            let region = try await TestRegion.open(directory, beforeStep: beforeStep)
            let volume = try await region.create("one")
            try region.write(blocks, to: volume.id)
            let snapshot = try await region.completeSnapshot(volume.id)
            try await body(region, volume, snapshot)
            try await region.checkStore("at the end")
            try await region.driver.close()
        }
    }
}

extension CreateVolumeRequest {
    /// A volume of the region's zone that is made from a snapshot or another volume.
    init(
        _ snapshot: SnapshotID? = nil, copyOf volume: VolumeID? = nil, sizeGiB: Int? = nil, rate: Int? = nil
    ) {
        self.init(
            zone: TestRegion.zone, sizeGiB: sizeGiB, type: .gp3, snapshotID: snapshot, sourceVolumeID: volume,
            volumeInitializationRateMiBps: rate)
    }
}
