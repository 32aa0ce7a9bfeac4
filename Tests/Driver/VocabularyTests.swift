// The vocabulary's texts and wire forms: what every front prints, and what goes over the RPC.
import Driver
import Testing

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

private func json<Value: Encodable>(_ value: Value) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
}

/// The value after a way over the wire.
private func sent<Value: Codable>(_ value: Value) throws -> Value {
    try JSONDecoder().decode(Value.self, from: JSONEncoder().encode(value))
}

@Suite struct StorageErrorTests {
    @Test("an error is one line: message, code, cause, advice")
    func line() {
        let error = StorageError(
            .volumeInUse, "vol-1 is already attached to an instance", cause: "attached to i-1",
            advice: "detach it there")
        #expect(
            error.description
                == "vol-1 is already attached to an instance (VolumeInUse): attached to i-1; detach it there")
        #expect(StorageError(.internalError, "It broke.").description == "It broke. (InternalError)")
    }

    @Test("line breaks in what lies beneath do not break the line")
    func breaks() {
        let error = StorageError(.hostOperationFailed, "mkfs failed", cause: "one\ntwo\r\nthree\n")
        #expect(error.description == "mkfs failed (HostOperationFailed): one two three")
    }

    @Test("an error comes over the wire whole, with its code as a string, known or not")
    func wire() throws {
        let error = StorageError(StorageError.Code("Something.New"), "m", cause: "c", advice: "a")
        #expect(try sent(error) == error)
        #expect(try json(error) == #"{"advice":"a","cause":"c","code":"Something.New","message":"m"}"#)
    }
}

@Suite struct IdentifierTests {
    @Test("ids, types and devices are plain strings on the wire")
    func wire() throws {
        #expect(try json(["v": VolumeID("vol-1")]) == #"{"v":"vol-1"}"#)
        #expect(try json([VolumeType.gp3]) == #"["gp3"]"#)
        #expect(try json([DeviceName("/dev/xvdb")]) == #"["/dev/xvdb"]"#)
    }

    @Test("a device has one form, whatever it was called", arguments: ["xvdf", "/dev/xvdf"])
    func device(_ text: String) {
        #expect(DeviceName(text).path == "/dev/xvdf")
        #expect(DeviceName(text).leaf == "xvdf")
        #expect(DeviceName(text) == "/dev/xvdf")
    }

    @Test("ids are ordered by their text")
    func order() {
        #expect([VolumeID("vol-b"), "vol-a", "vol-c"].sorted() == ["vol-a", "vol-b", "vol-c"])
    }
}

@Suite struct VolumeValueTests {
    private let volume = Volume(
        id: "vol-1", zone: "us-east-1b", state: .inUse, type: .gp3, sizeGiB: 65_536, iops: 3_000,
        throughputMiBps: 125, createTime: Date(timeIntervalSince1970: 1_700_000_000.123),
        attachments: [
            Attachment(
                volumeID: "vol-1", instanceID: "i-1", device: "/dev/xvdb", state: .attached,
                attachTime: Date(timeIntervalSince1970: 1_700_000_001),
                location: .file(path: "/run/ebb/mnt/us-east-1b/i-1/xvdb"))
        ], tags: [Tag.name: "data"])

    @Test("a volume comes over the wire as it was")
    func wire() throws {
        #expect(try sent(volume) == volume)
        var bare = volume
        bare.iops = nil
        bare.throughputMiBps = nil
        bare.attachments[0].location = .blockDevice(path: "/dev/nvme1n1")
        #expect(try sent(bare) == bare)
    }

    @Test("states bear EC2's names")
    func states() {
        #expect(
            Volume.State.allCases.map(\.rawValue)
                == ["creating", "available", "in-use", "deleting", "deleted", "error"])
        #expect(
            Attachment.State.allCases.map(\.rawValue)
                == ["attaching", "attached", "detaching", "detached", "busy"])
    }

    @Test("a volume's name is its Name tag, or nothing")
    func name() {
        #expect(volume.name == "data")
        var unnamed = volume
        unnamed.tags = [:]
        #expect(unnamed.name == "")
    }

    @Test("a create request comes over the wire as it was")
    func request() throws {
        let request = CreateVolumeRequest(
            clientToken: "t", zone: "us-east-1b", sizeGiB: 10, type: .io1, iops: 100, isEncrypted: true,
            isMultiAttachEnabled: true, tags: ["a": "b"])
        #expect(try sent(request) == request)
    }

    @Test("a request for snapshots names one to 128 volumes, none twice")
    func sources() throws {
        func check(_ sources: [CreateSnapshotsRequest.Source]) throws(StorageError) {
            try CreateSnapshotsRequest(sources: sources).checkSources()
        }
        let sources = (0..<129).map { CreateSnapshotsRequest.Source(volumeID: VolumeID("vol-\($0)")) }
        try check(Array(sources.prefix(128)))
        for (refused, code) in [
            ([], StorageError.Code.missingParameter), (sources, .invalidParameterValue),
            ([sources[0], sources[1], sources[0]], .invalidParameterValue),
        ] {
            let error = #expect(throws: StorageError.self) { try check(refused) }
            #expect(error?.code == code)
        }
    }
}
