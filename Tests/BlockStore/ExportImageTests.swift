import Platform
import SystemPackage
import Testing

@testable import BlockStore

/// The state of a real filesystem at random moments of an export, as the next process finds it after `kill -9`, and
/// after a loss of power: a file that has its end is whole, and any other is gone on with.
@Suite struct ExportImageTests {
    private static let sizeBytes = 200 * VolumeBlock.bytes

    @Test(arguments: [SystemRandom().next()])
    func aFileWithAnEndIsWhole(seed: UInt64) async throws {
        let random = SeededRandom(seed: seed)
        try await CrashDisk.run { disk in
            let store = SnapshotFixture(
                directory: disk.live, store: try SnapshotStore(directory: disk.live.appending("snapshots")))
            let changes = (0..<150).map { (block: $0, number: $0 + 1) }
            let manifest = try store.write(sizeBytes: Self.sizeBytes, changes)
            try store.store.synchronize()
            let whole = try Self.export(store.store, manifest, to: disk.live.appending("whole"))
            for number in 0..<6 {
                let comment: Comment = "seed \(seed), image \(number)"
                let path = disk.live.appending("file")
                try removeFile(at: path)
                // How far it is when the disk is looked at, in bytes; the last one is at the end.
                let stop = number == 5 ? whole : Int64(random.next() % UInt64(whole))
                try Self.export(store.store, manifest, to: path, upTo: stop)
                try await disk.withImage(number % 2 == 0 ? .powerLoss : .kill) { found in
                    try Self.check(found, manifest, whole, comment, isWhole: number == 5)
                }
            }
        }
    }

    private struct Stopped: Error {}

    /// Gives the length; or leaves the file as it is after some bytes.
    @discardableResult
    private static func export(
        _ store: SnapshotStore, _ manifest: Manifest, to path: FilePath, upTo stop: Int64 = .max
    ) throws -> Int64 {
        let file = try FileDescriptor.openFile(
            path, .readWrite, options: .create, permissions: .ownerReadWrite)
        defer { file.closeIgnoringErrors() }
        do {
            try store.export(manifest.name, description: "{}", to: file) { done in
                if done.doneBytes > stop { throw Stopped() }
            }
            try Directory.synchronize(path.removingLastComponent())
        } catch is Stopped {
        }
        return try file.fileStatus().sizeBytes
    }

    private static func check(
        _ found: FilePath, _ manifest: Manifest, _ whole: Int64, _ comment: Comment, isWhole: Bool
    ) throws {
        let path = found.appending("file")
        let store = try SnapshotStore(directory: found.appending("snapshots"))
        let imports = { (name: String) throws -> Manifest in
            let other = try SnapshotStore(directory: found.appending(name))
            let file = try FileDescriptor.openFile(path, .readOnly)
            defer { file.closeIgnoringErrors() }
            return try other.beginWriting().importArchive(from: file).manifest
        }
        if isWhole {
            #expect(try imports("first") == manifest, comment)
        } else if try Directory.names(in: found).contains("file") {
            #expect(throws: SnapshotArchiveError.self, comment) { try imports("first") }
        }
        #expect(try export(store, manifest, to: path) == whole, comment)
        #expect(try imports("second") == manifest, comment)
    }
}
