import Driver
import Platform
import RPC
import SystemPackage
import TestSupport
import Testing

@testable import RPCServer

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// A volume's life as an orchestrator leads it: CSI's calls over a daemon's socket, on real mounts.
@Suite(.timeLimit(.minutes(3))) struct CSINodeTests {
    /// One volume of one daemon, and the paths that an orchestrator would name. Each call is made twice, since CSI
    /// demands that repeating it changes nothing.
    private struct Orchestrator: Sendable {
        let client: RPCClient
        let capability: CSI.VolumeCapability
        let staging: FilePath
        let target: FilePath
        let volume: String

        init(_ client: RPCClient, fsType: String, home: FilePath) throws {
            self.client = client
            capability = CSI.VolumeCapability(
                mount: .init(fsType: fsType, mountFlags: ["noatime"]),
                accessMode: .init(mode: .init(.singleNodeWriter)))
            staging = home.appending("kubelet/staging/globalmount")
            target = home.appending("kubelet/pods/1/mount")
            volume = try Self.create(client, "data", capability)
            #expect(try Self.create(client, "data", capability) == volume)
        }

        private static func create(
            _ client: RPCClient, _ name: String, _ capability: CSI.VolumeCapability
        ) throws -> String {
            let wish = CSI.CreateVolume.Parameters(
                name: name, capacityRange: .init(requiredBytes: ProtoInt64(1 << 30)), volumeCapabilities: [capability])
            return try client.call(CSI.CreateVolume.self, wish).volume.volumeId
        }

        func twice<Method: RPCMethod>(_ method: Method.Type, _ parameters: Method.Parameters) throws
        where Method.Result: Hashable {
            let first = try client.call(method, parameters)
            #expect(try client.call(method, parameters) == first, "\(Method.name) is repeatable")
        }

        func publishToNode() throws {
            let node = try client.call(CSI.NodeGetInfo.self).nodeId
            try twice(
                CSI.ControllerPublishVolume.self, .init(volumeId: volume, nodeId: node, volumeCapability: capability))
        }

        func unpublishFromNode() throws {
            try twice(CSI.ControllerUnpublishVolume.self, .init(volumeId: volume))
        }

        func stage() throws {
            try twice(
                CSI.NodeStageVolume.self,
                .init(volumeId: volume, stagingTargetPath: staging.string, volumeCapability: capability))
        }

        func unstage() throws {
            try twice(CSI.NodeUnstageVolume.self, .init(volumeId: volume, stagingTargetPath: staging.string))
        }

        func publish(readOnly: Bool = false) throws {
            try twice(
                CSI.NodePublishVolume.self,
                .init(
                    volumeId: volume, stagingTargetPath: staging.string, targetPath: target.string,
                    volumeCapability: capability, readonly: readOnly))
        }

        func unpublish() throws {
            try twice(CSI.NodeUnpublishVolume.self, .init(volumeId: volume, targetPath: target.string))
        }

        func delete() throws {
            try twice(CSI.DeleteVolume.self, .init(volumeId: volume))
        }

        func unmountLazily() {
            for path in [target, staging] {
                do throws(Errno) {
                    try unmountFilesystem(at: path, lazily: true)
                } catch {
                    // Nothing is mounted there, or nothing is there.
                    if error != .invalidArgument, error != .noSuchFileOrDirectory { Issue.record("\(path): \(error)") }
                }
            }
        }

        func usage(at path: FilePath) throws -> [CSI.NodeGetVolumeStats.Usage] {
            try client.call(CSI.NodeGetVolumeStats.self, .init(volumeId: volume, volumePath: path.string)).usage
        }

        /// The mount at a path, as the kernel shows it.
        func mount(at path: FilePath) throws -> MountInfo? {
            try client.call(Ebb.ListMounts.self).mounts.last { $0.mountPoint == path.string }
        }
    }

    @Test(arguments: ["ext4", "xfs"])
    func aVolumeGoesThroughItsWholeLife(fsType: String) async throws {
        try await withDaemon { daemon in
            try await daemon.calling { client in
                let orchestrator = try Orchestrator(client, fsType: fsType, home: daemon.home)
                // Nothing is mounted there any more, unless the test has failed.
                defer { orchestrator.unmountLazily() }
                try orchestrator.publishToNode()
                try orchestrator.stage()
                try orchestrator.publish()
                let mount = try #require(try orchestrator.mount(at: orchestrator.target))
                #expect(mount.fsType == fsType)
                #expect(mount.options.contains("noatime"))
                try checkStatistics(orchestrator)
                try refuseWhatIsTooEarly(orchestrator)
                try orchestrator.unpublish()
                #expect(!exists(orchestrator.target), "the target goes with its mount")
                #expect(try orchestrator.mount(at: orchestrator.staging) != nil)
                try orchestrator.unstage()
                #expect(try orchestrator.mount(at: orchestrator.staging) == nil)
                #expect(try names(in: daemon.devices) == [], "the device goes with the last mount")
                try checkThatDataIsKept(orchestrator)
                try orchestrator.unpublishFromNode()
                try orchestrator.delete()
                #expect(try client.call(CSI.ListVolumes.self, .init()).entries.isEmpty)
            }
        }
    }

    private func checkStatistics(_ orchestrator: Orchestrator) throws {
        let before = try orchestrator.usage(at: orchestrator.target)
        #expect(before.map(\.unit) == ["BYTES", "INODES"])
        #expect(before[0].total.value > 900 << 20 && before[0].total.value <= 1 << 30, "\(before)")
        try write(Self.content, to: orchestrator.target.appending("file"), options: [.create])
        let after = try orchestrator.usage(at: orchestrator.staging)
        #expect(after[0].used.value - before[0].used.value >= 32 << 20, "\(before) then \(after)")
        #expect(before[0].available.value - after[0].available.value >= 32 << 20, "\(before) then \(after)")
        #expect(after[1].used.value - before[1].used.value == 1, "\(before) then \(after)")
    }

    private func refuseWhatIsTooEarly(_ orchestrator: Orchestrator) throws {
        #expect(throws: StorageError.self) { try orchestrator.usage(at: FilePath("/nowhere")) }
        // The controller does not take what the node still shows.
        #expect(throws: StorageError.self) { try orchestrator.unpublishFromNode() }
        #expect(throws: StorageError.self) { try orchestrator.delete() }
        #expect(exists(orchestrator.target.appending("file")))
    }

    /// Staged again it is not formatted again, and read-only means so.
    private func checkThatDataIsKept(_ orchestrator: Orchestrator) throws {
        try orchestrator.stage()
        try orchestrator.publish(readOnly: true)
        let file = orchestrator.target.appending("file")
        #expect(try readFile(file, limit: Self.content.count) == Self.content)
        #expect(throws: Errno.readOnlyFileSystem) { try write([1], to: file) }
        try orchestrator.unpublish()
        try orchestrator.unstage()
    }

    private static let content = [UInt8](repeating: 7, count: 32 << 20)

    /// Not through Foundation, whose files the programs inherit that other tests start meanwhile: the mount would be busy
    /// for as long as those run.
    private func write(
        _ bytes: [UInt8], to path: FilePath, options: FileDescriptor.OpenOptions = []
    ) throws {
        let file = try FileDescriptor.openFile(path, .writeOnly, options: options, permissions: [.ownerReadWrite])
        defer { file.closeIgnoringErrors() }
        _ = try file.writeAll(bytes)
    }

    private func exists(_ path: FilePath) -> Bool { FileManager.default.fileExists(atPath: path.string) }

    private func names(in directory: FilePath) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: directory.string)
    }
}
