// The worker is killed again and again while clients change the region. What was answered holds; what was not is
// done as a whole or not at all; catalog, files and filesystem agree each time.
import Driver
import Glibc
import Platform
import RPC
import Synchronization
import SystemPackage
import TestSupport
import Testing

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// One volume's life, over and over: made, attached, detached, deleted.
private struct Life: Sendable {
    enum Stage: Int, Sendable { case gone, made, attached, detached }

    let name: String
    let instance: InstanceID
    /// What the region has answered last.
    var stage = Stage.gone
    /// What it was asked for when it went away.
    var attempted: Stage?
    var answers = 0

    /// Goes on until the worker is killed. The driver repeats by itself what can be repeated, so a life may not
    /// notice.
    mutating func live(on driver: RemoteDriver, whileAlive isAlive: () -> Bool) async throws {
        attempted = nil
        while isAlive() {
            let next: Stage = Stage(rawValue: stage.rawValue + 1) ?? .gone
            do {
                try await go(to: next, on: driver)
                stage = next
                answers += 1
            } catch let error as StorageError where error.code == .unavailable {
                attempted = next
                return
            }
        }
    }

    private func go(to next: Stage, on driver: RemoteDriver) async throws {
        switch next {
        case .made:
            _ = try await driver.createVolume(
                CreateVolumeRequest(zone: "us-east-1b", sizeGiB: 1, type: .gp3, tags: [Tag.name: name]))
        case .attached:
            _ = try await driver.attachVolume(
                AttachVolumeRequest(volumeID: try await id(driver), instanceID: instance))
        case .detached:
            try await driver.detachVolume(DetachVolumeRequest(volumeID: try await id(driver)))
        case .gone:
            try await driver.deleteVolume(try await id(driver))
        }
    }

    private func id(_ driver: RemoteDriver) async throws -> VolumeID {
        let page = try await driver.describeVolumes(VolumeQuery(names: [name]))
        return try #require(page.volumes.first, "\(name) was answered and is not there").id
    }

    /// Takes over what the region has now, if it is one of the two that it may have.
    mutating func compare(with volume: Volume?, _ comment: Comment) {
        let allowed = [stage, attempted ?? stage].map(Self.state)
        #expect(allowed.contains(volume?.state), "\(name), \(comment)")
        if volume?.state != Self.state(of: stage) { stage = attempted ?? stage }
    }

    private static func state(of stage: Stage) -> Volume.State? {
        switch stage {
        case .gone: nil
        case .made, .detached: .available
        case .attached: .inUse
        }
    }
}

private final class Flag: Sendable {
    let isSet = Atomic(false)
}

@Suite(.timeLimit(.minutes(5))) struct RegionKillTests {
    @Test func whatWasAnsweredOutlivesAKilledWorker() async throws {
        let seed = UInt64.random(in: 0 ... .max)
        let random = SeededRandom(seed: seed)
        try await withDaemon { daemon in
            let driver = RemoteDriver(
                socketPath: daemon.rpcSocket.string, timeout: .seconds(30), clock: SystemClock(),
                random: SystemRandom())
            let host = try await driver.registerInstance(
                RegisterInstanceRequest(name: "killed-host", zone: "us-east-1b"))
            var lives = (0..<4).map { Life(name: "life-\($0)", instance: host.id) }
            for round in 0..<8 {
                let comment: Comment = "seed \(seed), round \(round)"
                let pause = Duration.milliseconds(Int(random.next() % 300) + 20)
                lives = try await untilKilled(lives, driver, daemon, after: pause)
                let volumes = try await untilAnswered { try await driver.describeVolumes(.all).volumes }
                for index in lives.indices {
                    lives[index].compare(with: volumes.first { $0.name == lives[index].name }, comment)
                }
                try checkAgreement(volumes, daemon, comment)
            }
            #expect(lives.allSatisfy { $0.answers > 0 }, "seed \(seed): \(lives.map(\.answers)) answers")
        }
    }

    private func untilKilled(
        _ lives: [Life], _ driver: RemoteDriver, _ daemon: RunningDaemon, after pause: Duration
    ) async throws -> [Life] {
        let isKilled = Flag()
        return try await withThrowingTaskGroup(of: Life.self) { group in
            for life in lives {
                group.addTask {
                    var life = life
                    try await life.live(on: driver) { !isKilled.isSet.load(ordering: .acquiring) }
                    return life
                }
            }
            let worker = try #require(try daemon.workers().first)
            try await Task.sleep(for: pause)
            #expect(kill(worker, SIGKILL) == 0)
            isKilled.isSet.store(true, ordering: .releasing)
            return try await group.reduce(into: []) { $0.append($1) }
        }
    }

    /// The files that are there, and the volumes that the filesystem shows, are the region's.
    private func checkAgreement(_ volumes: [Volume], _ daemon: RunningDaemon, _ comment: Comment) throws {
        let ids = Set(volumes.map(\.id.rawValue))
        let shown = daemon.filesystem.appending("us-east-1b/volumes").string
        #expect(Set(try FileManager.default.contentsOfDirectory(atPath: shown)) == ids, comment)
        let kept = daemon.home.appending("var/lib/ebb/volumes").string
        let files = try FileManager.default.contentsOfDirectory(atPath: kept).filter { $0.hasPrefix("vol-") }
        #expect(Set(files) == ids, comment)
        for attachment in volumes.flatMap(\.attachments) {
            guard case .file(let path)? = attachment.location else {
                Issue.record("\(attachment) has no file, \(comment)")
                continue
            }
            #expect(FileManager.default.fileExists(atPath: path), comment)
        }
    }
}
