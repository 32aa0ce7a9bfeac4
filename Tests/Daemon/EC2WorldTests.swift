import Driver
import Glibc
import Platform
import RPC
import TestSupport
import Testing

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// The daemon as an instance of EC2, which is a server of moto's here.
@Suite(.timeLimit(.minutes(4))) struct EC2WorldTests {
    private static let credentials = ["AWS_ACCESS_KEY_ID": "AKIDANYBODY", "AWS_SECRET_ACCESS_KEY": "hush9f2c"]
    /// This machine may be an instance itself.
    private static let alone = ["AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/nowhere"]

    private static let file = """
        rexray:
          logLevel: warn
          storageDrivers: [ec2]
          host: tcp://:7979
          volume:
            remove: {disable: true}
        docker:
          size: 3
          volumeType: gp3
        aws:
          accessKey: AKIDOFAFILE
          secretKey: hush9f2c
          region: us-east-1
          rexrayTag: lab
          endpoint: ENDPOINT
        instance: INSTANCE

        """

    /// For what never comes. A busy machine may take seconds for what does.
    private static let soonGivenUp = ["--attach-timeout", "10s"]

    private func withEC2(
        _ arguments: [String] = [], _ body: (RunningDaemon, RemoteDriver) async throws -> Void
    ) async throws {
        try await withMotoServer { try await withEC2(on: $0, arguments, body) }
    }

    private func withEC2(
        on moto: MotoServer, _ arguments: [String] = [], _ body: (RunningDaemon, RemoteDriver) async throws -> Void
    ) async throws {
        let instance = try await moto.runInstance(in: "us-east-1b")
        let place = [
            "--driver", "ec2", "--ec2-endpoint", moto.endpoint, "--region", "us-east-1", "--instance", instance,
        ]
        let environment = Self.credentials.merging(Self.alone) { $1 }
        try await withDaemon(arguments: place + arguments, environment: environment) { daemon in
            let driver = RemoteDriver(
                socketPath: daemon.rpcSocket.string, clock: SystemClock(), random: SystemRandom())
            try await body(daemon, driver)
        }
    }

    @Test func theSameCommandsWorkOnEC2() async throws {
        try await withEC2 { daemon, driver in
            func ebb(_ arguments: String...) async throws -> CommandResult {
                try await runCommand(BuiltPrograms.ebb.string, ["--home", daemon.home.string] + arguments)
            }
            #expect(try await driver.describeDriver().name == "ec2")
            let made = try await ebb("volume", "create", "data", "--size", "5")
            #expect(made.status == 0 && made.output.contains("availabilityzone: us-east-1b"), "\(made)")
            let twice = try await ebb("volume", "create", "data", "--size", "5")
            #expect(twice.status == 1 && twice.errors.contains("(InvalidVolume.Duplicate)"), "\(twice)")
            let snapshot = try await ebb("snapshot", "create", "data", "--snapshotname", "first")
            #expect(snapshot.status == 0, "\(snapshot)")
            let id = try #require(
                try await driver.describeSnapshots(SnapshotQuery(names: ["first"])).snapshots.first?.id)
            let restored = try await ebb("volume", "create", "restored", "--snapshotid", id.rawValue)
            #expect(restored.status == 0, "\(restored)")
            #expect(try await driver.describeVolumes(VolumeQuery(names: ["data", "restored"])).volumes.count == 2)
            let removed = try await ebb("volume", "rm", "data", "restored")
            #expect(removed.status == 0, "\(removed)")
            #expect(try await driver.describeVolumes(VolumeQuery(names: ["data", "restored"])).volumes.isEmpty)
            let log = String(decoding: try readFile(daemon.home.appending("ebbd.log")), as: UTF8.self)
            #expect(!log.contains("hush9f2c"), "a secret is in the log")
        }
    }

    @Test func whoComesFromREXRayKeepsTheFile() async throws {
        try await withMotoServer { moto in
            let instance = try await moto.runInstance(in: "us-east-1b")
            try await withTemporaryDirectory { directory in
                let file = directory.appending("config.yml").string
                let text = Self.file.replacing("ENDPOINT", with: moto.endpoint).replacing("INSTANCE", with: instance)
                try text.write(toFile: file, atomically: true, encoding: .utf8)
                try await withDaemon(
                    arguments: ["-c", file], environment: Self.alone
                ) { daemon in
                    let socket = daemon.dockerSockets.appending("rexray.sock")
                    func docker(_ call: String, _ body: String) async throws -> String {
                        try await runCommand(
                            "curl",
                            ["-sS", "--unix-socket", socket.string, "-d", body, "http://ebb/VolumeDriver.\(call)"]
                        ).output
                    }
                    #expect(try await docker("Create", #"{"Name":"data"}"#) == "{\"Err\":\"\"}\n")
                    // As the file says, Docker's removing is not done.
                    #expect(try await docker("Remove", #"{"Name":"data"}"#) == "{\"Err\":\"\"}\n")
                    let driver = RemoteDriver(
                        socketPath: daemon.rpcSocket.string, clock: SystemClock(), random: SystemRandom())
                    let volume = try #require(try await driver.describeVolumes(.all).volumes.first)
                    #expect(volume.name == "data" && volume.sizeGiB == 3 && volume.type == .gp3)
                    let log = String(decoding: try readFile(daemon.home.appending("ebbd.log")), as: UTF8.self)
                    #expect(log.contains("\(file):4: rexray.host has no effect"), "\(log)")
                    #expect(log.contains("answered, and not done"), "\(log)")
                    #expect(!log.contains("hush9f2c"), "a secret is in the log")
                }
            }
        }
    }

    /// The cause comes before the daemon gives the call up.
    @Test(arguments: [(Signal.kill, "connection refused"), (Signal(rawValue: SIGSTOP), "deadline exceeded")])
    func whyEC2DoesNotAnswerIsTold(signal: Signal, cause: String) async throws {
        try await withMotoServer { moto in
            try await withEC2(on: moto, Self.soonGivenUp) { daemon, _ in
                try moto.send(signal)
                let listed = try await runCommand(
                    BuiltPrograms.ebb.string, ["--home", daemon.home.string, "volume", "ls"])
                #expect(listed.status == 1)
                let error = listed.errors.split(separator: "\n").last.map { $0.lowercased() } ?? ""
                #expect(error.contains("cannot be reached") && error.contains(cause), "\(listed)")
                #expect(error.contains("see whether"), "\(listed)")
            }
        }
    }

    /// This machine is no instance, so that the device never comes.
    @Test func whatHasNoDeviceIsGivenBack() async throws {
        try await withEC2(Self.soonGivenUp) { daemon, driver in
            let volume = try await driver.createVolume(CreateVolumeRequest(zone: "us-east-1b", sizeGiB: 1, type: .gp3))
            let attached = try await runCommand(
                BuiltPrograms.ebb.string, ["--home", daemon.home.string, "volume", "attach", volume.id.rawValue])
            #expect(attached.status == 1 && attached.errors.contains("'/dev/xvdb'"), "\(attached)")
            let after = try await driver.describeVolumes(VolumeQuery(ids: [volume.id])).volumes
            #expect(after.map(\.state) == [.available])
        }
    }

    @Test func anAccountIsSharedByATag() async throws {
        try await withEC2(["--ec2-tag", "team=storage"]) { _, driver in
            // The instance's own volume is nobody's of this team.
            #expect(try await driver.describeVolumes(.all).volumes.isEmpty)
            let request = CreateVolumeRequest(zone: "us-east-1b", sizeGiB: 1, type: .gp3, tags: ["a": "b"])
            let volume = try await driver.createVolume(request)
            #expect(volume.tags == ["a": "b"])
            #expect(try await driver.describeVolumes(.all).volumes.map(\.id) == [volume.id])
        }
    }

    @Test(arguments: [
        (["--region", "us-east-1"], "It is not known which instance this machine is"),
        (["--instance", "i-0123456789abcdef0"], "no AWS region is named"),
        (["--region", "us-east-1", "--ec2-endpoint", "ftp://x", "--instance", "i-1"], "ftp://x is no endpoint"),
        (["--region", "us-east-1", "--instance", "i-0123456789abcdef0"], "there are no AWS credentials"),
    ])
    func whatIsMissingIsToldAtStart(arguments: [String], text: String) async throws {
        try await withTemporaryDirectory { home in
            let daemon = try await runToDeadline(
                ["env"] + Self.alone.map { "\($0.key)=\($0.value)" }
                    + ["HOME=\(home)", BuiltPrograms.ebbd.string, "--home", home.string, "--driver", "ec2"] + arguments)
            #expect(daemon.exitCode == 1 && daemon.errors.contains(text), "\(daemon)")
            #expect(daemon.errors.split(separator: "\n").count == 1, "\(daemon)")
        }
    }
}
