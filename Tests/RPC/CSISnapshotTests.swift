// CSI's rules for snapshots, groups of them, and volumes that are made from them or from other volumes.
import Driver
import Testing

@testable import RPCServer

@Suite struct CSISnapshotTests {
    private struct Stage {
        let server: TestServer
        let region: SnapshotRegion

        func call(_ method: String, _ parameters: String) async throws -> JSONValue {
            let line = #"{"jsonrpc":"2.0","id":1,"method":"\#(method)","params":\#(parameters)}"#
            let answer = try #require(await server.service.answer(Array(line.utf8)))
            return try JSONValue(parsing: String(decoding: answer, as: UTF8.self))
        }

        func volume(_ name: String, _ sizeGiB: Int = 1, source: String? = nil, more: String = "") async throws
            -> JSONValue
        {
            let content = source.map { #","volumeContentSource":\#($0)"# } ?? ""
            let range = sizeGiB > 0 ? #","capacityRange":{"requiredBytes":"\#(sizeGiB << 30)"}"# : ""
            return try await call(
                "Controller.CreateVolume",
                #"{"name":"\#(name)","volumeCapabilities":[\#(CSITests.capability)]\#(range)\#(content)\#(more)}"#)
        }

        func volumeID(_ name: String, _ sizeGiB: Int = 1) async throws -> String {
            try #require(try await volume(name, sizeGiB)["result", "volume", "volumeId"].string)
        }

        func snapshot(_ name: String, of volume: String, _ parameters: String = "{}") async throws -> JSONValue {
            try await call(
                "Controller.CreateSnapshot",
                #"{"name":"\#(name)","sourceVolumeId":"\#(volume)","parameters":\#(parameters)}"#)
        }

        func group(_ name: String, of volumes: [String]) async throws -> JSONValue {
            try await call(
                "GroupController.CreateVolumeGroupSnapshot", #"{"name":"\#(name)","sourceVolumeIds":\#(volumes)}"#)
        }

        func group(_ call: String, _ name: String, _ ids: [String]) async throws -> JSONValue {
            try await self.call(
                "GroupController.\(call)VolumeGroupSnapshot",
                #"{"groupSnapshotId":"\#(name)","snapshotIds":\#(ids)}"#)
        }
    }

    private func withStage(_ body: (Stage) async throws -> Void) async throws {
        var region: SnapshotRegion?
        try await withServer(
            wrap: { base in
                let made = SnapshotRegion(base)
                region = made
                return made
            }
        ) { server in
            try await body(Stage(server: server, region: try #require(region)))
        }
    }

    private func status(_ answer: JSONValue) -> String? { answer["error", "data", "grpcName"].string }

    @Test(
        "missing fields are named before anything is looked for",
        arguments: [
            ("Controller.CreateSnapshot", #"{"name":"s"}"#, "sourceVolumeId"),
            ("Controller.CreateSnapshot", #"{"sourceVolumeId":"v"}"#, "name"),
            ("Controller.DeleteSnapshot", "{}", "snapshotId"),
            ("GroupController.CreateVolumeGroupSnapshot", #"{"sourceVolumeIds":["v"]}"#, "name"),
            ("GroupController.CreateVolumeGroupSnapshot", #"{"name":"g"}"#, "sourceVolumeIds"),
            ("GroupController.GetVolumeGroupSnapshot", #"{"snapshotIds":["s"]}"#, "groupSnapshotId"),
            ("GroupController.DeleteVolumeGroupSnapshot", #"{"groupSnapshotId":"g"}"#, "snapshotIds"),
        ])
    func requiresFields(_ method: String, _ parameters: String, _ field: String) async throws {
        try await withStage { stage in
            let answer = try await stage.call(method, parameters)
            #expect(status(answer) == "INVALID_ARGUMENT", "\(answer)")
            #expect(answer["error", "message"].string?.contains("'\(field)'") == true, "\(answer)")
        }
    }

    @Test("a snapshot is made once for a name, and is ready when it is completed")
    func createsByName() async throws {
        try await withStage { stage in
            let volume = try await stage.volumeID("data", 3)
            let first = try await stage.snapshot("s", of: volume)["result", "snapshot"]
            #expect(first["sourceVolumeId"].string == volume && first["sizeBytes"].string == "\(3 << 30)")
            #expect(first["creationTime"].string == "2023-11-14T22:13:20Z")
            #expect(first["readyToUse"] == .bool(false) && first["groupSnapshotId"] == .null)
            #expect(try await stage.snapshot("s", of: volume)["result", "snapshot"] == first)
            stage.region.completeSnapshots()
            let later = try await stage.snapshot("s", of: volume)["result", "snapshot"]
            #expect(later["readyToUse"] == .bool(true) && later["snapshotId"] == first["snapshotId"])
            let other = try await stage.volumeID("other")
            #expect(status(try await stage.snapshot("s", of: other)) == "ALREADY_EXISTS")
            #expect(stage.region.snapshots.count == 1)
            // The snapshot outlives its volume, and can still be asked for.
            try await stage.server.driver.deleteVolume(VolumeID(volume))
            #expect(try await stage.snapshot("s", of: volume)["result", "snapshot"] == later)
        }
    }

    @Test("ten calls at once for one name make one snapshot")
    func createsOnceAtOnce() async throws {
        try await withStage { stage in
            let volume = try await stage.volumeID("data")
            let ids = try await withThrowingTaskGroup(of: String?.self) { group in
                for _ in 0..<10 {
                    group.addTask {
                        try await stage.snapshot("s", of: volume)["result", "snapshot", "snapshotId"].string
                    }
                }
                return try await group.reduce(into: Set<String?>()) { $0.insert($1) }
            }
            #expect(ids.count == 1 && ids.first != .some(nil))
        }
    }

    @Test("what cannot be snapshotted is refused, and what fails later is told")
    func refusesAndReports() async throws {
        try await withStage { stage in
            for unknown in ["vol-00000000000000000", "nonsense"] {
                #expect(status(try await stage.snapshot("s", of: unknown)) == "NOT_FOUND")
            }
            let volume = try await stage.volumeID("data")
            #expect(status(try await stage.snapshot("s", of: volume, #"{"colour":"red"}"#)) == "INVALID_ARGUMENT")
            #expect(status(try await stage.snapshot("s", of: volume, #"{"freeze":"very"}"#)) == "INVALID_ARGUMENT")
            stage.region.refuseNext(StorageError(.concurrentSnapshotLimitExceeded, "too many"))
            #expect(status(try await stage.snapshot("s", of: volume)) == "RESOURCE_EXHAUSTED")
            let parameters = #"{"freeze":"true","description":"d","csi.storage.k8s.io/volumesnapshot/name":"n"}"#
            #expect(try await stage.snapshot("s", of: volume, parameters)["error"] == .null)
            #expect(stage.server.host.frozen == [VolumeID(volume)])
            #expect(stage.region.snapshots.map(\.description) == ["d"])
            stage.region.failSnapshots("No space left on device")
            let failed = try await stage.snapshot("s", of: volume)
            #expect(status(failed) == "INTERNAL")
            #expect(failed["error", "message"].string?.contains("No space left") == true, "\(failed)")
        }
    }

    @Test("deleting repeats, and a snapshot in use stays")
    func deletes() async throws {
        try await withStage { stage in
            let volume = try await stage.volumeID("data")
            let id = try #require(try await stage.snapshot("s", of: volume)["result", "snapshot", "snapshotId"].string)
            stage.region.refuseNext(StorageError(.snapshotInUse, "in use"))
            let inUse = try await stage.call("Controller.DeleteSnapshot", #"{"snapshotId":"\#(id)"}"#)
            #expect(status(inUse) == "FAILED_PRECONDITION")
            for gone in [id, id, "nonsense"] {
                let answer = try await stage.call("Controller.DeleteSnapshot", #"{"snapshotId":"\#(gone)"}"#)
                #expect(answer["error"] == .null, "\(answer)")
            }
            #expect(stage.region.snapshots.isEmpty)
        }
    }

    @Test("snapshots are listed in pages, of a volume, or one alone, and a bad token is ABORTED")
    func lists() async throws {
        try await withStage { stage in
            let volumes = [try await stage.volumeID("a"), try await stage.volumeID("b")]
            for number in 0..<7 { _ = try await stage.snapshot("s\(number)", of: volumes[number % 2]) }
            func list(_ parameters: String) async throws -> JSONValue {
                try await stage.call("Controller.ListSnapshots", "{\(parameters)}")
            }
            func ids(_ page: JSONValue) -> [String] {
                page["result", "entries"].elements.compactMap { $0["snapshot", "snapshotId"].string }
            }
            var found: [String] = []
            var token: String? = ""
            while let current = token {
                let page = try await list(#""maxEntries":3,"startingToken":"\#(current)""#)
                #expect(ids(page).count <= 3)
                found += ids(page)
                token = page["result", "nextToken"].string
            }
            #expect(found == stage.region.snapshots.map(\.id.rawValue))
            #expect(ids(try await list(#""sourceVolumeId":"\#(volumes[1])""#)).count == 3)
            #expect(ids(try await list(#""snapshotId":"\#(found[0])""#)) == [found[0]])
            #expect(ids(try await list(#""snapshotId":"\#(found[0])","sourceVolumeId":"\#(volumes[1])""#)).isEmpty)
            for nothing in [#""snapshotId":"nonsense""#, #""sourceVolumeId":"vol-00000000000000000""#] {
                let page = try await list(nothing)
                #expect(page["error"] == .null && ids(page).isEmpty, "\(page)")
            }
            #expect(status(try await list(#""startingToken":"x""#)) == "ABORTED")
            #expect(status(try await list(#""maxEntries":-1"#)) == "INVALID_ARGUMENT")
        }
    }

    @Test("a volume is made from a snapshot that is ready, as large as that or larger")
    func restores() async throws {
        try await withStage { stage in
            let volume = try await stage.volumeID("data", 3)
            let id = try #require(try await stage.snapshot("s", of: volume)["result", "snapshot", "snapshotId"].string)
            let source = #"{"snapshot":{"snapshotId":"\#(id)"}}"#
            #expect(status(try await stage.volume("copy", 3, source: source)) == "FAILED_PRECONDITION")
            stage.region.completeSnapshots()
            let made = try await stage.volume("copy", 0, source: source)["result", "volume"]
            #expect(made["capacityBytes"].string == "\(3 << 30)")
            #expect(made["contentSource", "snapshot", "snapshotId"].string == id)
            #expect(try await stage.volume("copy", 0, source: source)["result", "volume"] == made)
            #expect(
                try await stage.volume("large", 5, source: source)["result", "volume", "capacityBytes"].string
                    == "\(5 << 30)")
            #expect(status(try await stage.volume("small", 2, source: source)) == "OUT_OF_RANGE")
            let limit = #","capacityRange":{"limitBytes":"\#(2 << 30)"}"#
            #expect(status(try await stage.volume("small", 0, source: source, more: limit)) == "OUT_OF_RANGE")
            let enough = #","capacityRange":{"limitBytes":"\#(20 << 30)"}"#
            let limited = try await stage.volume("limited", 0, source: source, more: enough)
            #expect(limited["result", "volume", "capacityBytes"].string == "\(3 << 30)")
            // A blank volume is not what was wished for, and the other way round.
            #expect(status(try await stage.volume("copy", 3)) == "ALREADY_EXISTS")
            #expect(status(try await stage.volume("data", 3, source: source)) == "ALREADY_EXISTS")
        }
    }

    @Test("a volume is copied in its own zone")
    func clones() async throws {
        try await withStage { stage in
            let zone = #","accessibilityRequirements":{"requisite":[{"segments":{"topology.ebb/zone":"us-east-1a"}}]}"#
            let volume = try await stage.volume("data", 3, more: zone)["result", "volume", "volumeId"].string ?? ""
            let source = #"{"volume":{"volumeId":"\#(volume)"}}"#
            let made = try await stage.volume("copy", 0, source: source)["result", "volume"]
            #expect(made["contentSource", "volume", "volumeId"].string == volume, "\(made)")
            let copy = try await stage.region.describeVolumes(.init(names: ["copy"])).volumes[0]
            #expect(copy.zone == "us-east-1a" && copy.sizeGiB == 3)
            let elsewhere = zone.replacing("1a", with: "1b")
            #expect(status(try await stage.volume("b", 0, source: source, more: elsewhere)) == "RESOURCE_EXHAUSTED")
        }
    }

    @Test("a copy is answered when it can be used; until then the same wish is aborted, and one that failed says why")
    func pendingClones() async throws {
        try await withStage { stage in
            let volume = try await stage.volumeID("data")
            let source = #"{"volume":{"volumeId":"\#(volume)"}}"#
            stage.region.setCopies(.creating)
            for _ in 1...2 { #expect(status(try await stage.volume("copy", 0, source: source)) == "ABORTED") }
            #expect(try await stage.region.describeVolumes(.init(names: ["copy"])).volumes.count == 1)
            stage.region.setCopies(.error, "no space left")
            let failed = try await stage.volume("copy", 0, source: source)
            #expect(status(failed) == "FAILED_PRECONDITION" && "\(failed)".contains("no space left"), "\(failed)")
            stage.region.setCopies(.available)
            let made = try await stage.volume("copy", 0, source: source)["result", "volume"]
            #expect(made["contentSource", "volume", "volumeId"].string == volume, "\(made)")
        }
    }

    @Test(
        "a source that is not there or none at all is refused",
        arguments: [
            (#"{"snapshot":{"snapshotId":"snap-00000000000000000"}}"#, "NOT_FOUND"),
            (#"{"snapshot":{"snapshotId":"nonsense"}}"#, "NOT_FOUND"),
            (#"{"volume":{"volumeId":"vol-00000000000000000"}}"#, "NOT_FOUND"),
            (#"{"volume":{"volumeId":"nonsense"}}"#, "NOT_FOUND"), ("{}", "INVALID_ARGUMENT"),
            (#"{"snapshot":{}}"#, "INVALID_ARGUMENT"), (#"{"volume":{"volumeId":""}}"#, "INVALID_ARGUMENT"),
        ])
    func refusesSources(_ source: String, _ code: String) async throws {
        try await withStage { stage in
            let answer = try await stage.volume("copy", 1, source: source)
            #expect(status(answer) == code, "\(answer)")
        }
    }

    @Test("a group is made once, is ready when all of it is, and goes as a whole")
    func groups() async throws {
        try await withStage { stage in
            let volumes = [try await stage.volumeID("a"), try await stage.volumeID("b")]
            let made = try await stage.group("g", of: volumes)["result", "groupSnapshot"]
            let ids = made["snapshots"].elements.compactMap { $0["snapshotId"].string }
            let id = try #require(made["groupSnapshotId"].string)
            #expect(ids.count == 2 && made["readyToUse"] == .bool(false))
            for snapshot in made["snapshots"].elements { #expect(snapshot["groupSnapshotId"].string == id) }
            #expect(try await stage.group("g", of: volumes.reversed())["result", "groupSnapshot"] == made)
            #expect(status(try await stage.group("g", of: [volumes[0]])) == "ALREADY_EXISTS")
            stage.region.completeSnapshots()
            let got = try await stage.group("Get", id, ids.reversed())["result", "groupSnapshot"]
            #expect(got["readyToUse"] == .bool(true) && got["snapshots"].elements.count == 2)

            let single = try await stage.call("Controller.DeleteSnapshot", #"{"snapshotId":"\#(ids[0])"}"#)
            #expect(status(single) == "INVALID_ARGUMENT")
            let alone = try await stage.snapshot("alone", of: volumes[0])
            let other = try #require(alone["result", "snapshot", "snapshotId"].string)
            for wrong in [[ids[0]], ids + [other], [other]] {
                #expect(status(try await stage.group("Get", id, wrong)) == "INVALID_ARGUMENT", "\(wrong)")
                #expect(status(try await stage.group("Delete", id, wrong)) == "INVALID_ARGUMENT", "\(wrong)")
            }
            // One that was begun and not finished is finished.
            try await stage.region.deleteSnapshot(SnapshotID(ids[1]))
            for _ in 0..<2 { #expect(try await stage.group("Delete", id, ids)["error"] == .null) }
            #expect(stage.region.snapshots.map(\.id.rawValue) == [other])
            #expect(status(try await stage.group("Get", id, ids)) == "NOT_FOUND")
        }
    }

    @Test("a name that is used again is that of another group, which knows nothing of the one before")
    func groupNamesAreUsedAgain() async throws {
        try await withStage { stage in
            let volume = try await stage.volumeID("a")
            let first = try await stage.group("g", of: [volume])["result", "groupSnapshot"]
            let id = try #require(first["groupSnapshotId"].string)
            let ids = first["snapshots"].elements.compactMap { $0["snapshotId"].string }
            #expect(try await stage.group("Delete", id, ids)["error"] == .null)
            let second = try await stage.group("g", of: [volume])["result", "groupSnapshot"]
            #expect(second["groupSnapshotId"].string.map { $0 != id } ?? false)
            // Whoever deletes the first one once more does not mean the second.
            #expect(try await stage.group("Delete", id, ids)["error"] == .null)
            #expect(status(try await stage.group("Get", id, ids)) == "NOT_FOUND")
            #expect(try await stage.group("g", of: [volume])["result", "groupSnapshot"] == second)
        }
    }

    @Test("two calls at once for one name and other volumes make one group, and one is refused")
    func groupNamesAreUsedOnceAtOnce() async throws {
        try await withStage { stage in
            let volumes = [try await stage.volumeID("a"), try await stage.volumeID("b")]
            stage.region.answerLate()
            for round in 1...5 {
                async let first = stage.group("g\(round)", of: [volumes[0]])
                async let second = stage.group("g\(round)", of: [volumes[1]])
                let refused = try await [first, second].filter { $0["error"] != .null }
                #expect(refused.map(status) == ["ALREADY_EXISTS"], "\(refused)")
                #expect(stage.region.snapshots.count == round)
            }
        }
    }

    @Test("a group of what is not there, or there twice, is none")
    func refusesGroups() async throws {
        try await withStage { stage in
            let volume = try await stage.volumeID("a")
            #expect(status(try await stage.group("g", of: [volume, "vol-00000000000000000"])) == "NOT_FOUND")
            #expect(status(try await stage.group("g", of: [volume, volume])) == "INVALID_ARGUMENT")
            #expect(status(try await stage.group("g", of: [volume, ""])) == "INVALID_ARGUMENT")
            #expect(stage.region.snapshots.isEmpty)
            _ = try await stage.group("g", of: [volume])
            stage.region.failSnapshots("No space left on device")
            #expect(status(try await stage.group("g", of: [volume])) == "INTERNAL")
        }
    }

    @Test("what a driver can do is claimed, and what it cannot is refused in one line")
    func claims() async throws {
        func claimed(_ answer: JSONValue) -> Set<String> {
            Set(
                answer["result", "capabilities"].elements.compactMap {
                    $0["rpc", "type"].string ?? $0["service", "type"].string
                })
        }
        let controller: Set = ["CREATE_DELETE_SNAPSHOT", "LIST_SNAPSHOTS", "CLONE_VOLUME"]
        try await withStage { stage in
            let answer = claimed(try await stage.call("Controller.ControllerGetCapabilities", "{}"))
            #expect(answer.isSuperset(of: controller))
            let group = try await stage.call("GroupController.GroupControllerGetCapabilities", "{}")
            #expect(claimed(group) == ["CREATE_DELETE_GET_VOLUME_GROUP_SNAPSHOT"])
            let plugin = try await stage.call("Identity.GetPluginCapabilities", "{}")
            #expect(claimed(plugin).contains("GROUP_CONTROLLER_SERVICE"))
        }
        try await withServer(wrap: { WithoutSnapshots(base: $0) }) { server in
            let stage = Stage(server: server, region: SnapshotRegion(server.driver))
            let answer = claimed(try await stage.call("Controller.ControllerGetCapabilities", "{}"))
            #expect(answer.isDisjoint(with: controller))
            let group = try await stage.call("GroupController.GroupControllerGetCapabilities", "{}")
            #expect(claimed(group).isEmpty)
            let plugin = try await stage.call("Identity.GetPluginCapabilities", "{}")
            #expect(!claimed(plugin).contains("GROUP_CONTROLLER_SERVICE"))
            let volume = try await stage.volumeID("data")
            for refused in [
                try await stage.snapshot("s", of: volume), try await stage.group("g", of: [volume]),
                try await stage.call("Controller.ListSnapshots", "{}"),
            ] {
                #expect(status(refused) == "UNIMPLEMENTED", "\(refused)")
                #expect(refused["error", "data", "awsCode"].string == "UnsupportedOperation")
            }
        }
    }
}

/// A driver that cannot make snapshots or copies, whatever the one behind it can.
private struct WithoutSnapshots: DriverInFront {
    let base: any StorageDriver

    func describeDriver() async throws -> DriverDescription {
        var description = try await base.describeDriver()
        description.capabilities.subtract([.snapshots, .copyVolumes])
        return description
    }
}
