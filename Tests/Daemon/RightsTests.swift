import Driver
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

/// A machine that does not give a daemon what it would like to have.
@Suite(.timeLimit(.minutes(2))) struct RightsTests {
    @Test func withoutDevFuseADaemonSaysSoAndEnds() async throws {
        try await withTemporaryDirectory { home in
            let daemon = try await runToDeadline([
                "unshare", "--mount", "bash", "-c",
                ". '\(projectDirectory)/scripts/lib/engine.sh'; leave_volumes; mount -t tmpfs none /dev && exec \"$@\"",
                "bash", BuiltPrograms.ebbd.string, "--home", home.string,
            ])
            #expect(daemon.exitCode == 1, "\(daemon)")
            #expect(daemon.errors.contains("/dev/fuse"), "\(daemon)")
            #expect(daemon.errors.split(separator: "\n").count == 1, "\(daemon)")
            #expect(try names(in: home.appending("run/ebb")).allSatisfy { $0 == "volumes" }, "nothing is left behind")
        }
    }

    /// As `nobody`, who may use /dev/fuse: volumes are made, attached and written as files; what needs root says so.
    @Test func withoutRootVolumesAreFilesAndMountingIsRefused() async throws {
        try await withTemporaryDirectory { home in
            let daemon = try await RunningDaemon(home: home, launcher: Self.asNobody(home))
            let result: Result<Void, any Error>
            do { result = .success(try await useVolumes(daemon)) } catch { result = .failure(error) }
            let end = try await daemon.stop()
            try result.get()
            #expect(end == .exited(code: 0), "it could unmount too")
            #expect(try names(in: home.appending("run/ebb")) == ["volumes"])
        }
    }

    private func useVolumes(_ daemon: RunningDaemon) async throws {
        try await daemon.calling { client in
            _ = try client.call(Ebb.CreateHostVolume.self, HostVolumeRequest(name: "data", sizeGiB: 1))
            for refused in [
                { _ = try client.call(Ebb.MountVolume.self, .init(volume: .name("data"))) },
                { _ = try client.call(Ebb.FormatDevice.self, .init(device: "/dev/null", fsType: "ext4")) },
            ] {
                let error = try #require(throws: StorageError.self) { try refused() }
                #expect(error.code == .unsupportedOperation)
                #expect(error.description.contains("needs root"), "\(error)")
                #expect(error.advice?.contains("run the daemon as root") == true, "\(error)")
            }
            let attachment = try client.call(Ebb.AttachHostVolume.self, .init(volume: .name("data")))
            guard case .file(let path)? = attachment.location else {
                Issue.record("\(attachment) has no file")
                return
            }
            try writeAsItsUser(path, daemon)
            _ = try client.call(Ebb.DetachHostVolume.self, .init(volume: .name("data")))
            _ = try client.call(Ebb.RemoveHostVolume.self, .init(volume: .name("data")))
            #expect(try client.hostVolumes().isEmpty)
        }
    }

    private static let nobody = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]

    /// In a mount namespace where everybody may use /dev/fuse, as udev has it, and reach the program.
    private static func asNobody(_ home: FilePath) -> [String] {
        let script = """
            set -e
            . '\(projectDirectory)/scripts/lib/engine.sh'
            leave_volumes
            mkdir "$HOME/nodes"; mount -t tmpfs -o mode=755 nodes "$HOME/nodes"
            mknod "$HOME/nodes/fuse" c 10 229; chmod 666 "$HOME/nodes/fuse"; mount --bind "$HOME/nodes/fuse" /dev/fuse
            program=$1; shift
            touch "$HOME/ebbd"; mount --bind "$program" "$HOME/ebbd"
            chown nobody:nogroup "$HOME" "$HOME/dev"
            exec \(nobody.joined(separator: " ")) "$HOME/ebbd" "$@"
            """
        return ["env", "HOME=\(home)", "unshare", "--mount", "bash", "-c", script, "bash"]
    }

    /// Only its owner sees a filesystem that was mounted without root; not even root does.
    private func writeAsItsUser(_ path: String, _ daemon: RunningDaemon) throws {
        let script = #"mkfs.ext4 -q -F "$1" && debugfs -R stats "$1" 2>/dev/null | grep -q 'Filesystem state: *clean'"#
        let end = try ChildProcess.spawn(
            "/usr/bin/nsenter",
            arguments: ["--target", "\(daemon.process.pid)", "--mount", "--"] + Self.nobody
                + ["sh", "-c", script, "sh", path],
            inherited: []
        ).wait()
        #expect(end == .exited(code: 0))
    }

    private func names(in directory: FilePath) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: directory.string)
    }
}
