import Driver
import Platform
import Synchronization
import Testing

@testable import DockerPlugin

/// What no well-meaning dockerd sends, and what a dying one does.
@Suite struct BadRequestTests {
    private static let needsBody = Endpoint.allCases.filter(\.needsBody)

    @Test(arguments: needsBody.filter { $0 != .get })
    func aCallWithoutABodyIsRefused(endpoint: Endpoint) async throws {
        try await withPlugin { path, volumes in
            let answer = try await PluginConnection(path).call(endpoint.rawValue)
            #expect(answer.status == 500)
            #expect(answer.error?.contains("try again") == true)
            #expect(volumes.calls.isEmpty)
        }
    }

    /// An error would make dockerd forget the volume's labels.
    @Test func getWithoutABodyIsHungUpOn() async throws {
        try await withPlugin { path, _ in
            await #expect(throws: PluginConnection.Closed.self) {
                try await PluginConnection(path).call(Endpoint.get.rawValue)
            }
            let other = try PluginConnection(path)
            #expect(try await other.call("/VolumeDriver.List").status == 200)
        }
    }

    @Test(arguments: [
        ("{", "the request is not JSON"), ("[]", "the request is not a JSON object"),
        ("5", "the request is not a JSON object"),
        ("{}", "the request has no field Name"), (#"{"Name":5}"#, "field Name has the wrong type"),
        (#"{"Name":null}"#, "field Name has the wrong type"), ("\u{0}", "the request is not JSON"),
    ])
    func whatIsNotTheProtocolIsRefusedInOneLine(body: String, error: String) async throws {
        try await withPlugin { path, _ in
            let dockerd = try PluginConnection(path)
            for endpoint in Self.needsBody {
                let answer = try await dockerd.call(endpoint.rawValue, body)
                #expect(answer.status == 500)
                #expect(answer.error == error, "\(endpoint)")
            }
        }
    }

    @Test func optionsMustBeStrings() async throws {
        try await withPlugin { path, _ in
            let answer = try await PluginConnection(path).call(
                "/VolumeDriver.Create", #"{"Name":"v","Opts":{"size":5}}"#)
            #expect(answer.error == "field Opts.size has the wrong type")
        }
    }

    @Test(arguments: [
        "", "a b", "../../etc/x", "/etc", "-lead", ".hidden", "ü", "a/b", String(repeating: "n", count: 300),
        "tab\\t", "nul\\u0000", "x\\ny",
    ])
    func badNamesAreRefusedEverywhere(name: String) async throws {
        try await withPlugin { path, volumes in
            let dockerd = try PluginConnection(path)
            for endpoint in Self.needsBody {
                let answer = try await dockerd.call(endpoint.rawValue, #"{"Name":"\#(name)","ID":"x","Opts":null}"#)
                #expect(answer.status == 500, "\(endpoint)")
                #expect(answer.error?.isEmpty == false)
                #expect(answer.error?.contains("\n") == false)
            }
            #expect(volumes.calls.isEmpty)
        }
    }

    @Test func aLongBodyIsRefusedAndTheConnectionGoesOn() async throws {
        try await withPlugin { path, volumes in
            let dockerd = try PluginConnection(path)
            let long = #"{"Name":"\#(String(repeating: "x", count: 3 << 20))"}"#
            let answer = try await dockerd.call("/VolumeDriver.Get", long)
            #expect(answer.status == 500)
            #expect(answer.error == "the request is longer than 1048576 bytes")
            #expect(try await dockerd.call("/VolumeDriver.List", "{}").status == 200)
            #expect(volumes.calls == ["list"])
        }
    }

    @Test func otherPathsAndMethodsAreRefused() async throws {
        try await withPlugin { path, _ in
            let dockerd = try PluginConnection(path)
            #expect(try await dockerd.call("/VolumeDriver.Nothing", "{}").status == 404)
            #expect(try await dockerd.call("/", "").status == 404)
            try await dockerd.send("GET /VolumeDriver.List HTTP/1.1\r\nHost: x\r\n\r\n")
            #expect(try await dockerd.receive().status == 405)
        }
    }

    @Test func whatIsNotHTTPHurtsNobodyElse() async throws {
        try await withPlugin { path, _ in
            let stranger = try PluginConnection(path)
            try await stranger.send("{\"jsonrpc\":\"2.0\"}\r\n\r\n")
            let answer = try await stranger.receive()
            #expect(answer.status == 400)
            let other = try PluginConnection(path)
            #expect(try await other.call("/VolumeDriver.List").status == 200)
        }
    }

    @Test func aClientThatHangsUpHalfWayHurtsNobodyElse() async throws {
        try await withPlugin { path, volumes in
            for _ in 1...20 {
                let client = try PluginConnection(path)
                try await client.send(
                    "POST /VolumeDriver.Create HTTP/1.1\r\nHost: \r\nContent-Length: 100\r\n\r\n{\"Name\"")
                client.hangUp()
            }
            let other = try PluginConnection(path)
            #expect(try await other.call("/VolumeDriver.List").status == 200)
            #expect(volumes.calls == ["list"])
        }
    }

    @Test func manyClientsAtOnceAreAllAnswered() async throws {
        try await withPlugin { path, volumes in
            volumes.add(.init(volume: .sample("v")))
            let connections = try (1...200).map { _ in try PluginConnection(path) }
            for connection in connections {
                try await connection.send(
                    "POST /VolumeDriver.Get HTTP/1.1\r\nHost: \r\nContent-Length: 12\r\n\r\n{\"Name\":\"v\"}")
            }
            for connection in connections { #expect(try await connection.receive().status == 200) }
        }
    }
}

/// What happens when the host side fails, waits, or comes too late.
@Suite struct TroubleTests {
    @Test func errorsOfTheRegionReachDockerInOneLine() async throws {
        try await withPlugin { path, volumes in
            volumes.fail(
                "create",
                with: StorageError(.invalidParameterValue, "Volume of 99 GiB\nis too large", advice: "ask for less"))
            let answer = try await PluginConnection(path).call("/VolumeDriver.Create", #"{"Name":"v","Opts":null}"#)
            #expect(answer.status == 500)
            #expect(answer.error == "Volume of 99 GiB is too large (InvalidParameterValue); ask for less")
        }
    }

    /// dockerd takes any answer but success for "does not exist", and forgets the volume's labels.
    @Test func getWaitsForARegionThatCannotBeAskedYet() async throws {
        try await withPlugin { path, volumes in
            volumes.add(.init(volume: .sample("v")))
            volumes.fail("get", with: StorageError(.unavailable, "The region does not answer"))
            let other = try PluginConnection(path)
            #expect(try await other.get("v").status == 200)
            #expect(volumes.calls == ["get v", "get v"])
        }
    }

    @Test func theCallersRunOfDockerdIsTheHolders() async throws {
        try await withPlugin { path, volumes in
            volumes.add(.init(volume: .sample("v")))
            let dockerd = try PluginConnection(path)
            _ = try await dockerd.call("/Plugin.Activate")
            _ = try await dockerd.call("/VolumeDriver.Mount", #"{"Name":"v","ID":"B"}"#)
            let incarnation = try #require(volumes.incarnations.first)
            #expect(incarnation.startTimeTicks == (try ProcessStatus(of: incarnation.pid)?.startTimeTicks))
            #expect(volumes.holders == [MountHolder(id: "B", incarnation: incarnation)])
        }
    }

    @Test func aMountIdIsNeeded() async throws {
        try await withPlugin { path, volumes in
            let dockerd = try PluginConnection(path)
            #expect(
                try await dockerd.call("/VolumeDriver.Mount", #"{"Name":"v"}"#).error == "the request has no field ID")
            #expect(try await dockerd.call("/VolumeDriver.Mount", #"{"Name":"v","ID":""}"#).status == 500)
            #expect(volumes.calls.isEmpty)
        }
    }

    /// dockerd sends no Unmount after an error, so a mount that comes after its deadline must be undone.
    @Test func aMountThatComesTooLateIsUndone() async throws {
        let clock = VirtualClock()
        try await withPlugin(clock: clock) { path, volumes in
            volumes.add(.init(volume: .sample("v")))
            volumes.hangMounts()
            let dockerd = try PluginConnection(path)
            async let answer = dockerd.call("/VolumeDriver.Mount", #"{"Name":"v","ID":"B"}"#)
            while volumes.calls.isEmpty { await Task.yield() }
            while !volumes.isUndone {
                clock.advance(by: .seconds(10))
                try await Task.sleep(for: .milliseconds(5))
            }
            #expect(try await answer.status == 500)
            #expect(try await answer.error?.contains("Mounting volume v took longer than 110 seconds") == true)
            #expect(volumes.calls == ["mount v B", "unmount v B"])
        }
    }

    @Test func aCallUnderWayIsAnsweredWhenThePluginEnds() async throws {
        try await withPluginTask { path, volumes, serving in
            volumes.add(.init(volume: .sample("v")))
            volumes.hangMounts()
            let idle = try PluginConnection(path)
            #expect(try await idle.call("/VolumeDriver.List").status == 200)
            let dockerd = try PluginConnection(path)
            async let answer = dockerd.call("/VolumeDriver.Mount", #"{"Name":"v","ID":"B"}"#)
            while volumes.calls.last != "mount v B" { await Task.yield() }
            serving.cancel()
            await #expect(throws: (any Error).self, "nobody serves newcomers") {
                for _ in 1...1000 {
                    _ = try await PluginConnection(path).call("/VolumeDriver.List")
                    try await Task.sleep(for: .milliseconds(20))
                }
            }
            volumes.releaseMounts()
            #expect(try await answer.status == 200)
        }
    }

    @Test func everyDeadlineIsShorterThanDockers() {
        for endpoint in Endpoint.allCases {
            let dockers: Duration = endpoint == .create || endpoint == .mount ? .seconds(120) : .seconds(60)
            #expect(endpoint.deadline < dockers)
        }
    }
}

extension RecordingVolumes {
    fileprivate var isUndone: Bool {
        calls.last?.hasPrefix("unmount") == true
    }
}
