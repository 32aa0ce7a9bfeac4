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

/// Supervisor and worker are killed at once: nothing holds the filesystem any more, and the next daemon of the same
/// home finds mounts and loop devices of a filesystem that is gone.
@Suite(.timeLimit(.minutes(2))) struct KilledTogetherTests {
    @Test func theNextDaemonFreesWhatWasLeft() async throws {
        try await withTemporaryDirectory { home in
            let (first, instance) = try await withDaemonToKill(home: home) { first in
                let instance = try await beginUse(of: first)
                // As if the daemon had died before it wrote a device down.
                let file = first.filesystem.appending("us-east-1b/\(instance)/xvdc")
                try await runToDeadline(["losetup", "--find", file.string]).checked()
                #expect(try loopDevices(of: instance).count == 3)
                try await first.killTogether()
                return (first, instance)
            }
            try await withDaemon(home: home, replacing: first) { second in
                try await second.calling { try self.useAgain($0) }
            }
            #expect(try loopDevices(of: instance) == [])
            let mounts = try mountInfo()
            #expect(!mounts.contains(home.string))
        }
    }

    @Test func aDaemonThatEndsInOrderTakesItsDevicesAway() async throws {
        try await withTemporaryDirectory { home in
            let instance = try await withDaemon(home: home) { daemon in
                let instance = try await beginUse(of: daemon)
                #expect(try loopDevices(of: instance).count == 2, "one is mounted, one attached alone")
                return instance
            }
            #expect(try loopDevices(of: instance) == [])
            #expect(try FileManager.default.contentsOfDirectory(atPath: home.appending("dev").string) == [])
            let mounts = try mountInfo()
            #expect(!mounts.contains(home.string))
        }
    }

    /// The kernel shows files by their paths without symbolic links.
    @Test func aDaemonWhoseHomeIsALinkKnowsItsDevices() async throws {
        try await withTemporaryDirectory { directory in
            let home = directory.appending("link")
            try FileManager.default.createDirectory(
                atPath: directory.appending("home").string, withIntermediateDirectories: false)
            try FileManager.default.createSymbolicLink(atPath: home.string, withDestinationPath: "home")
            try await withDaemon(home: home) { daemon in
                let instance = try await beginUse(of: daemon)
                #expect(kill(try #require(try daemon.workers().first), SIGKILL) == 0)
                let found = try await daemon.calling { client in
                    let found = try client.hostVolumes().compactMap(\.device)
                    _ = try client.call(Ebb.UnmountVolume.self, .init(volume: .name("mounted")))
                    _ = try client.call(Ebb.DetachHostVolume.self, .init(volume: .name("attached")))
                    return found
                }
                #expect(found.contains(DeviceName("xvdc")))
                #expect(try loopDevices(of: instance) == [])
            }
        }
    }

    /// The daemon's instance, with two volumes in use.
    private func beginUse(of daemon: RunningDaemon) async throws -> String {
        try await daemon.calling { client in
            try self.use(client)
            return try client.call(Ebb.DescribeHost.self).instance.id.rawValue
        }
    }

    /// One volume mounted, and one attached alone.
    private func use(_ client: RPCClient) throws {
        for name in ["mounted", "attached"] {
            _ = try client.call(Ebb.CreateHostVolume.self, HostVolumeRequest(name: name, sizeGiB: 1))
        }
        let mounted = try client.call(Ebb.MountVolume.self, .init(volume: .name("mounted")))
        try writeFile(FilePath(mounted.path).appending("file"), "kept", durably: true)
        _ = try client.call(Ebb.AttachHostVolume.self, .init(volume: .name("attached"), device: DeviceName("xvdc")))
    }

    private func useAgain(_ client: RPCClient) throws {
        let volumes = try client.hostVolumes()
        #expect(volumes.first { $0.volume.name == "attached" }?.device == DeviceName("xvdc"), "it stays attached")
        #expect(volumes.allSatisfy { $0.mountPath == nil }, "what is gone is mounted no more")
        let host = try client.call(Ebb.DescribeHost.self).instance.id.rawValue
        #expect(try loopDevices(of: host).count == 1, "the attached volume's new one")
        let mounted = try client.call(Ebb.MountVolume.self, .init(volume: .name("mounted")))
        #expect(try readFile(FilePath(mounted.path + "/file")) == Array("kept".utf8))
        _ = try client.call(Ebb.UnmountVolume.self, .init(volume: .name("mounted")))
        _ = try client.call(Ebb.DetachHostVolume.self, .init(volume: .name("attached")))
    }

    /// The files behind them, as the kernel shows them.
    private func loopDevices(of instance: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: "/sys/block").filter { $0.hasPrefix("loop") }
            // One that is bound to nothing has no such file.
            .compactMap { name in try? String(contentsOfFile: "/sys/block/\(name)/loop/backing_file", encoding: .utf8) }
            .filter { $0.contains("/\(instance)/") }
    }
}
