import Glibc
import Platform
import SystemPackage
import Testing

@testable import BlockStore

/// What becomes of cuts, volumes and their maps when the disk is full to the last byte.
@Suite struct FullDiskTests {
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
            for cut in try fixture.volumes.pendingCuts() { try fixture.volumes.finish(cut) }
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
