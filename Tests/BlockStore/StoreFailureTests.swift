import SystemPackage
import Testing

@testable import BlockStore

/// A store whose disk failed, and the next process in the same boot: what the kernel took for written may be lost.
@Suite struct StoreFailureTests {
    private static let sizeBytes = 8 * VolumeBlock.bytes

    /// A cut of eight blocks, of which three have been copied when its process is killed.
    private func run(
        _ end: (SnapshotStore) throws -> Void, copied: Int = 3,
        then body: (Cut, SnapshotStore, TrackingFixture) throws -> Void
    ) async throws {
        try await SnapshotFixture.run { snapshots in
            let volumes = try TrackingFixture(directory: snapshots.directory.appending("volumes"), partBytes: 8 << 40)
            try volumes.store.create("vol-1", sizeBytes: Self.sizeBytes)
            let volume = try volumes.volumes.open("vol-1")
            for block in 0..<8 { try volume.write(SnapshotFixture.block(block + 1), at: Int64(block) << 19) }
            let cut = try volumes.volumes.cut([.init(volume: "vol-1", cut: "snap-1", base: nil)])[0]
            if copied > 0 {
                let sink = InterruptedSink(snapshots.store.beginWriting(), after: copied)
                #expect(throws: CutFailure.cancelled) { try cut.copy(into: sink) }
            }
            try end(snapshots.store)
            cut.keep(nil)
            try volumes.startNextProcess()
            let pending = try volumes.pendingCuts()
            try #require(pending.count == 1)
            try body(pending[0], SnapshotStore(directory: snapshots.directory), volumes)
        }
    }

    private func fail(_ store: SnapshotStore) {
        #expect(throws: Errno.ioError) {
            try store.files.synchronize { () throws(Errno) in throw .ioError }
        }
    }

    /// Gives how many objects were removed.
    private func sweep(_ store: SnapshotStore, holding cut: Cut) throws -> Int {
        let writer = store.beginWriting()
        defer { writer.end() }
        writer.hold(cut)
        return try store.sweep { _ in false }
    }

    private func objects(in store: SnapshotStore) throws -> Int {
        var count = 0
        try store.forEachName { _ in count += 1 }
        return count
    }

    @Test func aCutThatStoredBlocksBeforeFails() async throws {
        try await run(fail) { cut, store, volumes in
            #expect(try objects(in: store) == 3)
            #expect(try sweep(store, holding: cut) == 3)
            #expect(cut.failure == .storeFailed)
            #expect(throws: CutFailure.storeFailed) { try cut.copy(into: store.beginWriting()) }
            try volumes.volumes.finish(cut)
            // What comes afterwards is not harmed.
            let next = try volumes.volumes.cut([.init(volume: "vol-1", cut: "snap-2", base: nil)])[0]
            try next.copy(into: store.beginWriting())
            try store.synchronize()
            try volumes.volumes.finish(next)
        }
    }

    /// Also when nobody has swept, and in the process after the next.
    @Test func suchACutIsNotCopiedInAnyLaterProcess() async throws {
        try await run(fail) { cut, store, volumes in
            try store.synchronize()
            cut.keep(nil)
            try volumes.startNextProcess()
            let again = try #require(try volumes.pendingCuts().first)
            #expect(throws: CutFailure.storeFailed) { try again.copy(into: store.beginWriting()) }
            #expect(again.failure == .storeFailed)
            try volumes.volumes.finish(again)
        }
    }

    @Test func whoIsKilledWhileItSynchronizesMayHaveLostBlocksToo() async throws {
        try await SnapshotFixture.run { fixture in
            var found: UInt64 = 0
            try fixture.store.files.synchronize { () throws(Errno) in
                found = try SnapshotStore(directory: fixture.directory).epoch
            }
            #expect(found == fixture.store.epoch + 1)
            #expect(try SnapshotStore(directory: fixture.directory).epoch == fixture.store.epoch)
        }
    }

    @Test func aCutThatHadStoredNothingGoesOn() async throws {
        try await run(fail, copied: 0) { cut, store, volumes in
            #expect(try sweep(store, holding: cut) == 0)
            try expectWhole(cut, store)
            try volumes.volumes.finish(cut)
        }
    }

    @Test func withoutAFailureACutKeepsItsBlocks() async throws {
        try await run({ try $0.synchronize() }) { cut, store, volumes in
            #expect(try sweep(store, holding: cut) == 0)
            #expect(try objects(in: store) == 3)
            try expectWhole(cut, store)
            try volumes.volumes.finish(cut)
        }
    }

    private func expectWhole(_ cut: Cut, _ store: SnapshotStore) throws {
        let writer = store.beginWriting()
        try cut.copy(into: writer)
        var numbers: [Int] = []
        try cut.forEachChange { block, name in
            #expect(block == numbers.count)
            numbers.append(try name.map { try store.number(of: $0) } ?? 0)
        }
        #expect(numbers == [1, 2, 3, 4, 5, 6, 7, 8])
        writer.end()
    }
}

/// Ends the copy after some blocks.
private struct InterruptedSink: BlockSink {
    let writer: SnapshotWriter
    let sink: MemorySink
    var epoch: UInt64 { writer.epoch }

    init(_ writer: SnapshotWriter, after count: Int) {
        self.writer = writer
        sink = MemorySink { if $0 > count { throw CutFailure.cancelled } }
    }

    func put(_ block: RawSpan) throws -> Digest? {
        _ = try sink.put(block)
        return try writer.put(block)
    }
}
