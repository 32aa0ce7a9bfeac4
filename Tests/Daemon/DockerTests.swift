import Driver
import RPC
import TestSupport
import Testing

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// A real Docker engine with real containers on real volumes. One machine serves all of the suite.
@Suite(.serialized, .dockerEngine, .timeLimit(.minutes(5))) struct DockerTests {
    let engine: DockerEngine

    init() throws {
        engine = try DockerEngineScope.engine()
    }

    // MARK: The lab

    @Test func aFileOutlivesItsContainer() async throws {
        try await engine.createVolume("lab", "volumetype=io1", "iops=100", "size=10")
        #expect(try await engine.volumeNames().contains("lab"))
        let first = try await engine.docker(
            "run", "--name", "temp", "--network", "none", "-v", "lab:/test", "busybox", "sh", "-c",
            "df /test && touch /test/hellopersistence && ls /test")
        let lines = try first.checked().split(whereSeparator: \.isNewline)
        #expect(lines.contains { $0.hasPrefix("/dev/xvd") && $0.hasSuffix("/test") }, "\(lines)")
        #expect(lines.last == "hellopersistence", "a new volume's root is empty")
        try await engine.docker("rm", "temp").checked()
        #expect(try await engine.inContainer("lab:/test", script: "ls /test") == "hellopersistence")
        try await engine.remove(volume: "lab")
        #expect(try await !engine.volumeNames().contains("lab"))
    }

    @Test func theLabsOwnDriverNameWorks() async throws {
        let run = try await engine.docker(
            "run", "--rm", "--network", "none", "--volume-driver=rexray", "-v", "old:/test", "busybox", "touch",
            "/test/x")
        try run.checked()
        #expect(try await engine.inspect("old", ".Driver") == "rexray")
        #expect(try await engine.inspect("old", ".Status.service") == "rexray")
        try await engine.remove(volume: "old")
    }

    @Test func inspectTellsWhatTheVolumeIs() async throws {
        try await engine.createVolume("told", "Size=512m", "TYPE=gp3", "fsType=xfs", "mountOptions=noatime")
        #expect(try await engine.inspect("told", ".Scope") == "global")
        #expect(try await engine.inspect("told", ".Mountpoint") == "")
        #expect(try await engine.inspect("told", ".Status.size") == "1")
        #expect(try await engine.inspect("told", ".Status.requestedSize") == "512m, rounded up to 1 GiB")
        #expect(try await engine.inspect("told", ".Status.type") == "gp3")
        #expect(try await engine.inspect("told", ".Status.iops") == "3000")
        #expect(try await engine.inspect("told", ".CreatedAt").hasPrefix("20"))
        let mount = try await engine.inContainer("told:/data", script: "grep ' /data ' /proc/mounts")
        #expect(mount.contains(" xfs ") && mount.contains("noatime"), "\(mount)")
        try await engine.remove(volume: "told")
    }

    @Test func aVolumeMayBeginWithWhatAnotherHolds() async throws {
        try await engine.createVolume("origin", "size=1", "fstype=xfs")
        try await engine.inContainer("origin:/data", script: "echo before > /data/file; sync")
        let snapshots = try await engine.calling { client in
            let request = HostSnapshotsRequest(
                sources: [.init(volume: .name("origin"), tags: [Tag.name: "dataset"])], freeze: true)
            return try client.call(Ebb.CreateHostSnapshots.self, request).snapshots
        }
        let id = try #require(snapshots.first).id
        try await engine.inContainer("origin:/data", script: "echo after > /data/file; sync")
        try await expectCompleted(id) { query in
            try await engine.calling { try $0.call(Ebb.DescribeSnapshots.self, query) }
        }
        for (volume, source) in [("first", "snapshotid=\(id)"), ("second", "SnapshotName=dataset")] {
            try await engine.createVolume(volume, source)
            #expect(try await engine.inspect(volume, ".Status.size") == "1")
            let text = try await engine.inContainer("\(volume):/data", script: "cat /data/file; stat -f -c %T /data")
            #expect(text == "before\nxfs")
        }
        try await engine.createVolume("twin", "volumename=origin", "size=2")
        #expect(try await engine.inContainer("twin:/data", script: "cat /data/file") == "after")
        for volume in ["origin", "first", "second", "twin"] { try await engine.remove(volume: volume) }
        try await engine.calling { _ = try $0.call(Ebb.DeleteSnapshot.self, .init(snapshotID: id)) }
    }

    // MARK: What containers do

    @Test func anImagesDirectoryIsCopiedUp() async throws {
        try await engine.docker(
            "run", "--name", "seeding", "--network", "none", "busybox", "sh", "-c",
            "mkdir -p /data/deep && echo seed >/data/deep/file && chown -R 1234:1234 /data && chmod 700 /data"
        ).checked()
        try await engine.docker("commit", "seeding", "seeded").checked()
        try await engine.docker("rm", "seeding").checked()
        try await engine.createVolume("seed", "size=1")
        let seen = try await engine.inContainer(
            "seed:/data", image: "seeded", script: "cat /data/deep/file; stat -c '%u %a' /data; ls -A /data")
        #expect(seen == "seed\n1234 700\ndeep")
        try await engine.inContainer("seed:/data", image: "seeded", script: "echo changed >/data/deep/file")
        #expect(
            try await engine.inContainer("seed:/data", image: "seeded", script: "cat /data/deep/file") == "changed",
            "what is there is not copied over")
        try await engine.remove(volume: "seed")
        try await engine.docker("rmi", "seeded").checked()
    }

    /// docker cp mounts and unmounts with the container's own id.
    @Test func copyingIntoARunningContainerLeavesItsVolumeMounted() async throws {
        try await engine.createVolume("copy", "size=1")
        try await engine.startContainer("copying", "copy:/data")
        for file in ["one", "two", "one"] {
            try await engine.docker("cp", "/proc/self/mounts", "copying:/data/mounts").checked()
            try await engine.docker("exec", "copying", "sh", "-c", "echo \(file) >>/data/log").checked()
        }
        try await Task.sleep(for: .milliseconds(2500))  // Longer than the linger.
        #expect(try await engine.hasMounted("copy"))
        #expect(try await engine.docker("exec", "copying", "cat", "/data/log").checked() == "one\ntwo\none")
        try await engine.docker("stop", "copying").checked()
        try await engine.docker("cp", "copying:/data/log", "/tmp/\(engine.directory.lastComponent!.string).log")
            .checked()
        try await engine.expectUnmount(of: "copy")
        try await engine.remove(container: "copying", volume: "copy")
        try FileManager.default.removeItem(atPath: "/tmp/\(engine.directory.lastComponent!.string).log")
    }

    @Test func stopStartAndRestartKeepTheData() async throws {
        try await engine.createVolume("again", "size=1")
        try await engine.startContainer("againer", "again:/data", script: "date +%N >>/data/starts; sleep 100000")
        // A container has started before its script has written.
        func expectStarts(_ count: Int) async throws {
            let hasWritten = try await eventually {
                try await engine.docker("exec", "againer", "wc", "-l", "/data/starts").output
                    == "\(count) /data/starts"
            }
            #expect(hasWritten)
        }
        try await expectStarts(1)
        try await engine.docker("stop", "againer").checked()
        try await engine.docker("start", "againer").checked()
        try await expectStarts(2)
        try await engine.docker("restart", "againer").checked()
        try await expectStarts(3)
        try await engine.docker("kill", "againer").checked()
        try await engine.expectUnmount(of: "again")
        try await engine.remove(container: "againer", volume: "again")
    }

    @Test func twoContainersShareOneVolume() async throws {
        try await engine.createVolume("shared", "size=1")
        try await engine.startContainer("sharer1", "shared:/data")
        try await engine.startContainer("sharer2", "shared:/other", "shared:/third:ro")
        try await engine.docker("exec", "sharer1", "sh", "-c", "echo 1 >/data/file").checked()
        #expect(try await engine.docker("exec", "sharer2", "cat", "/third/file").checked() == "1")
        try await engine.docker("rm", "--force", "sharer1").checked()
        try await Task.sleep(for: .milliseconds(2500))  // Longer than the linger.
        try await engine.docker("exec", "sharer2", "sh", "-c", "echo 2 >>/other/file").checked()
        #expect(try await engine.docker("exec", "sharer2", "cat", "/third/file").checked() == "1\n2")
        try await engine.remove(container: "sharer2", volume: "shared")
    }

    @Test func aReadOnlyMountCannotBeWritten() async throws {
        try await engine.createVolume("fixed", "size=1")
        try await engine.inContainer("fixed:/data", script: "echo kept >/data/file")
        let write = try await engine.docker(
            "run", "--rm", "--network", "none", "-v", "fixed:/data:ro", "busybox", "sh", "-c",
            "cat /data/file; touch /data/x")
        #expect(write.exitCode == 1)
        #expect(write.output == "kept")
        #expect(write.errors.contains("Read-only file system"))
        try await engine.remove(volume: "fixed")
    }

    @Test func anAnonymousVolumeGoesWithItsContainer() async throws {
        let before = Set(try await engine.volumeNames())
        let run = try await engine.docker(
            "run", "--name", "nameless", "--network", "none", "--volume-driver", "ebb", "-v", "/anon", "busybox",
            "touch",
            "/anon/file")
        try run.checked()
        let made = Set(try await engine.volumeNames()).subtracting(before)
        #expect(made.count == 1)
        let name = try #require(made.first)
        #expect(name.count == 64)
        #expect(try await engine.inspect(name, ".Status.anonymous") == "true")
        try await engine.docker("rm", "--volumes", "nameless").checked()
        #expect(Set(try await engine.volumeNames()) == before)
    }

    // MARK: What is refused

    @Test func badOptionsAreRefusedInOneLine() async throws {
        let refusals: [(options: [String], text: String)] = [
            (["siez=5"], "Option siez is not known (UnknownParameter); valid options are availabilityzone, encrypted"),
            (["size=0"], "InvalidParameterValue"), (["size=-1"], "InvalidParameterValue"),
            (["size=much"], "InvalidParameterValue"), (["size=99999t"], "InvalidParameterValue"),
            (["size=2048", "type=standard"], "InvalidParameterValue"), (["type=fast"], "fast"),
            (["type=gp2", "iops=100"], "iops"), (["type=io1", "size=10", "iops=5000"], "InvalidParameterValue"),
            (["availabilityzone=mars-1a"], "mars-1a"), (["fstype=ntfs"], "use ext4 or xfs"),
            (["snapshotid=snap-0"], "InvalidSnapshot"), (["snapshotname=none"], "'none' does not exist"),
            (["volumename=none"], "'none' does not exist"),
            (["volumeid=vol-1", "snapshotname=s"], "exclude one another"),
            (["encrypted=maybe"], "write true or false"),
        ]
        for refusal in refusals {
            let options = refusal.options.map { "--opt=\($0)" }
            let create = try await engine.docker(["volume", "create", "--driver", "ebb"] + options + ["refused"])
            #expect(create.exitCode == 1, "\(create)")
            #expect(create.errors.contains("VolumeDriver.Create: "), "\(create)")
            #expect(create.errors.contains(refusal.text), "\(create)")
            #expect(create.errors.split(whereSeparator: \.isNewline).count == 1, "\(create)")
        }
        #expect(try await !engine.volumeNames().contains("refused"))
    }

    @Test func badNamesAreRefused() async throws {
        for name in ["a b", "../../etc/x", "-lead", "x/y", ".hidden", String(repeating: "n", count: 300)] {
            let create = try await engine.docker("volume", "create", "--driver", "ebb", "--name", name)
            #expect(create.exitCode == 1, "\(create)")
            #expect(create.errors.contains("InvalidParameterValue"), "\(create)")
        }
        let before = try await engine.volumeNames()
        #expect(before.allSatisfy { $0.count < 300 })
    }

    @Test func aVolumeInUseIsNotRemoved() async throws {
        try await engine.createVolume("used", "size=1")
        try await engine.startContainer("user", "used:/data")
        let byDocker = try await engine.docker("volume", "rm", "used")
        #expect(byDocker.errors.contains("volume is in use"), "\(byDocker)")
        try await engine.docker("rm", "--force", "user").checked()
        // The command line's mount is one that Docker knows nothing of.
        _ = try await engine.calling { try $0.call(Ebb.MountVolume.self, .init(volume: .name("used"))) }
        let byPlugin = try await engine.docker("volume", "rm", "used")
        #expect(byPlugin.exitCode == 1)
        #expect(
            byPlugin.errors.contains("VolumeDriver.Remove: ") && byPlugin.errors.contains("VolumeInUse"), "\(byPlugin)")
        _ = try await engine.calling { try $0.call(Ebb.UnmountVolume.self, .init(volume: .name("used"))) }
        try await engine.remove(volume: "used")
    }
}
