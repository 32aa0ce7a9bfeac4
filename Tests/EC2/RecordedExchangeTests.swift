import AWSWire
import Driver
import Platform
import Synchronization
import Testing

@testable import EC2

/// What the driver does with EC2's own answers where moto's are others, in EC2's codes and texts.
@Suite(.timeLimit(.minutes(1))) struct RecordedExchangeTests {
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
            asked.action == "CreateVolume" ? .refused(code, message) : Recorded.described()
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
            case ("CreateVolume", _): .done("CreateVolume", Recorded.volume("creating"))
            case (_, 0): Recorded.described()
            case (_, 1): Recorded.described(Recorded.volume("creating"))
            default: Recorded.described(Recorded.volume())
            }
        }
        var request = creation
        request.clientToken = nil
        #expect(try await ec2.driver().createVolume(request).state == .available)
        let tokens = Set(ec2.parameters(of: "CreateVolume").map { $0["ClientToken"] ?? "" })
        #expect(ec2.parameters(of: "CreateVolume").count == 3 && tokens.count == 1 && tokens.first?.isEmpty == false)
    }

    @Test(arguments: [(nil, true), ("alias/ebb", true), ("alias/ebb", false)])
    func aVolumeThatIsToBeEncryptedIsSoWithTheKey(key: String?, isEncrypted: Bool) async throws {
        let ec2 = PlayedEC2 { asked, before in
            asked.action == "CreateVolume"
                ? .done("CreateVolume", Recorded.volume("creating"))
                : before == 0 ? Recorded.described() : Recorded.described(Recorded.volume())
        }
        var request = creation
        request.isEncrypted = isEncrypted
        _ = try await ec2.driver(volumeKey: key).createVolume(request)
        let sent = try #require(ec2.parameters(of: "CreateVolume").first)
        #expect(sent["Encrypted"] == (isEncrypted ? "true" : nil))
        #expect(sent["KmsKeyId"] == (isEncrypted ? key : nil))
    }

    @Test func aVolumeThatCannotBeMadeIsToldSo() async throws {
        let ec2 = PlayedEC2 { asked, before in
            asked.action == "CreateVolume"
                ? .done("CreateVolume", Recorded.volume("creating"))
                : before == 0 ? Recorded.described() : Recorded.described(Recorded.volume("error"))
        }
        let driver = try ec2.driver()
        let error = await #expect(throws: StorageError.self) { try await driver.createVolume(creation) }
        #expect(error?.code == .incorrectState)
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
                ? .done("CreateVolume", Recorded.volume("creating"))
                : before == 0 ? Recorded.described() : Recorded.described(Recorded.volume("creating"))
        }
        let driver = try ec2.driver()
        let error = await #expect(throws: StorageError.self) { try await driver.createVolume(creation) }
        #expect(error?.code == .deadlineExceeded)
        #expect(ec2.parameters(of: "DescribeVolumes").count < 120, "300 s")
    }

    @Test func ofTwoDaemonsThatTookANameTheFirstKeepsIt() async throws {
        let earlier = Recorded.volume().replacing(Recorded.volumeID.rawValue, with: "vol-0000000000000000e")
            .replacing("03:04:05", with: "03:04:04")
        let ec2 = PlayedEC2 { asked, before in
            switch asked.action {
            case "CreateVolume": .done("CreateVolume", Recorded.volume("creating"))
            case "DeleteVolume": .done("DeleteVolume")
            default:
                asked.parameters["VolumeId.1"] != nil
                    ? before < 6 ? Recorded.described(Recorded.volume()) : Recorded.described()
                    : before == 0 ? Recorded.described() : Recorded.described(Recorded.volume(), earlier)
            }
        }
        let driver = try ec2.driver()
        let error = await #expect(throws: StorageError.self) { try await driver.createVolume(creation) }
        #expect(error?.code == .volumeDuplicate && error?.message.contains("vol-0000000000000000e") == true)
        #expect(ec2.parameters(of: "DeleteVolume").map { $0["VolumeId"] } == [Recorded.volumeID.rawValue])
    }

    @Test func aSharedAccountIsSharedByATag() async throws {
        let ec2 = PlayedEC2 { asked, before in
            asked.action == "CreateVolume"
                ? .done("CreateVolume", Recorded.volume("creating"))
                : before == 0
                    ? Recorded.described()
                    : Recorded.described(
                        Recorded.volume(more: "<tagSet><item><key>team</key><value>a*b</value></item></tagSet>"))
        }
        let driver = try ec2.driver(scope: EC2Scope(key: "team", value: "a*b"))
        let volume = try await driver.createVolume(creation)
        #expect(volume.tags == [:])
        let made = try #require(ec2.parameters(of: "CreateVolume").first)
        #expect(made.contains { $0.key.hasSuffix(".Key") && $0.value == "team" })
        let listed = try #require(ec2.parameters(of: "DescribeVolumes").first)
        #expect(listed["Filter.2.Name"] == "tag:team" && listed["Filter.2.Value.1"] == #"a\*b"#)
        let others = PlayedEC2(Recorded.described(Recorded.volume()))
        let blind = try others.driver(scope: EC2Scope(key: "team", value: "b"))
        for attempt in [
            { _ = try await blind.describeVolumes(VolumeQuery(ids: [Recorded.volumeID])) },
            { try await blind.deleteVolume(Recorded.volumeID) },
            { try await blind.detachVolume(DetachVolumeRequest(volumeID: Recorded.volumeID)) },
            {
                _ = try await blind.attachVolume(
                    AttachVolumeRequest(volumeID: Recorded.volumeID, instanceID: Recorded.other))
            },
            { _ = try await blind.modifyVolume(ModifyVolumeRequest(volumeID: Recorded.volumeID, sizeGiB: 2)) },
        ] as [@Sendable () async throws -> Void] {
            let error = await #expect(throws: StorageError.self) { try await attempt() }
            #expect(error?.code == .volumeNotFound)
        }
        #expect(Set(others.actions) == ["DescribeVolumes"])
    }

    // MARK: Attachments

    private func attach(_ ec2: PlayedEC2, device: DeviceName? = nil) async throws -> Driver.Attachment {
        try await ec2.driver().attachVolume(
            AttachVolumeRequest(volumeID: Recorded.volumeID, instanceID: Recorded.other, device: device))
    }

    @Test func theHolderIsNamed() async throws {
        let ec2 = PlayedEC2 { asked, _ in
            switch asked.action {
            case "AttachVolume": .refused("VolumeInUse", "\(Recorded.volumeID) is already attached to an instance")
            case "DescribeInstances": Recorded.described(instance: Recorded.instance(Recorded.other))
            default: Recorded.described(Recorded.volume("in-use", attachedTo: Recorded.holder))
            }
        }
        let error = await #expect(throws: StorageError.self) { try await attach(ec2) }
        #expect(error?.code == .volumeInUse && error?.cause?.contains(Recorded.holder.rawValue) == true)
    }

    @Test func bothZonesAreNamed() async throws {
        let text = """
            The volume '\(Recorded.volumeID)' is not in the same availability zone as instance '\(Recorded.other)'
            """
        let ec2 = PlayedEC2 { asked, _ in
            switch asked.action {
            case "AttachVolume": .refused("InvalidVolume.ZoneMismatch", text)
            case "DescribeInstances":
                Recorded.described(instance: Recorded.instance(Recorded.other, zone: "us-east-1b"))
            default: Recorded.described(Recorded.volume())
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
                Recorded.described(instance: Recorded.instance(Recorded.other, devices: ["/dev/sda1", "/dev/xvdd"]))
            default:
                Recorded.described(
                    Recorded.volume("in-use", attachedTo: Recorded.other).replacing("/dev/xvdb", with: here))
            }
        }
        let driver = try ec2.driver()
        let request = AttachVolumeRequest(volumeID: Recorded.volumeID, instanceID: Recorded.other)
        _ = try await driver.attachVolume(request)
        _ = try await driver.attachVolume(request)
        #expect(
            ec2.parameters(of: "AttachVolume").map { $0["Device"] ?? "" }
                == ["/dev/xvdb", "/dev/xvdc", "/dev/xvde", "/dev/xvde"])
        let named = AttachVolumeRequest(volumeID: Recorded.volumeID, instanceID: Recorded.other, device: "/dev/xvdb")
        await #expect(throws: StorageError.self) { try await driver.attachVolume(named) }
    }

    @Test func aLostAttachIsFoundDone() async throws {
        let ec2 = PlayedEC2 { asked, before in
            switch (asked.action, before) {
            case ("AttachVolume", 0): .cut
            case ("AttachVolume", _): .refused("VolumeInUse", "\(Recorded.volumeID) is already attached to an instance")
            default: Recorded.described(Recorded.volume("in-use", attachedTo: Recorded.other))
            }
        }
        let attachment = try await attach(ec2, device: "/dev/sdb")
        #expect(attachment.instanceID == Recorded.other && attachment.location == .blockDevice(path: "/dev/xvdb"))
    }

    @Test func aLostAttachThatSomebodyElseWonIsRefused() async throws {
        let ec2 = PlayedEC2 { asked, before in
            switch (asked.action, before) {
            case ("AttachVolume", 0): .cut
            case ("AttachVolume", _): .refused("VolumeInUse", "\(Recorded.volumeID) is already attached to an instance")
            default: Recorded.described(Recorded.volume("in-use", attachedTo: Recorded.holder))
            }
        }
        let error = await #expect(throws: StorageError.self) { try await attach(ec2, device: "/dev/xvdb") }
        #expect(error?.code == .volumeInUse)
    }

    @Test func anAttachThatIsStuckIsGivenUp() async throws {
        let ec2 = PlayedEC2 { asked, _ in
            asked.action == "AttachVolume" ? .done("AttachVolume") : Recorded.described(Recorded.volume("in-use"))
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
                .refused("InvalidVolume.NotFound", "The volume '\(Recorded.volumeID)' does not exist.")
            default:
                before == 0 ? Recorded.described(Recorded.volume()) : Recorded.described(Recorded.volume("deleting"))
            }
        }
        try await ec2.driver().deleteVolume(Recorded.volumeID)
        #expect(ec2.parameters(of: "DeleteVolume").count == 2)
    }

    @Test func aDetachIsWaitedForAndALostOneFoundDone() async throws {
        let ec2 = PlayedEC2 { asked, before in
            switch (asked.action, before) {
            case ("DetachVolume", 0): .refused("InternalError", status: 500)
            case ("DetachVolume", _):
                .refused("IncorrectState", "Volume '\(Recorded.volumeID)' is in the 'available' state.")
            default:
                before < 3
                    ? Recorded.described(Recorded.volume("in-use", attachedTo: Recorded.holder))
                    : Recorded.described(Recorded.volume())
            }
        }
        try await ec2.driver().detachVolume(DetachVolumeRequest(volumeID: Recorded.volumeID))
        #expect(ec2.parameters(of: "DescribeVolumes").count == 4)
    }

    // MARK: What has no token

    private static func snapshot(token: String) -> String {
        "<snapshotId>snap-0123456789abcdef0</snapshotId><volumeId>\(Recorded.volumeID)</volumeId><status>pending</status>"
            + "<startTime>2026-01-02T03:04:05.000Z</startTime><progress/><volumeSize>1</volumeSize>"
            + "<description>d</description>"
            + "<tagSet><item><key>ebb:clientToken</key><value>\(token)</value></item></tagSet>"
    }

    private let snapshots = CreateSnapshotsRequest(
        clientToken: "token", sources: [.init(volumeID: Recorded.volumeID)], description: "d")

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
            <volumeId>\(Recorded.volumeID)</volumeId><modificationState>\(state)</modificationState><targetSize>2</targetSize>\
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
            default: Recorded.described(Recorded.volume())
            }
        }
        let driver = try ec2.driver()
        let begun = try await driver.modifyVolume(ModifyVolumeRequest(volumeID: Recorded.volumeID, sizeGiB: 2))
        let told = try await driver.describeVolumeModifications(VolumeModificationQuery(volumeIDs: [Recorded.volumeID]))
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
                ModifyTagsRequest(volumeID: Recorded.volumeID, set: [key: "b"]),
                ModifyTagsRequest(volumeID: Recorded.volumeID, remove: [key]),
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
            <item><volumeId>\(Recorded.volumeID)</volumeId><modificationState>modifying</modificationState>\
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
            default: Recorded.described(Recorded.volume())
            }
        }
        let found = try await ec2.driver().modifyVolume(ModifyVolumeRequest(volumeID: Recorded.volumeID, sizeGiB: 2))
        #expect(found.state == .modifying && found.target.sizeGiB == 2 && found.original.sizeGiB == 1)
        #expect(ec2.parameters(of: "ModifyVolume").count == 1)
    }
}
