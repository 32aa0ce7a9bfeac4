// A process that dies before any one of its steps while a snapshot is written block by block.
//
// Besides what `SnapshotCrashTests` holds of every play: what was acknowledged before a kill is in the snapshot that
// the client completes afterwards; after a loss of power the snapshot is complete and whole, in error, or gone.
import Driver
import Platform
import SystemPackage
import TestSupport
import Testing

@testable import Emulator

extension SnapshotPlay {
    static let uploads: [SnapshotPlay] = [
        SnapshotPlay("write block by block", start("up"), put([0: 7], into: "up"), seal("up", blockCount: 1)),
        SnapshotPlay(
            "write block by block over another one", start("up", parent: "first"), put([1: 0], into: "up"),
            put([1: 8], into: "up"), seal("up", blockCount: 1)),
        SnapshotPlay(
            "delete a parent", start("up", parent: "first"), delete("first"), put([700: 9], into: "up"),
            seal("up", blockCount: 1)),
        SnapshotPlay(
            "delete what is being written", start("up", parent: "first"), put([0: 7], into: "up"), delete("up")),
        SnapshotPlay(
            "delete what is being completed", start("up"), put([0: 7], into: "up"), seal("up", blockCount: 1),
            delete("up")),
        SnapshotPlay(
            "write no more", start("up", parent: "first"), put([0: 7], into: "up"),
            { region in
                region.clock.advance(by: .seconds(3600))
                await region.driver.region.expireUploads()
            }),
        SnapshotPlay(
            "restore what was written", start("up"), put([2047: 7], into: "up"),
            seal("up", blockCount: 1, waits: true), restore("new", from: "up"), delete("up")),
    ]

    private static func start(_ name: String, parent: String? = nil) -> Scene {
        { region in
            let parent = try await parent.asyncMap { try await snapshot($0, in: region) }
            _ = try await region.start(name, parent: parent)
        }
    }

    private static func put(_ blocks: Blocks, into name: String) -> Scene {
        { region in try await region.put(blocks, into: snapshot(name, in: region)) }
    }

    /// - Parameter waits: until it is complete, so that what follows can use it.
    private static func seal(_ name: String, blockCount: Int, waits: Bool = false) -> Scene {
        { region in
            _ = try await region.seal(snapshot(name, in: region), blockCount: blockCount)
            if waits { try await region.driver.finishSnapshotWork() }
        }
    }
}

extension Optional where Wrapped: Sendable {
    fileprivate func asyncMap<Value>(_ body: (Wrapped) async throws -> Value) async throws -> Value? {
        guard let self else { return nil }
        return try await body(self)
    }
}

@Suite struct SnapshotUploadCrashTests {
    /// What a client puts, one after the other.
    private static let puts: [(block: Int, number: UInt8)] = [(0, 5), (64, 6), (0, 7), (1, 0), (2047, 8), (64, 0)]
    private static let parent: Blocks = [0: 1, 1: 2, 2: 3]

    /// A client that goes on where an answer did not come, until the process dies. What it knows to be in.
    private struct Client {
        let id: SnapshotID
        var answered = 0
        var isSealed = false

        mutating func goOn(_ region: TestRegion) async throws {
            while answered < puts.count {
                try await region.put(puts[answered].number, at: puts[answered].block, into: id)
                answered += 1
            }
            if !isSealed {
                _ = try await region.seal(id, blockCount: Set(puts.map(\.block)).count)
                isSealed = true
            }
            try await region.driver.finishSnapshotWork()
        }
    }

    private static var whole: Blocks {
        puts.reduce(into: parent) { $0[$1.block] = $1.number }.filter { $0.value != 0 }
    }

    /// Dies before a step; gives the client and the region of the next process, or `nil` when nothing died.
    private func die(
        before step: Int, in directory: FilePath, boot: String
    ) async throws -> (client: Client, region: TestRegion)? {
        let crash = Crash(after: step)
        let region = try await TestRegion.open(directory, beforeStep: crash.beforeStep)
        let parent = try await region.upload(Self.parent)
        // Makes the key of tokens, so that reading is no step.
        #expect(try await region.read(parent) == Self.parent)
        var client = Client(id: try await region.start(parent: parent))
        crash.arm()
        do {
            try await client.goOn(region)
        } catch is Crash {
        } catch is StorageError where crash.hasCome {
        }
        if crash.hasCome { return (client, try await region.reopened(boot: boot)) }
        #expect(try await region.read(client.id) == Self.whole)
        try await region.driver.close()
        return nil
    }

    @Test("killed before any step, a client completes what it was told is there")
    func killed() async throws {
        var step = 0
        while try await withTemporaryDirectory({ directory in
            guard let died = try await die(before: step, in: directory, boot: "boot-1") else { return false }
            var client = died.client
            let region = died.region
            let comment: Comment = "died before step \(step), answered \(client.answered)"
            if try await region.isCompleted(client.id) {
                #expect(client.answered == Self.puts.count, comment)
            } else {
                try await client.goOn(region)
            }
            #expect(try await region.read(client.id) == Self.whole, comment)
            try await region.checkStore(comment)
            try await region.driver.close()
            return true
        }) {
            step += 1
        }
        #expect(step > Self.puts.count)
    }

    @Test("power lost before any step: complete and whole, or in error")
    func powerLost() async throws {
        var step = 0
        while try await withTemporaryDirectory({ directory in
            guard let (client, region) = try await die(before: step, in: directory, boot: "boot-2") else {
                return false
            }
            let comment: Comment = "died before step \(step), answered \(client.answered)"
            try await region.driver.finishSnapshotWork()
            let snapshot = try await region.snapshot(client.id)
            if snapshot.state == .completed {
                #expect(client.isSealed, comment)
                #expect(try await region.read(client.id) == Self.whole, comment)
            } else {
                #expect(snapshot.state == .error, comment)
                #expect(snapshot.stateMessage == SnapshotRepairPlan.lostBlocks, comment)
            }
            try await region.checkStore(comment)
            try await region.driver.close()
            return true
        }) {
            step += 1
        }
        #expect(step > Self.puts.count)
    }
}

extension TestRegion {
    fileprivate func isCompleted(_ id: SnapshotID) async throws -> Bool {
        try await driver.finishSnapshotWork()
        return try await snapshot(id).state == .completed
    }
}
