import Platform
import Synchronization
import SystemPackage
import Testing
import TestSupport

@testable import BlockStore

/// Cuts: their instant, what they cost, what becomes of them.
@Suite struct CutTests {
    private static let block = Int(VolumeBlock.bytes)

    private func request(_ volume: String, _ cut: String, base: String? = nil) -> TrackedVolumes.CutRequest {
        TrackedVolumes.CutRequest(volume: volume, cut: cut, base: base)
    }

    @Test func aSecondCutHasOnlyWhatChanged() async throws {
        try await TrackingFixture.run { fixture in
            try fixture.store.create("vol-1", sizeBytes: 1 << 40)
            let volume = try fixture.volumes.open("vol-1")
            for block in 0..<8 { try volume.write([1, 2, 3], at: Int64(block) << 30) }
            let sink = MemorySink()
            let first = try fixture.volumes.cut([request("vol-1", "snap-1")])[0]
            try first.copy(into: sink)
            #expect(sink.putCount == 8)
            try fixture.volumes.finish(first)
            try volume.write([4], at: 5 << 30)
            let second = try fixture.volumes.cut([request("vol-1", "snap-2", base: "snap-1")])[0]
            try second.copy(into: sink)
            #expect(second.base == "snap-1")
            #expect(sink.putCount == 9)
            #expect(second.progress == CutProgress(doneBlocks: 1, totalBlocks: 1))
            var changes: [Int] = []
            try second.forEachChange { block, _ in changes.append(block) }
            #expect(changes == [(5 << 30) / Self.block])
        }
    }

    @Test func aCutThatIsNoBaseHasEverythingAndChangesAreCountedAsBefore() async throws {
        try await TrackingFixture.run { fixture in
            try fixture.store.create("vol-1", sizeBytes: 4 << 20)
            let volume = try fixture.volumes.open("vol-1")
            try volume.write([1], at: 0)
            try volume.write([2], at: 1 << 20)
            let sink = MemorySink()
            let first = try fixture.volumes.cut([request("vol-1", "snap-1")])[0]
            try first.copy(into: sink)
            try fixture.volumes.finish(first)
            try volume.write([3], at: 2 << 20)
            let aside = TrackedVolumes.CutRequest(volume: "vol-1", cut: "aside", base: "snap-1", becomesBase: false)
            let cut = try fixture.volumes.cut([aside])[0]
            #expect(cut.base == nil)
            #expect(try fixture.volumes.trackedBase(of: "vol-1") == "snap-1")
            try volume.write([4], at: 3 << 20)
            try cut.copy(into: sink)
            let contents = try sink.contents(of: cut, on: nil).bytes
            #expect([0, 1 << 20, 2 << 20, 3 << 20].map { contents[$0] } == [1, 2, 3, 0])
            try fixture.volumes.finish(cut)
            try fixture.startNextProcess()
            let second = try fixture.volumes.cut([request("vol-1", "snap-2", base: "snap-1")])[0]
            try second.copy(into: sink)
            var changes: [Int] = []
            try second.forEachChange { block, _ in changes.append(block) }
            #expect(changes == [4, 6])
        }
    }

    @Test func ofAVolumeThatIsRemovedTheCutStays() async throws {
        try await TrackingFixture.run { fixture in
            try fixture.store.create("vol-1", sizeBytes: 4 << 20)
            let bytes = [UInt8](repeating: 7, count: 4 << 20)
            try fixture.volumes.open("vol-1").write(bytes, at: 0)
            let cut = try fixture.volumes.cut([request("vol-1", "snap-1")])[0]
            try fixture.volumes.open("vol-1").write([UInt8](repeating: 8, count: 1 << 20), at: 0)
            cut.keep(nil)
            try fixture.store.remove("vol-1")
            #expect(try fixture.store.names() == [])
            try fixture.startNextProcess()
            let pending = try fixture.pendingCuts()
            try #require(pending.count == 1)
            let sink = MemorySink()
            try pending[0].copy(into: sink)
            #expect(try sink.contents(of: pending[0], on: nil).bytes == bytes)
            try fixture.volumes.finish(pending[0])
            #expect(try fixture.pendingCuts().isEmpty)
        }
    }

    /// A process that dies before the record has its name has cut nothing, and lost nothing.
    @Test func aCutThatWasNotTakenIsGoneAndChangesAreStillCounted() async throws {
        try await TrackingFixture.run { fixture in
            try fixture.store.create("vol-1", sizeBytes: 4 << 20)
            let volume = try fixture.volumes.open("vol-1")
            let first = try fixture.volumes.cut([request("vol-1", "snap-1")])[0]
            try first.copy(into: MemorySink())
            try fixture.volumes.finish(first)
            try volume.write([1], at: 1 << 20)
            let prepared = try volume.prepareCut(request("vol-1", "snap-2", base: "snap-1"))
            _ = prepared
            try fixture.startNextProcess()
            #expect(try fixture.pendingCuts().isEmpty)
            let cut = try fixture.volumes.cut([request("vol-1", "snap-3", base: "snap-1")])[0]
            try cut.copy(into: MemorySink())
            var changes: [Int] = []
            try cut.forEachChange { block, _ in changes.append(block) }
            #expect(changes == [2])
            try fixture.volumes.finish(cut)
        }
    }

    /// What is left over is removed at the next start at the latest.
    @Test func aCutThatIsTakenSucceedsThoughTheFormerChangesCannotBeRemoved() async throws {
        try await TrackingFixture.run { fixture in
            try fixture.store.create("vol-1", sizeBytes: 4 << 20)
            let volume = try fixture.volumes.open("vol-1")
            let first = try fixture.volumes.cut([request("vol-1", "snap-1")])[0]
            try fixture.volumes.finish(first)
            let former = TrackingDirectory(store: fixture.store.directory, volume: "vol-1").changes(1)
            try removeFile(at: former)
            try createDirectories(former)
            let cut = try fixture.volumes.cut([request("vol-1", "snap-2")])[0]
            #expect(try fixture.pendingCuts().map(\.name) == ["snap-2"])
            #expect(try volume.write([1], at: 0) == 0)
            try Directory.remove(former)
            try fixture.volumes.finish(cut)
        }
    }

    /// The copier finds a block not saved, and while it reads it in the volume it is saved and written over.
    @Test func aBlockThatIsWrittenOverWhileItIsReadIsCopiedAsItWas() async throws {
        try await TrackingFixture.run { fixture in
            try fixture.store.create("vol-1", sizeBytes: 4 << 20)
            let volume = try fixture.volumes.open("vol-1")
            let before = [UInt8](repeating: 5, count: Self.block)
            try volume.write(before, at: 2 * VolumeBlock.bytes)
            let cut = try fixture.volumes.cut([request("vol-1", "snap-1")])[0]
            let buffer = BlockBuffer()
            let range = VolumeBlock.range(2, sizeBytes: cut.volumeSizeBytes)
            var after: [UInt8] = []
            try cut.read(2, range, buffer) { (span) throws(Errno) in
                try volume.write([UInt8](repeating: 6, count: 1000), at: range.lowerBound)
                try volume.read(into: &span, count: range.count, at: range.lowerBound)
                after = unsafe span.bytes.withUnsafeBytes { unsafe Array($0) }
            }
            #expect(after.count { $0 == 6 } == 1000)
            let copied = buffer.withBytes(0..<range.count) { bytes in unsafe bytes.withUnsafeBytes { unsafe Array($0) }
            }
            #expect(copied.count { $0 == 5 } == Self.block)
            try fixture.volumes.finish(cut)
        }
    }

    /// What a small write waits for is in proportion to it.
    @Test func aSmallWriteSavesNoMoreThanItsChunks() async throws {
        try await TrackingFixture.run { fixture in
            try fixture.store.create("vol-1", sizeBytes: 4 << 20)
            let volume = try fixture.volumes.open("vol-1")
            let before = [UInt8](repeating: 5, count: 3 * Self.block)
            try volume.write(before, at: 0)
            let cut = try fixture.volumes.cut([request("vol-1", "snap-1")])[0]
            let old = cut.directory.old(0)
            try volume.write([6], at: 100)
            #expect(try FileStatus(of: old).allocatedBytes == CutChunk.bytes)
            try volume.write([6], at: CutChunk.bytes - 1)
            #expect(try FileStatus(of: old).allocatedBytes == CutChunk.bytes)
            // The last chunk of the first block, the second block's first, and a byte of the one after that.
            try volume.write([UInt8](repeating: 6, count: 2 + Int(CutChunk.bytes)), at: VolumeBlock.bytes - 1)
            #expect(try FileStatus(of: old).allocatedBytes == 4 * CutChunk.bytes)
            // All of the third block.
            try volume.punchHole(at: 2 * VolumeBlock.bytes, length: VolumeBlock.bytes)
            #expect(try FileStatus(of: old).allocatedBytes == 12 * CutChunk.bytes)
            // A hole needs no space.
            try volume.write([6], at: 6 * VolumeBlock.bytes)
            #expect(try FileStatus(of: old).allocatedBytes == 12 * CutChunk.bytes)
            let sink = MemorySink()
            try cut.copy(into: sink)
            let copied = try sink.contents(of: cut, on: nil).bytes
            #expect(copied.prefix(before.count) == before[...])
            #expect(copied.dropFirst(before.count).allSatisfy { $0 == 0 })
            try fixture.volumes.finish(cut)
        }
    }

    /// A block that held something in one chunk alone, and is written and punched chunk by chunk.
    @Test func aBlockThatBecomesAHoleIsCopiedAsItWas() async throws {
        try await TrackingFixture.run { fixture in
            try fixture.store.create("vol-1", sizeBytes: 4 << 20)
            let volume = try fixture.volumes.open("vol-1")
            let chunk = CutChunk.bytes
            try volume.write([5], at: 3 * chunk)
            let cut = try fixture.volumes.cut([request("vol-1", "snap-1")])[0]
            try volume.write([6], at: 0)
            try volume.punchHole(at: 3 * chunk, length: chunk)
            try volume.punchHole(at: 0, length: chunk)
            try volume.write([7], at: 5 * chunk)
            let sink = MemorySink()
            try cut.copy(into: sink)
            let copied = try sink.contents(of: cut, on: nil).bytes
            #expect(copied.indices.filter { copied[$0] != 0 } == [Int(3 * chunk)])
            #expect(copied[Int(3 * chunk)] == 5)
            try fixture.volumes.finish(cut)
        }
    }

    @Test func volumesAreCutAtOneInstantUnderWriters() async throws {
        try await TrackingFixture.run { fixture in
            let names = ["vol-1", "vol-2"]
            for name in names { try fixture.store.create(name, sizeBytes: 8 << 20) }
            let writers = TwinWriters(try names.map { try fixture.volumes.open($0) })
            writers.start()
            defer { writers.stop() }
            let sinks = names.map { _ in MemorySink() }
            var snapshots: [MemorySnapshot?] = [nil, nil]
            for round in 1...12 {
                let before = writers.acknowledged
                let cuts = try fixture.volumes.cut(
                    names.map { request($0, "snap-\(round)", base: "snap-\(round - 1)") })
                for place in cuts.indices {
                    try cuts[place].copy(into: sinks[place], workers: 2)
                    snapshots[place] = try sinks[place].contents(of: cuts[place], on: snapshots[place])
                    try fixture.volumes.finish(cuts[place])
                }
                for number in before.indices {
                    let (first, second) = (snapshots[0]!.number(number), snapshots[1]!.number(number))
                    #expect(first == second || first == second + 1, "writer \(number): \(first), \(second)")
                    #expect(second >= before[number], "writer \(number): \(second) after \(before[number])")
                }
            }
            #expect(writers.failures == 0)
        }
    }
}

/// Each thread writes one number to the first volume, then to the second, and so on with the next. A cut of both that
/// had a number in the second and not in the first would not be of one instant.
private final class TwinWriters: Sendable {
    private let volumes: [VolumeBlocks]
    private let numbers = Mutex([Int](repeating: 0, count: 4))
    private let failed = Atomic(0)
    private let isStopping = Atomic(false)
    private let threads = Mutex<[KernelThread]>([])

    init(_ volumes: [VolumeBlocks]) { self.volumes = volumes }

    /// What has been written to both, for each thread.
    var acknowledged: [Int] { numbers.withLock { $0 } }
    var failures: Int { failed.load(ordering: .relaxed) }

    func start() {
        let threads = acknowledged.indices.map { number in
            KernelThread(name: "writer \(number)") { [self] in write(number) }
        }
        for thread in threads { thread.start() }
        self.threads.withLock { $0 = threads }
    }

    func stop() {
        isStopping.store(true, ordering: .relaxed)
        for thread in threads.withLock({ $0 }) { thread.join() }
    }

    private func write(_ number: Int) {
        var next = 1
        while !isStopping.load(ordering: .relaxed) {
            do {
                let bytes = (0..<8).map { UInt8(truncatingIfNeeded: next >> ($0 * 8)) }
                for volume in volumes { try volume.write(bytes, at: Int64(number) << 20) }
                numbers.withLock { $0[number] = next }
                next += 1
            } catch {
                failed.add(1, ordering: .relaxed)
                return
            }
        }
    }
}

extension MemorySnapshot {
    fileprivate func number(_ writer: Int) -> Int {
        (0..<8).reduce(0) { $0 | Int(bytes[writer << 20 + $1]) << ($1 * 8) }
    }
}
