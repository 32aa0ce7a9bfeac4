import Driver
import Platform
import RPC
import SystemPackage
import Testing

/// What a client of the region may count on, or not: what was asked for when the daemon was killed may have been done.
enum Certainty: Sendable { case there, unanswered }

/// A client that makes, deletes, copies and restores snapshots, clones volumes and uses what it gets, until the daemon
/// is killed. What it makes carries its name.
struct SnapshotLife: Sendable {
    struct Thing: Sendable {
        var content: ExpectedContent
        var certainty: Certainty
    }

    let name: String
    let world: World
    let random: SeededRandom
    private(set) var snapshots: [String: Thing] = [:]
    private(set) var volumes: [String: Thing] = [:]
    /// How often something was made or deleted, as it was told.
    private(set) var answers = 0
    private var count = 0

    /// What all clients share.
    struct World: Sendable {
        let driver: RemoteDriver
        let instance: InstanceID
        let filesystem: FilePath
        let writers: [(writer: VolumeWriter, volumes: [VolumeID])]

        static let zone: ZoneName = "us-east-1b"

        /// Where any volume can be read.
        func path(of volume: VolumeID) -> FilePath {
            filesystem.appending("\(Self.zone)/volumes/\(volume)")
        }
    }

    init(name: String, world: World, seed: UInt64) {
        self.name = name
        self.world = world
        random = SeededRandom(seed: seed)
    }

    // MARK: While it lives

    mutating func live(whileAlive isAlive: () -> Bool) async throws {
        while isAlive() {
            do {
                try await act()
            } catch let error as StorageError where error.code == .unavailable {
                return
            } catch is Errno where !isAlive() {
                return
            } catch let error as StorageError where Self.mayHappen(error) {
                continue
            }
        }
    }

    /// Limits, and snapshots that are not completed yet.
    private static func mayHappen(_ error: StorageError) -> Bool {
        [.incorrectState, .concurrentSnapshotLimitExceeded, .copyVolumesLimitExceeded].contains(error.code)
    }

    private mutating func act() async throws {
        count += 1
        switch random.next() % 12 {
        case 0...2: try await cut()
        case 3, 4: try await deleteSnapshot()
        case 5: try await copySnapshot()
        case 6, 7: try await restore()
        case 8: try await copyVolume()
        case 9: try await use()
        case 10: try await cutOwn()
        default: try await deleteVolume()
        }
    }

    private func pick(_ things: [String: Thing]) -> (name: String, thing: Thing)? {
        let names = things.filter { $0.value.certainty == .there }.keys.sorted()
        if names.isEmpty { return nil }
        let name = names[Int(random.next() % UInt64(names.count))]
        return things[name].map { (name, $0) }
    }

    // MARK: Snapshots

    /// All volumes of a writer at one instant, or one of them.
    private mutating func cut() async throws {
        if snapshots.count > 7 { return try await deleteSnapshot() }
        let (writer, volumes) = world.writers[Int(random.next() % UInt64(world.writers.count))]
        let one = Int(random.next() % UInt64(volumes.count))
        let places = random.next() % 2 == 0 ? Array(volumes.indices) : [one]
        let names = places.map { "\(name)-s\(count).\($0)" }
        let request = CreateSnapshotsRequest(
            sources: zip(names, places).map { .init(volumeID: volumes[$1], tags: [Tag.name: $0]) })
        let driver = world.driver
        try await makeSnapshots(names, places, writer.log) { _ = try await driver.createSnapshots(request) }
    }

    /// They hold what was acknowledged before, and nothing of what is begun afterwards.
    private mutating func makeSnapshots(
        _ names: [String], _ places: [Int], _ log: WriteLog, _ body: () async throws -> Void
    ) async throws {
        let from = log.endedCount
        var certainty = Certainty.unanswered
        defer {
            let instant = Instant(log, from: from, to: log.begunCount)
            for (name, place) in zip(names, places) {
                let content = ExpectedContent(instant, volume: place)
                snapshots[name] = Thing(content: content, certainty: certainty)
            }
        }
        try await body()
        certainty = .there
        answers += 1
    }

    /// Of a volume that only this client writes.
    private mutating func cutOwn() async throws {
        guard snapshots.count < 8, let (source, thing) = pick(volumes) else { return }
        let new = "\(name)-o\(count)"
        let id = try await volume(source)
        try await making(new, thing.content, in: \.snapshots) { driver in
            _ = try await driver.createSnapshots(
                CreateSnapshotsRequest(sources: [.init(volumeID: id, tags: [Tag.name: new])]))
        }
    }

    private mutating func copySnapshot() async throws {
        guard snapshots.count < 8, let (source, thing) = pick(snapshots) else { return }
        let new = "\(name)-c\(count)"
        let id = try await snapshot(source)
        try await making(new, thing.content, in: \.snapshots) { driver in
            _ = try await driver.copySnapshot(CopySnapshotRequest(sourceSnapshotID: id, tags: [Tag.name: new]))
        }
    }

    private mutating func deleteSnapshot() async throws {
        guard let (source, _) = pick(snapshots) else { return }
        let id = try await snapshot(source)
        snapshots[source]?.certainty = .unanswered
        try await world.driver.deleteSnapshot(id)
        snapshots[source] = nil
        answers += 1
    }

    // MARK: Volumes

    private mutating func restore() async throws {
        guard volumes.count < 5, let (source, thing) = pick(snapshots) else { return try await deleteVolume() }
        let new = "\(name)-v\(count)"
        let rate = random.next() % 2 == 0 ? 100 + Int(random.next() % 200) : nil
        let id = try await snapshot(source)
        try await making(new, thing.content, in: \.volumes) { driver in
            _ = try await driver.createVolume(
                CreateVolumeRequest(
                    zone: World.zone, type: .gp3, snapshotID: id, volumeInitializationRateMiBps: rate,
                    tags: [Tag.name: new]))
        }
    }

    private mutating func copyVolume() async throws {
        if volumes.count > 4 { return try await deleteVolume() }
        let (writer, sources) = world.writers[Int(random.next() % UInt64(world.writers.count))]
        let place = Int(random.next() % UInt64(sources.count))
        let new = "\(name)-w\(count)"
        let from = writer.log.endedCount
        var certainty = Certainty.unanswered
        defer {
            let instant = Instant(writer.log, from: from, to: writer.log.begunCount)
            volumes[new] = Thing(content: ExpectedContent(instant, volume: place), certainty: certainty)
        }
        _ = try await world.driver.createVolume(
            CreateVolumeRequest(
                zone: World.zone, type: .gp3, sourceVolumeID: sources[place], tags: [Tag.name: new]))
        certainty = .there
        answers += 1
    }

    /// Reads a volume, or writes some of it.
    private mutating func use() async throws {
        guard let (name, thing) = pick(volumes) else { return }
        let id = try await volume(name)
        if random.next() % 2 == 0 {
            let path = world.path(of: id)
            let pages = try await BlockingThreads(limit: 1).run { try VolumeAccess.read(path) }
            if let difference = thing.content.difference(from: pages) {
                Issue.record("\(name) while it was restored: \(difference)")
            }
            return
        }
        let attachment = try await attach(id)
        guard case .file(let path)? = attachment.location else { throw Errno.noSuchFileOrDirectory }
        for _ in 0..<3 {
            let (pages, isDiscard) = VolumeAccess.randomChange(random)
            let stamp = isDiscard ? 0 : random.next() | 1 << 63
            volumes[name]?.content.begin(pages, stamp: stamp)
            try await BlockingThreads(limit: 1).run {
                let file = try FileDescriptor.openFile(FilePath(path), .readWrite)
                defer { file.closeIgnoringErrors() }
                try VolumeAccess.write(stamp, to: pages, of: file)
            }
            volumes[name]?.content.end(pages, stamp: stamp)
        }
    }

    private func attach(_ id: VolumeID) async throws -> Driver.Attachment {
        let known = try await world.driver.describeVolumes(VolumeQuery(ids: [id])).volumes.first?.attachments.first
        if let known { return known }
        return try await world.driver.attachVolume(AttachVolumeRequest(volumeID: id, instanceID: world.instance))
    }

    private mutating func deleteVolume() async throws {
        guard let (name, _) = pick(volumes) else { return }
        let id = try await volume(name)
        let attachments = try await world.driver.describeVolumes(VolumeQuery(ids: [id])).volumes.first?.attachments
        if attachments?.isEmpty == false { try await world.driver.detachVolume(DetachVolumeRequest(volumeID: id)) }
        volumes[name]?.certainty = .unanswered
        try await world.driver.deleteVolume(id)
        volumes[name] = nil
        answers += 1
    }

    private mutating func making(
        _ new: String, _ content: ExpectedContent, in things: WritableKeyPath<Self, [String: Thing]>,
        _ body: (RemoteDriver) async throws -> Void
    ) async throws {
        self[keyPath: things][new] = Thing(content: content, certainty: .unanswered)
        try await body(world.driver)
        self[keyPath: things][new]?.certainty = .there
        answers += 1
    }

    private func snapshot(_ name: String) async throws -> SnapshotID {
        let page = try await world.driver.describeSnapshots(SnapshotQuery(names: [name]))
        return try #require(page.snapshots.first, "\(name) was answered and is not there").id
    }

    /// One that can be used, if it is a copy.
    private func volume(_ name: String) async throws -> VolumeID {
        while true {
            let page = try await world.driver.describeVolumes(VolumeQuery(names: [name]))
            let volume = try #require(page.volumes.first, "\(name) was answered and is not there")
            if volume.state != .creating { return volume.id }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    // MARK: Afterwards

    /// Takes over what there is; what was answered must be there.
    mutating func compare(snapshots found: Set<String>, volumes foundVolumes: Set<String>, _ comment: Comment) {
        Self.compare(&snapshots, found, comment)
        Self.compare(&volumes, foundVolumes, comment)
    }

    /// It failed, and was deleted.
    mutating func forget(volume name: String) { volumes[name] = nil }

    private static func compare(_ things: inout [String: Thing], _ found: Set<String>, _ comment: Comment) {
        for (name, thing) in things {
            if found.contains(name) {
                things[name]?.certainty = .there
            } else {
                #expect(thing.certainty == .unanswered, "\(name) was answered and is not there, \(comment)")
                things[name] = nil
            }
        }
    }
}
