import Driver
import RPC
import TestSupport
import Testing

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// The machine of the Docker tests, before anything is tested in it.
@Suite struct DockerEngineTests {
    /// A copy of its mount would keep a volume busy.
    @Test(.timeLimit(.minutes(5))) func aMachineGivesUpTheVolumesThatItBeganWith() async throws {
        try await withDaemon { daemon in
            let mounted = try await daemon.calling { client in
                _ = try client.call(Ebb.CreateHostVolume.self, HostVolumeRequest(name: "outside", sizeGiB: 1))
                return try client.call(Ebb.MountVolume.self, .init(volume: .name("outside")))
            }
            let engine = try await DockerEngine()
            let seen: Result<String, any Error>
            do {
                seen = .success(try await engine("cat /proc/self/mountinfo").checked())
            } catch {
                seen = .failure(error)
            }
            try await engine.stop()
            #expect(try mountInfo().contains(mounted.path))
            #expect(try !seen.get().contains(daemon.home.string))
            _ = try await daemon.calling { try $0.call(Ebb.UnmountVolume.self, .init(volume: .name("outside"))) }
        }
    }

    @Test(.timeLimit(.minutes(5))) func anEngineRunsContainersAndLeavesNothing() async throws {
        let engine = try await DockerEngine()
        try await withCleanup({ try await engine.stop() }) {
            let run = try await engine.docker("run", "--rm", "--network", "none", "busybox", "echo", "hello")
            #expect(try run.checked() == "hello")
            #expect(try await engine("hostname").checked() == engine.name)
        }
        #expect(!FileManager.default.fileExists(atPath: engine.directory.string))
    }
}
