import SystemPackage
import Testing

@testable import BlockStore
@testable import Platform

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

    /// Because it has many extents, or much that is not on the disk.
    @Test func aCutOfAFileThatIsNotClonedQuicklySavesBlocks() async throws {
        try await withSmallDisk(.xfs, mebibytes: 400) { directory in
            let scattered = try isCutACloneAndRight(
                directory.appending("scattered"), dirtyMebibytes: 1, pieces: 300, isDurable: true)
            #expect(!scattered)
            // A kernel that tells what is dirty may write it all before the cut looks.
            let isOnceNoClone = try (1...10).contains { round in
                try !isCutACloneAndRight(
                    directory.appending("dirty-\(round)"), dirtyMebibytes: 24, pieces: 1, isDurable: false)
            }
            #expect(try isOnceNoClone == kernelTellsWhatIsDirty(directory))
        }
    }

    /// Linux does from 6.5 on, unless a filter of system calls forbids it; before, only extents are counted.
    private func kernelTellsWhatIsDirty(_ directory: FilePath) throws -> Bool {
        let file = try FileDescriptor.openFile(
            directory.appending("asked"), .readWrite, options: [.create], permissions: [.ownerReadWrite])
        defer { file.closeIgnoringErrors() }
        return try file.cachedPages(at: 0, length: 1) != nil
    }

    /// Whether a cut of what has just been written is a clone. Either way it has the bytes of its instant.
    ///
    /// - Parameter pieces: between which there are holes.
    private func isCutACloneAndRight(
        _ directory: FilePath, dirtyMebibytes: Int, pieces: Int, isDurable: Bool
    ) throws -> Bool {
        let fixture = try TrackingFixture(directory: directory, partBytes: 8 << 40)
        try fixture.store.create("vol-1", sizeBytes: 64 << 20)
        let volume = try fixture.volumes.open("vol-1")
        let piece = [UInt8](repeating: 5, count: dirtyMebibytes << 20 / pieces & ~511)
        var before = [UInt8](repeating: 0, count: 64 << 20)
        for number in 0..<pieces {
            let start = number * 128 << 10
            before.replaceSubrange(start..<start + piece.count, with: piece)
            try volume.write(piece, at: Int64(start))
        }
        if isDurable { try volume.synchronize() }
        let cut = try fixture.volumes.cut([.init(volume: "vol-1", cut: "snap-1", base: nil)])[0]
        try volume.write([UInt8](repeating: 6, count: 1 << 20), at: 0)
        let sink = MemorySink()
        try cut.copy(into: sink)
        #expect(try sink.contents(of: cut, on: nil).bytes == before)
        try fixture.volumes.finish(cut)
        try fixture.store.remove("vol-1")
        return cut.isClone
    }
}
