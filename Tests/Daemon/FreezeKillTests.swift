// The daemon is killed while it keeps a filesystem frozen for a snapshot: it is thawed, who writes goes on, and what
// snapshots there are hold what was acknowledged before they were asked for.
import Driver
import Glibc
import Platform
import RPC
import SystemPackage
import TestSupport
import Testing

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// A program that writes one number after another to a file on a volume, each durably, and ends when that fails.
private final class NumberWriter: Sendable {
    private let process: TestProcess
    private let home: FilePath

    init(to directory: FilePath, home: FilePath) throws {
        self.home = home
        let script = """
            i=0
            while [ ! -e "$2/stop" ]; do
                i=$((i + 1))
                echo $i >> "$1/numbers" && sync "$1/numbers" || exit 1
                echo $i > "$2/next" && mv "$2/next" "$2/acknowledged"
            done
            """
        process = try TestProcess(["/bin/sh", "-c", script, "sh", directory.string, home.string])
    }

    /// The last number that is durable.
    func acknowledged() throws -> Int {
        let path = home.appending("acknowledged").string
        guard FileManager.default.fileExists(atPath: path) else { return 0 }
        let text = try String(contentsOfFile: path, encoding: .utf8)
        return try #require(Int(text.filter { $0.isNumber }))
    }

    func goesOn() async throws -> Bool {
        let start = try acknowledged()
        return try await eventually { try self.acknowledged() > start + 2 }
    }

    func hasEnded() async throws -> Bool {
        try await eventually { try self.process.poll() != nil }
    }

    /// One that hangs is killed, since it keeps the volume busy.
    func stop() async throws {
        try writeFile(home.appending("stop"), "")
        _ = try await process.waitForEnd(within: .seconds(20))
    }
}

@Suite(.timeLimit(.minutes(4))) struct FreezeKillTests {
    private static let volume = VolumeReference.name("data")

    @Test(arguments: [SystemRandom().next()])
    func whoWritesGoesOnWhenTheWorkerIsKilled(seed: UInt64) async throws {
        let random = SeededRandom(seed: seed)
        try await withDaemon { daemon in
            try await writing(to: daemon) { writer in
                try await killWhileFreezing(daemon, writer, random, seed)
            }
            try await daemon.calling { _ = try $0.call(Ebb.UnmountVolume.self, .init(volume: Self.volume)) }
        }
    }

    private func killWhileFreezing(
        _ daemon: RunningDaemon, _ writer: NumberWriter, _ random: SeededRandom, _ seed: UInt64
    ) async throws {
        // How much each snapshot must hold.
        var asked: [String: Int] = [:]
        var answered: Set<String> = []
        for round in 0..<8 {
            let name = "frozen-\(round)"
            asked[name] = try writer.acknowledged()
            async let isMade = freeze(daemon, name)
            try await killWorker(of: daemon, random)
            if try await isMade { answered.insert(name) }
            let goesOn = try await writer.goesOn()
            #expect(goesOn, "seed \(seed), round \(round)")
            if !goesOn { break }
        }
        try await writer.stop()
        try await check(asked, answered, daemon, "seed \(seed)")
    }

    /// Its filesystem is gone with it: who writes is told so, and hangs no more than those who come later.
    @Test(arguments: [SystemRandom().next()])
    func nothingHangsWhenAllOfTheDaemonIsKilled(seed: UInt64) async throws {
        let random = SeededRandom(seed: seed)
        try await withTemporaryDirectory { home in
            let (first, durable, wasMade) = try await withDaemonToKill(home: home) { first in
                let (durable, wasMade) = try await writing(to: first) { writer in
                    let durable = try writer.acknowledged()
                    async let isMade = freeze(first, "frozen")
                    try await untilFreezing(first, random)
                    try await first.killTogether()
                    let wasMade = try await isMade
                    let hasEnded = try await writer.hasEnded()
                    #expect(hasEnded, "seed \(seed)")
                    return (durable, wasMade)
                }
                return (first, durable, wasMade)
            }
            try await withDaemon(home: home, replacing: first) { daemon in
                #expect(try await numbers(on: "data", daemon) >= durable, "seed \(seed)")
                try await check(["frozen": durable], wasMade ? ["frozen"] : [], daemon, "seed \(seed)")
            }
        }
    }

    // MARK: Steps

    /// Runs `body` while a program writes to a mounted volume; the program has ended when this returns.
    private func writing<Result>(
        to daemon: RunningDaemon, _ body: (NumberWriter) async throws -> Result
    ) async throws -> Result {
        let path = try await daemon.calling { client in
            _ = try client.call(Ebb.CreateHostVolume.self, HostVolumeRequest(name: "data", sizeGiB: 1))
            return try client.call(Ebb.MountVolume.self, .init(volume: Self.volume)).path
        }
        let writer = try NumberWriter(to: FilePath(path), home: daemon.home)
        return try await withCleanup({ try await writer.stop() }) {
            let hasBegun = try await eventually { try writer.acknowledged() > 0 }
            #expect(hasBegun)
            return try await body(writer)
        }
    }

    /// Whether the snapshot was made, as far as anybody was told.
    private func freeze(_ daemon: RunningDaemon, _ name: String) async throws -> Bool {
        do {
            try await daemon.calling { client in
                let source = HostSnapshotsRequest.Source(volume: Self.volume, tags: [Tag.name: name])
                _ = try client.call(
                    Ebb.CreateHostSnapshots.self, HostSnapshotsRequest(sources: [source], freeze: true))
            }
            return true
        } catch let error as StorageError
            where [.unavailable, .concurrentSnapshotLimitExceeded].contains(error.code)
        {
            return false
        }
    }

    private func killWorker(of daemon: RunningDaemon, _ random: SeededRandom) async throws {
        let worker = try #require(try daemon.workers().first)
        try await untilFreezing(daemon, random)
        #expect(kill(worker, SIGKILL) == 0)
    }

    /// Returns some milliseconds after the guardian has begun; without one, when the snapshot has long been made.
    private func untilFreezing(_ daemon: RunningDaemon, _ random: SeededRandom) async throws {
        let worker = try #require(try daemon.workers().first)
        let deadline = ContinuousClock.now + .seconds(2)
        while try !hasGuardian(worker), ContinuousClock.now < deadline { try await Task.sleep(for: .milliseconds(1)) }
        try await Task.sleep(for: .milliseconds(Int(random.next() % 400)))
    }

    private func hasGuardian(_ worker: Int32) throws -> Bool {
        let tasks = "/proc/\(worker)/task"
        return try FileManager.default.contentsOfDirectory(atPath: tasks).contains { task in
            // Threads and children may end meanwhile.
            let children = FileManager.default.contents(atPath: "\(tasks)/\(task)/children") ?? Data()
            return String(decoding: children, as: UTF8.self).split(separator: " ").contains { child in
                let command = FileManager.default.contents(atPath: "/proc/\(child)/cmdline") ?? Data()
                return String(decoding: command, as: UTF8.self).contains("guard-frozen")
            }
        }
    }

    // MARK: Looking

    private func check(
        _ asked: [String: Int], _ answered: Set<String>, _ daemon: RunningDaemon, _ comment: Comment
    ) async throws {
        let driver = RemoteDriver(socketPath: daemon.rpcSocket.string, clock: SystemClock(), random: SystemRandom())
        var snapshots: [Snapshot] = []
        let isSettled = try await eventually(within: .seconds(60)) {
            snapshots = try await driver.describeSnapshots(.all).snapshots
            return snapshots.allSatisfy { $0.state != .pending }
        }
        #expect(isSettled, comment)
        #expect(answered.subtracting(snapshots.map(\.name)).isEmpty, comment)
        for snapshot in snapshots where snapshot.state == .completed {
            let name = "of-\(snapshot.name)"
            _ = try await daemon.calling { client in
                try client.call(
                    Ebb.CreateHostVolume.self, HostVolumeRequest(name: name, snapshotID: snapshot.id))
            }
            let least = try #require(asked[snapshot.name])
            #expect(try await numbers(on: name, daemon) >= least, "\(snapshot.name), \(comment)")
        }
    }

    /// How many numbers a volume's file has, from 1 on, each in its place.
    private func numbers(on volume: String, _ daemon: RunningDaemon) async throws -> Int {
        try await daemon.calling { client in
            let path = try client.call(Ebb.MountVolume.self, .init(volume: .name(volume))).path
            let text = String(decoding: try readFile(FilePath(path).appending("numbers")), as: UTF8.self)
            _ = try client.call(Ebb.UnmountVolume.self, .init(volume: .name(volume)))
            let lines = text.split(separator: "\n").map { Int($0) }
            #expect(lines == (0..<lines.count).map { $0 + 1 }, "\(volume)")
            return lines.count
        }
    }
}
