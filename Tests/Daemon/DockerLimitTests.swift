import Driver
import RPC
import TestSupport
import Testing

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// A machine of its own: its disk is small, and later its volumes are many.
@Suite(.serialized, .timeLimit(.minutes(5))) struct DockerLimitTests {
    @Test func aFullDiskReachesTheContainerAndLosesNothing() async throws {
        try await withEngine { engine in
            let state = "\(engine.home)/var/lib/ebb"
            try await engine("mkdir -p \(state) && mount -t tmpfs -o size=160m small \(state)").checked()
            try await engine.startDaemon()
            try await engine.createVolume("big", "size=1")
            try await engine.inContainer("big:/data", script: "echo precious >/data/kept; sync")
            let fill = try await engine.docker(
                "run", "--rm", "--network", "none", "-v", "big:/data", "busybox", "sh", "-c",
                "dd if=/dev/zero of=/data/fill bs=1M count=400 conv=fsync")
            #expect(fill.exitCode != 0, "\(fill)")
            #expect(fill.errors.contains("No space left on device"), "\(fill)")
            try await engine("mount -o remount,size=900m \(state)").checked()
            let after = try await engine.inContainer(
                "big:/data", script: "cat /data/kept; rm -f /data/fill; echo new >/data/new; sync; cat /data/new")
            #expect(after == "precious\nnew")
            try await engine.remove(volume: "big")
            try await engine.stopDaemon()
            #expect(try await engine("ls -A /run/docker/plugins").checked() == "", "the socket goes with the daemon")
        }
    }

    @Test func volumesWithoutANameAreRefusedWhereTheyAreNotWanted() async throws {
        try await withEngine { engine in
            try await engine.startDaemon("--anonymous-volumes", "refuse")
            let run = ["run", "--rm", "--network", "none", "--volume-driver", "ebb"]
            let refused = try await engine.docker(run + ["-v", "/anon", "busybox", "true"])
            #expect(refused.exitCode == 125, "\(refused)")
            #expect(refused.errors.contains("Volumes without a name are refused by the setting anonymousVolumes"))
            #expect(try await engine.volumeNames() == [])
            try await engine.docker(run + ["-v", "named:/data", "busybox", "touch", "/data/x"]).checked()
            #expect(try await engine.volumeNames() == ["named"])
            try await engine.remove(volume: "named")
        }
    }

    @Test func aThousandVolumesAreListedInASecond() async throws {
        try await withEngine { engine in
            try await engine.startDaemon()
            try await engine.calling { client in
                for number in 1...1000 {
                    let request = CreateVolumeRequest(
                        zone: "us-east-1b", sizeGiB: 1, tags: [Tag.name: "many-\(number)"])
                    _ = try client.call(Ebb.CreateVolume.self, request)
                }
            }
            _ = try await engine.volumeNames()
            let clock = ContinuousClock()
            let start = clock.now
            let names = try await engine.volumeNames()
            let duration = clock.now - start
            #expect(names.count == 1000)
            #expect(duration < .seconds(1))
            // dockerd asks for every volume it knows as it starts, all at once.
            try await engine.stopEngine()
            try await engine.startEngine()
            #expect(try await engine.volumeNames().count == 1000)
        }
    }

    private func withEngine(_ body: (DockerEngine) async throws -> Void) async throws {
        let engine = try await DockerEngine()
        let result: Result<Void, any Error>
        do {
            try await body(engine)
            result = .success(())
        } catch {
            result = .failure(error)
        }
        try await engine.stop()
        try result.get()
    }
}
