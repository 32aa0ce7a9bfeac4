#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
import Platform
import Synchronization
import SystemPackage
import Testing
import TestSupport

@testable import BlockStore

private let sizeBytes = 200 * VolumeBlock.bytes
/// Two blocks in a segment, one in another.
private let blocks = [3: 1, 4: 2, 199: 3]

extension SnapshotFixture {
    fileprivate func writeBlocks() throws -> PlacedSnapshot {
        let changes = blocks.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        return PlacedSnapshot(id: "snap-1", manifest: try write(sizeBytes: sizeBytes, changes).name)
    }

    /// Pulls into a new store and reads all of it.
    fileprivate func pulled(from place: any ObjectPlace) async throws -> [Int: Int] {
        let path = directory.appending("other-\(SystemRandom().hexDigits(8))")
        let other = SnapshotFixture(directory: path, store: try SnapshotStore(directory: path))
        return try other.numbers(in: try await other.store.beginWriting().pull("snap-1", from: place).manifest)
    }
}

@Suite struct DirectoryPlaceTests {
    private func withFixture(_ body: (SnapshotFixture, FilePath) async throws -> Void) async throws {
        try await withTemporaryDirectory { directory in
            let place = directory.appending("place")
            try createDirectories(place)
            let store = try SnapshotStore(directory: directory.appending("store"))
            try await body(SnapshotFixture(directory: directory, store: store), place)
        }
    }

    @Test func aDirectoryThatIsNotThereIsNotMade() async throws {
        try await withFixture { fixture, path in
            let nowhere = path.appending("nowhere")
            let place = DirectoryPlace(nowhere, clock: SystemClock())
            let snapshot = try fixture.writeBlocks()
            let error = await #expect(throws: PlaceError.self) {
                try await fixture.store.push(snapshot, description: "{}", to: place)
            }
            #expect(error?.code == .noSuchPlace)
            #expect(
                error?.message
                    == "\(nowhere) cannot be written to: No such file or directory; make the directory, or mount it, first"
            )
            let unread = await #expect(throws: PlaceError.self) { try await fixture.pulled(from: place) }
            #expect(unread?.code == .noSuchPlace)
            #expect(try Directory.names(in: path) == [])
        }
    }

    /// The directory's own permissions say who may enter it.
    @Test func everybodyWhoMayEnterMayRead() async throws {
        try await withFixture { fixture, path in
            let snapshot = try fixture.writeBlocks()
            try await fixture.store.push(snapshot, description: "{}", to: DirectoryPlace(path, clock: SystemClock()))
            for key in [snapshot.key, ObjectKey.object(snapshot.manifest)] {
                let mode = try await runCommand("stat", ["--format", "%A", path.pushing(FilePath(key)).string])
                #expect(mode.output == "-rw-r--r--\n")
            }
        }
    }

    @Test func whatOthersLeftHalfWrittenGoesWhenItIsOld() async throws {
        try await withFixture { fixture, path in
            let incoming = path.appending("incoming")
            try createDirectories(incoming)
            // What another pusher is writing just now has the first names.
            for name in ["1", "2"] { try writeFile(incoming.appending(name), "half") }
            let place = DirectoryPlace(path, clock: SystemClock())
            try await fixture.store.push(try fixture.writeBlocks(), description: "{}", to: place)
            #expect(try Directory.names(in: incoming).sorted() == ["1", "2"])
            #expect(try await fixture.pulled(from: place) == blocks)
            let later = VirtualClock(epoch: SystemClock().now() + 25 * 60 * 60)
            try await DirectoryPlace(path, clock: later).prepare()
            #expect(try Directory.names(in: incoming) == [])
        }
    }

    @Test func aFullDiskIsSaidAndLeavesNothingHalf() async throws {
        try await withSmallDisk(.tmpfs, mebibytes: 2) { disk in
            try await withFixture { fixture, _ in
                let place = DirectoryPlace(disk, clock: SystemClock())
                let many = (0..<8).map { ($0, $0 + 1) }
                let manifest = try fixture.write(sizeBytes: sizeBytes, many)
                let error = await #expect(throws: PlaceError.self) {
                    try await fixture.store.push(
                        PlacedSnapshot(id: "snap-1", manifest: manifest.name), description: "{}", to: place)
                }
                #expect(error?.code == .full)
                #expect(try Directory.names(in: disk.appending("incoming")) == [])
                #expect(try await place.snapshots() == [])
            }
        }
    }

    /// Each step of a push in turn fails, as on a disk that gives errors; the next push goes on.
    @Test func aPushThatEndsAtAnyStepGoesOn() async throws {
        try await withFixture { fixture, path in
            let snapshot = try fixture.writeBlocks()
            var isDone = false
            var number = 1
            while !isDone {
                let left = Atomic(number)
                let place = DirectoryPlace(path, clock: SystemClock()) { _ throws(Errno) in
                    if left.subtract(1, ordering: .relaxed).newValue <= 0 { throw .ioError }
                }
                do {
                    try await fixture.store.push(snapshot, description: "{}", to: place)
                    isDone = true
                } catch let error as PlaceError {
                    #expect(error.code == .failed)
                    let found = try await place.snapshots()
                    // Its name may be there, and not yet be durable.
                    #expect(found == [] || found == [snapshot])
                    if found != [] { #expect(try await fixture.pulled(from: place) == blocks) }
                }
                number += 1
            }
            #expect(number > 10)
            #expect(try await fixture.pulled(from: DirectoryPlace(path, clock: SystemClock())) == blocks)
        }
    }
}

/// A push to a real filesystem, whose state is looked at before each step, as a kill and a loss of power leave it.
@Suite struct PushCrashTests {
    /// Lets the steps of a push happen one at a time.
    private final class Turnstile: Sendable {
        private struct State {
            var waiting = 0
            var passes = 0
            var isOpen = false
        }

        private let state = Monitor(State())

        func pass() {
            state.withLock { $0.waiting += 1 }
            state.wait { state -> Void? in
                guard state.isOpen || state.passes > 0 else { return nil }
                state.passes -= state.isOpen ? 0 : 1
                state.waiting -= 1
            }
        }

        var isAwaited: Bool { state.withLock { $0.waiting > 0 && $0.passes == 0 } }

        func letOnePass() { state.withLock { $0.passes += 1 } }

        func open() { state.withLock { $0.isOpen = true } }
    }

    @Test(arguments: [CrashDisk.End.powerLoss, .kill]) func whatVouchesIsDurable(end: CrashDisk.End) async throws {
        try await CrashDisk.run { disk in
            let local = disk.live.appending("store")
            let fixture = SnapshotFixture(directory: local, store: try SnapshotStore(directory: local))
            let snapshot = try fixture.writeBlocks()
            try fixture.store.synchronize()
            let path = disk.live.appending("place")
            try createDirectories(path)
            try Directory.synchronize(disk.live)
            let turnstile = Turnstile()
            let place = DirectoryPlace(path, clock: SystemClock()) { _ in turnstile.pass() }
            let hasEnded = Atomic(false)
            let push = Task {
                defer { hasEnded.store(true, ordering: .releasing) }
                try await fixture.store.push(snapshot, description: "{}", to: place)
            }
            var images = 0
            let letGo = {
                turnstile.open()
                try await push.value
            }
            try await withCleanup(letGo) {
                while try await isAtStep(turnstile, hasEnded) {
                    // A kill leaves what is there: every third state tells enough.
                    if end == .powerLoss || images % 3 == 0 {
                        try await disk.withImage(end) { try await expectSound($0, snapshot, isPushed: false) }
                    }
                    images += 1
                    turnstile.letOnePass()
                }
            }
            #expect(images > 20)
            try await disk.withImage(end) { try await expectSound($0, snapshot, isPushed: true) }
        }
    }

    /// False once the push has ended.
    private func isAtStep(_ turnstile: Turnstile, _ hasEnded: borrowing Atomic<Bool>) async throws -> Bool {
        while !turnstile.isAwaited {
            if hasEnded.load(ordering: .acquiring) { return false }
            try await Task.sleep(for: .milliseconds(2))
        }
        return true
    }

    /// Every object is as its name says, and has all that it names; and the push goes on to its end.
    private func expectSound(_ disk: FilePath, _ snapshot: PlacedSnapshot, isPushed: Bool) async throws {
        let local = disk.appending("store")
        let fixture = SnapshotFixture(directory: local, store: try SnapshotStore(directory: local))
        let place = DirectoryPlace(disk.appending("place"), clock: SystemClock())
        let found = try await place.snapshots()
        #expect(found == [] || found == [snapshot])
        if isPushed { #expect(found == [snapshot]) }
        let manifest = try fixture.store.manifest(snapshot.manifest)
        for entry in manifest.segments {
            guard let bytes = try await place.get(ObjectKey.object(entry.name), limit: 1 << 20) else { continue }
            #expect(unsafe Digest(of: bytes.span.bytes) == entry.name)
            for case let name? in try Segment(decoding: bytes).names {
                let block = try #require(try await place.get(ObjectKey.object(name), limit: 1 << 20))
                #expect(unsafe Digest(of: block.span.bytes) == name)
            }
        }
        if !found.isEmpty { #expect(try await fixture.pulled(from: place) == blocks) }
        try await fixture.store.push(snapshot, description: "{}", to: place)
        #expect(try await fixture.pulled(from: place) == blocks)
    }
}
