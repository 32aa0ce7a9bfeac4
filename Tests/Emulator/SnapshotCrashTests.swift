// A process that dies before any one of its steps while snapshots come and go, and what the next one makes of it.
//
// A play is run undisturbed up to each of its scenes, for the sights that are allowed. Then it is run again for every
// step, dying there; the background's work is steps too. The region that comes up must be as after one of the scenes
// once its own work is done, its store must be in order, and nothing may be left over. After a loss of power what was
// pending is in error, and everything else the same.
import Driver
import Platform
import SystemPackage
import TestSupport
import Testing

@testable import Emulator

/// What a user can see of snapshots, and all bytes.
struct SnapshotSight: Hashable, Sendable {
    let snapshots: [Snapshot]
    let contents: [SnapshotID: Blocks]
    let volumes: [Volume]
    let bytes: [VolumeID: Blocks]
    let fastRestores: [FastSnapshotRestore]

    init(_ region: TestRegion) async throws {
        try await region.driver.finishSnapshotWork()
        let driver = region.driver
        snapshots =
            try await driver.describeSnapshots(.all).snapshots
            + driver.describeSnapshots(SnapshotQuery(region: "eu-west-1")).snapshots
        var contents: [SnapshotID: Blocks] = [:]
        for snapshot in snapshots where snapshot.state == .completed {
            contents[snapshot.id] = try await region.blocks(of: snapshot.id)
        }
        self.contents = contents
        volumes = try await driver.describeVolumes(.all).volumes
        let sound = volumes.filter { $0.state != .error }
        bytes = try Dictionary(uniqueKeysWithValues: sound.map { ($0.id, try region.blocks(of: $0.id)) })
        fastRestores = try await driver.describeFastSnapshotRestores(.init())
    }

    /// Whether the volumes are the other's, but for copies that are in error.
    func hasVolumes(of other: SnapshotSight) -> Bool {
        zip(volumes, other.volumes).allSatisfy {
            $0 == $1 || $0.id == $1.id && $0.state == .error && $0.sourceVolumeID != nil
        }
            && volumes.count == other.volumes.count && bytes.allSatisfy { other.bytes[$0.key] == $0.value }
    }
}

/// Something that happens to a region in which the volume `one` was written, was made the snapshot `first`, and was
/// written again.
struct SnapshotPlay: Sendable, CustomStringConvertible {
    typealias Scene = @Sendable (TestRegion) async throws -> Void

    let description: String
    let scenes: [Scene]

    init(_ description: String, _ scenes: Scene...) {
        self.description = description
        self.scenes = scenes
    }

    private static func volume(_ name: String, in region: TestRegion) async throws -> VolumeID {
        try #require(try await region.driver.describeVolumes(VolumeQuery(names: [name])).volumes.first).id
    }

    static func snapshot(_ name: String, in region: TestRegion) async throws -> SnapshotID {
        try #require(try await region.driver.describeSnapshots(SnapshotQuery(names: [name])).snapshots.first).id
    }

    private static func create(_ name: String, of volume: String = "one") -> Scene {
        { region in _ = try await region.createSnapshot(Self.volume(volume, in: region), name: name) }
    }

    private static func write(_ blocks: Blocks) -> Scene {
        { region in try region.write(blocks, to: await Self.volume("one", in: region)) }
    }

    static func delete(_ name: String) -> Scene {
        { region in try await region.driver.deleteSnapshot(Self.snapshot(name, in: region)) }
    }

    static func restore(_ name: String, from snapshot: String, rate: Int? = nil) -> Scene {
        { region in
            _ = try await region.driver.createVolume(
                CreateVolumeRequest(
                    clientToken: name, zone: TestRegion.zone, type: .gp3,
                    snapshotID: Self.snapshot(snapshot, in: region), volumeInitializationRateMiBps: rate,
                    tags: [Tag.name: name]))
        }
    }

    private static func copy(_ name: String, of volume: String) -> Scene {
        { region in
            _ = try await region.driver.createVolume(
                CreateVolumeRequest(
                    zone: TestRegion.zone, type: .gp3, sourceVolumeID: Self.volume(volume, in: region),
                    tags: [Tag.name: name]))
        }
    }

    private static func deleteVolume(_ name: String) -> Scene {
        { region in try await region.driver.deleteVolume(Self.volume(name, in: region)) }
    }

    /// A task into or out of a file beside the region's state, and its end.
    private static func task(
        _ action: SnapshotTask.Action, _ file: String, of snapshot: String? = nil, name: String? = nil
    ) -> Scene {
        { region in
            var request = SnapshotTaskRequest(
                action: action, location: region.directory.appending(file).string, name: name)
            if let snapshot { request.snapshotID = try await Self.snapshot(snapshot, in: region) }
            if let error = try await region.ended(request).error { throw error }
        }
    }

    static let export = SnapshotPlay("export", task(.export, "copy", of: "first"))

    static let all: [SnapshotPlay] = [
        export,
        SnapshotPlay("export, and delete", task(.export, "copy", of: "first"), delete("first")),
        SnapshotPlay("import", task(.import, "exported", name: "second")),
        SnapshotPlay(
            "import what is not there any more, and restore it", delete("first"), task(.import, "exported"),
            restore("new", from: "first")),
        SnapshotPlay("create", create("second")),
        SnapshotPlay("create two at one instant") { region in
            _ = try await region.createSnapshots(
                [volume("one", in: region), volume("two", in: region)], names: ["second", "other"])
        },
        SnapshotPlay("delete", delete("first")),
        SnapshotPlay("delete what the next one counts from", create("second"), delete("first")),
        SnapshotPlay("create and delete", create("second"), delete("second")),
        SnapshotPlay(
            "delete one of a chain", create("second"), write([0: 7, 2: 8]), create("third"), delete("second")),
        SnapshotPlay(
            "copy, and delete the source",
            { region in
                _ = try await region.driver.copySnapshot(
                    CopySnapshotRequest(
                        sourceSnapshotID: snapshot("first", in: region), destinationRegion: "eu-west-1",
                        tags: [Tag.name: "copy"]))
            }, delete("first")),
        SnapshotPlay("delete the volume", create("second"), deleteVolume("one")),
        SnapshotPlay("restore, and delete what it came from", restore("new", from: "first"), delete("first")),
        SnapshotPlay(
            "restore with a credit",
            { region in
                _ = try await region.driver.enableFastSnapshotRestores(
                    FastSnapshotRestoreRequest(
                        snapshotIDs: [snapshot("first", in: region)], zones: [TestRegion.zone]))
                region.clock.advance(by: .seconds(3_600))
            }, restore("new", from: "first")),
        SnapshotPlay("restore at a rate", restore("new", from: "first", rate: 300)),
        SnapshotPlay(
            "delete a restoring volume of which there is a snapshot", restore("new", from: "first"), delete("first"),
            create("second", of: "new"), deleteVolume("new")),
        SnapshotPlay("copy a volume", copy("new", of: "one")),
        SnapshotPlay(
            "copy a volume that was written since, and delete it", copy("new", of: "one"), write([0: 7]),
            deleteVolume("one")),
        SnapshotPlay(
            "copy a restoring volume", restore("middle", from: "first"), delete("first"), copy("new", of: "middle"),
            deleteVolume("middle")),
        SnapshotPlay("rename") { region in
            _ = try await region.driver.modifySnapshotTags(
                ModifySnapshotTagsRequest(snapshotID: snapshot("first", in: region), set: [Tag.name: "renamed"]))
        },
    ]
}

@Suite struct SnapshotCrashTests {
    /// A region's state, of which each run gets a copy: the same down to ids and times.
    func withPreparedState<Result: Sendable>(
        _ body: (FilePath) async throws -> Result
    ) async throws -> Result {
        try await withTemporaryDirectory { directory in
            let region = try await TestRegion.open(directory)
            let one = try await region.create("one")
            let two = try await region.create("two")
            try region.write([0: 1, 1: 2, 64: 3], to: one.id)
            try region.write([0: 4], to: two.id)
            _ = try await region.completeSnapshot(one.id, name: "first")
            try region.write([1: 5, 700: 6], to: one.id)
            let first = try #require(try await region.snapshots.first)
            let file = directory.appending("exported").string
            _ = try await region.ended(SnapshotTaskRequest(action: .export, snapshotID: first.id, location: file))
            try await region.driver.close()
            return try await body(directory)
        }
    }

    func withCopy<Result: Sendable>(
        of state: FilePath, _ crash: Crash = Crash(), _ body: (TestRegion, Crash) async throws -> Result
    ) async throws -> Result {
        try await withTemporaryDirectory { directory in
            let copying = try await runCommand("cp", ["-a", "\(state)/.", directory.string])
            try #require(copying.status == 0, "\(copying.errors)")
            let region = try await TestRegion.open(
                directory, random: SeededRandom(seed: 2), beforeStep: crash.beforeStep)
            try await region.driver.finishSnapshotWork()
            crash.arm()
            return try await body(region, crash)
        }
    }

    /// What there is before the first scene, and after each.
    func allowed(_ play: SnapshotPlay, _ state: FilePath) async throws -> [SnapshotSight] {
        var sights: [SnapshotSight] = []
        for count in 0...play.scenes.count {
            try await withCopy(of: state) { region, _ in
                for scene in play.scenes.prefix(count) { try await scene(region) }
                sights.append(try await SnapshotSight(region))
                try await region.checkStore("undisturbed")
                try await region.driver.close()
            }
        }
        return sights
    }

    /// Plays until the process dies. Whether it did.
    private func dies(_ play: SnapshotPlay, _ region: TestRegion, _ crash: Crash) async throws -> Bool {
        do {
            for scene in play.scenes { try await scene(region) }
            try await region.driver.finishSnapshotWork()
        } catch is Crash {
        } catch is StorageError where crash.hasCome {
        }
        return crash.hasCome
    }

    /// Runs `body` on the region of the next process for each step, from one on, at which the last one may have died.
    func forEachStep(
        of play: SnapshotPlay, _ state: FilePath, from first: Int = 0, every stride: Int = 1, boot: String = "boot-1",
        _ body: (TestRegion, Comment) async throws -> Void
    ) async throws {
        var steps = first
        while try await withCopy(
            of: state, Crash(after: steps),
            { region, crash in
                guard try await dies(play, region, crash) else {
                    try await region.driver.close()
                    return false
                }
                let next = try await region.reopened(boot: boot)
                try await body(next, "\(play), died before step \(steps)")
                try await next.driver.close()
                return true
            })
        {
            steps += stride
        }
        if first == 0 { #expect(steps > 0) }
    }

    @Test(
        "killed before any step: all of it or nothing, and nothing left over",
        arguments: SnapshotPlay.all + SnapshotPlay.uploads)
    func killed(_ play: SnapshotPlay) async throws {
        try await withPreparedState { state in
            let allowed = try await allowed(play, state)
            try await forEachStep(of: play, state) { region, comment in
                let sight = try await SnapshotSight(region)
                #expect(allowed.contains(sight), comment)
                try await region.checkStore(comment)
            }
        }
    }

    @Test(
        "power lost before any step: what is completed is whole, and the rest in error",
        arguments: SnapshotPlay.all + SnapshotPlay.uploads)
    func powerLost(_ play: SnapshotPlay) async throws {
        try await withPreparedState { state in
            let allowed = try await allowed(play, state)
            let contents = allowed.reduce(into: [:]) { $0.merge($1.contents) { first, _ in first } }
            // Others of the steps each time; the comment of a failure says which.
            let first = Int(SystemRandom().next() % 4)
            try await forEachStep(of: play, state, from: first, every: 4, boot: "boot-2") { region, comment in
                let sight = try await SnapshotSight(region)
                #expect(allowed.contains { sight.hasVolumes(of: $0) }, comment)
                #expect(sight.snapshots.allSatisfy { $0.state != .pending }, comment)
                for (id, blocks) in sight.contents { #expect(contents[id] == blocks, comment) }
                #expect(allowed.contains { Set($0.snapshots.map(\.id)) == Set(sight.snapshots.map(\.id)) }, comment)
                try await region.checkStore(comment)
            }
        }
    }
}
