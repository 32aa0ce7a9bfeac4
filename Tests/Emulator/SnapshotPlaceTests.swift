// Snapshots that one region pushes to a place and another pulls from there.
import BlockStore
import Driver
import Platform
import SystemPackage
import TestSupport
import Testing

@testable import Emulator

/// A directory that does not answer for as long as it is closed.
private final class Gated: ObjectPlace {
    let place: DirectoryPlace
    private let isClosed = Monitor(false)

    init(_ directory: FilePath, _ clock: any Clock) { place = DirectoryPlace(directory, clock: clock) }

    func close() { isClosed.withLock { $0 = true } }
    func open() { isClosed.withLock { $0 = false } }

    private func pass() async throws {
        while isClosed.withLock({ $0 }) {
            try Task.checkCancellation()
            try await Task.sleep(for: .milliseconds(1))
        }
    }

    var location: String { place.location }
    func prepare() async throws { try await place.prepare() }
    func sizeBytes(_ key: String) async throws -> Int64? {
        try await pass()
        return try await place.sizeBytes(key)
    }
    func get(_ key: String, limit: Int) async throws -> [UInt8]? {
        try await pass()
        return try await place.get(key, limit: limit)
    }
    func put(_ bytes: [UInt8], _ key: String) async throws {
        try await pass()
        try await place.put(bytes, key)
    }
    func keys(_ prefix: String) async throws -> [String] { try await place.keys(prefix) }
}

/// Two regions, and a place that both reach.
private struct Pair {
    let here: TestRegion
    let there: TestRegion
    let directory: FilePath
    let gate: Gated

    func push(_ id: SnapshotID) async throws -> SnapshotTask {
        try await here.ended(SnapshotTaskRequest(action: .push, snapshotID: id, location: directory.string))
    }

    func pull(_ wanted: String? = nil, name: String? = nil) async throws -> SnapshotTask {
        try await there.ended(
            SnapshotTaskRequest(
                action: .pull, snapshotID: wanted.map { SnapshotID($0) }, location: directory.string, name: name))
    }
}

@Suite struct SnapshotPlaceTests {
    private static let blocks: Blocks = [0: 1, 1: 2, 2: 1, 64: 3, 2047: 4]

    private func withPair(_ body: (Pair) async throws -> Void) async throws {
        try await withTemporaryDirectory { root in
            for name in ["here", "there", "place"] { try createDirectories(root.appending(name)) }
            let directory = root.appending("place")
            let gate = Gated(directory, SystemClock())
            let places: SnapshotPlaceFinder = { (location, endpoint) throws(PlaceError) in
                if location == directory.string { return gate }
                return try directoryPlaces(SystemClock())(location, endpoint)
            }
            let here = try await TestRegion.open(root.appending("here"), places: places)
            let there = try await TestRegion.open(
                root.appending("there"), random: SeededRandom(seed: 2), places: places)
            let end = {
                gate.open()
                for region in [here, there] { try await region.driver.close() }
            }
            try await withCleanup(end) {
                try await body(Pair(here: here, there: there, directory: directory, gate: gate))
                for region in [here, there] { try await region.checkStore("at the end") }
            }
        }
    }

    private func makeSnapshot(_ region: TestRegion, name: String = "first") async throws -> SnapshotID {
        let volume = try await region.create("of-\(name)")
        try region.write(Self.blocks, to: volume.id)
        return try await region.completeSnapshot(volume.id, name: name)
    }

    @Test func whatWasPushedIsPulledWithAllThatIsKnownOfIt() async throws {
        try await withPair { pair in
            let id = try await makeSnapshot(pair.here)
            let size = Int64(Self.blocks.count * SnapshotBlock.bytes)
            let push = try await pair.push(id)
            #expect(push.state == .completed && push.error == nil && push.location == pair.directory.string)
            // Blocks 0 and 2 are one, and so is sent once.
            #expect(push.doneBytes == size && push.totalBytes == size && push.presentBytes == 524_288)
            #expect(try await pair.push(id).presentBytes == size, "nothing is sent again")

            let pull = try await pair.pull()
            #expect(pull.state == .completed && pull.doneBytes == size, "\(pull)")
            let copy = try await pair.there.snapshot(try #require(pull.snapshotID))
            let original = try await pair.here.snapshot(id)
            #expect(copy.name == "first" && copy.startTime == original.startTime)
            #expect(copy.volumeID == original.volumeID && copy.fullSizeBytes == original.fullSizeBytes)
            #expect(try await pair.there.blocks(of: copy.id) == Self.blocks)
            let again = try await pair.pull(name: "second")
            #expect(again.presentBytes == size && again.snapshotID != copy.id, "nothing is fetched again")
        }
    }

    @Test func ofSeveralOneIsNamed() async throws {
        try await withPair { pair in
            let none = try await pair.pull()
            #expect(none.error?.code == .snapshotNotFound)
            let first = try await makeSnapshot(pair.here)
            let second = try await makeSnapshot(pair.here, name: "second")
            for id in [first, second] { #expect(try await pair.push(id).state == .completed) }
            let unclear = try await pair.pull()
            #expect(unclear.error?.code == .invalidParameterValue)
            #expect(unclear.error?.message.contains("\(first) (first)") == true, "\(unclear)")
            let named = try await pair.pull("second")
            #expect(try await pair.there.snapshot(try #require(named.snapshotID)).name == "second")
            let byID = try await pair.pull(first.rawValue)
            #expect(try await pair.there.snapshot(try #require(byID.snapshotID)).name == "first")
            #expect(try await pair.pull("third").error?.code == .snapshotNotFound)
        }
    }

    @Test func aCardThatCannotBeReadHidesNoOtherSnapshot() async throws {
        try await withPair { pair in
            let ids = [
                try await makeSnapshot(pair.here), try await makeSnapshot(pair.here, name: "second"),
                try await makeSnapshot(pair.here, name: "third"),
            ]
            for id in ids { #expect(try await pair.push(id).state == .completed) }
            // One is no card, and one no file.
            let cards = pair.directory.appending("snapshots")
            let names = try Directory.names(in: cards)
            let garbage = cards.appending(try #require(names.first { $0.hasPrefix(ids[0].rawValue) }))
            try writeFile(garbage, "garbage")
            let unreadable = cards.appending(try #require(names.first { $0.hasPrefix(ids[1].rawValue) }))
            try removeFile(at: unreadable)
            try createDirectories(unreadable)

            let named = try await pair.pull("third")
            #expect(try await pair.there.snapshot(try #require(named.snapshotID)).name == "third", "\(named)")
            for name in ["second", "fourth"] {
                let missing = try await pair.pull(name)
                #expect(missing.error?.code == .snapshotNotFound, "\(missing)")
                #expect(missing.error?.cause == "what tells of 2 others cannot be read", "\(missing)")
            }
            // Perhaps it is not the only one.
            let unclear = try await pair.pull()
            #expect(unclear.error?.code == .invalidParameterValue, "\(unclear)")
            #expect(unclear.error?.message.contains("\(ids[2]) (third)") == true, "\(unclear)")
            #expect(try await pair.pull(ids[0].rawValue).error?.code == .snapshotFileInvalid)
        }
    }

    @Test func aNameThatIsTakenIsRefusedBeforeAnythingIsFetched() async throws {
        try await withPair { pair in
            _ = try await pair.push(try await makeSnapshot(pair.here))
            _ = try await pair.there.completeSnapshot(try await pair.there.create("x").id, name: "first")
            let before = try await pair.there.objectCount()
            let refused = try await pair.pull()
            #expect(refused.error?.code == .snapshotDuplicate, "\(refused)")
            #expect(try await pair.there.objectCount() == before)
        }
    }

    @Test func whatIsNoPlaceIsRefused() async throws {
        try await withPair { pair in
            let id = try await makeSnapshot(pair.here)
            for (location, code) in [
                (nil, StorageError.Code.missingParameter), ("relative", .invalidParameterValue),
                ("s3://bucket/prefix", .invalidParameterValue),
            ] {
                let request = SnapshotTaskRequest(action: .push, snapshotID: id, location: location)
                #expect(await refusal { try await pair.here.driver.startSnapshotTask(request) }?.code == code)
            }
            let missing = SnapshotTaskRequest(
                action: .push, snapshotID: id, location: pair.directory.appending("none").string)
            #expect(try await pair.here.ended(missing).error?.code == .invalidParameterValue)
            let nothing = SnapshotTaskRequest(action: .push, location: pair.directory.string)
            #expect(
                await refusal { try await pair.here.driver.startSnapshotTask(nothing) }?.code == .missingParameter)
        }
    }

    @Test func aSnapshotThatIsDeletedWhileItIsPushedIsThereWhole() async throws {
        try await withPair { pair in
            let id = try await makeSnapshot(pair.here)
            pair.gate.close()
            let task = try await pair.here.driver.startSnapshotTask(
                SnapshotTaskRequest(action: .push, snapshotID: id, location: pair.directory.string))
            try await pair.here.driver.deleteSnapshot(id)
            pair.gate.open()
            try await pair.here.driver.finishSnapshotWork()
            #expect(try await pair.here.driver.describeSnapshotTasks(ids: [task.id])[0].state == .completed)
            #expect(try await pair.here.objectCount() == 0)
            let pull = try await pair.pull()
            #expect(try await pair.there.blocks(of: try #require(pull.snapshotID)) == Self.blocks)
        }
    }

    @Test(arguments: [SnapshotTask.Action.push, .pull])
    func whatIsCancelledEndsThoughThePlaceDoesNotAnswer(action: SnapshotTask.Action) async throws {
        try await withPair { pair in
            let id = try await makeSnapshot(pair.here)
            if action == .pull { _ = try await pair.push(id) }
            pair.gate.close()
            let region = action == .push ? pair.here : pair.there
            let request = SnapshotTaskRequest(
                action: action, snapshotID: action == .push ? id : nil, location: pair.directory.string)
            let task = try await region.driver.startSnapshotTask(request)
            try await region.driver.cancelSnapshotTask(task.id)
            try await region.driver.finishSnapshotWork()
            #expect(try await region.driver.describeSnapshotTasks(ids: [task.id])[0].state == .cancelled)
            pair.gate.open()
        }
    }

    @Test func aRegionEndsThoughAPlaceDoesNotAnswer() async throws {
        try await withTemporaryDirectory { root in
            let gate = Gated(root, SystemClock())
            let region = try await TestRegion.open(root, places: { (_, _) throws(PlaceError) in gate })
            let id = try await makeSnapshot(region)
            gate.close()
            let end = {
                gate.open()
                try await region.driver.close()
            }
            let next = try await withCleanup(onFailure: end) {
                _ = try await region.driver.startSnapshotTask(
                    SnapshotTaskRequest(action: .push, snapshotID: id, location: "/place"))
                return try await region.reopened()
            }
            #expect(try await next.snapshots.count == 1)
            try await next.checkStore("after the end")
            try await next.driver.close()
        }
    }

    @Test(arguments: [ObjectKind.manifest, .block])
    func whatTheStoreCannotReadOrWriteIsNotBlamedOnThePlace(kind: ObjectKind) async throws {
        try await withPair { pair in
            let id = try await makeSnapshot(pair.here)
            _ = try await pair.push(id)
            let object = try #require(try await pair.here.objects(of: id, kind).first)
            let path = FilePath(pair.there.path(of: object))
            try createDirectories(path)
            let refused = try await pair.pull()
            #expect(refused.error?.code == .internalError, "\(refused)")
            #expect(refused.error?.message == "The snapshot could not be brought into the store.", "\(refused)")
            if kind == .manifest {
                #expect(refused.error?.cause?.hasPrefix("manifest \(object) could not be read") == true, "\(refused)")
            }
            try Directory.remove(path)
            #expect(try await pair.pull().state == .completed)
        }
    }

    @Test func whatWasAlteredThereIsRefused() async throws {
        try await withPair { pair in
            _ = try await pair.push(try await makeSnapshot(pair.here))
            let blocks = try await runCommand(
                "find", [pair.directory.appending("objects").string, "-size", "512k", "-type", "f"])
            let block = try #require(blocks.output.split(separator: "\n").first.map { FilePath(String($0)) })
            var bytes = try readFile(block, limit: 1 << 20)
            bytes[77] ^= 1
            try writeFile(block, String(decoding: bytes.map { $0 & 0x7F }, as: UTF8.self))
            let refused = try await pair.pull()
            #expect(refused.error?.code == .snapshotFileInvalid, "\(refused)")
            #expect(refused.error?.cause?.contains(pair.directory.string) == true, "\(refused)")
            #expect(try await pair.there.snapshots == [])
        }
    }
}
