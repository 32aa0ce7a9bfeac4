import Platform
import Synchronization
import SystemPackage
import Testing
import TestSupport

@testable import BlockStore

private let description = #"{"name":"ä"}"#

/// What push and pull promise, over each kind of place.
@Suite struct TransferTests {
    /// Two segments, of two blocks and of one, and a block that comes twice.
    private static let first = [3: 1, 4: 2, 5: 1, 250: 3]

    private func push(
        _ id: String, _ manifest: Manifest, from store: SnapshotStore, to place: any ObjectPlace,
        isThorough: Bool = false
    ) async throws {
        try await store.push(
            PlacedSnapshot(id: id, manifest: manifest.name), description: description, to: place,
            isThorough: isThorough)
    }

    @Test(arguments: PlaceKind.allCases) func whatWasPushedIsPulledElsewhere(kind: PlaceKind) async throws {
        try await PlaceStage.run(kind) { stage in
            let here = try stage.store("here")
            let manifest = try here.write(Self.first)
            let progress = Mutex<[TransferProgress]>([])
            try await here.push(
                PlacedSnapshot(id: "snap-1", manifest: manifest.name), description: description, to: stage.place
            ) { step in progress.withLock { $0.append(step) } }
            #expect(try await stage.place.snapshots() == [PlacedSnapshot(id: "snap-1", manifest: manifest.name)])
            let card = try await stage.place.card(of: "snap-1").card
            #expect(card.description == description)
            #expect(card.fullSizeBytes == 4 * VolumeBlock.bytes)
            // The block that comes twice is sent once.
            let last = try #require(progress.withLock { $0.last })
            #expect(last.totalBytes == 4 * VolumeBlock.bytes && last.doneBytes == last.totalBytes)
            #expect(last.presentBytes == VolumeBlock.bytes)
            #expect(progress.withLock { $0.map(\.doneBytes) } == progress.withLock { $0.map(\.doneBytes).sorted() })

            let there = try stage.store("there")
            let (pulled, text) = try await there.pull("snap-1", from: stage.place)
            #expect(pulled == manifest)
            #expect(text == description)
            #expect(try there.numbers(in: pulled) == Self.first)
            await #expect(throws: TransferError.noSuchSnapshot(id: "snap-2", location: stage.place.location)) {
                try await there.pull("snap-2", from: stage.place)
            }
        }
    }

    @Test func anEmptySnapshotCanBePushed() async throws {
        try await PlaceStage.run(.directory) { stage in
            let (here, there) = (try stage.store("here"), try stage.store("there"))
            let manifest = try here.write([:])
            try await push("snap-1", manifest, from: here, to: stage.place)
            #expect(try await there.pull("snap-1", from: stage.place).manifest == manifest)
        }
    }

    // MARK: What is sent

    @Test(arguments: PlaceKind.allCases) func aSecondPushSendsWhatChanged(kind: PlaceKind) async throws {
        try await PlaceStage.run(kind) { stage in
            let here = try stage.store("here")
            var blocks = Dictionary(uniqueKeysWithValues: (0..<20).map { ($0 * 15, $0 + 1) })
            let parent = try here.write(blocks)
            try await push("snap-1", parent, from: here, to: stage.place)
            let child = try here.write([15: 100], over: parent)
            blocks[15] = 100

            let watched = WatchedPlace(stage.place)
            try await push("snap-2", child, from: here, to: watched)
            // One segment, one block, the manifest and the card.
            #expect(watched.count(.put) == 4)
            #expect(watched.putBytes < VolumeBlock.bytes + 4096)
            // Whether the manifest, the segment and the block are there; whether the card is.
            #expect(watched.count(.look) == 3)
            #expect(watched.count(.get) == 1)
            #expect(watched.count(.list) == 1)

            let again = WatchedPlace(stage.place)
            try await push("snap-2", child, from: here, to: again)
            #expect(again.allCalls.map(\.operation) == [.list, .look, .get])

            // One that was pulled is known by its manifest, whatever it is called here.
            let there = try stage.store("there")
            let pulled = try await there.pull("snap-2", from: stage.place).manifest
            #expect(try there.numbers(in: pulled) == blocks)
            let grandchild = try there.write([30: 101], over: pulled)
            let third = WatchedPlace(stage.place)
            try await push("snap-3", grandchild, from: there, to: third)
            #expect(third.count(.put) == 4 && third.count(.look) == 3)
        }
    }

    /// Without a snapshot that both know, one question for a segment that is there, not one for each of its blocks.
    @Test(arguments: PlaceKind.allCases) func aSegmentVouchesForItsBlocks(kind: PlaceKind) async throws {
        try await PlaceStage.run(kind) { stage in
            let (here, there) = (try stage.store("here"), try stage.store("there"))
            let blocks = Dictionary(uniqueKeysWithValues: (0..<8).map { ($0, $0 + 1) })
            try await push("snap-1", try here.write(blocks), from: here, to: stage.place)
            let watched = WatchedPlace(stage.place)
            let other = try there.write(blocks.merging([200: 9]) { $1 })
            try await push("snap-2", other, from: there, to: watched)
            // The manifest, the segment that is there, the other one and its block.
            #expect(watched.count(.look) == 4)
            #expect(watched.count(.put) == 4)
        }
    }

    @Test(arguments: PlaceKind.allCases) func whatIsHereIsNotFetchedAgain(kind: PlaceKind) async throws {
        try await PlaceStage.run(kind) { stage in
            let (here, there) = (try stage.store("here"), try stage.store("there"))
            let parent = try here.write(Self.first)
            let child = try here.write([4: 9], over: parent)
            try await push("snap-1", parent, from: here, to: stage.place)
            try await push("snap-2", child, from: here, to: stage.place)
            _ = try await there.pull("snap-1", from: stage.place)
            let watched = WatchedPlace(stage.place)
            _ = try await there.pull("snap-2", from: watched)
            // The card, the manifest, a segment and a block.
            #expect(watched.count(.get) == 4)
            // And again what is damaged here, alone.
            for (number, name) in try [child.name, #require(child.segmentName(0)), SnapshotStore.name(ofBlock: 9)]
                .enumerated()
            {
                let path = there.files.path(of: name).string
                let file = try FileDescriptor.openFile(FilePath(path), .readWrite)
                try file.closeAfter { try file.setLength(file.fileStatus().sizeBytes - Int64(number + 1)) }
                let mending = WatchedPlace(stage.place)
                let pulled = try await there.pull("snap-2", from: mending).manifest
                #expect(mending.count(.get) == 2)
                #expect(try there.numbers(in: pulled) == Self.first.merging([4: 9]) { $1 })
            }
        }
    }

    @Test func aChangedDescriptionReplacesTheFormer() async throws {
        try await PlaceStage.run(.directory) { stage in
            let here = try stage.store("here")
            let snapshot = PlacedSnapshot(id: "snap-1", manifest: try here.write(Self.first).name)
            for text in ["{}", "{\"a\":1}"] { try await here.push(snapshot, description: text, to: stage.place) }
            #expect(try await stage.place.card(of: "snap-1").card.description == "{\"a\":1}")
            #expect(try await stage.place.snapshots().count == 1)
        }
    }

    @Test func anotherSnapshotOfTheSameIDIsRefused() async throws {
        try await PlaceStage.run(.directory) { stage in
            let here = try stage.store("here")
            try await push("snap-1", try here.write(Self.first), from: here, to: stage.place)
            let error = TransferError.otherContent(id: "snap-1", location: stage.place.location)
            let other = try here.write([0: 1])
            await #expect(throws: error) { try await push("snap-1", other, from: here, to: stage.place) }
            // As two pushers at the same moment may leave it.
            try await push("snap-2", other, from: here, to: stage.place)
            let card = try await stage.place.card(of: "snap-2").card
            try await stage.place.put(card.encoded, PlacedSnapshot(id: "snap-1", manifest: other.name).key)
            await #expect(throws: error) { try await here.pull("snap-1", from: stage.place) }
        }
    }

    // MARK: What is wrong in the place

    @Test(arguments: PlaceKind.allCases) func whatIsMissingOrAlteredIsNamed(kind: PlaceKind) async throws {
        try await PlaceStage.run(kind) { stage in
            let here = try stage.store("here")
            let manifest = try here.write(Self.first)
            try await push("snap-1", manifest, from: here, to: stage.place)
            let objects: [(ObjectKind, Digest)] = [
                (.block, SnapshotStore.name(ofBlock: 3)), (.segment, manifest.segments[0].name),
                (.manifest, manifest.name),
            ]
            for (kind, name) in objects {
                let key = ObjectKey.object(name)
                let whole = try #require(try await stage.place.get(key, limit: 1 << 20))
                var altered = whole
                altered[whole.count / 2] ^= 1
                for bytes in [altered, whole + [0], Array(whole.dropLast()), []] {
                    try await stage.place.put(bytes, key)
                    try await expect(.damaged(kind, name), pulling: "snap-1", stage)
                }
                try await stage.remove(key)
                try await expect(.missing(kind, name), pulling: "snap-1", stage)
                try await stage.place.put(whole, key)
            }
        }
    }

    private func expect(_ error: SnapshotStoreError, pulling id: String, _ stage: PlaceStage) async throws {
        let there = try stage.store("there-\(SystemRandom().hexDigits(8))")
        await #expect(throws: TransferError.object(error, location: stage.place.location)) {
            try await there.pull(id, from: stage.place)
        }
    }

    @Test(arguments: PlaceKind.allCases) func aCardThatIsNoneIsRefused(kind: PlaceKind) async throws {
        try await PlaceStage.run(kind) { stage in
            let here = try stage.store("here")
            let manifest = try here.write(Self.first)
            try await push("snap-1", manifest, from: here, to: stage.place)
            let key = PlacedSnapshot(id: "snap-1", manifest: manifest.name).key
            let whole = try #require(try await stage.place.get(key, limit: 1 << 20))
            var altered = whole
            altered[60] ^= 1
            let other = SnapshotCard(manifest: manifest.segments[0].name, fullSizeBytes: 0, description: "")
            // Short enough; as text it would not be.
            var noText = Array(whole.prefix(12))
            noText.append(littleEndian: UInt32(400_000))
            noText += whole[16..<56] + [UInt8](repeating: 0xFF, count: 400_000)
            noText += (unsafe Digest(of: noText.span.bytes)).bytes
            for bytes in [
                altered, whole + [0], Array(whole.dropLast()), [], Array("hello".utf8), other.encoded, noText,
            ] {
                try await stage.place.put(bytes, key)
                await #expect(throws: TransferError.self) { try await here.pull("snap-1", from: stage.place) }
            }
            // Nor one that is longer than any; a push replaces it.
            try await stage.place.put([UInt8](repeating: 0, count: SnapshotCard.maximumBytes + 1), key)
            try await push("snap-1", manifest, from: here, to: stage.place)
            #expect(try await stage.place.get(key, limit: 1 << 20) == whole)
            // Files of others are no snapshots.
            try await stage.place.put([1], "snapshots/README.md")
            try await stage.place.put([1], "snapshots/snap-2.\(String(repeating: "0", count: 64))")
            #expect(try await stage.place.snapshots().map(\.id) == ["snap-1"])
        }
    }

    @Test(arguments: PlaceKind.allCases) func aThoroughPushMends(kind: PlaceKind) async throws {
        try await PlaceStage.run(kind) { stage in
            let (here, there) = (try stage.store("here"), try stage.store("there"))
            let manifest = try here.write(Self.first)
            try await push("snap-1", manifest, from: here, to: stage.place)
            try await stage.remove(ObjectKey.object(SnapshotStore.name(ofBlock: 1)))
            try await stage.place.put([1, 2], ObjectKey.object(SnapshotStore.name(ofBlock: 3)))
            try await push("snap-1", manifest, from: here, to: stage.place, isThorough: true)
            let pulled = try await there.pull("snap-1", from: stage.place).manifest
            #expect(try there.numbers(in: pulled) == Self.first)
        }
    }

    // MARK: Interruptions

    private struct Interrupted: Error {}

    /// Everything from its number on fails, as when a place goes away.
    private func broken(_ place: any ObjectPlace, from number: Int) -> WatchedPlace {
        WatchedPlace(place) { if $0 >= number && $1.operation != .list { throw Interrupted() } }
    }

    @Test(arguments: PlaceKind.allCases) func aPushThatIsCutOffAnywhereGoesOn(kind: PlaceKind) async throws {
        try await PlaceStage.run(kind) { stage in
            let here = try stage.store("here")
            let manifest = try here.write(Self.first)
            var isDone = false
            var number = 1
            while !isDone {
                var there: Set<String> = []
                for key in try here.objects(of: manifest).map(ObjectKey.object)
                where try await stage.place.sizeBytes(key) != nil { there.insert(key) }
                let place = broken(stage.place, from: number)
                do {
                    try await push("snap-1", manifest, from: here, to: place)
                    isDone = true
                } catch is Interrupted {
                    #expect(try await stage.place.snapshots() == [])
                    try await expectVouching(stage.place, manifest, here)
                }
                let put = Set(place.allCalls.filter { $0.operation == .put }.map(\.key))
                #expect(put.isDisjoint(with: there), "cut off at \(number)")
                number += 1
            }
            // Each try got one call further at least.
            #expect(number > 5)
            let there = try stage.store("there")
            #expect(try there.numbers(in: try await there.pull("snap-1", from: stage.place).manifest) == Self.first)
        }
    }

    /// A segment that is there has its blocks.
    private func expectVouching(_ place: any ObjectPlace, _ manifest: Manifest, _ store: SnapshotStore) async throws {
        for entry in manifest.segments where try await place.sizeBytes(ObjectKey.object(entry.name)) != nil {
            for case let name? in try store.segment(entry.name).names {
                #expect(try await place.sizeBytes(ObjectKey.object(name)) == VolumeBlock.bytes)
            }
        }
    }

    @Test(arguments: PlaceKind.allCases) func aPullThatIsCutOffAnywhereGoesOn(kind: PlaceKind) async throws {
        try await PlaceStage.run(kind) { stage in
            let (here, there) = (try stage.store("here"), try stage.store("there"))
            let manifest = try here.write(Self.first)
            let objects = try here.objects(of: manifest)
            try await push("snap-1", manifest, from: here, to: stage.place)
            var isDone = false
            var number = 1
            while !isDone {
                let present = Set(try objects.filter { try there.files.sizeBytes(of: $0) != nil }.map(ObjectKey.object))
                let place = broken(stage.place, from: number)
                do {
                    let pulled = try await there.pull("snap-1", from: place).manifest
                    #expect(try there.numbers(in: pulled) == Self.first)
                    isDone = true
                } catch is Interrupted {}
                let fetched = Set(place.allCalls.filter { $0.operation == .get }.map(\.key))
                #expect(fetched.isDisjoint(with: present), "cut off at \(number)")
                number += 1
            }
            // Each try got one call further at least.
            #expect(number > 5)
        }
    }

    @Test(arguments: PlaceKind.allCases) func twoMayPushAtATime(kind: PlaceKind) async throws {
        try await PlaceStage.run(kind) { stage in
            let shared = Dictionary(uniqueKeysWithValues: (0..<12).map { ($0 * 20, $0 % 5 + 1) })
            let stores = [try stage.store("one"), try stage.store("two")]
            let contents = [shared, shared.merging([7: 50]) { $1 }]
            let manifests = try zip(stores, contents).map { try $0.write($1) }
            try await withThrowingTaskGroup { group in
                for number in 0..<2 {
                    group.addTask {
                        try await push("snap-\(number)", manifests[number], from: stores[number], to: stage.place)
                    }
                    // And the same once more.
                    group.addTask { try await push("snap-1", manifests[1], from: stores[1], to: stage.place) }
                }
                try await group.waitForAll()
            }
            let there = try stage.store("there")
            for number in 0..<2 {
                let pulled = try await there.pull("snap-\(number)", from: stage.place).manifest
                #expect(try there.numbers(in: pulled) == contents[number])
            }
        }
    }

    @Test(arguments: [true, false]) func cancellingEndsIt(isPush: Bool) async throws {
        try await PlaceStage.run(.directory) { stage in
            let (here, there) = (try stage.store("here"), try stage.store("there"))
            let manifest = try here.write(Self.first)
            if !isPush { try await push("snap-1", manifest, from: here, to: stage.place) }
            let isWaiting = Mutex(false)
            let slow = WatchedPlace(stage.place) { _, call in
                guard call.key.hasPrefix("objects/") else { return }
                isWaiting.withLock { $0 = true }
                try await Task.sleep(for: .seconds(3600))
            }
            let task = Task {
                if isPush {
                    try await push("snap-1", manifest, from: here, to: slow)
                } else {
                    _ = try await there.pull("snap-1", from: slow)
                }
            }
            #expect(try await eventually(within: .seconds(120)) { isWaiting.withLock { $0 } })
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            if isPush { #expect(try await stage.place.snapshots() == []) }
        }
    }

    /// However many blocks there are, few are on their way at a time.
    @Test func fewObjectsAreOnTheirWay() async throws {
        try await PlaceStage.run(.directory) { stage in
            let (here, there) = (try stage.store("here"), try stage.store("there"))
            let state = Mutex((now: 0, most: 0))
            let place = WatchedPlace(stage.place) { _, _ in
                state.withLock { state in
                    state.now += 1
                    state.most = max(state.most, state.now)
                }
                try await Task.sleep(for: .milliseconds(5))
                state.withLock { $0.now -= 1 }
            }
            let blocks = Dictionary(uniqueKeysWithValues: (0..<60).map { ($0 * 5, $0 + 1) })
            try await push("snap-1", try here.write(blocks), from: here, to: place)
            _ = try await there.pull("snap-1", from: place)
            let most = state.withLock { $0.most }
            #expect(most <= Transfer.objectsInFlight)
            #expect(most > 1)
        }
    }
}

extension SnapshotStore {
    /// All that a manifest refers to, and itself.
    func objects(of manifest: Manifest) throws -> Set<Digest> {
        var names: Set<Digest> = [manifest.name]
        try forEachReference(of: manifest, segments: 0..<manifest.segmentCount) { name, _ in
            names.insert(name).inserted
        }
        return names
    }
}
