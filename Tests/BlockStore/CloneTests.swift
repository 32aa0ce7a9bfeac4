import Platform
import SystemPackage
import Testing

@testable import BlockStore

/// Cuts where the filesystem can share extents: xfs in a file, by a loop device.
@Suite struct CloneTests {
    @Test func aCutOnXFSIsACloneForWhichNothingIsSaved() async throws {
        try await withSmallDisk(.xfs, mebibytes: 400) { try cutOnClone($0) }
    }

    private func cutOnClone(_ directory: FilePath) throws {
        let fixture = try TrackingFixture(directory: directory.appending("volumes"), partBytes: 3 << 20)
        try fixture.store.create("vol-1", sizeBytes: 8 << 20)
        let volume = try fixture.volumes.open("vol-1")
        let before = [UInt8](repeating: 5, count: 8 << 20)
        try volume.write(before, at: 0)
        let cut = try fixture.volumes.cut([.init(volume: "vol-1", cut: "snap-1", base: nil)])[0]
        #expect(cut.isClone)
        try volume.write([UInt8](repeating: 6, count: 4 << 20), at: 1 << 20)
        #expect(unsafe volume.tracking.owing.isEmpty)
        let sink = MemorySink()
        try cut.copy(into: sink)
        #expect(try sink.contents(of: cut, on: nil).bytes == before)
        try fixture.volumes.finish(cut)
    }
}
