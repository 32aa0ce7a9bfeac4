// Lines in and out: JSON-RPC's rules, limits, and clients that misbehave.
import Driver
import Platform
import RPC
import SystemPackage
import Testing

@testable import RPCServer

@Suite struct ServerTests {
    static let zones = #"{"jsonrpc":"2.0","id":1,"method":"Ebb.DescribeZones","params":{}}"#

    @Test("a request is answered, also to a client that has closed its sending side")
    func answersAfterHalfClose() async throws {
        try await withServer { server in
            for ending in ["\n", ""] {
                let client = try server.connect()
                try await client.send(
                    #"{"jsonrpc":"2.0","id":1,"method":"Controller.ListVolumes","params":{}}"# + ending)
                client.stream.finishSending()
                #expect(try await client.lines(2) == [#"{"jsonrpc":"2.0","id":1,"result":{"entries":[]}}"#])
            }
        }
    }

    @Test("requests of one connection are answered in their order")
    func answersInOrder() async throws {
        try await withServer { server in
            let client = try server.connect()
            let requests = (1...200).map {
                #"{"jsonrpc":"2.0","id":\#($0),"method":"\#($0 % 3 == 0 ? "No.Such" : "Ebb.DescribeZones")"}"# + "\n"
            }
            try await client.send(requests.joined())
            let ids = try await client.lines(200).map { try JSONValue(parsing: $0)["id"].number }
            #expect(ids == (1...200).map(Double.init))
        }
    }

    @Test("an id comes back as it was sent", arguments: ["1", "-7", "1.50", "\"a\\u0041\"", "null", "\"\""])
    func echoesID(_ id: String) async throws {
        try await withServer { server in
            let answer = try await server.connect().call(#"{"jsonrpc":"2.0","id":\#(id),"method":"Identity.Probe"}"#)
            #expect(answer == #"{"jsonrpc":"2.0","id":\#(id),"result":{"ready":true}}"#)
        }
    }

    @Test(
        "what is no request is refused with JSON-RPC's code",
        arguments: [
            ("rubbish", -32700), ("{", -32700), ("[1,", -32700), ("\u{FFFD}", -32700), ("1", -32600), ("[]", -32600),
            ("\"x\"", -32600), ("{}", -32600), (#"{"jsonrpc":"1.0","id":1,"method":"a"}"#, -32600),
            (#"{"jsonrpc":"2.0","id":1}"#, -32600), (#"{"jsonrpc":"2.0","id":1,"method":7}"#, -32600),
            (#"{"jsonrpc":"2.0","id":[],"method":"a"}"#, -32600),
            (#"{"jsonrpc":"2.0","id":true,"method":"a"}"#, -32600),
            (#"{"jsonrpc":"2.0","id":1,"method":"a"}"#, -32601),
            (#"{"jsonrpc":"2.0","id":1,"method":"Controller.GetSnapshot","params":{}}"#, -32601),
            (#"{"jsonrpc":"2.0","id":1,"method":"Ebb.DeleteVolume","params":["vol-1"]}"#, -32602),
            (#"{"jsonrpc":"2.0","id":1,"method":"Ebb.DeleteVolume","params":7}"#, -32602),
            (#"{"jsonrpc":"2.0","id":1,"method":"Ebb.DeleteVolume","params":{}}"#, -32602),
            (#"{"jsonrpc":"2.0","id":1,"method":"Ebb.DeleteVolume","params":{"volumeID":7}}"#, -32602),
            (#"{"jsonrpc":"2.0","id":1,"method":"Ebb.CreateVolume","params":{"zone":"a","sizeGiB":"1"}}"#, -32602),
        ])
    func refuses(_ line: String, _ code: Int) async throws {
        try await withServer { server in
            let client = try server.connect()
            let answer = try JSONValue(parsing: try await client.call(line))
            #expect(answer["error", "code"].number == Double(code), "\(line): \(answer)")
            #expect(answer["error", "data", "grpcName"].string != nil)
            #expect(try await client.call(Self.zones).contains("us-east-1a"), "the connection goes on")
        }
    }

    @Test("bytes that are not UTF-8 are no JSON")
    func refusesOtherBytes() async throws {
        try await withServer { server in
            let client = try server.connect()
            try await client.send([0x22, 0xFF, 0xFE, 0x22, 0x0A])
            #expect(try await JSONValue(parsing: client.lines(1)[0])["error", "code"].number == -32700)
        }
    }

    @Test("a missing parameter and a wrong type are named")
    func namesParameters() async throws {
        try await withServer { server in
            let client = server.client()
            let raw = try server.connect()
            let missing = try await raw.call(#"{"jsonrpc":"2.0","id":1,"method":"Ebb.DeleteVolume","params":{}}"#)
            #expect(missing.contains("'volumeID'") && missing.contains("MissingParameter"))
            let wrong = try await raw.call(
                #"{"jsonrpc":"2.0","id":1,"method":"Ebb.DescribeVolumes","params":{"ids":["a",7]}}"#)
            #expect(wrong.contains("'ids.1'"), "\(wrong)")
            #expect(try await zoneCount(client) == 6)
        }
    }

    @Test("a batch is answered as one, notifications are not answered")
    func batches() async throws {
        try await withServer { server in
            let client = try server.connect()
            try await client.send(#"{"jsonrpc":"2.0","method":"Identity.Probe"}"# + "\n")
            try await client.send(#"[{"jsonrpc":"2.0","method":"Identity.Probe"}]"# + "\n\n  \r\n")
            let answer = try JSONValue(
                parsing: try await client.call(
                    """
                    [{"jsonrpc":"2.0","id":1,"method":"Identity.Probe"},{"jsonrpc":"2.0","method":"No.Such"},\
                    7,{"jsonrpc":"2.0","id":2,"method":"No.Such"}]
                    """))
            #expect(answer.elements.map { $0["id"] } == [.number(1), .null, .number(2)])
            #expect(answer.elements.map { $0["error", "code"].number } == [nil, -32600, -32601])
        }
    }

    @Test("a notification is carried out")
    func notificationsWork() async throws {
        try await withServer { server in
            let client = try server.connect()
            try await client.send(
                """
                {"jsonrpc":"2.0","method":"Ebb.CreateVolume","params":{"zone":"us-east-1b","sizeGiB":1,"type":"gp3"}}

                """)
            #expect(try await client.call(Self.zones).contains("us-east-1a"), "nothing else was answered")
            #expect(try await server.driver.describeVolumes(.all).volumes.count == 1)
        }
    }

    @Test("a line of 100 MiB is refused, costs no memory, and the next one is answered")
    func refusesHugeLines() async throws {
        try await withServer { server in
            let client = try server.connect()
            let before = try residentBytes()
            let part = [UInt8](repeating: UInt8(ascii: "a"), count: 1 << 20)
            for _ in 0..<100 { try await client.send(part) }
            try await client.send("\n" + Self.zones + "\n")
            let lines = try await client.lines(2)
            #expect(lines.count == 2 && lines[0].contains("longer than 1048576 bytes"))
            #expect(lines.last?.contains("us-east-1a") == true)
            #expect(try residentBytes() - before < 64 << 20)
        }
    }

    @Test("a line of just the limit is read, one byte more is not")
    func limitIsExact() async throws {
        try await withServer { server in
            let request = Self.zones
            for (length, isRead) in [(RPCServer.lineLimit, true), (RPCServer.lineLimit + 1, false)] {
                let padded = request + String(repeating: " ", count: length - request.utf8.count)
                let found = try await server.connect().call(padded).contains("us-east-1a")
                #expect(found == isRead)
            }
        }
    }

    @Test("a client that hangs up half way harms nobody")
    func survivesHangUps() async throws {
        try await withServer { server in
            for round in 0..<50 {
                let client = try server.connect()
                let create = #"{"jsonrpc":"2.0","id":1,"method":"Ebb.DescribeVolumes","params":{}}"#
                try await client.send(String(create.prefix(round)))
                if round % 2 == 0 { try await client.send(create + "\n") }
                client.stream.interrupt()
            }
            #expect(try await zoneCount(server.client()) == 6)
        }
    }

    @Test("a client that never reads costs one answer, and is let go in the end")
    func boundsUnreadAnswers() async throws {
        try await withServer(answerTimeout: .seconds(1)) { server in
            for number in 0..<300 {
                _ = try await server.driver.createVolume(
                    CreateVolumeRequest(zone: "us-east-1b", sizeGiB: 1, type: .gp3, tags: [Tag.name: "v\(number)"]))
            }
            let client = try server.connect()
            let request = #"{"jsonrpc":"2.0","id":1,"method":"Ebb.DescribeVolumes","params":{}}"# + "\n"
            let before = try residentBytes()
            await #expect(throws: Errno.self, "it is disconnected while it still sends") {
                for _ in 0..<200_000 { try await client.send(request) }
            }
            #expect(try residentBytes() - before < 64 << 20)
            #expect(try await zoneCount(server.client()) == 6)
        }
    }

    @Test("connections beyond the limit are told so")
    func limitsConnections() async throws {
        try await withServer(connectionLimit: 2) { server in
            let clients = [try server.connect(), try server.connect()]
            for client in clients { #expect(try await client.call(Self.zones).contains("us-east-1a")) }
            let error = await #expect(throws: StorageError.self) { try await zoneCount(server.client()) }
            #expect(error?.code == .unavailable && error?.message.contains("too many connections") == true)
        }
    }

    @Test("broken lines get errors and never an end", arguments: [UInt64(1), 2, 3, 4])
    func survivesFuzz(seed: UInt64) async throws {
        let random = SeededRandom(seed: seed)
        try await withServer { server in
            let client = try server.connect()
            for round in 0..<300 {
                let line = Self.mutated(round, random)
                try await client.send(line + [0x0A])
                // The request that follows is answered, whatever came of the line.
                try await client.send(#"{"jsonrpc":"2.0","id":"after","method":"Identity.Probe"}"# + "\n")
                var last = ""
                while !last.contains(#""id":"after""#) {
                    let lines = try await client.lines(1)
                    try #require(!lines.isEmpty, "seed \(seed), \(String(decoding: line, as: UTF8.self))")
                    for line in lines { _ = try JSONValue(parsing: line) }
                    last = lines.last!
                }
            }
        }
    }

    /// A request with some bytes changed, left out or repeated.
    private static func mutated(_ round: Int, _ random: SeededRandom) -> [UInt8] {
        let requests = [
            zones, "[\(zones),\(zones)]",
            #"{"jsonrpc":"2.0","id":1,"method":"Controller.CreateVolume","params":{"name":"é","capacityRange":{}}}"#,
            #"{"jsonrpc":"2.0","id":1,"method":"Ebb.DescribeVolumes","params":{"ids":[],"maxResults":5}}"#,
        ]
        var bytes = Array(requests[round % requests.count].utf8)
        for _ in 0...(random.next() % 4) {
            let place = Int(random.next() % UInt64(bytes.count))
            switch random.next() % 4 {
            case 0: bytes[place] = UInt8(truncatingIfNeeded: random.next())
            case 1: bytes.remove(at: place)
            case 2: bytes.insert(contentsOf: bytes[place...].prefix(20), at: place)
            default: bytes.swapAt(place, Int(random.next() % UInt64(bytes.count)))
            }
        }
        return bytes.filter { $0 != 0x0A }
    }

    /// What this process occupies in memory.
    private func residentBytes() throws -> Int {
        let text = String(decoding: try readFile("/proc/self/statm"), as: UTF8.self)
        return Int(text.split(separator: " ")[1])! * 4096
    }
}

@Suite struct AccessTests {
    @Test("root, the daemon's own user and the socket's group may come, others not")
    func decides() {
        let access = Access(userID: 1000, groupID: 50)
        #expect(access.allows(userID: 0, groupIDs: []))
        #expect(access.allows(userID: 1000, groupIDs: [1000]))
        #expect(access.allows(userID: 1001, groupIDs: [1001, 50]))
        #expect(!access.allows(userID: 1001, groupIDs: [1001]))
        #expect(!Access(userID: 1000, groupID: nil).allows(userID: 1001, groupIDs: [0, 1000]))
    }

    @Test("a stranger is told why, though the socket's mode let them in")
    func refusesStrangers() async throws {
        try await withServer { server in
            // A child as `nobody` (uid 65534), to whom the mode is opened.
            var parent = FilePath(server.socketPath)
            parent.removeLastComponent()
            let script = """
                chmod 0777 '\(server.socketPath)'; chmod 0755 '\(parent.string)'
                printf '%s\\n' '\(ServerTests.zones)' |
                setpriv --reuid=65534 --regid=65534 --clear-groups socat -t5 - 'UNIX:\(server.socketPath)' \
                >'\(parent.string)/answer' 2>&1
                """
            let child = try ChildProcess.spawn("/bin/sh", arguments: ["-c", script], inherited: [])
            while try child.poll() == nil { try await Task.sleep(for: .milliseconds(20)) }
            let answer = String(decoding: try readFile(parent.appending("answer")), as: UTF8.self)
            #expect(answer.contains("PERMISSION_DENIED") || answer.contains("UnauthorizedOperation"), "\(answer)")
            #expect(!answer.contains("us-east-1a"))
        }
    }
}
