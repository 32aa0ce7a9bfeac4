#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
import Glibc
import Platform
import RPC
import SystemPackage
import TestSupport
import Testing

/// A worker is killed while a program writes: the program must not notice.
@Suite(.timeLimit(.minutes(5))) struct TakeoverTests {
    /// ext4 on a loop device on the filesystem, as a container has it.
    @Test func fioOnAMountedVolumeSurvivesKilledWorkers() async throws {
        try await withDaemon { daemon in
            let path = try mountVolume("takeover", daemon)
            let logPath = daemon.home.appending("fio.log")
            let fio = try startFio(
                FilePath(path).appending("data"),
                [
                    "--rw=randwrite", "--bsrange=4k-64k", "--iodepth=16", "--verify=crc32c", "--verify_state_save=0",
                    "--size=64M", "--loops=1000", "--runtime=12",
                ], log: logPath)
            var killed: Set<Int32> = []
            let end = try await withCleanup({ try await fio.kill() }) {
                while killed.count < 3 {
                    try await Task.sleep(for: .milliseconds(700))
                    guard let worker = try daemon.workers().first(where: { !killed.contains($0) }) else { continue }
                    let said = try text(of: logPath)
                    try #require(try fio.poll() == nil, "ended after \(killed.count) kills: \(said)")
                    #expect(kill(worker, SIGKILL) == 0)
                    killed.insert(worker)
                }
                return try await fio.waitForEnd(within: .seconds(60))
            }
            let log = try text(of: logPath)
            #expect(end == .exited(code: 0), "\(log)")
            #expect(log.contains("err= 0"), "\(log)")
            try await waitUntilServed(daemon, not: killed)
            _ = try plugin("Unmount", #"{"Name":"takeover","ID":"test"}"#, daemon)
            _ = try plugin("Remove", #"{"Name":"takeover"}"#, daemon)
        }
    }

    /// Long requests come to every lane of a worker that has just begun, when that is killed.
    @Test(arguments: [SystemRandom().next()])
    func noRequestIsLostThatTheKernelIsHandingOver(seed: UInt64) async throws {
        try await withDaemon(arguments: ["--lanes", "16"]) { daemon in
            _ = try await daemon.calling { client in
                _ = try client.call(Ebb.CreateHostVolume.self, HostVolumeRequest(name: "data", sizeGiB: 1))
                return try client.call(Ebb.AttachHostVolume.self, .init(volume: .name("data")))
            }
            let logPath = daemon.home.appending("fio.log")
            let fio = try startFio(
                daemon.devices.appending("xvdb"),
                ["--rw=randwrite", "--bs=512k", "--iodepth=64", "--size=512M", "--runtime=600"], log: logPath)
            var random = SplitMix64(seed: seed)
            var killed: Set<Int32> = []
            let least = ContinuousClock.now + .seconds(12)
            try await withCleanup({ try await fio.kill() }) {
                while killed.count < 4 || ContinuousClock.now < least {
                    let said = try text(of: logPath)
                    try #require(try fio.poll() == nil, "ended after \(killed.count) kills: \(said)")
                    if let worker = try daemon.workers().first(where: { !killed.contains($0) }), try hasLanes(worker) {
                        try await Task.sleep(for: .milliseconds(Int(random.next() % 30)))
                        #expect(kill(worker, SIGKILL) == 0)
                        killed.insert(worker)
                    }
                    try await Task.sleep(for: .milliseconds(2))
                }
                try fio.send(.interrupt)
                _ = try await fio.waitForEnd(within: .seconds(60))
            }
            let log = try text(of: logPath)
            #expect(log.contains("err= 0"), "seed \(seed): \(log)")
            try await waitUntilServed(daemon, not: killed)
            _ = try await daemon.calling { try $0.call(Ebb.DetachHostVolume.self, .init(volume: .name("data"))) }
        }
    }

    private func hasLanes(_ worker: Int32) throws -> Bool {
        let tasks = "/proc/\(worker)/task"
        return try FileManager.default.contentsOfDirectory(atPath: tasks).contains { task in
            // A thread may end meanwhile.
            FileManager.default.contents(atPath: "\(tasks)/\(task)/comm").map { $0.starts(with: "fuse lane".utf8) }
                ?? false
        }
    }

    private func text(of path: FilePath) throws -> String {
        try String(contentsOfFile: path.string, encoding: .utf8)
    }

    private func mountVolume(_ name: String, _ daemon: RunningDaemon) throws -> String {
        _ = try plugin("Create", #"{"Name":"\#(name)","Opts":{"size":"1"}}"#, daemon)
        let answer = try plugin("Mount", #"{"Name":"\#(name)","ID":"test"}"#, daemon)
        struct Mounted: Decodable { var Mountpoint: String }
        return try JSONDecoder().decode(Mounted.self, from: Data(answer.utf8)).Mountpoint
    }

    /// Calls the Docker plugin as dockerd does; its errors are thrown.
    private func plugin(_ method: String, _ body: String, _ daemon: RunningDaemon) throws -> String {
        let answer = daemon.home.appending("answer")
        let socket = daemon.dockerSockets.appending("ebb.sock").string
        let curl = try ChildProcess.spawn(
            "/usr/bin/curl",
            arguments: [
                "-sS", "--fail-with-body", "--max-time", "60", "--unix-socket", socket, "-o", answer.string, "-d",
                body, "http://localhost/VolumeDriver.\(method)",
            ], inherited: [])
        let end = try curl.wait()
        let text = try String(contentsOfFile: answer.string, encoding: .utf8)
        try #require(end == .exited(code: 0), "\(method): \(text)")
        return text
    }

    private func startFio(_ file: FilePath, _ options: [String], log: FilePath) throws -> TestProcess {
        let arguments =
            ["fio", "--name=load", "--filename=\(file)", "--ioengine=libaio", "--direct=1", "--time_based"] + options
        return try TestProcess(arguments, output: log)
    }

    private func waitUntilServed(_ daemon: RunningDaemon, not killed: Set<Int32>) async throws {
        while try daemon.workers().allSatisfy(killed.contains) { try await Task.sleep(for: .milliseconds(20)) }
    }
}
