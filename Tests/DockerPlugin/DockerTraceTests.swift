import Driver
import Testing

@testable import DockerPlugin

/// The calls that dockerd 28.2.2 was seen to make for each of its commands, played against the plugin.
///
/// `.` is Get, as in the recordings: `volume create -d p x` is `. Create`.
@Suite struct DockerTraceTests {
    @Test func theFirstUseActivatesAndAsksForCapabilities() async throws {
        try await withPlugin { path, volumes in
            let dockerd = try PluginConnection(path)
            let activation = try await dockerd.call("/Plugin.Activate")
            #expect(activation.status == 200)
            #expect(activation["Implements"] == .list(["VolumeDriver"]))
            #expect(activation.head.contains("application/vnd.docker.plugins.v1.2+json"))
            let capabilities = try await dockerd.call("/VolumeDriver.Capabilities", "{}")
            #expect(capabilities["Capabilities"] == .object(["Scope": "global"]))
            #expect(try await dockerd.get("v1").status == 500)
            #expect(try await dockerd.call("/VolumeDriver.Create", #"{"Name":"v1","Opts":{"size":"5"}}"#).error == "")
            #expect(volumes.requests.map(\.sizeGiB) == [5])
            #expect(volumes.calls == ["incarnation", "get v1", "create v1"])
        }
    }

    @Test func createWithoutOptionsSendsNull() async throws {
        try await withPlugin { path, volumes in
            let dockerd = try PluginConnection(path)
            #expect(try await dockerd.call("/VolumeDriver.Create", #"{"Name":"x","Opts":null}"#).status == 200)
            #expect(volumes.requests == [CreateVolumeRequest(zone: "us-east-1b", tags: [Tag.name: "x"])])
        }
    }

    @Test func aSourceIsLookedUpByItsName() async throws {
        try await withPlugin { path, volumes in
            volumes.add(.init(volume: .sample("data")))
            let dockerd = try PluginConnection(path)
            for source in [#""snapshotname":"s""#, #""snapshotid":"snap-1""#, #""volumename":"data""#] {
                let name = "of-\(volumes.requests.count)"
                let body = #"{"Name":"\#(name)","Opts":{\#(source)}}"#
                // Podman asks again for what there is.
                for _ in 1...2 { #expect(try await dockerd.call("/VolumeDriver.Create", body).error == "") }
            }
            let requests = volumes.requests
            #expect(requests.map(\.snapshotID) == ["snap-of-s", "snap-of-s", "snap-1", "snap-1", nil, nil])
            #expect(requests.last?.sourceVolumeID == Volume.sample("data").id)
            #expect(volumes.calls.count { $0.hasPrefix("sound ") } == 2, "who is answered can use the copy")
            volumes.fail("sound", with: StorageError(.incorrectState, "It is in error."))
            let failed = try await dockerd.call("/VolumeDriver.Create", #"{"Name":"y","Opts":{"volumename":"data"}}"#)
            #expect(failed.error == "It is in error. (IncorrectState)")
            volumes.fail("snapshot", with: StorageError(.snapshotNotFound, "There is none."))
            let refused = try await dockerd.call(
                "/VolumeDriver.Create", #"{"Name":"x","Opts":{"snapshotname":"none"}}"#)
            #expect(refused.error == "There is none. (InvalidSnapshot.NotFound)")
        }
    }

    @Test func aVolumeOutlivesWhatItWasMadeFrom() async throws {
        try await withPlugin { path, volumes in
            volumes.add(.init(volume: .sample("of-snapshot", snapshotID: "snap-1", tags: [Tag.fsType: "xfs"])))
            volumes.add(.init(volume: .sample("of-volume", sourceVolumeID: "vol-1")))
            let dockerd = try PluginConnection(path)
            func create(_ name: String, _ options: String) async throws -> String? {
                // Neither the snapshot nor the volume is there any more.
                volumes.fail("snapshot", with: StorageError(.snapshotNotFound, "There is none."))
                volumes.fail("create", with: StorageError(.snapshotNotFound, "There is none."))
                return try await dockerd.call("/VolumeDriver.Create", #"{"Name":"\#(name)","Opts":{\#(options)}}"#)
                    .error
            }
            for options in [
                #""snapshotname":"s""#, #""snapshotid":"snap-1""#, #""snapshotname":"s","size":"16","fstype":"xfs""#,
            ] { #expect(try await create("of-snapshot", options) == "", "\(options)") }
            for options in [#""volumename":"gone""#, #""volumeid":"vol-1""#] {
                #expect(try await create("of-volume", options) == "", "\(options)")
            }
            for (name, options) in [
                ("of-snapshot", #""snapshotname":"s","size":"17""#), ("of-snapshot", #""snapshotid":"snap-2""#),
                ("of-snapshot", #""volumeid":"vol-1""#), ("of-volume", #""snapshotname":"s""#),
                ("of-volume", #""volumeid":"vol-2""#), ("none", #""snapshotname":"s""#),
            ] { #expect(try await create(name, options) != "", "\(name) \(options)") }
        }
    }

    @Test func aVolumeOfAnotherSnapshotIsNotWhatIsAskedFor() async throws {
        try await withPlugin { path, volumes in
            volumes.add(.init(volume: .sample("data", snapshotID: "snap-of-monday")))
            let dockerd = try PluginConnection(path)
            for (snapshot, isThatOne) in [("monday", true), ("tuesday", false)] {
                let body = #"{"Name":"data","Opts":{"snapshotname":"\#(snapshot)"}}"#
                let answer = try await dockerd.call("/VolumeDriver.Create", body).error
                #expect((answer == "") == isThatOne, "\(snapshot): \(answer ?? "")")
            }
        }
    }

    @Test func inspectShowsWhatThereIs() async throws {
        try await withPlugin { path, _ in
            let dockerd = try PluginConnection(path)
            _ = try await dockerd.call(
                "/VolumeDriver.Create", #"{"Name":"v1","Opts":{"size":"512m","type":"io1","iops":"50","fstype":"xfs"}}"#
            )
            _ = try await dockerd.call("/VolumeDriver.Mount", #"{"Name":"v1","ID":"a"}"#)
            let volume = try #require(try await dockerd.get("v1")["Volume"])
            #expect(volume["Name"] == "v1")
            #expect(volume["Mountpoint"] == "/mounts/v1")
            #expect(volume["CreatedAt"] == "2023-11-14T22:13:20Z")
            let status = try #require(volume["Status"])
            #expect(status["size"] == 1)
            #expect(status["requestedSize"] == "512m, rounded up to 1 GiB")
            #expect(status["type"] == "io1")
            #expect(status["iops"] == 50)
            #expect(status["availabilityZone"] == "us-east-1b")
            #expect(status["fsType"] == "xfs")
            #expect(status["service"] == "ebb")
            #expect(status["anonymous"] == nil)
        }
    }

    @Test func aMissingVolumeIsAnErrorOfGet() async throws {
        try await withPlugin { path, _ in
            let answer = try await PluginConnection(path).get("nosuch")
            #expect(answer.status == 500)
            #expect(answer.error == "The volume 'nosuch' does not exist. (InvalidVolume.NotFound)")
        }
    }

    @Test func listNamesEveryVolumeOnce() async throws {
        try await withPlugin { path, volumes in
            for name in ["a", "b", "c"] { volumes.add(.init(volume: .sample(name))) }
            volumes.add(.init(volume: .sample("")))
            volumes.add(.init(volume: .sample("has a space")))
            let list = try await PluginConnection(path).call("/VolumeDriver.List", "{}")
            let names = try #require(list["Volumes"]?.list).compactMap { $0["Name"]?.text }
            #expect(names.sorted() == ["a", "b", "c"])
            #expect(list["Volumes"]?.list?.first?["CreatedAt"] == "2023-11-14T22:13:20Z")
            #expect(list["Volumes"]?.list?.first?["Mountpoint"] == nil)
        }
    }

    @Test func aThousandVolumesFitOneAnswer() async throws {
        try await withPlugin { path, volumes in
            for number in 1...1000 { volumes.add(.init(volume: .sample("v\(number)"))) }
            let list = try await PluginConnection(path).call("/VolumeDriver.List")
            #expect(list["Volumes"]?.list?.count == 1000)
            #expect(volumes.calls == ["list"])
        }
    }

    @Test func runWithCopyUpMountsTwice() async throws {
        try await withPlugin { path, volumes in
            volumes.add(.init(volume: .sample("v1")))
            let dockerd = try PluginConnection(path)
            #expect(
                try await dockerd.call("/VolumeDriver.Mount", #"{"Name":"v1","ID":"A"}"#)["Mountpoint"] == "/mounts/v1")
            #expect(try await dockerd.call("/VolumeDriver.Unmount", #"{"Name":"v1","ID":"A"}"#).error == "")
            #expect(try await dockerd.call("/VolumeDriver.Mount", #"{"Name":"v1","ID":"B"}"#).status == 200)
            #expect(volumes.calls == ["mount v1 A", "unmount v1 A", "mount v1 B"])
        }
    }

    /// docker cp into a running container repeats the container's own id: the host side counts, the plugin must
    /// pass every one of them.
    @Test func copyingIntoARunningContainerPassesEachMountOn() async throws {
        try await withPlugin { path, volumes in
            volumes.add(.init(volume: .sample("v1")))
            let dockerd = try PluginConnection(path)
            for call in ["Mount", "Mount", "Unmount", "Mount", "Unmount", "Unmount"] {
                #expect(try await dockerd.call("/VolumeDriver.\(call)", #"{"Name":"v1","ID":"B"}"#).status == 200)
            }
            #expect(
                volumes.calls == [
                    "mount v1 B", "mount v1 B", "unmount v1 B", "mount v1 B", "unmount v1 B", "unmount v1 B",
                ])
        }
    }

    @Test func anonymousVolumesAreMadeAndLabelled() async throws {
        let name = String(repeating: "0123456789abcdef", count: 4)
        try await withPlugin { path, volumes in
            let dockerd = try PluginConnection(path)
            #expect(try await dockerd.call("/VolumeDriver.Create", #"{"Name":"\#(name)","Opts":null}"#).status == 200)
            #expect(try await dockerd.get(name)["Volume"]?["Status"]?["anonymous"] == true)
            #expect(volumes.requests.first?.tags["ebb:anonymous"] == "true")
            _ = try await dockerd.call("/VolumeDriver.Create", #"{"Name":"named","Opts":null}"#)
            #expect(volumes.requests.last?.tags == ["Name": "named"])
            #expect(try await dockerd.call("/VolumeDriver.Remove", #"{"Name":"\#(name)"}"#).error == "")
        }
        try await withPlugin(policy: DockerPolicy(allowsAnonymousVolumes: false)) { path, volumes in
            let answer = try await PluginConnection(path).call(
                "/VolumeDriver.Create", #"{"Name":"\#(name)","Opts":null}"#)
            #expect(answer.status == 500)
            #expect(
                answer.error
                    == "Volumes without a name are refused by the setting anonymousVolumes (InvalidParameterValue); "
                    + "give the volume a name: -v NAME:/path")
            #expect(volumes.calls.isEmpty)
            // One that was made before goes on working.
            volumes.add(.init(volume: .sample(name)))
            let mount = try await PluginConnection(path).call("/VolumeDriver.Mount", #"{"Name":"\#(name)","ID":"B"}"#)
            #expect(mount.status == 200)
        }
    }

    @Test func whatThePolicyRefusesOrIgnoresIsNotDone() async throws {
        let calls = ["/VolumeDriver.Create", "/VolumeDriver.Remove"]
        try await withPlugin(policy: DockerPolicy(create: .ignore, remove: .ignore)) { path, volumes in
            for call in calls {
                let answer = try await PluginConnection(path).call(call, #"{"Name":"v1","Opts":null}"#)
                #expect(answer.status == 200)
                #expect(answer.error == "")
            }
            // What cannot be is refused all the same.
            let bad = try await PluginConnection(path).call(calls[0], #"{"Name":"v1","Opts":{"sizes":"1"}}"#)
            #expect(bad.status == 500)
            #expect(volumes.calls.isEmpty)
        }
        try await withPlugin(policy: DockerPolicy(create: .refuse, remove: .refuse)) { path, volumes in
            for (call, setting) in zip(calls, ["dockerCreate", "dockerRemove"]) {
                let answer = try await PluginConnection(path).call(call, #"{"Name":"v1","Opts":null}"#)
                #expect(answer.status == 500)
                #expect(
                    answer.error
                        == "Volume 'v1' is left as it is, as the setting \(setting) says (UnsupportedOperation); "
                        + "use the ebb command")
            }
            #expect(volumes.requests.isEmpty)
            // What is there already may be asked for.
            volumes.add(.init(volume: .sample("v1")))
            let again = try await PluginConnection(path).call(calls[0], #"{"Name":"v1","Opts":null}"#)
            #expect(again.status == 200)
            #expect(volumes.requests.isEmpty)
        }
    }

    @Test func removeOfAVolumeInUseSaysByWhom() async throws {
        try await withPlugin { path, volumes in
            volumes.add(.init(volume: .sample("v1")))
            volumes.fail(
                "remove", with: StorageError(.volumeInUse, "Volume vol-1 is attached to i-2", advice: "detach it"))
            let answer = try await PluginConnection(path).call("/VolumeDriver.Remove", #"{"Name":"v1"}"#)
            #expect(answer.status == 500)
            #expect(answer.body == "{\"Err\":\"Volume vol-1 is attached to i-2 (VolumeInUse); detach it\"}\n")
        }
    }

    @Test func pathIsEmptyUntilTheVolumeIsMounted() async throws {
        try await withPlugin { path, volumes in
            volumes.add(.init(volume: .sample("v1")))
            let dockerd = try PluginConnection(path)
            #expect(try await dockerd.call("/VolumeDriver.Path", #"{"Name":"v1"}"#)["Mountpoint"] == "")
            _ = try await dockerd.call("/VolumeDriver.Mount", #"{"Name":"v1","ID":"B"}"#)
            #expect(try await dockerd.call("/VolumeDriver.Path", #"{"Name":"v1"}"#)["Mountpoint"] == "/mounts/v1")
        }
    }

    @Test func podmanListsWithAnEmptyBodyAndRepeatsCreate() async throws {
        try await withPlugin { path, volumes in
            let podman = try PluginConnection(path)
            let create = #"{"Name":"v1","Opts":{"size":"5"}}"#
            #expect(try await podman.call("/VolumeDriver.Create", create).status == 200)
            #expect(try await podman.call("/VolumeDriver.Create", create).status == 200)
            let other = try await podman.call("/VolumeDriver.Create", #"{"Name":"v1","Opts":{"size":"6"}}"#)
            #expect(other.status == 500)
            #expect(other.error?.contains("InvalidVolume.Duplicate") == true)
            #expect(try await podman.call("/VolumeDriver.List")["Volumes"]?.list?.count == 1)
        }
    }

    /// Each command of Podman is a process of its own, and has ended when the volume is used.
    @Test func podmansMountsDoNotDependOnTheCommandThatMadeThem() async throws {
        try await withPlugin { path, volumes in
            volumes.add(.init(volume: .sample("v1")))
            let id = "2f73349cfc4630255319c6c8dfc1b46a8996ace9d14d8e07563b165915918ec2"
            _ = try await PluginConnection(path).call("/VolumeDriver.Mount", #"{"Name":"v1","ID":"\#(id)"}"#)
            _ = try await PluginConnection(path).call("/VolumeDriver.Mount", #"{"Name":"v1","ID":"\#(id)x"}"#)
            #expect(volumes.holders.map { $0.incarnation?.pid == 0 } == [true, false])
        }
    }

    @Test func unmountOfAVolumeThatIsGoneSucceeds() async throws {
        try await withPlugin { path, _ in
            let other = try PluginConnection(path)
            #expect(
                try await other.call("/VolumeDriver.Unmount", #"{"Name":"v1","ID":"B"}"#).status == 200
            )
        }
    }

    @Test func aVolumeCanBeNamedByItsId() async throws {
        try await withPlugin { path, volumes in
            let volume = Volume.sample("v1")
            volumes.add(.init(volume: volume))
            let dockerd = try PluginConnection(path)
            #expect(try await dockerd.get(volume.id.rawValue)["Volume"]?["Name"] == .text(volume.id.rawValue))
            let create = try await dockerd.call("/VolumeDriver.Create", #"{"Name":"\#(volume.id)","Opts":null}"#)
            #expect(create.status == 500)
        }
    }
}

extension PluginConnection {
    func get(_ name: String) async throws -> Answer {
        try await call("/VolumeDriver.Get", #"{"Name":"\#(name)"}"#)
    }
}
