import Platform
import SystemPackage
import Testing

@testable import BlockStore

private let sizeBytes = 200 * VolumeBlock.bytes
private let description = #"{"name":"ä"}"#

@Suite struct SnapshotArchiveTests {
    /// Where the records of `write` begin: the head, two blocks, a segment, a block, a segment, the manifest, the end.
    private static let starts: [Int64] = {
        let lengths = [48 + description.utf8.count + 32, 524_328, 524_328, 40 + 88, 524_328, 40 + 56, 40 + 112, 40]
        return lengths.reduce(into: [0]) { $0.append($0[$0.count - 1] + Int64($1)) }
    }()

    private func write(_ fixture: SnapshotFixture) throws -> Manifest {
        try fixture.write(sizeBytes: sizeBytes, [(3, 1), (4, 2), (199, 3)])
    }

    private func withArchive(_ body: (SnapshotFixture, Manifest, FileDescriptor) throws -> Void) async throws {
        try await SnapshotFixture.run { fixture in
            let manifest = try write(fixture)
            let file = try FileDescriptor.openFile(
                fixture.directory.appending("file"), .readWrite, options: [.create], permissions: [.ownerReadWrite])
            defer { file.closeIgnoringErrors() }
            try fixture.store.export(manifest.name, description: description, to: file)
            try body(fixture, manifest, file)
        }
    }

    /// Imports into an empty store.
    private func importing(_ fixture: SnapshotFixture, _ file: FileDescriptor) throws -> (Manifest, String, [Int: Int])
    {
        let directory = fixture.directory.appending("other-\(SystemRandom().hexDigits(8))")
        let other = SnapshotFixture(directory: directory, store: try SnapshotStore(directory: directory))
        let (manifest, text) = try other.store.beginWriting().importArchive(from: file)
        return (manifest, text, try other.numbers(in: manifest))
    }

    @Test func whatWasExportedIsImportedElsewhere() async throws {
        try await withArchive { fixture, manifest, file in
            #expect(try file.fileStatus().sizeBytes == Self.starts.last)
            let (found, text, numbers) = try importing(fixture, file)
            #expect(found == manifest)
            #expect(text == description)
            #expect(numbers == [3: 1, 4: 2, 199: 3])
        }
    }

    /// Cut off within each record and between any two, it is refused there, and goes on to the same bytes.
    @Test func aFileThatIsCutOffIsRefusedAndGoesOn() async throws {
        try await withArchive { fixture, manifest, file in
            let whole = try file.bytes(at: 0, count: Int(Self.starts[8]))
            for cut in Self.starts.dropLast().flatMap({ [$0, $0 + 20, $0 + 39] }) {
                try file.setLength(cut)
                let expected: SnapshotArchiveError = cut < 8 ? .foreign : .truncated(atByte: cut)
                #expect(throws: expected) { try importing(fixture, file) }
                try fixture.store.export(manifest.name, description: description, to: file)
                #expect(try file.bytes(at: 0, count: whole.count + 1) == whole, "cut at \(cut)")
            }
        }
    }

    @Test func aByteThatChangedIsNamedByItsRecordAndWrittenAnew() async throws {
        try await withArchive { fixture, manifest, file in
            let whole = try file.bytes(at: 0, count: Int(Self.starts[8]))
            for (record, start) in Self.starts.dropLast().enumerated() {
                // The kind or the version, the length, the name, and what follows.
                for place: Int64 in [0, 7, 12, 39, 41] where start + place < Self.starts[record + 1] {
                    let changed = [whole[Int(start + place)] ^ 0x20]
                    try unsafe file.writeAll(changed.span.bytes, at: start + place)
                    let expected: SnapshotArchiveError = start + place < 8 ? .foreign : .damaged(atByte: start)
                    let error = #expect(throws: SnapshotArchiveError.self) { try importing(fixture, file) }
                    #expect(error == expected, "record \(record), byte \(place)")
                    try fixture.store.export(manifest.name, description: description, to: file)
                }
            }
            #expect(try file.bytes(at: 0, count: whole.count + 1) == whole)
        }
    }

    @Test func anotherVersionAndWhatFollowsTheEndAreRefused() async throws {
        try await withArchive { fixture, _, file in
            let end = try #require(Self.starts.last)
            try unsafe file.writeAll([UInt8(1)].span.bytes, at: end)
            #expect(throws: SnapshotArchiveError.trailing(atByte: end)) { try importing(fixture, file) }
            try unsafe file.writeAll([UInt8(2)].span.bytes, at: 8)
            #expect(throws: SnapshotArchiveError.unknownVersion) { try importing(fixture, file) }
        }
    }

    /// Each record is right, but one that is needed is not there.
    @Test func aFileThatLacksABlockIsRefused() async throws {
        try await withArchive { fixture, manifest, file in
            let rest = try file.bytes(at: Self.starts[2], count: Int(Self.starts[8] - Self.starts[2]))
            try unsafe file.writeAll(rest.span.bytes, at: Self.starts[1])
            try file.setLength(Self.starts[1] + Int64(rest.count))
            let name = try #require(try SnapshotSource(fixture.store, manifest).blockName(3))
            #expect(throws: SnapshotArchiveError.incomplete(.missing(.block, name))) { try importing(fixture, file) }
            // A store that has it, spoiled, is named instead.
            let store = try SnapshotStore(directory: fixture.directory.appending("spoiled"))
            let path = store.files.path(of: name)
            try createDirectories(path.removingLastComponent())
            try writeFile(path, Array("no block".utf8))
            #expect(throws: SnapshotStoreError.damaged(.block, name)) {
                _ = try store.beginWriting().importArchive(from: file)
            }
        }
    }
}
