import Glibc
import Platform
import SystemPackage
import Testing

@testable import BlockStore

/// What becomes of cuts, volumes and their maps when the disk is full to the last byte.
@Suite struct FullDiskTests {
    private static let sizeBytes = 16 << 20

    @Test(arguments: [SmallDisk.tmpfs, .ext4, .xfs])
    func aCutThatFindsNoRoomFailsAndItsVolumeGoesOn(disk: SmallDisk) async throws {
        try await withSmallDisk(disk, mebibytes: disk == .xfs ? 320 : 64) { directory in
            let fixture = try TrackingFixture(directory: directory.appending("volumes"), partBytes: 8 << 40)
            try fixture.store.create("vol-1", sizeBytes: Int64(Self.sizeBytes))
            let volume = try fixture.volumes.open("vol-1")
            try volume.write([UInt8](repeating: 5, count: Self.sizeBytes), at: 0)
            try volume.synchronize()
            let cut = try fixture.volumes.cut([.init(volume: "vol-1", cut: "snap-1", base: nil)])[0]
            #expect(cut.isClone == (disk == .xfs))
            let filler = try fillDisk(of: directory)
            let after = [UInt8](repeating: 6, count: Self.sizeBytes)
            for start in stride(from: 0, to: Self.sizeBytes, by: 64 << 10) {
                try volume.write(Array(after[start..<start + 64 << 10]), at: Int64(start))
            }
            try volume.synchronize()
            #expect(cut.failure == .noSpace)
            #expect(throws: CutFailure.noSpace) { try cut.copy(into: MemorySink()) }
            cut.keep(nil)
            try goOn(fixture, filler, after)
        }
    }

    /// The next process, first on the full disk, then with room.
    private func goOn(_ fixture: TrackingFixture, _ filler: FilePath, _ bytes: [UInt8]) throws {
        try fixture.startNextProcess()
        let cut = try #require(try fixture.pendingCuts().first)
        #expect(cut.failure == .noSpace)
        try fixture.volumes.finish(cut)
        #expect(try CutDirectory.all(in: fixture.store.directory) == [])
        #expect(try fixture.volumes.trackedBase(of: "vol-1") == nil)
        let volume = try fixture.volumes.open("vol-1")
        #expect(try volume.bytes(at: 0, count: bytes.count) == bytes)
        try removeFile(at: filler)
        let next = try fixture.volumes.cut([.init(volume: "vol-1", cut: "snap-2", base: "snap-1")])[0]
        let sink = MemorySink()
        try next.copy(into: sink)
        #expect(try sink.contents(of: next, on: nil).bytes == bytes)
        try fixture.volumes.finish(next)
    }

    /// A store into a mapped page for which there is no space would end the process.
    @Test(arguments: [SmallDisk.tmpfs, .ext4, .xfs, .btrfs])
    func mapsAreWrittenOnAFullDisk(disk: SmallDisk) async throws {
        try await withSmallDisk(disk, mebibytes: disk == .xfs || disk == .btrfs ? 320 : 64) { directory in
            let fixture = try TrackingFixture(directory: directory.appending("volumes"), partBytes: 8 << 40)
            try fixture.volumes.create("restored", sizeBytes: 1 << 40, restoring: PatternSource())
            try fixture.store.create("written", sizeBytes: 1 << 40)
            let restored = try fixture.volumes.open("restored")
            let written = try fixture.volumes.open("written")
            for place in Self.places { try written.write([1], at: place) }
            try restored.punchHole(at: 0, length: VolumeBlock.bytes)
            try restored.synchronize()
            let cuts = try fixture.volumes.cut([
                .init(volume: "restored", cut: "snap-1", base: "pattern"),
                .init(volume: "written", cut: "snap-1", base: nil),
            ])
            let filler = try fillDisk(of: directory)
            let punched = try changeEverywhere(restored, written)
            #expect(disk == .xfs || punched.count == 64)
            try restored.synchronize()
            for cut in cuts { cut.keep(nil) }
            try fixture.startNextProcess()
            fixture.volumes.setSource(PatternSource(), of: "restored")
            try expectPunched(punched, in: try fixture.volumes.open("restored"))
            try removeFile(at: filler)
            try expectPunched(punched, in: try fixture.volumes.open("restored"))
            for cut in try fixture.pendingCuts() { try fixture.volumes.finish(cut) }
        }
    }

    /// One in each page of a map: 16 GiB.
    private static let places = stride(from: Int64(0), to: 1 << 40, by: 16 << 30)

    /// - Returns: where a hole could be punched, for which xfs wants some space.
    private func changeEverywhere(_ restored: VolumeBlocks, _ written: VolumeBlocks) throws -> Set<Int64> {
        var punched: Set<Int64> = []
        let block = [UInt8](repeating: 9, count: Int(VolumeBlock.bytes))
        for place in Self.places {
            // There is no room for a block that comes from the source, but it can be read.
            #expect(try restored.bytes(at: place + 5 * VolumeBlock.bytes, count: 2) == [5, 5])
            #expect(throws: Errno.noSpace) { try restored.write([1], at: place + 5 * VolumeBlock.bytes) }
            #expect(throws: Errno.noSpace) { try restored.write(block, at: place + 6 * VolumeBlock.bytes) }
            if try punch(place + VolumeBlock.bytes, 2 * VolumeBlock.bytes, of: restored) { punched.insert(place) }
            #expect(throws: Errno.noSpace) { try written.write(block, at: place + 1 << 30) }
            _ = try punch(place + 1 << 30, 1 << 30, of: written)
        }
        return punched
    }

    private func punch(_ offset: Int64, _ length: Int64, of volume: VolumeBlocks) throws(Errno) -> Bool {
        do throws(Errno) {
            try volume.punchHole(at: offset, length: length)
            return true
        } catch .noSpace {
            return false
        }
    }

    private func expectPunched(_ punched: Set<Int64>, in restored: VolumeBlocks) throws {
        for place in Self.places {
            let bytes = try (1..<7).flatMap { try restored.bytes(at: place + $0 * VolumeBlock.bytes, count: 1) }
            #expect(bytes == (punched.contains(place) ? [0, 0, 3, 4, 5, 6] : [1, 2, 3, 4, 5, 6]))
        }
    }
}

/// A tebibyte in which each block is full of its number's last four bits.
private struct PatternSource: RestoreSource {
    var name: String { "pattern" }
    var writtenBlocks: [Range<Int>] { [0..<VolumeBlock.count(sizeBytes: 1 << 40)] }
    func hasBlock(_ index: Int) -> Bool { index % 16 != 0 }

    func read(_ index: Int, into buffer: inout MutableRawSpan) -> Bool {
        if !hasBlock(index) { return false }
        unsafe buffer.withUnsafeMutableBytes { buffer in
            unsafe _ = memset(buffer.baseAddress!, CInt(index % 16), buffer.count)
        }
        return true
    }
}
