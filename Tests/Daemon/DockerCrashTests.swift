import TestSupport
import Testing

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// The same machine, with the engine or the plugin restarted or killed under running containers.
@Suite(.serialized, .dockerEngine, .timeLimit(.minutes(5))) struct DockerCrashTests {
    let engine: DockerEngine

    init() throws {
        engine = try DockerEngineScope.engine()
    }

    /// dockerd sends no Unmount for what it forgot, and expects Remove to succeed all the same.
    @Test func aKilledEngineLeavesNothingThatCannotBeRemoved() async throws {
        try await engine.docker(
            "volume", "create", "--driver", "ebb", "--opt=size=1", "--label", "purpose=test", "orphan"
        ).checked()
        try await engine.startContainer(
            "orphaned", "orphan:/data", script: "echo before >/data/file; sync; sleep 100000")
        #expect(try await eventually { try await engine.docker("exec", "orphaned", "cat", "/data/file").succeeded })
        try await engine.killEngine()
        try await engine.startEngine()
        #expect(try await engine.inspect("orphan", ".Labels.purpose") == "test", "labels survive")
        try await engine.docker("rm", "--force", "orphaned").checked()
        #expect(try await engine.inContainer("orphan:/data", script: "cat /data/file") == "before")
        try await engine.remove(volume: "orphan")
    }

    /// `restart=always` mounts with the id from before the kill, and unmounts it once.
    @Test func aKilledEngineStartsItsContainersAgainOnTheSameVolume() async throws {
        try await engine.createVolume("always", "size=1")
        try await engine.startContainer(
            "alwayser", "always:/data", options: ["--restart", "always"],
            script: "echo run >>/data/runs; sync; sleep 100000")
        #expect(try await eventually { try await engine.docker("exec", "alwayser", "cat", "/data/runs").succeeded })
        try await engine.killEngine()
        try await engine.startEngine()
        #expect(
            try await eventually {
                try await engine.docker("exec", "alwayser", "cat", "/data/runs").output == "run\nrun"
            })
        try await engine.docker("stop", "alwayser").checked()
        try await engine.expectUnmount(of: "always")
        try await engine.remove(container: "alwayser", volume: "always")
    }

    @Test func aRestartedEngineKeepsContainersAndVolumes() async throws {
        try await engine.createVolume("calm", "size=1")
        try await engine.startContainer(
            "calmer", "calm:/data", options: ["--restart", "always"], script: "echo run >>/data/runs; sleep 100000")
        #expect(try await eventually { try await engine.docker("exec", "calmer", "cat", "/data/runs").succeeded })
        try await engine.stopEngine()
        try await engine.startEngine()
        #expect(
            try await eventually { try await engine.docker("exec", "calmer", "cat", "/data/runs").output == "run\nrun" }
        )
        try await engine.remove(container: "calmer", volume: "calm")
    }

    /// No Mount comes after the restart, and at the end one Unmount with the id from before it.
    @Test func liveRestoreKeepsTheVolumeMounted() async throws {
        try await engine.stopEngine()
        try await engine.startEngine("--live-restore")
        try await engine.createVolume("live", "size=1")
        try await engine.startContainer("liver", "live:/data")
        try await engine.docker("exec", "liver", "sh", "-c", "echo before >/data/file").checked()
        try await engine.stopEngine()
        try await engine.startEngine("--live-restore")
        try await Task.sleep(for: .milliseconds(2500))  // Longer than the linger.
        try await engine.docker("exec", "liver", "sh", "-c", "echo after >>/data/file").checked()
        #expect(try await engine.docker("exec", "liver", "cat", "/data/file").checked() == "before\nafter")
        try await engine.docker("stop", "liver").checked()
        try await engine.expectUnmount(of: "live")
        try await engine.remove(container: "liver", volume: "live")
        try await engine.stopEngine()
        try await engine.startEngine()
    }

    @Test func containersDoNotNoticeThatThePluginWasKilled() async throws {
        try await engine.createVolume("steady", "size=1")
        // Each line is on the volume before the next is written.
        try await engine.startContainer(
            "steadier", "steady:/data",
            script: "i=0; while i=$((i + 1)); do echo $i >>/data/log || exit 7; sync /data/log || exit 8; done")
        for _ in 1...3 {
            try await Task.sleep(for: .milliseconds(700))
            try await engine.killWorker()
            // dockerd repeats a request whose connection died without its body, and then takes the refusal of that for
            // an answer: what it was asked in the moment of the kill, it has to be asked again.
            #expect(
                try await eventually { try await engine.inspect("steady", ".Name") == "steady" },
                "the next worker answers")
        }
        let count = try await lineCount()
        #expect(try await eventually { try await lineCount() > count + 10 }, "the container still writes")
        #expect(try await engine.docker("inspect", "--format", "{{.State.Status}}", "steadier").checked() == "running")
        try await engine.docker("stop", "steadier").checked()
        let log = try await engine.inContainer("steady:/data", script: "cat /data/log").split(
            whereSeparator: \.isNewline)
        #expect(log.count > count)
        let numbers = log.map { Int($0) ?? 0 }
        #expect(numbers == Array(1...max(numbers.count, 1)), "every line once, in order")
        try await engine.remove(container: "steadier", volume: "steady")
    }

    private func lineCount() async throws -> Int {
        let output = try await engine.docker("exec", "steadier", "sh", "-c", "wc -l </data/log")
        return Int(try output.checked()) ?? 0
    }

    @Test func referencesSurviveAWorker() async throws {
        try await engine.createVolume("kept", "size=1")
        try await engine.startContainer("keeper", "kept:/data")
        try await engine.killWorker()
        #expect(try await eventually { try await engine.inspect("kept", ".Name") == "kept" }, "the next worker answers")
        try await engine.docker("cp", "/proc/self/status", "keeper:/data/status").checked()
        try await Task.sleep(for: .milliseconds(2500))  // Longer than the linger.
        #expect(try await engine.hasMounted("kept"))
        try await engine.docker("stop", "keeper").checked()
        try await engine.expectUnmount(of: "kept")
        try await engine.remove(container: "keeper", volume: "kept")
    }
}
