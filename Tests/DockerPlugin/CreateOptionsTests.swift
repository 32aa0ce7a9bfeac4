import Driver
import Testing

@testable import DockerPlugin

/// `--opt key=value`, read without a region.
@Suite struct CreateOptionsTests {
    @Test func noOptionsLeaveEverythingToTheDefaults() throws {
        let options = try CreateOptions(parsing: [:])
        let request = options.request(name: "v", zone: "us-east-1b")
        #expect(request == CreateVolumeRequest(zone: "us-east-1b", tags: [Tag.name: "v"]))
    }

    @Test func theLabsOptionsAreRead() throws {
        let options = try CreateOptions(parsing: ["volumetype": "io1", "iops": "100", "size": "10"])
        #expect(options.type == .io1)
        #expect(options.iops == 100)
        #expect(options.size?.gibibytes == 10)
        #expect(options.size?.roundedFrom == nil)
    }

    @Test func everyKeyOfTheTableIsReadInAnyCase() throws {
        let options = try CreateOptions(parsing: [
            "SIZE": "7", "IOPS": "300", "VolumeType": "GP3", "availabilityZone": "us-east-1c", "newFsType": "XFS",
            "OverwriteFS": "True", "Encrypted": "false", "mountOptions": "noatime,discard", "Throughput": "250",
        ])
        let request = options.request(name: "v", zone: "us-east-1b")
        #expect(
            request
                == CreateVolumeRequest(
                    zone: "us-east-1c", sizeGiB: 7, type: .gp3, iops: 300, throughputMiBps: 250,
                    tags: [Tag.name: "v", Tag.fsType: "xfs", Tag.mountOptions: "noatime,discard"]))
    }

    @Test(arguments: [("type", "st1"), ("volumetype", "st1")])
    func bothNamesOfTheTypeWork(key: String, value: String) throws {
        #expect(try CreateOptions(parsing: [key: value]).type == .st1)
    }

    @Test(arguments: ["fstype", "newfstype"])
    func bothNamesOfTheFilesystemWork(key: String) throws {
        #expect(try CreateOptions(parsing: [key: "ext4"]).fsType == "ext4")
    }

    @Test(arguments: [
        ("true", true), ("1", true), ("yes", true), ("ON", true), ("false", false), ("0", false), ("No", false),
        ("off", false),
    ])
    func encryptionIsABoolean(text: String, value: Bool) throws {
        #expect(try CreateOptions(parsing: ["encrypted": text]).isEncrypted == value)
    }

    @Test func anUnknownKeyIsRefusedWithTheValidOnes() {
        let error = refusal(of: ["siez": "5"])
        #expect(error?.code.name == "UnknownParameter")
        #expect(
            error?.description
                == "Option siez is not known (UnknownParameter); valid options are availabilityzone, encrypted, fstype, "
                + "iops, mountoptions, newfstype, overwritefs, size, snapshotid, snapshotname, throughput, type, volumeid, "
                + "volumename, volumetype")
    }

    @Test(arguments: [
        ["size": "1", "Size": "2"], ["type": "gp2", "volumetype": "gp2"], ["fstype": "xfs", "newfstype": "xfs"],
    ])
    func whatIsSaidTwiceIsRefused(options: [String: String]) {
        #expect(refusal(of: options)?.code == .invalidParameterCombination)
    }

    @Test(arguments: CreateOptions.Key.allCases)
    func anEmptyValueIsRefused(key: CreateOptions.Key) {
        let error = refusal(of: [key.rawValue: ""])
        #expect(error?.code == .invalidParameterValue)
        #expect(error?.message.contains(key.rawValue) == true)
    }

    @Test(arguments: [
        ("snapshotid", CreateOptions.Source.snapshot("snap-1")), ("SnapshotName", .snapshotNamed("snap-1")),
        ("volumeID", .volume(.id("snap-1"))), ("volumename", .volume(.name("snap-1"))),
    ])
    func aVolumeHasOneSource(key: String, source: CreateOptions.Source) throws {
        #expect(try CreateOptions(parsing: [key: "snap-1"]).source == source)
        for other in ["snapshotid", "snapshotname", "volumeid", "volumename"] where other != key.lowercased() {
            #expect(refusal(of: [key: "snap-1", other: "x"])?.code == .invalidParameterCombination)
        }
    }

    @Test(arguments: [
        ("iops", "0"), ("iops", "-1"), ("iops", "many"), ("iops", "+5"), ("iops", "1.5"), ("iops", " 5"),
        ("iops", "99999999999999999999"), ("throughput", "0"), ("fstype", "btrfs"), ("newfstype", "ext3"),
        ("encrypted", "maybe"), ("overwritefs", "2"), ("mountoptions", "ro noexec"), ("mountoptions", "ro\n"),
        ("mountoptions", "é"), ("size", "0"),
    ])
    func aBadValueIsRefusedByItsKey(key: String, value: String) {
        let error = refusal(of: [key: value])
        #expect(error?.code == .invalidParameterValue)
        #expect(error?.message.contains(key) == true)
    }

    @Test func repeatingARequestDescribesTheVolumeItMade() throws {
        let request = try CreateOptions(parsing: ["size": "10", "type": "io1", "iops": "100"])
            .request(name: "v", zone: "us-east-1b")
        var volume = Volume.sample("v", sizeGiB: 10, type: .io1, iops: 100)
        #expect(request.describes(volume))
        volume.sizeGiB = 11
        #expect(!request.describes(volume))
        let open = try CreateOptions(parsing: [:]).request(name: "v", zone: "us-east-1b")
        #expect(open.describes(volume))
        let elsewhere = try CreateOptions(parsing: [:]).request(name: "v", zone: "us-east-1c")
        #expect(!elsewhere.describes(volume))
        let encrypted = try CreateOptions(parsing: ["encrypted": "true"]).request(name: "v", zone: "us-east-1b")
        #expect(!encrypted.describes(volume))
        var restored = open
        restored.snapshotID = "snap-1"
        #expect(!restored.describes(volume))
        volume.snapshotID = "snap-1"
        #expect(restored.describes(volume))
        var copied = open
        copied.sourceVolumeID = "vol-1"
        #expect(!copied.describes(volume))
    }

    private func refusal(of options: [String: String]) -> StorageError? {
        do throws(StorageError) {
            _ = try CreateOptions(parsing: options)
            return nil
        } catch {
            return error
        }
    }
}
