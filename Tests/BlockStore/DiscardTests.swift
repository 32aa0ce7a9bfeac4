import Platform
import SystemPackage
import Testing

@testable import BlockStore

/// Discards as long as a volume, while a cut still needs what is in it.
@Suite struct DiscardTests {
    @Test func aDiscardOfATebibyteOverACutLeavesTheCutItsBlocks() async throws {
        try await TrackingFixture.run { fixture in
            try fixture.store.create("vol-1", sizeBytes: 1 << 40)
            let volume = try fixture.volumes.open("vol-1")
            for block in 0..<8 { try volume.write([1, 2, UInt8(block)], at: Int64(block) << 37 + 4096) }
            let cut = try fixture.volumes.cut([.init(volume: "vol-1", cut: "snap-1", base: nil)])[0]
            let clock = SystemClock()
            let start = clock.uptimeNanoseconds()
            try volume.punchHole(at: 0, length: 1 << 40)
            // A tenth of a second when it is optimized; looking at each of two million blocks takes a minute.
            #expect(clock.uptimeNanoseconds() - start < 20_000_000_000)
            #expect(throws: Errno.noSuchAddressOrDevice) { try volume.next(.data, from: 0) }
            let sink = MemorySink()
            try cut.copy(into: sink)
            var found: [[UInt8]] = []
            try cut.forEachChange { block, name in
                #expect(block % (1 << 18) == 0)
                if let bytes = name.flatMap({ sink.bytes(of: $0) }) { found.append(Array(bytes[4096..<4099])) }
            }
            #expect(found == (0..<8).map { [1, 2, $0] })
            try fixture.volumes.finish(cut)
        }
    }

    /// What was saved takes the space of what went before.
    @Test func aDiscardNeedsNoSpaceForAllThatACutNeeds() async throws {
        try await withSmallDisk(.tmpfs, mebibytes: 240) { directory in
            let fixture = try TrackingFixture(directory: directory.appending("volumes"), partBytes: 8 << 40)
            let size = 2 * VolumeBlocks.pieceBytes
            try fixture.store.create("vol-1", sizeBytes: size)
            let volume = try fixture.volumes.open("vol-1")
            let block = [UInt8](repeating: 7, count: Int(VolumeBlock.bytes))
            for start in stride(from: 0, to: size, by: block.count) { try volume.write(block, at: start) }
            let cut = try fixture.volumes.cut([.init(volume: "vol-1", cut: "snap-1", base: nil)])[0]
            try volume.punchHole(at: 0, length: size)
            #expect(cut.failure == nil)
            let sink = MemorySink()
            try cut.copy(into: sink)
            #expect(sink.putCount == 256)
            var names: Set<Digest?> = []
            try cut.forEachChange { names.insert($1) }
            #expect(names.count == 1 && !names.contains(nil))
            try fixture.volumes.finish(cut)
        }
    }

    @Test(arguments: [0, 1, 4096, VolumeBlocks.pieceBytes - 1])
    func whatLiesBesideADiscardInPiecesStays(before: Int64) async throws {
        try await TrackingFixture.run { fixture in
            let size = 2 * VolumeBlocks.pieceBytes + 3 * 4096
            let source = MemorySnapshot(name: "source", [UInt8](repeating: 3, count: Int(size)))
            try fixture.create("vol-1", sizeBytes: size, from: source)
            let volume = try fixture.volumes.open("vol-1")
            let end = size - 1000
            try volume.punchHole(at: before, length: end - before)
            let bytes = try volume.bytes(at: 0, count: Int(size))
            #expect(bytes.prefix(Int(before)) == source.bytes.prefix(Int(before)))
            let zeros = [UInt8](repeating: 0, count: Int(end - before))
            #expect(bytes[Int(before)..<Int(end)] == zeros[...])
            #expect(bytes.suffix(1000) == source.bytes.suffix(1000))
        }
    }
}
