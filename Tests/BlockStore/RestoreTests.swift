import Platform
import Synchronization
import SystemPackage
import Testing
import TestSupport

@testable import BlockStore

/// Volumes whose blocks come from a snapshot when they are touched.
@Suite struct RestoreTests {
    private static let sizeBytes = 6 << 20

    /// Every page tells where it was.
    private func snapshot() -> MemorySnapshot {
        MemorySnapshot(name: "source", (0..<Self.sizeBytes).map { UInt8(truncatingIfNeeded: $0 >> 12 | 1) })
    }

    @Test func aBlockThatCannotBeHadIsAnErrorForItAlone() async throws {
        try await TrackingFixture.run { fixture in
            let source = snapshot()
            source.damage(3)
            try fixture.create("vol-1", sizeBytes: Int64(Self.sizeBytes), from: source)
            let volume = try fixture.volumes.open("vol-1")
            let place = 3 * VolumeBlock.bytes
            #expect(throws: Errno.ioError) { try volume.bytes(at: place + 4096, count: 512) }
            #expect(throws: Errno.ioError) { try volume.write([1], at: place + 4096) }
            #expect(fixture.unreadableBlocks.map(\.block) == [3, 3])
            #expect(fixture.unreadableBlocks.map(\.source) == ["source", "source"])
            #expect(try volume.bytes(at: place - 512, count: 512) == Array(source.bytes[Int(place) - 512..<Int(place)]))
            // What is written as a whole needs nothing of the snapshot.
            let whole = [UInt8](repeating: 9, count: Int(VolumeBlock.bytes))
            #expect(try volume.write(whole, at: place) == 0)
            #expect(try volume.bytes(at: place, count: whole.count) == whole)
        }
    }

    @Test func whatIsDiscardedOrWrittenOverDoesNotComeBack() async throws {
        try await TrackingFixture.run { fixture in
            let source = snapshot()
            try fixture.create("vol-1", sizeBytes: Int64(Self.sizeBytes), from: source)
            var volume = try fixture.volumes.open("vol-1")
            try volume.punchHole(at: 0, length: 2 * VolumeBlock.bytes)
            #expect(try volume.next(.data, from: 0) == 2 * VolumeBlock.bytes)
            try fixture.startNextProcess()
            volume = try fixture.volumes.open("vol-1")
            #expect(try volume.bytes(at: 0, count: 4096) == [UInt8](repeating: 0, count: 4096))
            #expect(volume.restoreProgress == RestoreProgress(missingBlocks: 10, totalBlocks: 12))
            #expect(fixture.volumes.volumeIfOpen("vol-1") === volume)
            try volume.hydrate(clock: SystemClock())
            #expect(try volume.endRestore())
            #expect(volume.restoreProgress == nil)
            #expect(
                try volume.bytes(at: 1 << 20, count: 5 << 20) == Array(source.bytes[(1 << 20)...]))
            #expect(try volume.bytes(at: 0, count: 1 << 20).allSatisfy { $0 == 0 })
        }
    }

    @Test func aBlockIsReadBeforeItIsInTheFile() async throws {
        try await TrackingFixture.run { fixture in
            let source = snapshot()
            source.damage(5)
            try fixture.create("vol-1", sizeBytes: Int64(Self.sizeBytes), from: source)
            let volume = try fixture.volumes.open("vol-1")
            let place = 3 * VolumeBlock.bytes
            var bytes = [UInt8](repeating: 0xEE, count: 8192)
            func readMissing(at offset: Int64) throws(Errno) -> Bool {
                var elements = bytes.mutableSpan
                var span = unsafe elements.mutableBytes
                let unwritten = try volume.readMissing(into: &span, count: 8192, at: offset)
                let isRead = unwritten != nil
                // Not yet: whoever writes to it waits until then.
                if isRead { #expect(volume.restore?.isMissing(Int(offset / VolumeBlock.bytes)) == true) }
                return isRead
            }
            #expect(try readMissing(at: place + 4096))
            #expect(bytes == Array(source.bytes[Int(place) + 4096..<Int(place) + 12_288]))
            #expect(volume.restoreProgress?.missingBlocks == 11)
            let stored = try volume.file.bytes(at: place, count: 4096)
            #expect(stored == Array(source.bytes[Int(place)..<Int(place) + 4096]))
            // It is there now; the other bytes lie in two blocks; those are damaged.
            #expect(try !readMissing(at: place))
            #expect(try !readMissing(at: 5 * VolumeBlock.bytes - 4096))
            #expect(throws: Errno.ioError) { try readMissing(at: 5 * VolumeBlock.bytes) }
            #expect(fixture.unreadableBlocks.map(\.block) == [5])
            // Nobody has claimed it.
            #expect(throws: Errno.ioError) { try volume.write([1], at: 5 * VolumeBlock.bytes) }
            #expect(volume.restoreProgress?.missingBlocks == 11)
        }
    }

    /// A writer comes between the answer and the file.
    @Test func whatIsWrittenAfterAReadStays() async throws {
        try await TrackingFixture.run { fixture in
            try fixture.create("vol-1", sizeBytes: Int64(Self.sizeBytes), from: snapshot())
            let volume = try fixture.volumes.open("vol-1")
            let outcome = Mutex<Result<Int, Errno>?>(nil)
            var bytes = [UInt8](repeating: 0, count: 512)
            var elements = bytes.mutableSpan
            var span = unsafe elements.mutableBytes
            let unwritten = try volume.readMissing(into: &span, count: 512, at: 0)
            let whole = [UInt8](repeating: 9, count: Int(VolumeBlock.bytes))
            let writer = KernelThread(name: "writer") {
                outcome.withLock { $0 = Result { () throws(Errno) in try volume.write(whole, at: 0) } }
            }
            writer.start()
            _ = consume unwritten
            writer.join()
            #expect(outcome.withLock { $0 } == .success(0))
            #expect(try volume.bytes(at: 0, count: whole.count) == whole)
        }
    }

    @Test func aVolumeWithMissingBlocksIsNotOpenedWithoutItsSource() async throws {
        try await TrackingFixture.run { fixture in
            try fixture.create("vol-1", sizeBytes: Int64(Self.sizeBytes), from: snapshot())
            fixture.volumes.forgetSource(of: "vol-1")
            #expect(throws: Errno.ioError) { try fixture.volumes.open("vol-1") }
        }
    }

    static let seeds: [UInt64] = [1, 2, 3, 4, SystemRandom().next()]

    /// Power is lost: each page that was written since the last flush is there or not, and the map of a flush that was
    /// under way too. What was flushed is there.
    @Test(arguments: seeds) func whatWasFlushedOutlivesALossOfPower(seed: UInt64) async throws {
        try await TrackingFixture.run { fixture in
            let source = snapshot()
            try fixture.create("vol-1", sizeBytes: Int64(Self.sizeBytes), from: source)
            let play = PowerLoss(fixture, SeededRandom(seed: seed), source.bytes)
            for round in 0..<12 {
                try play.write(count: 10)
                try play.flush()
                try play.write(count: 6)
                try play.losePower()
                if let difference = play.difference {
                    Issue.record("seed \(seed), round \(round): \(difference)")
                    return
                }
            }
        }
    }
}

private final class PowerLoss {
    private static let page = 4096
    private let fixture: TrackingFixture
    private let random: SeededRandom
    private var bytes: [UInt8]
    private var flushed: [UInt8]
    private var flushedFile: [UInt8] = []
    private var flushedMap: [UInt8] = []
    var difference: String?

    init(_ fixture: TrackingFixture, _ random: SeededRandom, _ bytes: [UInt8]) {
        self.fixture = fixture
        self.random = random
        self.bytes = bytes
        flushed = bytes
    }

    private func below(_ bound: Int) -> Int { Int(random.next() % UInt64(bound)) }

    private var map: FilePath {
        TrackingDirectory(store: fixture.store.directory, volume: "vol-1").durablyMissing
    }
    private var file: FilePath { fixture.store.directory.appending("vol-1") }

    func write(count: Int) throws {
        let volume = try fixture.volumes.open("vol-1")
        for _ in 0..<count {
            let pages = below(8) == 0 ? 300 : 12
            let start = below(bytes.count / Self.page) * Self.page
            let range = start..<min(bytes.count, start + (1 + below(pages)) * Self.page)
            if below(4) == 0 {
                try volume.punchHole(at: Int64(range.lowerBound), length: Int64(range.count))
                bytes.replaceSubrange(range, with: repeatElement(0, count: range.count))
            } else if below(4) == 0 {
                _ = try volume.bytes(at: Int64(range.lowerBound), count: range.count)
            } else {
                let pattern = [UInt8](repeating: UInt8(below(256)), count: range.count)
                try volume.write(pattern, at: Int64(range.lowerBound))
                bytes.replaceSubrange(range, with: pattern)
            }
        }
    }

    func flush() throws {
        // The map that a flush begins with may be the one that is found, until it has ended.
        try fixture.volumes.open("vol-1").synchronize()
        flushed = bytes
        flushedFile = try contents(of: file)
        flushedMap = try contents(of: map)
    }

    func losePower() throws {
        // Half of the times in the midst of another flush: the bytes are durable, the map is not.
        if below(2) == 0 { try fixture.volumes.open("vol-1").synchronize() } else { try loseHalf() }
        try writeFile(map, flushedMap)
        try fixture.startNextBoot()
        let got = try fixture.volumes.open("vol-1").bytes(at: 0, count: bytes.count)
        for start in stride(from: 0, to: bytes.count, by: Self.page) {
            let page = got[start..<start + Self.page]
            if page != flushed[start..<start + Self.page], page != bytes[start..<start + Self.page] {
                difference = "page at \(start), block \(start >> 19)"
            }
        }
        bytes = got
        flushed = got
    }

    private func loseHalf() throws {
        let descriptor = try FileDescriptor.openFile(file, .readWrite)
        defer { descriptor.closeIgnoringErrors() }
        for start in stride(from: 0, to: bytes.count, by: Self.page) where below(2) == 0 {
            try unsafe descriptor.writeAll(Array(flushedFile[start..<start + Self.page]).span.bytes, at: Int64(start))
        }
    }

    private func contents(of path: FilePath) throws -> [UInt8] { try readFile(path, limit: 64 << 20) }
}
