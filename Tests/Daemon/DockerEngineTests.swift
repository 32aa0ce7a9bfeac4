import TestSupport
import Testing

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// The machine of the Docker tests, before anything is tested in it.
@Suite struct DockerEngineTests {
    @Test(.timeLimit(.minutes(5))) func anEngineRunsContainersAndLeavesNothing() async throws {
        let engine = try await DockerEngine()
        do {
            let run = try await engine.docker("run", "--rm", "--network", "none", "busybox", "echo", "hello")
            #expect(try run.checked() == "hello")
            #expect(try await engine("hostname").checked() == engine.name)
        } catch {
            try await engine.stop()
            throw error
        }
        try await engine.stop()
        #expect(!FileManager.default.fileExists(atPath: engine.directory.string))
    }
}
