#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
import Driver
import Testing

@testable import ebb

/// The forms of an answer.
@Suite struct OutputTests {
    private let volume = HostVolume(
        volume: Volume(
            id: "vol-2765e5cb", zone: "us-east-1b", state: .available, type: .standard, sizeGiB: 5,
            createTime: Date(timeIntervalSince1970: 0), tags: [Tag.name: "yourVolumeName"]))

    @Test func `one volume is printed as the lab shows it`() throws {
        #expect(
            try VolumeAnswer.volume(volume).text(.yml, template: nil, isQuiet: false) == """
                name: yourVolumeName
                volumeid: vol-2765e5cb
                availabilityzone: us-east-1b
                status: available
                volumetype: standard
                iops: 0
                size: "5"
                networkname: ""
                attachments: []

                """)
    }

    @Test func `a list of attached volumes keeps its key's indentation`() throws {
        var attached = volume
        attached.volume.state = .inUse
        attached.volume.attachments = [
            Attachment(
                volumeID: attached.volume.id, instanceID: "i-1", device: DeviceName("xvdb"), state: .attached,
                attachTime: Date(timeIntervalSince1970: 0))
        ]
        #expect(
            try VolumeAnswer.volumes([attached]).text(.yml, template: nil, isQuiet: false) == """
                - name: yourVolumeName
                  volumeid: vol-2765e5cb
                  availabilityzone: us-east-1b
                  status: in-use
                  volumetype: standard
                  iops: 0
                  size: "5"
                  networkname: ""
                  attachments:
                  - volumeid: vol-2765e5cb
                    instanceid: i-1
                    devicename: /dev/xvdb
                    status: attached

                """)
    }

    @Test func `JSON has REX-Ray's fields first, in its case`() throws {
        let text = try VolumeAnswer.volumes([volume]).text(.json, template: nil, isQuiet: false)
        #expect(
            text.hasPrefix(
                #"[{"Name":"yourVolumeName","VolumeID":"vol-2765e5cb","AvailabilityZone":"us-east-1b","#
                    + #""Status":"available","VolumeType":"standard","IOPS":0,"Size":"5","NetworkName":"","#
                    + #""Attachments":[],"#))
        let pretty = try VolumeAnswer.volumes([volume]).text(.jsonp, template: nil, isQuiet: false)
        #expect(pretty.hasPrefix("[\n  {\n    \"Name\": \"yourVolumeName\",\n"))
        #expect(try JSONDecoder().decode([Decoded].self, from: Data(pretty.utf8)).first?.Size == "5")
    }

    private struct Decoded: Decodable {
        let Size: String
    }

    @Test func `a table is aligned, and quiet without its header`() throws {
        let answer = VolumeAnswer.volumes([volume])
        #expect(
            try answer.text(.table, template: nil, isQuiet: false) == """
                ID            Name            Status     Size  Type      Zone
                vol-2765e5cb  yourVolumeName  available  5     standard  us-east-1b

                """)
        #expect(
            try answer.text(.table, template: nil, isQuiet: true)
                == "vol-2765e5cb  yourVolumeName  available  5  standard  us-east-1b\n")
    }

    @Test(arguments: [
        ("plain", "plain"), ("", #""""#), ("5", #""5""#), ("1.5", #""1.5""#), ("true", #""true""#), ("No", #""No""#),
        ("~", #""~""#), ("rw,nosuid", "rw,nosuid"), ("/dev/sda1", "/dev/sda1"), ("a: b", "'a: b'"),
        ("- a", "'- a'"), ("-a", "-a"), ("it's #1", "'it''s #1'"), ("[a]", "'[a]'"), ("a\tb", #""a\tb""#),
        ("2024-01-02", #""2024-01-02""#), ("shared:1", "shared:1"), ("0x10", #""0x10""#), ("@a", "'@a'"),
        ("_1", #""_1""#), ("nano", "nano"), ("OFF", #""OFF""#), (".NaN", #"".NaN""#), ("null!", "null!"), ("ÿ", "ÿ"),
        ("a #b", "'a #b'"), ("a#b", "a#b"), ("a:", "'a:'"), (":", "':'"), ("é: è", "'é: è'"), ("-", "'-'"),
    ])
    func `text is quoted where YAML would read something else`(text: String, expected: String) {
        #expect(YAML.text(of: .text(text)) == expected + "\n")
    }

    @Test func `records and lists in each other are indented as REX-Ray did`() {
        let inner: Value = .record([.init("A", "x"), .extra("Hidden", "h"), .init("B", .list([.list(["p"]), "q"]))])
        let value: Value = .list([
            .record([.init("Inner", inner), .init("None", .list([])), .init("Nothing", .record([]))]), .list([]),
        ])
        #expect(
            YAML.text(of: value) == """
                - inner:
                    a: x
                    b:
                    - - p
                    - q
                  none: []
                  nothing: {}
                - []

                """)
    }

    @Test func `JSON escapes what it must`() {
        #expect(JSON.text(of: .text("a\"\\\n\u{1}é"), isPretty: false) == #""a\"\\\n\u0001é""# + "\n")
    }

    @Test(arguments: [
        ("{{.Name}} {{.Size}}", "a 1\nb 2\n"),
        (#"{{ .name }}\t{{.Size}}\n"#, "a\t1\nb\t2\n"),
        ("{{range .}}[{{.Name}}]{{end}}", "[a][b]\n"),
        ("{{range .Tags}}{{.Key}};{{end}}", "k;\n"),
        ("plain", "plain\nplain\n"),
    ])
    func `a template is applied to each item, unless it ranges itself`(template: String, expected: String) throws {
        #expect(try Template(template).text(of: items) == expected)
    }

    @Test(arguments: [
        ("{{.Nmae}}", "unknown field Nmae; there are Name, Size, Tags"), ("{{.Name", "a {{ without its }}"),
        ("{{range .}}", "a {{range}} without its {{end}}"), ("{{end}}", "an {{end}} without its {{range}}"),
        ("{{if .Name}}", "has {{if .Name}}"), ("{{range .Name}}{{end}}", "ranges over Name, which is no list"),
    ])
    func `a bad template is refused with its reason`(template: String, expected: String) throws {
        let problem = try #require(throws: Template.Problem.self) { try Template(template).text(of: items) }
        #expect(problem.description.contains(expected))
    }

    private let items: Value = .list([
        .record([
            .init("Name", "a"), .init("Size", .integer(1)),
            .init("Tags", .list([.record([.init("Key", "k")])])),
        ]),
        .record([.init("Name", "b"), .init("Size", .integer(2)), .init("Tags", .list([]))]),
    ])

    @Test func `log lines are the lab's on a terminal`() {
        #expect(
            Log.terminalLine(.info, "Waiting for volume creation to complete", [], seconds: 0, isColoured: false)
                == "INFO[0000] Waiting for volume creation to complete\n")
        #expect(
            Log.terminalLine(
                .info, "getting mounts", [("driverName", "linux"), ("mountPoint", ""), ("deviceName", "")],
                seconds: 12, isColoured: false)
                == "INFO[0012] getting mounts" + String(repeating: " ", count: 31)
                + "deviceName= driverName=linux mountPoint=\n")
        #expect(
            Log.terminalLine(.fatal, "no", [], seconds: 0, isColoured: true) == "\u{1B}[31mFATA\u{1B}[0m[0000] no\n")
    }

    @Test func `log lines are logrus's elsewhere`() {
        #expect(
            Log.plainLine(.warn, #"a "b""#, [("k", "v")], time: Date(timeIntervalSince1970: 1_463_002_656))
                == #"time="2016-05-11T21:37:36Z" level=warning msg="a \"b\"" k=v"# + "\n")
    }
}

/// How people name volumes.
@Suite struct VolumePatternTests {
    private let volumes = ["web", "web2", "Web3", "db", "", "mail-1"].enumerated().map { index, name in
        HostVolume(
            volume: Volume(
                id: VolumeID("vol-0000000\(index)"), zone: "us-east-1b", state: .available, type: .standard, sizeGiB: 1,
                createTime: Date(timeIntervalSince1970: 0), tags: name.isEmpty ? [:] : [Tag.name: name]))
    }

    @Test(arguments: [
        ("web", ["web"]), ("WEB3", ["Web3"]), ("d", ["db"]), ("vol-00000004", [""]), ("VOL-00000003", ["db"]),
        ("mai", ["mail-1"]), ("/^web/", ["web", "web2"]), ("/[0-9]$/", ["web", "web2", "Web3", "db", "", "mail-1"]),
    ])
    func `exact before case, before a unique start, before an expression`(text: String, names: [String]) throws {
        #expect(try VolumePattern(text).matches(in: volumes, byPrefix: true).map(\.volume.name) == names)
    }

    @Test(arguments: [
        ("nope", StorageError.Code.volumeNotFound), ("we", .invalidParameterValue), ("vol-", .invalidParameterValue),
        ("/zzz/", .volumeNotFound), ("/(/", .invalidParameterValue),
    ])
    func `what fits none or several is refused`(text: String, code: StorageError.Code) throws {
        let error = try #require(throws: StorageError.self) {
            try VolumePattern(text).matches(in: volumes, byPrefix: true)
        }
        #expect(error.code == code)
    }

    @Test func `a start is not enough for removing`() throws {
        let error = try #require(throws: StorageError.self) {
            try VolumePattern("d").matches(in: volumes, byPrefix: false)
        }
        #expect(error.description.contains("'d' is only the start of 'db'"))
    }
}
