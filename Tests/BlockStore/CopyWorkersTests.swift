import Platform
import Synchronization
import Testing

@testable import BlockStore

/// A cut that is copied by several threads at a time.
@Suite struct CopyWorkersTests {
    private static let blocks = 64
    private static let workers = 4

    /// A volume whose blocks are all different, and a cut of it.
    private func withCut(_ body: (TrackingFixture, VolumeBlocks, Cut, [UInt8]) throws -> Void) async throws {
        try await TrackingFixture.run { fixture in
            try fixture.store.create("vol-1", sizeBytes: Int64(Self.blocks) * VolumeBlock.bytes)
            let volume = try fixture.volumes.open("vol-1")
            for block in 0..<Self.blocks {
                let bytes = [UInt8](repeating: UInt8(block + 1), count: Int(VolumeBlock.bytes))
                try volume.write(bytes, at: Int64(block) * VolumeBlock.bytes)
            }
            let before = try volume.bytes(at: 0, count: Self.blocks << 19)
            let cut = try fixture.volumes.cut([.init(volume: "vol-1", cut: "snap-1", base: nil)])[0]
            try body(fixture, volume, cut, before)
        }
    }

    @Test func eachBlockIsCopiedOnceAndSeveralAtATime() async throws {
        try await withCut { fixture, _, cut, before in
            let inside = Mutex((now: 0, most: 0))
            let sink = MemorySink { _ in
                inside.withLock { ($0.now, $0.most) = ($0.now + 1, max($0.most, $0.now + 1)) }
                waitInThisThread(untilUptimeNanoseconds: SystemClock().uptimeNanoseconds() + 5_000_000)
                inside.withLock { $0.now -= 1 }
            }
            try cut.copy(into: sink, workers: Self.workers)
            #expect(sink.putCount == Self.blocks)
            #expect(cut.progress == CutProgress(doneBlocks: Self.blocks, totalBlocks: Self.blocks))
            #expect(try sink.contents(of: cut, on: nil).bytes == before)
            #expect((2...Self.workers).contains(inside.withLock { $0.most }))
            try fixture.volumes.finish(cut)
        }
    }

    /// Workers that look for a block at the same moment, which is short: so often that some do.
    @Test func noBlockIsTakenTwice() async throws {
        try await withCut { fixture, volume, cut, _ in
            try fixture.volumes.finish(cut)
            for round in 0..<40 {
                let cut = try fixture.volumes.cut([.init(volume: "vol-1", cut: "again-\(round)", base: nil)])[0]
                let sink = CountingSink()
                try cut.copy(into: sink, workers: Self.workers)
                #expect(sink.count.load(ordering: .relaxed) == Self.blocks)
                #expect(cut.progress == CutProgress(doneBlocks: Self.blocks, totalBlocks: Self.blocks))
                try fixture.volumes.finish(cut)
            }
        }
    }

    @Test func writersMeetTheWorkersAtEveryBlock() async throws {
        try await withCut { fixture, volume, cut, before in
            // From both ends, so that they write blocks that are saved, that are being copied, and that are done.
            let writers = [Array(0..<Self.blocks), Array((0..<Self.blocks).reversed())].map { order in
                KernelThread(name: "writer") {
                    do {
                        for block in order {
                            try volume.write([0xFF], at: Int64(block) * VolumeBlock.bytes + Int64(block))
                            try volume.punchHole(at: Int64(block) * VolumeBlock.bytes + 4096, length: 8192)
                        }
                    } catch {
                        Issue.record("\(error)")
                    }
                }
            }
            for writer in writers { writer.start() }
            let sink = MemorySink()
            try cut.copy(into: sink, workers: Self.workers)
            for writer in writers { writer.join() }
            #expect(try sink.contents(of: cut, on: nil).bytes == before)
            try fixture.volumes.finish(cut)
        }
    }

    @Test func oneThatIsEndedEndsTheOthersAndTheRestIsCopiedLater() async throws {
        try await withCut { fixture, _, cut, before in
            let sink = failing(at: 10, CutFailure.cancelled)
            #expect(throws: CutFailure.cancelled) { try cut.copy(into: sink, workers: Self.workers) }
            // Each of the others may have been at a block, and no more.
            #expect((10..<10 + Self.workers).contains(sink.putCount))
            #expect(cut.failure == nil)
            try cut.copy(into: sink, workers: Self.workers)
            #expect(sink.putCount == Self.blocks + 1, "one was put twice")
            #expect(try sink.contents(of: cut, on: nil).bytes == before)
            try fixture.volumes.finish(cut)
        }
    }

    @Test func aBlockThatCannotBeKeptFailsTheCut() async throws {
        try await withCut { fixture, _, cut, _ in
            struct Refused: Error {}
            let sink = failing(at: 5, Refused())
            #expect(throws: CutFailure.refused("Refused()")) { try cut.copy(into: sink, workers: Self.workers) }
            #expect(cut.failure != nil)
            #expect(sink.putCount < 5 + Self.workers)
            try fixture.volumes.finish(cut)
        }
    }

    /// Fails once. Those who come right after that wait for so long that whoever failed has said so, also on a busy machine.
    private func failing(at count: Int, _ error: some Error & Sendable) -> MemorySink {
        MemorySink { put in
            if put == count { throw error }
            if put > count, put < count + Self.workers {
                waitInThisThread(untilUptimeNanoseconds: SystemClock().uptimeNanoseconds() + 300_000_000)
            }
        }
    }
}

/// Counts blocks, and gives all of them one name.
private final class CountingSink: BlockSink {
    let epoch: UInt64 = 0
    let count = Atomic(0)

    func put(_ block: RawSpan) throws -> Digest? {
        count.add(1, ordering: .relaxed)
        return Digest([UInt8](repeating: 1, count: Digest.byteCount))
    }
}
