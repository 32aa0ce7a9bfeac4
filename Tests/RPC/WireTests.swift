// JSON text: what is read, what is refused, and that both ways of writing a volume agree.
import Driver
import Foundation
import Platform
import Testing

@testable import RPC

@Suite struct WireTests {
    @Test(
        "JSON is read strictly",
        arguments: [
            "", " ", "{", "}", "[1,]", "{\"a\":1,}", "{\"a\"}", "{a:1}", "01", "1.", ".5", "+1", "1e", "--1", "nul",
            "truee", "\"a", "\"\\x\"", "\"\\u12\"", "\"\\ud800\"", "\"\\ud800\\u0041\"", "\"\u{1}\"", "1 2", "[1 2]",
            "'a'", "NaN", "\"\\udc00\"",
        ])
    func refuses(_ text: String) {
        #expect(throws: JSONError.self, "'\(text)'") {
            var reader = JSONReader(Array(text.utf8))
            try reader.skipValue()
            try reader.expectEnd()
        }
    }

    @Test(
        "what is JSON is passed over, however it is written",
        arguments: [
            "0", "-0", "-1.5e+10", "1E5", "\"\"", "\"\\u00e9\\ud83d\\ude00\\n\"", " [ ] ", "{}", "[[],{},null,true]",
            "{\"a\":{\"b\":[1,2,{\"c\":\"d\"}]}}", "\t\r\n1\n",
        ])
    func accepts(_ text: String) throws {
        var reader = JSONReader(Array(text.utf8))
        try reader.skipValue()
        try reader.expectEnd()
    }

    @Test("text nested too deep is refused and does not crash")
    func refusesDepth() {
        for text in [String(repeating: "[", count: 500_000), String(repeating: "{\"a\":", count: 200_000)] {
            #expect(throws: JSONError.self) {
                var reader = JSONReader(Array(text.utf8))
                try reader.skipValue()
            }
        }
    }

    @Test("strings come out as they went in")
    func stringsRoundTrip() throws {
        for text in ["", "plain", "quote\" back\\slash", "line\nbreak\ttab\r", "\u{0}\u{1f}", "é😀\u{2028}", "/"] {
            var writer = JSONWriter()
            writer.string(text)
            var reader = JSONReader(writer.bytes)
            #expect(try reader.string() == text)
            #expect(try JSONDecoder().decode(String.self, from: Data(writer.bytes)) == text)
        }
    }

    @Test("times come out as they went in, to the nanosecond that is written", arguments: [UInt64(1), 2, 3])
    func timesRoundTrip(seed: UInt64) throws {
        let random = SeededRandom(seed: seed)
        for _ in 0..<2000 {
            let seconds = Double(random.next() % 4_000_000_000) + Double(random.next() % 1_000_000) / 999_983
            let date = Date(timeIntervalSince1970: seconds)
            let text = Timestamp.text(date)
            let back = try #require(Timestamp.date(text))
            #expect(Timestamp.text(back) == text, "seed \(seed)")
            #expect(abs(back.timeIntervalSince(date)) < 1e-6, "\(text), seed \(seed)")
        }
    }

    @Test("times are written as proto3 writes them")
    func timesAsText() {
        #expect(Timestamp.text(Date(timeIntervalSince1970: 0)) == "1970-01-01T00:00:00Z")
        #expect(Timestamp.text(Date(timeIntervalSince1970: 1_700_000_000.25)) == "2023-11-14T22:13:20.250Z")
        #expect(Timestamp.text(Date(timeIntervalSince1970: 951_782_399)) == "2000-02-28T23:59:59Z")
        #expect(Timestamp.text(Date(timeIntervalSince1970: 951_782_400)) == "2000-02-29T00:00:00Z")
        for text in ["", "2023-11-14", "2023-13-14T22:13:20Z", "2023-11-14T22:13:20", "2023-11-14T22:13:20.Z"] {
            #expect(Timestamp.date(text) == nil, "\(text)")
        }
    }

    @Test("a volume's own JSON is the JSON of its Codable", arguments: [UInt64(11), 12, 13])
    func volumesAgree(seed: UInt64) throws {
        let random = SeededRandom(seed: seed)
        for _ in 0..<100 {
            let volume = randomHostVolume(random)
            let own = try WireCoding.encode(volume)
            let codable = try Self.codableEncoder.encode(volume)
            #expect(
                try JSONValue(parsing: String(decoding: own, as: UTF8.self))
                    == JSONValue(parsing: String(decoding: codable, as: UTF8.self)), "seed \(seed)")
            #expect(try WireCoding.decode(HostVolume.self, from: Array(codable)) == volume, "seed \(seed)")
            #expect(try Self.codableDecoder.decode(HostVolume.self, from: Data(own)) == volume, "seed \(seed)")
        }
    }

    @Test("a volume with a missing or wrong field is refused")
    func incompleteVolumes() throws {
        let whole = try WireCoding.encode(randomHostVolume(SeededRandom(seed: 5)).volume)
        let text = String(decoding: whole, as: UTF8.self)
        for (field, other) in [
            ("\"id\"", "\"ix\""), ("\"state\":\"", "\"state\":\"un"), ("\"sizeGiB\":", "\"sizeGiB\":1."),
        ] {
            let broken = text.replacingOccurrences(of: field, with: other)
            #expect(throws: JSONError.self, "\(field)") { try WireCoding.decode(Volume.self, from: Array(broken.utf8)) }
        }
    }

    private static let codableEncoder: JSONEncoder = {
        let encoder = JSONEncoder()
        encoder.dateEncodingStrategy = .custom { date, encoder in
            var container = encoder.singleValueContainer()
            try container.encode(Timestamp.text(date))
        }
        return encoder
    }()

    private static let codableDecoder: JSONDecoder = {
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .custom { Timestamp.date(try $0.singleValueContainer().decode(String.self))! }
        return decoder
    }()
}

/// A volume with some of everything.
func randomHostVolume(_ random: any RandomSource) -> HostVolume {
    func chance() -> Bool { random.next() % 2 == 0 }
    let id = VolumeID("vol-\(random.hexDigits(17))")
    let time = Date(timeIntervalSince1970: 1.7e9 + Double(random.next() % 1_000_000_007) / 8)
    let attachment = Attachment(
        volumeID: id, instanceID: "i-1", device: "/dev/xvdb", state: .attached, attachTime: time,
        deleteOnTermination: chance(),
        location: chance() ? (chance() ? .file(path: "/a\"b") : .blockDevice(path: "/dev/nvme1")) : nil)
    let volume = Volume(
        id: id, zone: "us-east-1b", state: chance() ? .inUse : .available, type: .gp3,
        sizeGiB: Int(random.next() % 65536), iops: chance() ? 3000 : nil, throughputMiBps: chance() ? 125 : nil,
        snapshotID: chance() ? "snap-1" : nil, sourceVolumeID: chance() ? "vol-1" : nil,
        volumeInitializationRateMiBps: chance() ? 300 : nil, isFastRestored: chance() ? chance() : nil,
        initialization: chance()
            ? VolumeInitialization(
                kind: .provisionedRate, state: .initializing, progressPercent: 7,
                estimatedSecondsLeft: chance() ? 9 : nil) : nil,
        isEncrypted: chance(), isMultiAttachEnabled: chance(),
        createTime: time, attachments: chance() ? [attachment] : [],
        tags: chance() ? ["Name": "é \"quoted\" \n\(random.next())", "": "empty", "k": ""] : [:])
    return HostVolume(volume: volume, mountPath: chance() ? "/mnt/x" : nil, device: chance() ? "/dev/xvdb" : nil)
}
