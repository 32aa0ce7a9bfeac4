// Cuts and uploads whose files cannot be read after a start: each costs its own snapshot, and nothing else.
import BlockStore
import Driver
import Platform
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import Emulator

@Suite struct UnreadableWorkTests {
    private struct Died: Error {}

    /// The process cannot finish what it brings into the store, nor write down that it failed.
    private static let lastSteps: Set<RegionEffects.Step> = [.writeManifest, .commit, .finishCut, .endUpload]

    /// Opening a pipe succeeds, and reading at an offset does not.
    ///
    /// - Parameter kept: where the file goes meanwhile.
    private func makeUnreadable(_ file: FilePath, keeping kept: FilePath) async throws {
        try renameFile(file, to: kept)
        #expect(try await runCommand("mkfifo", [file.string]).status == 0)
    }

    /// Runs a first life, which dies when it brings something into the store, and gives what is there of it.
    private func withRemains(
        of life: (TestRegion) async throws -> Void, _ body: (TestRegion) async throws -> Void
    ) async throws {
        try await withTemporaryDirectory { directory in
            let isDead = Mutex(false)
            let region = try await TestRegion.open(directory) { step in
                let isOver = isDead.withLock { isDead in
                    isDead = isDead || step == .writeManifest
                    return isDead
                }
                if isOver, Self.lastSteps.contains(step) { throw Died() }
            }
            try await life(region)
            try await region.driver.finishSnapshotWork()
            try await region.driver.close()
            try await body(region)
        }
    }

    private func checkFailed(_ id: SnapshotID, in region: TestRegion) async throws {
        let snapshot = try await region.snapshot(id)
        #expect(snapshot.state == .error, "\(snapshot)")
        #expect(snapshot.stateMessage?.contains("before the last start cannot be read") == true, "\(snapshot)")
        try await region.driver.deleteSnapshot(id)
    }

    @Test("a cut that cannot be read costs its snapshot, and every other one is completed")
    func cut() async throws {
        var ids: [SnapshotID] = []
        var upload: SnapshotID?
        try await withRemains { region in
            let (one, other) = (try await region.create("one"), try await region.create("other"))
            // Block 0 is in both.
            try region.write([0: 1, 1: 2], to: one.id)
            try region.write([0: 1, 64: 3], to: other.id)
            upload = try await region.start()
            try await region.put([0: 1, 700: 5], into: #require(upload))
            ids = try await region.createSnapshots([one.id, other.id])
        } _: { region in
            let volume = try #require(await region.volumeID(named: "one"))
            let cut = region.directory.appending("volumes/.cuts/\(ids[0])/\(volume)")
            try await makeUnreadable(cut.appending("names"), keeping: region.directory.appending("kept"))
            let next = try await region.reopened()
            try await next.driver.finishSnapshotWork()
            try await checkFailed(ids[0], in: next)
            #expect(try await next.blocks(of: ids[1]) == [0: 1, 64: 3])
            let upload = try #require(upload)
            _ = try await next.seal(upload, blockCount: 2)
            try await next.checkStore("afterwards")
            #expect(try await next.read(upload) == [0: 1, 700: 5])
            let again = try await next.completeSnapshot(volume)
            #expect(try await next.blocks(of: again) == [0: 1, 1: 2])
            try await next.driver.close()
        }
    }

    @Test("an upload that cannot be read costs its snapshot, sealed or not", arguments: [false, true])
    func upload(isSealed: Bool) async throws {
        var ids: [SnapshotID] = []
        try await withRemains { region in
            for block in [1, 64] {
                let id = try await region.start()
                try await region.put([0: 1, block: 2], into: id)
                ids.append(id)
            }
            if isSealed { _ = try await region.seal(ids[0], blockCount: 2) }
        } _: { region in
            let names = region.directory.appending("snapshots/uploads/\(ids[0])/names")
            try await makeUnreadable(names, keeping: region.directory.appending("kept"))
            let next = try await region.reopened()
            #expect(await refusal { try await next.put(3, at: 2, into: ids[0]) } != nil)
            try await next.driver.finishSnapshotWork()
            try await checkFailed(ids[0], in: next)
            _ = try await next.seal(ids[1], blockCount: 2)
            try await next.checkStore("afterwards")
            #expect(try await next.read(ids[1]) == [0: 1, 64: 2])
            try await next.driver.close()
        }
    }

    /// What nobody holds has been removed: to read it then is too late.
    @Test("an upload that can be read again at the next start is not completed without its blocks")
    func readableAgain() async throws {
        var id: SnapshotID?
        try await withRemains { region in
            id = try await region.start()
            try await region.put([0: 1, 64: 2], into: #require(id))
        } _: { region in
            let id = try #require(id)
            let names = region.directory.appending("snapshots/uploads/\(id)/names")
            let kept = region.directory.appending("kept")
            try await makeUnreadable(names, keeping: kept)
            // The process ends before it can say what became of the upload.
            let second = try await region.reopened { step in
                if Self.lastSteps.contains(step) { throw Died() }
            }
            try await second.driver.finishSnapshotWork()
            try await second.driver.close()
            try renameFile(kept, to: names)
            let third = try await second.reopened()
            try await third.driver.finishSnapshotWork()
            #expect(try await third.snapshot(id).state == .error)
            try await third.checkStore("afterwards")
            try await third.driver.close()
        }
    }

    @Test("objects whose directory cannot be read leave the store closed, and no snapshot is lost by that")
    func unreadableStore() async throws {
        var id: SnapshotID?
        try await withRemains { region in
            id = try await region.start()
            try await region.put([0: 1], into: #require(id))
        } _: { region in
            let id = try #require(id)
            let shard = region.directory.appending("snapshots/objects/zz")
            try writeFile(shard, "no directory")
            let next = try await region.reopened()
            await #expect(throws: Errno.notDirectory) { try await next.driver.finishSnapshotWork() }
            #expect(try await next.snapshot(id).state == .pending)
            try removeFile(at: shard)
            let last = try await next.reopened()
            _ = try await last.seal(id, blockCount: 1)
            try await last.checkStore("afterwards")
            #expect(try await last.read(id) == [0: 1])
            try await last.driver.close()
        }
    }
}

extension TestRegion {
    fileprivate func volumeID(named name: String) async -> VolumeID? {
        await driver.region.state.volumes.values.first { $0.name == name }?.id
    }
}
