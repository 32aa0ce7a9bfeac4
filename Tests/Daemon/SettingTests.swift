import Driver
import Platform
import RPC
import TestSupport
import Testing

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Settings as a daemon meets them: they have effect, or they are refused.
@Suite(.timeLimit(.minutes(4))) struct SettingTests {
    @Test(arguments: [
        (["--driver", "azure"], Int32(2), "ebbd: flag --driver: driver is azure, but must be one of emulator, ec2"),
        (["--driver", "ec2", "--ec2-tag", "team"], 1, "flag --ec2-tag: ec2Tag is team, but must be KEY=VALUE"),
        (["--anonymous-volumes", "maybe"], 2, "anonymousVolumes is maybe, but must be one of allow, refuse"),
        (["--mount-options", "noatime, discard"], 1, "Mount options 'noatime, discard' are not valid"),
    ])
    func whatCannotBeIsRefusedAtStartInOneLine(arguments: [String], code: Int32, text: String) async throws {
        try await withTemporaryDirectory { home in
            let daemon = try await runToDeadline([BuiltPrograms.ebbd.string, "--home", home.string] + arguments)
            #expect(daemon.exitCode == code, "\(daemon)")
            #expect(daemon.errors.contains(text), "\(daemon)")
            #expect(daemon.errors.split(separator: "\n").count == 1, "\(daemon)")
        }
    }

    @Test func mountOptionsAreForVolumesThatNameNone() async throws {
        try await withDaemon(arguments: ["--mount-options", "noatime"]) { daemon in
            let plain = try await mountOptions(daemon, HostVolumeRequest(name: "plain", sizeGiB: 1))
            #expect(plain.contains("noatime"))
            let own = try await mountOptions(
                daemon, HostVolumeRequest(name: "own", sizeGiB: 1, mountOptions: "nodev"))
            #expect(own.contains("nodev") && !own.contains("noatime"))
        }
    }

    @Test func timesOfSnapshotsAreSettings() async throws {
        let arguments = [
            "--snapshot-interval", "1h", "--fast-restore-enabling-time", "0s", "--fast-restore-optimizing-time", "1h",
        ]
        try await withDaemon(arguments: arguments) { daemon in
            let driver = RemoteDriver(
                socketPath: daemon.rpcSocket.string, clock: SystemClock(), random: SystemRandom())
            let volume = try await driver.createVolume(CreateVolumeRequest(zone: "us-east-1b", sizeGiB: 1, type: .gp3))
            let request = CreateSnapshotsRequest(sources: [.init(volumeID: volume.id)])
            let snapshot = try #require(try await driver.createSnapshots(request).first)
            await #expect {
                try await driver.createSnapshots(request)
            } throws: {
                ($0 as? StorageError)?.code == .snapshotCreationRateExceeded
            }
            try await expectCompleted(snapshot.id) { try await driver.describeSnapshots($0) }
            let wish = FastSnapshotRestoreRequest(snapshotIDs: [snapshot.id], zones: ["us-east-1b"])
            #expect(try await driver.enableFastSnapshotRestores(wish).map(\.state) == [.optimizing])
        }
    }

    /// Makes a volume, mounts it and gives the options that the kernel shows.
    private func mountOptions(_ daemon: RunningDaemon, _ request: HostVolumeRequest) async throws -> [String] {
        try await daemon.calling { client in
            let volume = VolumeReference.name(try #require(request.name))
            _ = try client.call(Ebb.CreateHostVolume.self, request)
            let mounted = try client.call(Ebb.MountVolume.self, .init(volume: volume))
            let mounts = try client.call(Ebb.ListMounts.self).mounts
            _ = try client.call(Ebb.UnmountVolume.self, .init(volume: volume))
            let mount = try #require(mounts.first { $0.mountPoint == mounted.path })
            return mount.options.split(separator: ",").map(String.init)
        }
    }
}
