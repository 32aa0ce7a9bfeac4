import Platform
import SystemPackage
import TestSupport
import Testing

@testable import BlockStore

/// How much of a machine's memory volumes and their snapshots take, each in a process of its own: what the kernel
/// counts as resident, maps of files with it.
@Suite struct TrackingMemoryTests {
    @Test func aTebibyteThatIsNotWrittenTakesLessThanAMebibyte() async throws {
        await #expect(processExitsWith: .success) {
            try await TrackingFixture.run { fixture in
                _ = try pendingCut(of: "warm-up", in: fixture)
                let count = 16
                let before = try residentBytes()
                var cuts: [Cut] = []
                for number in 0..<count { cuts.append(try pendingCut(of: "vol-\(number)", in: fixture)) }
                let each = (try residentBytes() - before) / count
                #expect(each < 1 << 20, "\(each >> 10) KiB")
                for cut in cuts { try fixture.volumes.finish(cut) }
            }
        }
    }

    /// Made from a snapshot that is full, changed everywhere, with a cut whose blocks are all needed, and one more after
    /// it: every bit of every map is looked at and set. Discarding changes a block as writing does, without a TiB; what
    /// would be saved of one that is not a hole is only said to be.
    @Test func aFullTebibyteTakesLessThanSixteenMebibytes() async throws {
        await #expect(processExitsWith: .success) {
            try await TrackingFixture.run { fixture in
                _ = try pendingCut(of: "warm-up", in: fixture)
                let before = try residentBytes()
                let writer = try SnapshotStore(directory: fixture.store.directory.appending("snapshots")).beginWriting()
                let source = SnapshotSource(writer.store, fullManifest())
                try fixture.volumes.create("vol-1", sizeBytes: tebibyte, restoring: source)
                let volume = try fixture.volumes.open("vol-1")
                try volume.punchHole(at: 0, length: tebibyte)
                let cut = try fixture.volumes.cut([.init(volume: "vol-1", cut: "snap-1", base: source.name)])[0]
                try volume.punchHole(at: 0, length: tebibyte)
                try cut.copy(into: writer, workers: 2)
                cut.saved.set(0..<cut.blockCount)
                cut.chunks.set(0..<cut.chunkCount)
                let next = try fixture.volumes.cut([.init(volume: "vol-1", cut: "snap-2", base: "snap-1")])[0]
                try next.copy(into: writer, workers: 2)
                let builder = ManifestBuilder(writer, volumeSizeBytes: tebibyte, parent: fullManifest())
                let manifest = try builder.finish()
                let growth = try residentBytes() - before
                #expect(growth < 16 << 20, "\(growth >> 10) KiB")
                #expect(manifest.segments.count == 32768)
                #expect(volume.restoreProgress?.missingBlocks == 0)
                for cut in [cut, next] { try fixture.volumes.finish(cut) }
            }
        }
    }
}

private let tebibyte: Int64 = 1 << 40

/// A volume of a TiB with one block written, whose changes are counted, and a cut that is copied and not finished.
private func pendingCut(of name: String, in fixture: TrackingFixture) throws -> Cut {
    try fixture.store.create(name, sizeBytes: tebibyte)
    let volume = try fixture.volumes.open(name)
    try volume.write([1], at: tebibyte / 2)
    let first = try fixture.volumes.cut([.init(volume: name, cut: "first-\(name)", base: nil)])[0]
    try first.copy(into: MemorySink())
    try fixture.volumes.finish(first)
    try volume.write([2], at: tebibyte / 2)
    let cut = try fixture.volumes.cut([.init(volume: name, cut: "second-\(name)", base: "first-\(name)")])[0]
    try cut.copy(into: MemorySink())
    return cut
}

/// All of a TiB's blocks, by the names of their segments, of which none is the other's.
private func fullManifest() -> Manifest {
    let segments = (0..<UInt32(32768)).map { number in
        let bytes = (0..<4).map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) } + [UInt8](repeating: 1, count: 28)
        return Manifest.Entry(index: number, name: Digest(bytes))
    }
    return Manifest(volumeSizeBytes: tebibyte, segments: segments)
}

/// This process's, by proc_pid_statm(5).
private func residentBytes() throws -> Int {
    let fields = String(decoding: try readFile("/proc/self/statm"), as: UTF8.self).split(separator: " ")
    return try #require(Int(fields[1])) * 4096
}
