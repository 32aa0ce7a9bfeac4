import AWSWire
import Driver
import Platform
import Synchronization
import Testing

@testable import EC2

/// What the driver does with EC2's own answers where moto's are others, in EC2's codes and texts.
@Suite(.timeLimit(.minutes(1))) struct RecordedExchangeTests {
    private static let volumeID: VolumeID = "vol-0123456789abcdef0"
    private static let holder: InstanceID = "i-0aaaaaaaaaaaaaaa1"
    private static let other: InstanceID = "i-0bbbbbbbbbbbbbbb2"

    private static func volume(
        _ state: String = "available", zone: String = "us-east-1a", attachedTo holder: InstanceID? = nil,
        more: String = ""
    ) -> String {
        let attachment = holder.map {
            "<item><volumeId>\(volumeID)</volumeId><instanceId>\($0)</instanceId><device>/dev/xvdb</device>"
                + "<status>attached</status><attachTime>2026-01-02T03:04:06.000Z</attachTime></item>"
        }
        return "<volumeId>\(volumeID)</volumeId><size>1</size><snapshotId/><availabilityZone>\(zone)</availabilityZone>"
            + "<status>\(state)</status><createTime>2026-01-02T03:04:05.000Z</createTime>"
            + "<attachmentSet>\(attachment ?? "")</attachmentSet><volumeType>gp3</volumeType><iops>3000</iops>"
            + "<throughput>125</throughput><multiAttachEnabled>false</multiAttachEnabled>\(more)"
    }

    private static func described(_ volumes: String...) -> PlayedEC2.Reply {
        .done("DescribeVolumes", "<volumeSet>\(volumes.map { "<item>\($0)</item>" }.joined())</volumeSet>")
    }

    private static func instance(_ id: InstanceID, zone: String = "us-east-1a", devices: [String] = []) -> String {
        let devices = devices.map { "<item><deviceName>\($0)</deviceName></item>" }.joined()
        return "<item><instancesSet><item><instanceId>\(id)</instanceId><instanceState><code>16</code>"
            + "<name>running</name></instanceState><placement><availabilityZone>\(zone)</availabilityZone></placement>"
            + "<rootDeviceName>/dev/xvda</rootDeviceName><blockDeviceMapping>\(devices)</blockDeviceMapping>"
            + "</item></instancesSet></item>"
    }

    private static func described(instance: String) -> PlayedEC2.Reply {
        .done("DescribeInstances", "<reservationSet>\(instance)</reservationSet>")
    }

    private let creation = CreateVolumeRequest(
        clientToken: "token", zone: "us-east-1a", sizeGiB: 1, type: .gp3, tags: [Tag.name: "data"])

    // MARK: Creation

    @Test(arguments: [
        (
            "IdempotentParameterMismatch",
            "Parameters on this idempotent request are inconsistent with parameters used in previous request(s)."
        ),
        ("InvalidParameterValue", "Client token must be less than or equal to 64 characters."),
        ("InvalidZone.NotFound", "The zone 'mars-1a' does not exist."),
        ("UnknownVolumeType", "Unsupported volume type 'gp9' for volume creation."),
        ("InvalidParameterValue", "Volume of 65537GiB is too large for volume type gp3; maximum is 65536GiB"),
        ("InvalidParameterCombination", "The parameter iops is not supported for gp2 volumes."),
        ("VolumeLimitExceeded", "You have exceeded your maximum gp3 storage limit of 50 TiB in this region."),
    ])
    func aRefusedCreationIsToldInEC2sWords(code: String, message: String) async throws {
        let ec2 = PlayedEC2 { asked, _ in
            asked.action == "CreateVolume" ? .refused(code, message) : Self.described()
        }
        let driver = try ec2.driver()
        let error = await #expect(throws: StorageError.self) { try await driver.createVolume(creation) }
        #expect(error?.code == StorageError.Code(code) && error?.message == message)
        #expect(ec2.parameters(of: "CreateVolume").count == 1)
    }

    /// Whatever breaks, each try has the same token, so that EC2 makes one volume.
    @Test func aLostCreationIsRepeatedWithItsToken() async throws {
        let ec2 = PlayedEC2 { asked, before in
            switch (asked.action, before) {
            case ("CreateVolume", 0): .cut
            case ("CreateVolume", 1): .refused("InternalError", status: 500)
            case ("CreateVolume", _): .done("CreateVolume", Self.volume("creating"))
            case (_, 0): Self.described()
            case (_, 1): Self.described(Self.volume("creating"))
            default: Self.described(Self.volume())
            }
        }
        var request = creation
        request.clientToken = nil
        #expect(try await ec2.driver().createVolume(request).state == .available)
        let tokens = Set(ec2.parameters(of: "CreateVolume").map { $0["ClientToken"] ?? "" })
        #expect(ec2.parameters(of: "CreateVolume").count == 3 && tokens.count == 1 && tokens.first?.isEmpty == false)
    }

    @Test(arguments: [nil, "alias/ebb"])
    func whereAKeyIsSetEveryNewVolumeIsEncryptedWithIt(key: String?) async throws {
        let ec2 = PlayedEC2 { asked, before in
            asked.action == "CreateVolume"
                ? .done("CreateVolume", Self.volume("creating"))
                : before == 0 ? Self.described() : Self.described(Self.volume())
        }
        _ = try await ec2.driver(volumeKey: key).createVolume(creation)
        let sent = try #require(ec2.parameters(of: "CreateVolume").first)
        #expect(sent["KmsKeyId"] == key)
        #expect(sent["Encrypted"] == (key == nil ? nil : "true"))
    }

    @Test func aVolumeThatCannotBeMadeIsToldSo() async throws {
        let ec2 = PlayedEC2 { asked, before in
            asked.action == "CreateVolume"
                ? .done("CreateVolume", Self.volume("creating"))
                : before == 0 ? Self.described() : Self.described(Self.volume("error"))
        }
        let driver = try ec2.driver()
        let error = await #expect(throws: StorageError.self) { try await driver.createVolume(creation) }
        #expect(error?.code == .incorrectState)
    }

    // MARK: Initialization

    private static func status(_ state: String, _ details: String) -> PlayedEC2.Reply {
        .done(
            "DescribeVolumeStatus",
            "<volumeStatusSet><item><volumeId>\(volumeID)</volumeId><volumeStatus><status>ok</status><details>"
                + "<item><name>io-enabled</name><status>passed</status></item>"
                + "<item><name>initialization-state</name><status>\(state)</status></item></details></volumeStatus>"
                + "<initializationStatusDetails>\(details)</initializationStatusDetails></item></volumeStatusSet>")
    }

    private static let provisioned =
        "<initializationType>provisioned-rate</initializationType><progress>42</progress>"
        + "<estimatedTimeToCompleteInSeconds>17</estimatedTimeToCompleteInSeconds>"

    @Test(arguments: [
        (
            status("initializing", provisioned),
            VolumeInitialization(
                kind: .provisionedRate, state: .initializing, progressPercent: 42, estimatedSecondsLeft: 17)
        ),
        (
            status("completed", "<initializationType>volume-copy</initializationType>"),
            VolumeInitialization(kind: .volumeCopy, state: .completed, progressPercent: 100)
        ),
        (status("completed", ""), nil), (.refused("UnauthorizedOperation", status: 403), nil), (.cut, nil),
        (.refused("RequestLimitExceeded", status: 503), nil),
    ])
    func whatEC2TellsOfAnInitializationIsShown(reply: PlayedEC2.Reply, expected: VolumeInitialization?) async throws {
        let restored = Self.volume().replacing("<snapshotId/>", with: "<snapshotId>snap-0123456789abcdef0</snapshotId>")
        let ec2 = PlayedEC2 { asked, _ in
            asked.action == "DescribeVolumeStatus" ? reply : Self.described(restored)
        }
        let driver = try ec2.driver()
        #expect(try await driver.describeVolumes(.all).volumes.map(\.initialization) == [expected])
        #expect(ec2.parameters(of: "DescribeVolumeStatus").map { $0["VolumeId.1"] } == [Self.volumeID.rawValue])
    }

    @Test func whatIsOfNoSnapshotIsNotAskedFor() async throws {
        let ec2 = PlayedEC2 { _, _ in Self.described(Self.volume()) }
        #expect(try await ec2.driver().describeVolumes(.all).volumes.map(\.initialization) == [nil])
        #expect(ec2.actions == ["DescribeVolumes"])
    }

    /// By which EC2 reads an encrypted snapshot of another region.
    @Test func aCopyCarriesTheURLOfItsSourcesRegion() async throws {
        let ec2 = PlayedEC2 { asked, _ in
            asked.action == "CopySnapshot"
                ? .done("CopySnapshot", "<snapshotId>snap-0aaaaaaaaaaaaaaa1</snapshotId>")
                : .done(
                    "DescribeSnapshots",
                    "<snapshotSet><item><snapshotId>snap-0aaaaaaaaaaaaaaa1</snapshotId><status>pending</status>"
                        + "<startTime>2026-01-02T03:04:05.000Z</startTime></item></snapshotSet>")
        }
        _ = try await ec2.driver().copySnapshot(
            CopySnapshotRequest(sourceSnapshotID: "snap-0123456789abcdef0", sourceRegion: "eu-west-1"))
        let sent = try #require(ec2.parameters(of: "CopySnapshot").first)
        #expect(sent["SourceRegion"] == "eu-west-1" && sent["DestinationRegion"] == "us-east-1")
        let url = try #require(sent["PresignedUrl"])
        #expect(
            url.hasPrefix("http://ec2.test/?Action=CopySnapshot&DestinationRegion=us-east-1&SourceRegion=eu-west-1&"))
        #expect(url.contains("%2Feu-west-1%2Fec2%2Faws4_request"))
        #expect(!url.contains("Tag") && !url.contains("PresignedUrl"))
    }

    @Test func aVolumeThatIsNeverMadeIsNotWaitedForWithoutEnd() async throws {
        let ec2 = PlayedEC2 { asked, before in
            asked.action == "CreateVolume"
                ? .done("CreateVolume", Self.volume("creating"))
                : before == 0 ? Self.described() : Self.described(Self.volume("creating"))
        }
        let driver = try ec2.driver()
        let error = await #expect(throws: StorageError.self) { try await driver.createVolume(creation) }
        #expect(error?.code == .deadlineExceeded)
        #expect(ec2.parameters(of: "DescribeVolumes").count < 120, "300 s")
    }

    @Test func ofTwoDaemonsThatTookANameTheFirstKeepsIt() async throws {
        let earlier = Self.volume().replacing(Self.volumeID.rawValue, with: "vol-0000000000000000e")
            .replacing("03:04:05", with: "03:04:04")
        let ec2 = PlayedEC2 { asked, before in
            switch asked.action {
            case "CreateVolume": .done("CreateVolume", Self.volume("creating"))
            case "DeleteVolume": .done("DeleteVolume")
            default:
                asked.parameters["VolumeId.1"] != nil
                    ? before < 6 ? Self.described(Self.volume()) : Self.described()
                    : before == 0 ? Self.described() : Self.described(Self.volume(), earlier)
            }
        }
        let driver = try ec2.driver()
        let error = await #expect(throws: StorageError.self) { try await driver.createVolume(creation) }
        #expect(error?.code == .volumeDuplicate && error?.message.contains("vol-0000000000000000e") == true)
        #expect(ec2.parameters(of: "DeleteVolume").map { $0["VolumeId"] } == [Self.volumeID.rawValue])
    }

    @Test func aSharedAccountIsSharedByATag() async throws {
        let ec2 = PlayedEC2 { asked, before in
            asked.action == "CreateVolume"
                ? .done("CreateVolume", Self.volume("creating"))
                : before == 0
                    ? Self.described()
                    : Self.described(
                        Self.volume(more: "<tagSet><item><key>team</key><value>a*b</value></item></tagSet>"))
        }
        let driver = try ec2.driver(scope: EC2Scope(key: "team", value: "a*b"))
        let volume = try await driver.createVolume(creation)
        #expect(volume.tags == [:])
        let made = try #require(ec2.parameters(of: "CreateVolume").first)
        #expect(made.contains { $0.key.hasSuffix(".Key") && $0.value == "team" })
        let listed = try #require(ec2.parameters(of: "DescribeVolumes").first)
        #expect(listed["Filter.2.Name"] == "tag:team" && listed["Filter.2.Value.1"] == #"a\*b"#)
        let others = PlayedEC2(Self.described(Self.volume()))
        let blind = try others.driver(scope: EC2Scope(key: "team", value: "b"))
        for attempt in [
            { _ = try await blind.describeVolumes(VolumeQuery(ids: [Self.volumeID])) },
            { try await blind.deleteVolume(Self.volumeID) },
            { try await blind.detachVolume(DetachVolumeRequest(volumeID: Self.volumeID)) },
            { _ = try await blind.attachVolume(AttachVolumeRequest(volumeID: Self.volumeID, instanceID: Self.other)) },
            { _ = try await blind.modifyVolume(ModifyVolumeRequest(volumeID: Self.volumeID, sizeGiB: 2)) },
        ] as [@Sendable () async throws -> Void] {
            let error = await #expect(throws: StorageError.self) { try await attempt() }
            #expect(error?.code == .volumeNotFound)
        }
        #expect(Set(others.actions) == ["DescribeVolumes"])
    }

    // MARK: Attachments

    private func attach(_ ec2: PlayedEC2, device: DeviceName? = nil) async throws -> Driver.Attachment {
        try await ec2.driver().attachVolume(
            AttachVolumeRequest(volumeID: Self.volumeID, instanceID: Self.other, device: device))
    }

    @Test func theHolderIsNamed() async throws {
        let ec2 = PlayedEC2 { asked, _ in
            switch asked.action {
            case "AttachVolume": .refused("VolumeInUse", "\(Self.volumeID) is already attached to an instance")
            case "DescribeInstances": Self.described(instance: Self.instance(Self.other))
            default: Self.described(Self.volume("in-use", attachedTo: Self.holder))
            }
        }
        let error = await #expect(throws: StorageError.self) { try await attach(ec2) }
        #expect(error?.code == .volumeInUse && error?.cause?.contains(Self.holder.rawValue) == true)
    }

    @Test func bothZonesAreNamed() async throws {
        let text = """
            The volume '\(Self.volumeID)' is not in the same availability zone as instance '\(Self.other)'
            """
        let ec2 = PlayedEC2 { asked, _ in
            switch asked.action {
            case "AttachVolume": .refused("InvalidVolume.ZoneMismatch", text)
            case "DescribeInstances": Self.described(instance: Self.instance(Self.other, zone: "us-east-1b"))
            default: Self.described(Self.volume())
            }
        }
        let error = await #expect(throws: StorageError.self) { try await attach(ec2) }
        #expect(error?.code == .zoneMismatch && error?.message == text)
        #expect(error?.cause == "the volume is in us-east-1a, the instance in us-east-1b")
    }

    /// EC2 lists a name late, or an operating system has it: the next one is tried, and that one not again at once.
    @Test func aNameThatIsTakenIsNotTriedAgain() async throws {
        let attached = Mutex("")
        let ec2 = PlayedEC2 { asked, _ in
            let device = asked.parameters["Device"] ?? ""
            let isTaken = device == "/dev/xvdb" || device == "/dev/xvdc"
            if asked.action == "AttachVolume", !isTaken { attached.withLock { $0 = device } }
            let here = attached.withLock { $0 }
            return switch asked.action {
            case "AttachVolume" where isTaken:
                .refused(
                    "InvalidParameterValue",
                    "Invalid value '\(device)' for unixDevice. Attachment point \(device) is already in use")
            case "AttachVolume", "DetachVolume": .done(asked.action)
            case "DescribeInstances":
                Self.described(instance: Self.instance(Self.other, devices: ["/dev/sda1", "/dev/xvdd"]))
            default:
                Self.described(
                    Self.volume("in-use", attachedTo: Self.other).replacing("/dev/xvdb", with: here))
            }
        }
        let driver = try ec2.driver()
        let request = AttachVolumeRequest(volumeID: Self.volumeID, instanceID: Self.other)
        _ = try await driver.attachVolume(request)
        _ = try await driver.attachVolume(request)
        #expect(
            ec2.parameters(of: "AttachVolume").map { $0["Device"] ?? "" }
                == ["/dev/xvdb", "/dev/xvdc", "/dev/xvde", "/dev/xvde"])
        let named = AttachVolumeRequest(volumeID: Self.volumeID, instanceID: Self.other, device: "/dev/xvdb")
        await #expect(throws: StorageError.self) { try await driver.attachVolume(named) }
    }

    @Test func aLostAttachIsFoundDone() async throws {
        let ec2 = PlayedEC2 { asked, before in
            switch (asked.action, before) {
            case ("AttachVolume", 0): .cut
            case ("AttachVolume", _): .refused("VolumeInUse", "\(Self.volumeID) is already attached to an instance")
            default: Self.described(Self.volume("in-use", attachedTo: Self.other))
            }
        }
        let attachment = try await attach(ec2, device: "/dev/sdb")
        #expect(attachment.instanceID == Self.other && attachment.location == .blockDevice(path: "/dev/xvdb"))
    }

    @Test func aLostAttachThatSomebodyElseWonIsRefused() async throws {
        let ec2 = PlayedEC2 { asked, before in
            switch (asked.action, before) {
            case ("AttachVolume", 0): .cut
            case ("AttachVolume", _): .refused("VolumeInUse", "\(Self.volumeID) is already attached to an instance")
            default: Self.described(Self.volume("in-use", attachedTo: Self.holder))
            }
        }
        let error = await #expect(throws: StorageError.self) { try await attach(ec2, device: "/dev/xvdb") }
        #expect(error?.code == .volumeInUse)
    }

    @Test func anAttachThatIsStuckIsGivenUp() async throws {
        let ec2 = PlayedEC2 { asked, _ in
            asked.action == "AttachVolume" ? .done("AttachVolume") : Self.described(Self.volume("in-use"))
        }
        let error = await #expect(throws: StorageError.self) { try await attach(ec2, device: "/dev/xvdb") }
        #expect(error?.code == .deadlineExceeded && error?.advice != nil)
    }

    // MARK: Taking away, when the answer is lost

    @Test func aLostDeletionIsFoundDone() async throws {
        let ec2 = PlayedEC2 { asked, before in
            switch (asked.action, before) {
            case ("DeleteVolume", 0): .cut
            case ("DeleteVolume", _):
                .refused("InvalidVolume.NotFound", "The volume '\(Self.volumeID)' does not exist.")
            default: before == 0 ? Self.described(Self.volume()) : Self.described(Self.volume("deleting"))
            }
        }
        try await ec2.driver().deleteVolume(Self.volumeID)
        #expect(ec2.parameters(of: "DeleteVolume").count == 2)
    }

    @Test func aDetachIsWaitedForAndALostOneFoundDone() async throws {
        let ec2 = PlayedEC2 { asked, before in
            switch (asked.action, before) {
            case ("DetachVolume", 0): .refused("InternalError", status: 500)
            case ("DetachVolume", _):
                .refused("IncorrectState", "Volume '\(Self.volumeID)' is in the 'available' state.")
            default:
                before < 3
                    ? Self.described(Self.volume("in-use", attachedTo: Self.holder)) : Self.described(Self.volume())
            }
        }
        try await ec2.driver().detachVolume(DetachVolumeRequest(volumeID: Self.volumeID))
        #expect(ec2.parameters(of: "DescribeVolumes").count == 4)
    }

    // MARK: What has no token

    private static func snapshot(token: String) -> String {
        "<snapshotId>snap-0123456789abcdef0</snapshotId><volumeId>\(volumeID)</volumeId><status>pending</status>"
            + "<startTime>2026-01-02T03:04:05.000Z</startTime><progress/><volumeSize>1</volumeSize>"
            + "<description>d</description>"
            + "<tagSet><item><key>ebb:clientToken</key><value>\(token)</value></item></tagSet>"
    }

    private let snapshots = CreateSnapshotsRequest(
        clientToken: "token", sources: [.init(volumeID: Self.volumeID)], description: "d")

    @Test func aLostSnapshotIsFoundByItsTagAndNotMadeAgain() async throws {
        let ec2 = PlayedEC2 { asked, before in
            if asked.action == "CreateSnapshot" { return .cut }
            // Descriptions lag behind.
            let items = before < 3 ? "" : "<item>\(Self.snapshot(token: "token"))</item>"
            return .done("DescribeSnapshots", "<snapshotSet>\(items)</snapshotSet>")
        }
        let made = try await ec2.driver().createSnapshots(snapshots)
        #expect(made.map(\.id) == ["snap-0123456789abcdef0"] && made[0].tags == [:] && made[0].state == .pending)
        #expect(ec2.parameters(of: "CreateSnapshot").count == 1)
        #expect(ec2.parameters(of: "CreateSnapshot").first?.values.contains("token") == true)
    }

    @Test func aLostSnapshotThatIsNotSeenIsLeftToWhoAsked() async throws {
        let ec2 = PlayedEC2 { asked, _ in
            asked.action == "CreateSnapshot" ? .cut : .done("DescribeSnapshots", "<snapshotSet/>")
        }
        let driver = try ec2.driver()
        let error = await #expect(throws: StorageError.self) { try await driver.createSnapshots(snapshots) }
        #expect(error?.advice == "the snapshot may have been made; look for tag ebb:clientToken=token")
        #expect(ec2.parameters(of: "CreateSnapshot").count == 1)
    }

    /// Otherwise a repeated call would not find it, and make another one.
    @Test func aSnapshotIsAnsweredWhenItCanBeFound() async throws {
        let ec2 = PlayedEC2 { asked, before in
            if asked.action == "CreateSnapshot" {
                return .done("CreateSnapshot", Self.snapshot(token: "token"))
            }
            let items = before < 4 ? "" : "<item>\(Self.snapshot(token: "token"))</item>"
            return .done("DescribeSnapshots", "<snapshotSet>\(items)</snapshotSet>")
        }
        let driver = try ec2.driver()
        let made = try await driver.createSnapshots(snapshots)
        #expect(try await driver.createSnapshots(snapshots).map(\.id) == made.map(\.id))
        #expect(ec2.parameters(of: "CreateSnapshot").count == 1)
    }

    @Test func aModificationIsAnsweredWhenTheOneBeforeIsNotToldOfAnyMore() async throws {
        func modification(_ state: String, hour: Int) -> String {
            """
            <volumeId>\(Self.volumeID)</volumeId><modificationState>\(state)</modificationState><targetSize>2</targetSize>\
            <progress>0</progress><startTime>2026-01-02T0\(hour):00:00.000Z</startTime>
            """
        }
        let (old, new) = (modification("completed", hour: 3), modification("modifying", hour: 4))
        let ec2 = PlayedEC2 { asked, before in
            switch asked.action {
            case "ModifyVolume": .done("ModifyVolume", "<volumeModification>\(new)</volumeModification>")
            case "DescribeVolumesModifications":
                .done(
                    "DescribeVolumesModifications",
                    "<volumeModificationSet><item>\(before < 3 ? old : new)</item></volumeModificationSet>")
            default: Self.described(Self.volume())
            }
        }
        let driver = try ec2.driver()
        let begun = try await driver.modifyVolume(ModifyVolumeRequest(volumeID: Self.volumeID, sizeGiB: 2))
        let told = try await driver.describeVolumeModifications(VolumeModificationQuery(volumeIDs: [Self.volumeID]))
        #expect(begun.state == .modifying && told.modifications == [begun])
    }

    @Test(arguments: ["evil.example/x", "", "a b", "EU-WEST-1"])
    func whatIsNoRegionIsNotAsked(region: String) async throws {
        let ec2 = PlayedEC2(.cut)
        let driver = try ec2.driver()
        let error = await #expect(throws: StorageError.self) {
            try await driver.describeSnapshots(SnapshotQuery(region: region))
        }
        #expect(error?.code == .invalidParameterValue && ec2.actions.isEmpty)
    }

    @Test func theDriversOwnTagsAreNotForOthers() async throws {
        let driver = try PlayedEC2(.cut).driver(scope: EC2Scope(key: "team", value: "a"))
        for key in ["team", "ebb:clientToken"] {
            for request in [
                ModifyTagsRequest(volumeID: Self.volumeID, set: [key: "b"]),
                ModifyTagsRequest(volumeID: Self.volumeID, remove: [key]),
            ] {
                let error = await #expect(throws: StorageError.self) { try await driver.modifyTags(request) }
                #expect(error?.code == .invalidParameterValue)
            }
        }
    }

    @Test func anothersSnapshotMakesNoVolume() async throws {
        let ec2 = PlayedEC2(
            .done("DescribeSnapshots", "<snapshotSet><item>\(Self.snapshot(token: "t"))</item></snapshotSet>"))
        let driver = try ec2.driver(scope: EC2Scope(key: "team", value: "a"))
        let request = CreateVolumeRequest(zone: "us-east-1a", snapshotID: "snap-0123456789abcdef0")
        let error = await #expect(throws: StorageError.self) { try await driver.createVolume(request) }
        #expect(error?.code == .snapshotNotFound && ec2.actions == ["DescribeSnapshots"])
    }

    @Test func aLostModificationIsFoundAndNotMadeAgain() async throws {
        let modification = """
            <item><volumeId>\(Self.volumeID)</volumeId><modificationState>modifying</modificationState>\
            <originalSize>1</originalSize><targetSize>2</targetSize><progress>0</progress>\
            <startTime>2026-01-02T04:00:00.000Z</startTime></item>
            """
        let ec2 = PlayedEC2 { asked, before in
            switch (asked.action, before) {
            case ("ModifyVolume", _): .cut
            case ("DescribeVolumesModifications", 0):
                .refused("InvalidVolumeModification.NotFound", "Modification for volume does not exist.")
            case ("DescribeVolumesModifications", 1):
                .done("DescribeVolumesModifications", "<volumeModificationSet/>")
            case ("DescribeVolumesModifications", _):
                .done("DescribeVolumesModifications", "<volumeModificationSet>\(modification)</volumeModificationSet>")
            default: Self.described(Self.volume())
            }
        }
        let found = try await ec2.driver().modifyVolume(ModifyVolumeRequest(volumeID: Self.volumeID, sizeGiB: 2))
        #expect(found.state == .modifying && found.target.sizeGiB == 2 && found.original.sizeGiB == 1)
        #expect(ec2.parameters(of: "ModifyVolume").count == 1)
    }
}
