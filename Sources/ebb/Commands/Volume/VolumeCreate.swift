import ArgumentParser
import Driver
import Platform
import RPC
import Settings

/// `volume create`: one volume, or several alike.
struct VolumeCreate: SessionCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Create volumes.", aliases: ["new", "c", "n"])

    @Argument(help: ArgumentHelp("The names of the volumes.", valueName: "volume"))
    var names: [String] = []

    @Option(
        name: [.customLong("zone"), .customLong("availabilityzone")],
        help: ArgumentHelp("The availability zone; this machine's by default.", valueName: "zone"))
    var zone: String?
    @Option(name: .customLong("iops"), help: "The provisioned IOPS, for types that have them.") var iops: Int?
    @Option(name: .customLong("throughput"), help: "The provisioned throughput in MiB/s, for gp3.")
    var throughput: Int?
    @Option(name: .customLong("size"), help: "The size: 10, 10g, 512m or 1t; GiB when it has no unit.")
    var size: String?
    @Option(
        name: [.customLong("type"), .customLong("volumetype")],
        help: ArgumentHelp("The volume's type, such as gp3, io1 or standard.", valueName: "type"))
    var type: String?
    @Option(name: .customLong("volumename"), help: ArgumentHelp("The volume's name.", valueName: "name"))
    var volumeName: String?
    @Option(
        name: .customLong("volumeid"),
        help: ArgumentHelp("Create a volume from an existing volume.", valueName: "id"))
    var volumeID: String?
    @Option(
        name: .customLong("snapshotid"), help: ArgumentHelp("Create a volume from a snapshot.", valueName: "id"))
    var snapshotID: String?
    @Option(
        name: .customLong("initializationrate"),
        help: ArgumentHelp("Fetch the snapshot's blocks in the background, so fast.", valueName: "MiB/s"))
    var initializationRate: Int?
    @Option(
        name: .customLong("fstype"),
        help: ArgumentHelp("What the volume is formatted with: ext4 or xfs.", valueName: "type"))
    var fsType: String?
    @Option(
        name: .customLong("mountoptions"),
        help: ArgumentHelp("How the volume is mounted, as mount -o takes it.", valueName: "options"))
    var mountOptions: String?
    @Option(
        name: .customLong("tag"),
        help: ArgumentHelp("A tag of the volume; may be repeated.", valueName: "key=value"))
    var tags: [String] = []
    @Flag(name: .customLong("encrypted"), help: "Say that the volume is encrypted, as EC2 does.") var encrypted = false
    @Flag(name: .customLong("runasync"), help: "Do not wait until a copy of a volume can be used.")
    var runAsync = false
    @Flag(name: .customLong("attach"), help: "Attach the volume afterwards.") var attach = false
    @Flag(
        name: [.customLong("mount"), .customLong("amount")], help: "Attach and mount the volume afterwards.")
    var mount = false
    @OptionGroup var repetition: Repetition
    @OptionGroup var output: OutputOptions
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func run(_ session: Session) throws {
        let names = self.names + (given(volumeName).map { [$0] } ?? [])
        if names.contains("") {
            throw StorageError(
                .invalidParameterValue, "Volume name '' is not valid: it is empty",
                advice: "begin with a letter or digit")
        }
        guard Invocation.current.usesFlagGrammar || !names.isEmpty else {
            throw UsageFailure("Name the volume: \(Invocation.current.program) volume create NAME --size 10")
        }
        let request = try request(session)
        try repetition.each(names.isEmpty ? [""] : names) { name in
            try create(name, request, session)
        } finish: { volumes in
            let answer = volumes.count == 1 ? VolumeAnswer.volume(volumes[0]) : VolumeAnswer.volumes(volumes)
            try session.print(answer, output)
        }
    }

    /// What the volumes have in common.
    private func request(_ session: Session) throws -> HostVolumeRequest {
        HostVolumeRequest(
            zone: given(zone).map { ZoneName($0) }, sizeGiB: try sizeGiB(session),
            type: given(type).map(VolumeType.init),
            // REX-Ray's flags are 0 when they are not given.
            iops: iops == 0 ? nil : iops, throughputMiBps: throughput == 0 ? nil : throughput,
            snapshotID: given(snapshotID).map { SnapshotID($0) }, sourceVolumeID: given(volumeID).map { VolumeID($0) },
            volumeInitializationRateMiBps: initializationRate, isEncrypted: encrypted,
            fsType: given(fsType), mountOptions: given(mountOptions), tags: try parsedTags())
    }

    private func sizeGiB(_ session: Session) throws -> Int? {
        if given(size) == nil, Invocation.current.usesFlagGrammar, given(snapshotID) == nil, given(volumeID) == nil {
            throw UsageFailure("missing --size")
        }
        return try VolumeSize.requested(size, session)
    }

    private func parsedTags() throws -> [String: String] {
        var result: [String: String] = [:]
        for tag in tags {
            guard let equals = tag.firstIndex(of: "="), equals != tag.startIndex else {
                throw UsageFailure("The tag '\(tag)' is not of the form key=value")
            }
            result[String(tag[..<equals])] = String(tag[tag.index(after: equals)...])
        }
        return result
    }

    private func create(_ name: String, _ request: HostVolumeRequest, _ session: Session) throws -> HostVolume {
        var request = request
        request.name = name.isEmpty ? nil : name
        request.clientToken = SystemRandom().hexDigits(32)
        session.log.info("Waiting for volume creation to complete")
        let made = try session.call(Ebb.CreateHostVolume.self, request, doing: "creating volume \(name)")
        let volume = runAsync ? made : try session.sound(made)
        let reference = VolumeReference.id(volume.volume.id)
        if mount {
            _ = try session.call(Ebb.MountVolume.self, .init(volume: reference), doing: "mounting volume \(name)")
        } else if attach {
            _ = try session.call(
                Ebb.AttachHostVolume.self, .init(volume: reference), doing: "attaching volume \(name)")
        }
        return mount || attach ? try session.volume(reference) : volume
    }
}

/// `volume rm`: deletes volumes. The start of a name is not enough here.
struct VolumeRemove: SessionCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm", abstract: "Remove volumes.", aliases: ["remove", "delete", "del", "r"])

    @OptionGroup var names: VolumeNames
    @Flag(name: .customLong("force"), help: "Unmount and detach from this machine first.") var force = false
    @OptionGroup var repetition: Repetition
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func run(_ session: Session) throws {
        try repetition.each(try names.resolve(session, byPrefix: false)) { volume in
            let id = volume.volume.id
            let parameters = ForceableParameters(volume: .id(id), force: force)
            _ = try session.call(Ebb.RemoveHostVolume.self, parameters, doing: "removing volume \(id)")
            session.log.info("Deleted Volume: \(id)")
            return volume
        } finish: {
            VolumeAnswer.printNames($0)
        }
    }
}
