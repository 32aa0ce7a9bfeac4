import AWSWire
import Testing

@testable import EC2

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// What is sent, byte by byte, and what is read. Source of the forms: captured requests and answers of EC2.
@Suite struct WireTests {
    private func body(of action: some EC2Action) throws -> String {
        String(decoding: try EC2Client.body(of: action), as: UTF8.self)
    }

    private func read<Value: Decodable>(_ type: Value.Type, _ text: String) throws -> Value {
        try XMLDecoder.decode(type, from: XMLElement(document: Array(text.utf8)))
    }

    @Test func aCreateVolume() throws {
        let action = CreateVolume(
            availabilityZone: "us-east-1a", clientToken: "t 1", encrypted: true, size: 5, snapshotId: nil,
            tagSpecification: TagSpecification.all("volume", ["Name": "ü&=", "empty": ""]), volumeType: "gp3")
        #expect(
            try body(of: action) == """
                Action=CreateVolume&Version=2016-11-15&AvailabilityZone=us-east-1a&ClientToken=t%201&Encrypted=true\
                &Size=5&TagSpecification.1.ResourceType=volume&TagSpecification.1.Tag.1.Key=Name\
                &TagSpecification.1.Tag.1.Value=%C3%BC%26%3D&TagSpecification.1.Tag.2.Key=empty\
                &TagSpecification.1.Tag.2.Value=&VolumeType=gp3
                """)
    }

    @Test func listsHaveNumbersFromOne() throws {
        let action = DescribeVolumes(
            volumeId: ["vol-1", "vol-2"], filter: [Filter("tag:Name", exactly: ["a*", "b"])], maxResults: 5)
        #expect(
            try body(of: action) == """
                Action=DescribeVolumes&Version=2016-11-15&VolumeId.1=vol-1&VolumeId.2=vol-2&Filter.1.Name=tag%3AName\
                &Filter.1.Value.1=a%5C%2A&Filter.1.Value.2=b&MaxResults=5
                """)
    }

    @Test func whatIsNotThereIsNotSent() throws {
        #expect(try body(of: DescribeVolumes()) == "Action=DescribeVolumes&Version=2016-11-15")
        #expect(
            try body(of: DeleteTags(resourceId: ["vol-1"], tag: [.init(key: "k")]))
                == "Action=DeleteTags&Version=2016-11-15&ResourceId.1=vol-1&Tag.1.Key=k")
        #expect(TagSpecification.all("volume", [:]).isEmpty)
    }

    @Test func volumesAreReadWhateverTheOrderAndWhateverElseIsThere() throws {
        let answer = try read(
            DescribeVolumes.Answer.self,
            """
            <?xml version="1.0" encoding="UTF-8"?>
            <DescribeVolumesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>r</requestId>\
            <volumeSet><item><size>8</size><volumeId>vol-1</volumeId><snapshotId/><unheardOf><item>x</item></unheardOf>\
            <availabilityZone>us-east-1a</availabilityZone><status>in-use</status>\
            <createTime>2026-01-02T03:04:05.678Z</createTime><attachmentSet><item><volumeId>vol-1</volumeId>\
            <instanceId>i-1</instanceId><device>/dev/sdf</device><status>attached</status>\
            <attachTime>2026-01-02T03:04:06Z</attachTime><deleteOnTermination>false</deleteOnTermination></item>\
            </attachmentSet><volumeType>gp3</volumeType><iops>3000</iops><multiAttachEnabled>false</multiAttachEnabled>\
            <tagSet><item><key>Name</key><value>a &amp; b</value></item><item><key>empty</key><value/></item></tagSet>\
            </item></volumeSet></DescribeVolumesResponse>
            """)
        let volume = try #require(answer.volumeSet.first)
        #expect(answer.volumeSet.count == 1 && answer.nextToken == nil)
        #expect(volume.snapshotId == nil && volume.throughput == nil && volume.iops == 3000)
        #expect(volume.createTime == Date(timeIntervalSince1970: 1_767_323_045.678))
        #expect(volume.attachmentSet.first?.attachTime == Date(timeIntervalSince1970: 1_767_323_046))
        #expect(volume.tagSet.byKey == ["Name": "a & b", "empty": ""])
    }

    @Test func anAnswerThatLacksSomethingIsNamed() throws {
        let error = #expect(throws: DecodingError.self) {
            try read(CreateSnapshot.Answer.self, "<R><snapshotId>snap-1</snapshotId></R>")
        }
        guard case .keyNotFound(let key, _) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(key.stringValue == "startTime")
        #expect(throws: DecodingError.self) {
            try read(VolumeItem.self, "<R><volumeId>v</volumeId><size>eight</size></R>")
        }
    }

    @Test func aRefusalIsRead() throws {
        let text = """
            <?xml version="1.0" encoding="UTF-8"?>
            <Response><Errors><Error><Code>IncorrectState</Code><Message>No.</Message></Error></Errors>\
            <RequestID>x</RequestID></Response>
            """
        let refusal = try #require(Refusal(Array(text.utf8)))
        #expect(refusal.code == "IncorrectState" && refusal.message == "No." && !refusal.isThrottling)
        for root in ["<Errors><Error><Code>A</Code></Error></Errors>", "<Error><Code>A</Code></Error>"] {
            #expect(Refusal(Array("<ErrorResponse>\(root)</ErrorResponse>".utf8))?.code == "A")
        }
        for other in ["", "<html><body>Forbidden</body></html>", "<Response><Errors/></Response>", "{}"] {
            #expect(Refusal(Array(other.utf8)) == nil)
        }
    }

    @Test(arguments: [
        ("Thu, 26 Nov 2026 23:46:27 GMT", 1_795_736_787.0), ("Thu, 01 Jan 1970 00:00:01 GMT", 1),
    ])
    func aDateOfHTTP(text: String, seconds: Double) {
        #expect(HTTPDate.date(text) == Date(timeIntervalSince1970: seconds))
    }

    @Test(arguments: ["", "now", "Thu, 26 Foo 2026 23:46:27 GMT", "Thu, 26 Nov 2026 23:46 GMT", "1 2 3 4 5 6"])
    func whatIsNoDate(text: String) { #expect(HTTPDate.date(text) == nil) }
}
