import Platform
import SystemPackage
import TestSupport
import Testing

@testable import BlockStore

/// Snapshots that are written block by block: what is put, what the next process finds, and what is given back.
@Suite struct SnapshotUploadTests {
    private static let sizeBytes: Int64 = 1 << 30

    /// A store and its uploads, as one process has them.
    private struct Fixture {
        let store: SnapshotStore
        let uploads: SnapshotUploads

        init(_ directory: FilePath, boot: String = "boot-1") throws {
            store = try SnapshotStore(directory: directory)
            uploads = SnapshotUploads(store, directory: directory.appending("uploads"), boot: boot)
        }

        func begin(_ name: String = "snap-1") throws -> SnapshotUpload {
            try uploads.begin(name, volumeSizeBytes: SnapshotUploadTests.sizeBytes, at: 0)
        }

        func pending() throws -> [SnapshotUpload] {
            try uploads.pending { name, error in Issue.record("\(name): \(error)") }
        }

        /// As the region does at a start.
        func sweep(holding uploads: [SnapshotUpload] = []) throws -> Int {
            for upload in uploads { upload.holdBlocks() }
            return try store.sweep { _ in false }
        }

        func objectCount() throws -> Int {
            var count = 0
            try store.forEachName { _ in count += 1 }
            return count
        }
    }

    private static func numbers(in upload: SnapshotUpload, _ store: SnapshotStore) throws -> [Int: Int] {
        var numbers: [Int: Int] = [:]
        try upload.forEachChange { block, name in numbers[block] = try name.map(store.number) ?? 0 }
        return numbers
    }

    @Test func theLastBlockOfAnIndexCountsAndZerosAreABlock() async throws {
        try await withTemporaryDirectory { directory in
            let fixture = try Fixture(directory)
            let upload = try fixture.begin()
            for (block, number) in [(2047, 1), (0, 2), (0, 3), (64, 4), (64, 0), (5, 0)] {
                try upload.put(block, number)
            }
            #expect(try Self.numbers(in: upload, fixture.store) == [0: 3, 5: 0, 64: 0, 2047: 1])
            #expect(throws: SnapshotUploadRefusal.count(found: 4)) { try upload.seal(blockCount: 5, checksum: nil) }
            // It goes on after that.
            try upload.put(6, 9)
            try upload.seal(blockCount: 5, checksum: nil)
            #expect(upload.isSealed)
            #expect(throws: SnapshotUploadRefusal.ended) { try upload.put(7, 1) }
            #expect(throws: SnapshotUploadRefusal.ended) { try upload.seal(blockCount: 5, checksum: nil) }
        }
    }

    @Test func theLinearChecksumIsThatOfTheBlocksChecksumsInOrder() async throws {
        try await withTemporaryDirectory { directory in
            let upload = try Fixture(directory).begin()
            for (block, number) in [(700, 5), (3, 6), (4, 0)] { try upload.put(block, number) }
            let checksum = Digest.of([6, 0, 5].flatMap { Digest.of(SnapshotFixture.block($0)).bytes }).bytes
            #expect(throws: SnapshotUploadRefusal.checksum) {
                try upload.seal(blockCount: 3, checksum: checksum.reversed())
            }
            try upload.seal(blockCount: 3, checksum: checksum)
        }
    }

    @Test func theNextProcessOfTheSameBootGoesOn() async throws {
        try await withTemporaryDirectory { directory in
            let first = try Fixture(directory).begin()
            for (block, number) in [(0, 1), (0, 2), (9, 3)] { try first.put(block, number) }
            let next = try Fixture(directory)
            let upload = try #require(try next.pending().first)
            #expect(try next.sweep(holding: [upload]) == 1, "what was replaced")
            #expect(!upload.isSealed)
            try upload.put(1, 4)
            try upload.seal(blockCount: 3, checksum: nil)
            let last = try Fixture(directory)
            let sealed = try #require(try last.pending().first)
            #expect(sealed.isSealed)
            #expect(try last.sweep(holding: [sealed]) == 0)
            #expect(try Self.numbers(in: sealed, last.store) == [0: 2, 1: 4, 9: 3])
            #expect(throws: SnapshotUploadRefusal.ended) { try sealed.put(1, 4) }
        }
    }

    @Test func nothingIsLeftOfAnotherBootOrOfBlocksThatMayBeLost() async throws {
        try await withTemporaryDirectory { directory in
            let fixture = try Fixture(directory)
            try fixture.begin().put(0, 1)
            #expect(try Fixture(directory, boot: "boot-2").pending().isEmpty)
            #expect(try fixture.pending().count == 1)
            // The disk failed: the next process finds another epoch.
            #expect(throws: Errno.ioError) {
                try fixture.store.files.synchronize { () throws(Errno) in throw .ioError }
            }
            let next = try Fixture(directory)
            #expect(try next.pending().isEmpty)
            #expect(try next.uploads.names() == ["snap-1"])
            try next.uploads.remove("snap-1")
            #expect(try next.uploads.names().isEmpty)
        }
    }

    @Test func whatAKilledPutLeftHarmsNothing() async throws {
        try await withTemporaryDirectory { directory in
            let fixture = try Fixture(directory)
            let upload = try fixture.begin()
            try upload.put(0, 1)
            try upload.put(0, 2)
            let place = UploadDirectory(directory.appending("uploads"), upload: "snap-1")
            // A name without its bit, and half of a name that was to be replaced.
            let names = try BlockNames(place.names, blockCount: upload.blockCount)
            try names.set(7, to: Digest.of(SnapshotFixture.block(8)))
            let replaced = try FileDescriptor.openFile(place.replaced, .readWrite)
            try replaced.setLength(Int64(Digest.byteCount + 5))
            replaced.closeIgnoringErrors()
            let next = try Fixture(directory)
            let opened = try #require(try next.pending().first)
            #expect(try Self.numbers(in: opened, next.store) == [0: 2])
            try opened.put(7, 0)
            #expect(try Self.numbers(in: opened, next.store) == [0: 2, 7: 0])
            // Not made to the end.
            try removeFile(at: place.record)
            #expect(try Fixture(directory).pending().isEmpty)
        }
    }

    @Test func theEndGivesBackWhatNothingNeeds() async throws {
        try await withTemporaryDirectory { directory in
            let fixture = try Fixture(directory)
            let upload = try fixture.begin()
            for (block, number) in [(0, 1), (0, 2), (1, 3), (2, 3)] { try upload.put(block, number) }
            try upload.seal(blockCount: 3, checksum: nil)
            let other = fixture.store.beginWriting()
            _ = try other.put(SnapshotFixture.block(1))
            #expect(try fixture.objectCount() == 3)
            var needed: Set<Digest> = []
            try upload.forEachChange { _, name in needed.insert(try #require(name)) }
            let kept = try fixture.uploads.end(
                upload, isComplete: true, unless: { needed.contains($0) }, check: {})
            // Somebody else may be about to refer to what was replaced.
            #expect(kept == [Digest.of(SnapshotFixture.block(1))])
            #expect(try fixture.objectCount() == 3)
            #expect(try fixture.uploads.names().isEmpty)
            other.end()

            let failed = try fixture.begin("snap-2")
            for (block, number) in [(0, 4), (0, 5), (1, 3)] { try failed.put(block, number) }
            _ = try fixture.uploads.end(failed, isComplete: false, unless: { needed.contains($0) }, check: {})
            #expect(try fixture.objectCount() == 3)
            #expect(throws: SnapshotUploadRefusal.ended) { try failed.put(0, 1) }
        }
    }

    /// Room for a block, and not for its name.
    @Test func whatCouldNotBeWrittenDownIsGivenBackToo() async throws {
        try await withSmallDisk(.tmpfs, mebibytes: 48) { directory in
            let fixture = try Fixture(directory.appending("snapshots"))
            let upload = try fixture.begin()
            try upload.put(0, 1)
            let filler = try FileDescriptor.openFile(fillDisk(of: directory), .readWrite)
            defer { filler.closeIgnoringErrors() }
            try filler.setLength(filler.fileStatus().sizeBytes - VolumeBlock.bytes)
            #expect(throws: Errno.noSpace) { try upload.put(1000, 2) }
            #expect(try fixture.objectCount() == 2)
            try filler.setLength(0)
            try upload.seal(blockCount: 1, checksum: nil)
            let needed = Digest.of(SnapshotFixture.block(1))
            #expect(try fixture.uploads.end(upload, isComplete: true, unless: { $0 == needed }, check: {}) == [])
            #expect(try fixture.objectCount() == 1)
        }
    }

    @Test func onlyOneThatNobodyWritesIsClosedForThat() async throws {
        try await withTemporaryDirectory { directory in
            let upload = try Fixture(directory).begin()
            #expect(!upload.close(ifIdleSince: -1))
            try upload.put(0, 1, at: 100)
            #expect(!upload.close(ifIdleSince: 99))
            #expect(upload.close(ifIdleSince: 100))
            #expect(!upload.close(ifIdleSince: 100))
            #expect(throws: SnapshotUploadRefusal.ended) { try upload.put(0, 1) }
        }
    }

    @Test(
        "several put at the same time while it is sealed: what was answered is in it, and nothing else",
        arguments: 0..<8)
    func sealedUnderWriters(round: Int) async throws {
        try await withTemporaryDirectory { directory in
            let fixture = try Fixture(directory)
            let upload = try fixture.begin()
            let answered = Monitor<[Int: Int]>([:])
            let writers = (0..<4).map { number in
                KernelThread(name: "writer") {
                    for turn in 0..<64 {
                        let block = turn * 4 + number
                        do {
                            try upload.put(block, block + 1)
                        } catch {
                            return
                        }
                        answered.withLock { $0[block] = block + 1 }
                    }
                }
            }
            for writer in writers { writer.start() }
            let enough = round * 12 + 1
            answered.wait { $0.count >= enough ? () : nil }
            var count = enough
            while !upload.isSealed {
                do {
                    try upload.seal(blockCount: count, checksum: nil)
                } catch SnapshotUploadRefusal.count(let found) {
                    count = found
                }
            }
            for writer in writers { writer.join() }
            #expect(try Self.numbers(in: upload, fixture.store) == answered.withLock { $0 })
            #expect(answered.withLock { $0.count } == count)
        }
    }

    @Test(arguments: [SmallDisk.tmpfs, .ext4])
    func onAFullDiskABlockIsRefusedAndWhatWasPutStays(disk: SmallDisk) async throws {
        try await withSmallDisk(disk, mebibytes: 48) { directory in
            let fixture = try Fixture(directory.appending("snapshots"))
            let upload = try fixture.begin()
            for block in 0..<8 { try upload.put(block, block + 1) }
            let filler = try fillDisk(of: directory)
            #expect(throws: Errno.noSpace) {
                for block in 100..<2000 { try upload.put(block, block) }
            }
            #expect(throws: Errno.noSpace) { _ = try fixture.begin("snap-2") }
            #expect(try fixture.uploads.names() == ["snap-1"])
            let before = try Self.numbers(in: upload, fixture.store)
            #expect(before.filter { $0.key < 100 }.count == 8)
            try removeFile(at: filler)
            try upload.put(100, 77)
            try upload.seal(blockCount: before.merging([100: 77]) { $1 }.count, checksum: nil)
        }
    }
}

extension SnapshotUpload {
    fileprivate func put(_ block: Int, _ number: Int, at time: Int64 = 0) throws {
        let bytes = SnapshotFixture.block(number)
        try unsafe put(block, bytes.span.bytes, named: .of(bytes), at: time)
    }
}

extension Digest {
    fileprivate static func of(_ bytes: [UInt8]) -> Digest { unsafe Digest(of: bytes.span.bytes) }
}
