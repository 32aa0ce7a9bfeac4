// CSI's rules: required fields first, idempotency, and the status codes of its specification.
import Driver
import Testing

@testable import RPCServer

@Suite struct CSITests {
    static let capability = #"{"mount":{},"accessMode":{"mode":"SINGLE_NODE_WRITER"}}"#

    /// Calls and gives the whole answer.
    private func call(_ server: TestServer, _ method: String, _ parameters: String) async throws -> JSONValue {
        let line = #"{"jsonrpc":"2.0","id":1,"method":"\#(method)","params":\#(parameters)}"#
        let answer = try #require(await server.service.answer(Array(line.utf8)))
        return try JSONValue(parsing: String(decoding: answer, as: UTF8.self))
    }

    private func create(_ server: TestServer, _ fields: String, capability: String = capability) async throws
        -> JSONValue
    {
        try await call(server, "Controller.CreateVolume", #"{"volumeCapabilities":[\#(capability)],\#(fields)}"#)
    }

    private func status(_ answer: JSONValue) -> String? { answer["error", "data", "grpcName"].string }

    private func id(_ answer: JSONValue) throws -> String {
        try #require(answer["result", "volume", "volumeId"].string, "\(answer)")
    }

    @Test(
        "missing fields are named before anything is looked for",
        arguments: [
            ("Controller.CreateVolume", #"{"volumeCapabilities":[]}"#, "name"),
            ("Controller.CreateVolume", #"{"name":"x"}"#, "volumeCapabilities"),
            ("Controller.CreateVolume", #"{"name":"x","volumeCapabilities":[{}]}"#, "block"),
            ("Controller.CreateVolume", #"{"name":"x","volumeCapabilities":[{"mount":{}}]}"#, "accessMode"),
            ("Controller.DeleteVolume", "{}", "volumeId"),
            ("Controller.DeleteVolume", #"{"volumeId":""}"#, "volumeId"),
            ("Controller.ControllerPublishVolume", #"{"nodeId":"n"}"#, "volumeId"),
            ("Controller.ControllerPublishVolume", #"{"volumeId":"v"}"#, "nodeId"),
            ("Controller.ControllerPublishVolume", #"{"volumeId":"v","nodeId":"n"}"#, "volumeCapability"),
            ("Controller.ControllerUnpublishVolume", "{}", "volumeId"),
            ("Controller.ValidateVolumeCapabilities", #"{"volumeId":"v"}"#, "volumeCapabilities"),
            ("Controller.ControllerGetVolume", "{}", "volumeId"),
            ("Node.NodeStageVolume", #"{"volumeId":"v"}"#, "stagingTargetPath"),
            ("Node.NodeStageVolume", #"{"volumeId":"v","stagingTargetPath":"/s"}"#, "volumeCapability"),
            ("Node.NodeUnstageVolume", #"{"volumeId":"v"}"#, "stagingTargetPath"),
            ("Node.NodePublishVolume", #"{"volumeId":"v"}"#, "targetPath"),
            ("Node.NodeUnpublishVolume", #"{"targetPath":"/t"}"#, "volumeId"),
            ("Node.NodeGetVolumeStats", #"{"volumeId":"v"}"#, "volumePath"),
            ("Node.NodeExpandVolume", #"{"volumeId":"v"}"#, "volumePath"),
            ("Controller.ControllerExpandVolume", #"{"volumeId":"v"}"#, "capacityRange"),
            ("Controller.ControllerModifyVolume", #"{"volumeId":"v"}"#, "mutableParameters"),
        ])
    func requiresFields(_ method: String, _ parameters: String, _ field: String) async throws {
        try await withServer { server in
            let answer = try await call(server, method, parameters)
            #expect(status(answer) == "INVALID_ARGUMENT", "\(answer)")
            #expect(answer["error", "message"].string?.contains(field) == true, "\(answer)")
        }
    }

    @Test("a volume is made once for a name, and another wish for the name is refused")
    func createsByName() async throws {
        try await withServer { server in
            let wish = #""name":"one","capacityRange":{"requiredBytes":"1073741825"},"parameters":{"type":"gp3"}"#
            let first = try await create(server, wish)
            #expect(first["result", "volume", "capacityBytes"].string == "2147483648", "rounded up to whole GiB")
            #expect(try await id(create(server, wish)) == id(first))
            let asNumber = wish.replacing(#""1073741825""#, with: "1073741825")
            #expect(try await id(create(server, asNumber)) == id(first))
            for other in [
                #""name":"one","capacityRange":{"requiredBytes":"3221225472"}"#,
                #""name":"one","capacityRange":{"limitBytes":"1073741824"}"#,
                #""name":"one","parameters":{"type":"gp2"}"#,
                #""name":"one","accessibilityRequirements":{"requisite":[{"segments":{"topology.ebb/zone":"us-east-1a"}}]}"#,
            ] {
                #expect(try await status(create(server, other)) == "ALREADY_EXISTS", "\(other)")
            }
            #expect(try await server.driver.describeVolumes(.all).volumes.count == 1)
        }
    }

    @Test("ten calls at once for one name make one volume")
    func createsOnceAtOnce() async throws {
        try await withServer { server in
            let ids = try await withThrowingTaskGroup(of: String.self) { group in
                for _ in 0..<10 {
                    group.addTask { try await id(create(server, #""name":"one","parameters":{"type":"gp3"}"#)) }
                }
                return try await group.reduce(into: Set<String>()) { $0.insert($1) }
            }
            #expect(ids.count == 1)
        }
    }

    @Test(
        "what cannot be made is refused with CSI's code",
        arguments: [
            (#""name":"x","capacityRange":{"requiredBytes":"-1"}"#, "INVALID_ARGUMENT"),
            (#""name":"x","capacityRange":{"requiredBytes":"2000000000","limitBytes":"2000000001"}"#, "OUT_OF_RANGE"),
            (#""name":"x","capacityRange":{"limitBytes":"5"}"#, "OUT_OF_RANGE"),
            (#""name":"x","capacityRange":{"requiredBytes":"9223372036854775807"}"#, "OUT_OF_RANGE"),
            (#""name":"x","capacityRange":{"requiredBytes":"9223372036854775808"}"#, "INVALID_ARGUMENT"),
            (#""name":"x","capacityRange":{"requiredBytes":"x"}"#, "INVALID_ARGUMENT"),
            (#""name":"x","parameters":{"colour":"red"}"#, "INVALID_ARGUMENT"),
            (#""name":"x","parameters":{"type":"zz9"}"#, "INVALID_ARGUMENT"),
            (#""name":"x","parameters":{"type":"io1","iops":"many"}"#, "INVALID_ARGUMENT"),
            (#""name":"x","volumeContentSource":{"snapshot":{}}"#, "INVALID_ARGUMENT"),
            (
                #""name":"x","accessibilityRequirements":{"requisite":[{"segments":{"topology.ebb/zone":"mars"}}]}"#,
                "INVALID_ARGUMENT"
            ),
            (
                #""name":"x","accessibilityRequirements":{"requisite":[{"segments":{"planet":"mars"}}]}"#,
                "INVALID_ARGUMENT"
            ),
        ])
    func refusesWishes(_ fields: String, _ code: String) async throws {
        try await withServer { server in
            let answer = try await create(server, fields)
            #expect(status(answer) == code, "\(answer)")
            #expect(try await server.driver.describeVolumes(.all).volumes.isEmpty)
        }
    }

    @Test("the preferred zone is taken, and unsupported access is refused")
    func placesAndChecksAccess() async throws {
        try await withServer { server in
            let placed = try await create(
                server,
                #"""
                "name":"x","accessibilityRequirements":{"requisite":[{"segments":{"topology.ebb/zone":"us-east-1a"}},
                {"segments":{"topology.ebb/zone":"us-east-1c"}}],
                "preferred":[{"segments":{"topology.ebb/zone":"us-east-1c"}}]}
                """#)
            let volume = try await server.driver.describeVolumes(.init(ids: [.init(id(placed))])).volumes[0]
            #expect(volume.zone == "us-east-1c")
            for capability in [
                #"{"block":{},"accessMode":{"mode":"SINGLE_NODE_WRITER"}}"#,
                #"{"mount":{},"accessMode":{"mode":"MULTI_NODE_MULTI_WRITER"}}"#,
                #"{"mount":{},"accessMode":{"mode":"TELEPATHY"}}"#, #"{"mount":{},"accessMode":{"mode":99}}"#,
            ] {
                let answer = try await create(server, #""name":"y""#, capability: capability)
                #expect(status(answer) == "INVALID_ARGUMENT", "\(answer)")
            }
            let validated = try await call(
                server, "Controller.ValidateVolumeCapabilities",
                #"{"volumeId":"\#(id(placed))","volumeCapabilities":[{"block":{},"accessMode":{"mode":1}}]}"#)
            #expect(validated["result", "confirmed"] == .null && validated["result", "message"].string != nil)
        }
    }

    @Test("publishing is repeatable on one node and refused on another, deleting and unpublishing repeat too")
    func publishes() async throws {
        try await withServer { server in
            let other = try await server.driver.registerInstance(.init(name: "hostb", zone: "us-east-1b"))
            let volume = try await id(create(server, #""name":"x""#))
            func publish(_ volume: String, _ node: String) async throws -> JSONValue {
                try await call(
                    server, "Controller.ControllerPublishVolume",
                    #"{"volumeId":"\#(volume)","nodeId":"\#(node)","volumeCapability":\#(Self.capability)}"#)
            }
            func unpublish(_ volume: String, _ node: String) async throws -> JSONValue {
                try await call(
                    server, "Controller.ControllerUnpublishVolume", #"{"volumeId":"\#(volume)","nodeId":"\#(node)"}"#)
            }
            #expect(try await status(publish("vol-00000000000000000", "n")) == "NOT_FOUND")
            #expect(try await status(publish(volume, "i-00000000000000000")) == "NOT_FOUND")
            let first = try await publish(volume, other.id.rawValue)
            #expect(first["result", "publishContext", "device"].string == "/dev/xvdb")
            #expect(first["result", "publishContext", "file"].string?.hasSuffix("xvdb") == true)
            #expect(try await publish(volume, other.id.rawValue) == first)
            let elsewhere = try await publish(volume, server.instance.id.rawValue)
            #expect(status(elsewhere) == "FAILED_PRECONDITION")
            #expect(elsewhere["error", "message"].string?.contains(other.id.rawValue) == true)
            let deletion = try await call(server, "Controller.DeleteVolume", #"{"volumeId":"\#(volume)"}"#)
            #expect(status(deletion) == "FAILED_PRECONDITION")
            for _ in 0..<2 { #expect(try await unpublish(volume, other.id.rawValue)["error"] == .null) }
            #expect(try await publish(volume, server.instance.id.rawValue)["error"] == .null)
            for _ in 0..<2 { #expect(try await unpublish(volume, "")["error"] == .null) }
            for gone in [volume, volume, "nonsense"] {
                let answer = try await call(server, "Controller.DeleteVolume", #"{"volumeId":"\#(gone)"}"#)
                #expect(answer["error"] == .null, "\(answer)")
                #expect(try await unpublish(gone, "i-1")["error"] == .null)
            }
        }
    }

    @Test("volumes are listed in pages, and a bad token is ABORTED")
    func lists() async throws {
        try await withServer { server in
            for number in 0..<7 { _ = try await create(server, #""name":"v\#(number)""#) }
            var ids: [String] = []
            var token: String? = ""
            while let current = token {
                let page = try await call(
                    server, "Controller.ListVolumes", #"{"maxEntries":3,"startingToken":"\#(current)"}"#)["result"]
                ids += page["entries"].elements.compactMap { $0["volume", "volumeId"].string }
                token = page["nextToken"].string
            }
            #expect(Set(ids).count == 7 && ids.count == 7)
            #expect(try await status(call(server, "Controller.ListVolumes", #"{"startingToken":"x"}"#)) == "ABORTED")
            #expect(
                try await status(call(server, "Controller.ListVolumes", #"{"maxEntries":-1}"#)) == "INVALID_ARGUMENT")
        }
    }

    @Test("only what is answered is claimed")
    func claimsWhatItAnswers() async throws {
        try await withServer { server in
            let answers = [
                "CREATE_DELETE_VOLUME": "Controller.CreateVolume",
                "PUBLISH_UNPUBLISH_VOLUME": "Controller.ControllerPublishVolume",
                "LIST_VOLUMES": "Controller.ListVolumes", "LIST_VOLUMES_PUBLISHED_NODES": "Controller.ListVolumes",
                "GET_VOLUME": "Controller.ControllerGetVolume", "GET_CAPACITY": "Controller.GetCapacity",
                "STAGE_UNSTAGE_VOLUME": "Node.NodeStageVolume", "GET_VOLUME_STATS": "Node.NodeGetVolumeStats",
                "EXPAND_VOLUME": "Controller.ControllerExpandVolume",
                "MODIFY_VOLUME": "Controller.ControllerModifyVolume",
                "CREATE_DELETE_SNAPSHOT": "Controller.CreateSnapshot", "LIST_SNAPSHOTS": "Controller.ListSnapshots",
                "CLONE_VOLUME": "Controller.CreateVolume",
                "CREATE_DELETE_GET_VOLUME_GROUP_SNAPSHOT": "GroupController.CreateVolumeGroupSnapshot",
            ]
            var claimed: Set<String> = []
            for (method, one) in [
                ("Controller.ControllerGetCapabilities", "EXPAND_VOLUME"),
                ("Node.NodeGetCapabilities", "EXPAND_VOLUME"),
                ("GroupController.GroupControllerGetCapabilities", "CREATE_DELETE_GET_VOLUME_GROUP_SNAPSHOT"),
            ] {
                let result = try await call(server, method, "{}")["result"]
                let types = result["capabilities"].elements.compactMap { $0["rpc", "type"].string }
                #expect(types.contains(one), "\(method)")
                claimed.formUnion(types)
            }
            #expect(server.service.methodNames.contains("Node.NodeExpandVolume"))
            #expect(claimed == Set(answers.keys))
            #expect(Set(answers.values).isSubset(of: server.service.methodNames))
        }
    }

    @Test("a volume is expanded to whole GiB, once")
    func expands() async throws {
        try await withServer { server in
            let id = try id(try await create(server, #""name":"a","capacityRange":{"requiredBytes":"1"}"#))
            func expand(_ range: String) async throws -> JSONValue {
                try await call(
                    server, "Controller.ControllerExpandVolume", #"{"volumeId":"\#(id)","capacityRange":{\#(range)}}"#)
            }
            for _ in 1...6 {
                // More often than EC2 lets a volume be modified in a day.
                let answer = try await expand(#""requiredBytes":"3000000000""#)
                #expect(answer["result", "capacityBytes"].string == "\(3 << 30)", "\(answer)")
                #expect(answer["result", "nodeExpansionRequired"] == .bool(true))
            }
            #expect(status(try await expand(#""requiredBytes":"1","limitBytes":"\#(2 << 30)""#)) == "OUT_OF_RANGE")
            #expect(status(try await expand(#""requiredBytes":"\#(1 << 60)""#)) == "OUT_OF_RANGE")
            let unknown = try await call(
                server, "Controller.ControllerExpandVolume",
                #"{"volumeId":"vol-00000000000000000","capacityRange":{"requiredBytes":"1"}}"#)
            #expect(status(unknown) == "NOT_FOUND")
        }
    }

    @Test("an expansion while another modification runs is to be tried again")
    func expandsOneAtATime() async throws {
        try await withServer { server in
            let id = try id(try await create(server, #""name":"a","capacityRange":{"requiredBytes":"1"}"#))
            _ = try await server.driver.modifyVolume(ModifyVolumeRequest(volumeID: VolumeID(id), sizeGiB: 2))
            let answer = try await call(
                server, "Controller.ControllerExpandVolume",
                #"{"volumeId":"\#(id)","capacityRange":{"requiredBytes":"\#(3 << 30)"}}"#)
            #expect(status(answer) == "ABORTED", "\(answer)")
        }
    }

    @Test("type, IOPS and throughput are modified, once; other parameters are refused")
    func modifies() async throws {
        try await withServer { server in
            let id = try id(
                try await create(
                    server, #""name":"a","parameters":{"type":"gp2"},"mutableParameters":{"type":"gp3"}"#))
            func modify(_ parameters: String) async throws -> JSONValue {
                try await call(
                    server, "Controller.ControllerModifyVolume",
                    #"{"volumeId":"\#(id)","mutableParameters":{\#(parameters)}}"#)
            }
            for _ in 1...6 { #expect(status(try await modify(#""iops":"4000","type":"gp3""#)) == nil) }
            let volume = try #require(
                try await server.driver.describeVolumes(VolumeQuery(ids: [VolumeID(id)])).volumes.first)
            #expect(volume.type == .gp3 && volume.iops == 4_000)
            #expect(status(try await modify(#""fsType":"xfs""#)) == "INVALID_ARGUMENT")
            #expect(status(try await modify(#""colour":"red""#)) == "INVALID_ARGUMENT")
            #expect(status(try await modify(#""iops":"90000""#)) == "INVALID_ARGUMENT")
        }
    }

    @Test("a node expands what is mounted at the path, and nothing else")
    func expandsOnTheNode() async throws {
        try await withServer { server in
            let id = try id(try await create(server, #""name":"a","capacityRange":{"requiredBytes":"1"}"#))
            let parameters = #"{"volumeId":"\#(id)","volumePath":"/target"}"#
            #expect(status(try await call(server, "Node.NodeExpandVolume", parameters)) == "NOT_FOUND")
            _ = try await server.driver.attachVolume(
                AttachVolumeRequest(volumeID: VolumeID(id), instanceID: server.instance.id))
            try await server.host.stage(VolumeID(id), at: "/staging", options: MountOptions())
            try await server.host.publish(VolumeID(id), from: "/staging", at: "/target", readOnly: false)
            let answer = try await call(server, "Node.NodeExpandVolume", parameters)
            #expect(answer["result", "capacityBytes"].string == "\(1 << 30)", "\(answer)")
            #expect(server.host.grown(VolumeID(id)) == 1)
        }
    }
}
