import ArgumentParser
import Driver
import RPC
import Settings

/// `volume modify`: size, type and performance, while the volume is used. A larger one's filesystem on this machine
/// grows with it.
struct VolumeModify: SessionCommand {
    static let configuration = CommandConfiguration(
        commandName: "modify", abstract: "Change the size, type or performance of volumes.", aliases: ["resize"])

    @OptionGroup var names: VolumeNames
    @Option(name: .customLong("size"), help: "The new size: 10, 10g or 1t; never less than it is.")
    var size: String?
    @Option(
        name: [.customLong("type"), .customLong("volumetype")],
        help: ArgumentHelp("The new type, such as gp3 or io2.", valueName: "type"))
    var type: String?
    @Option(name: .customLong("iops"), help: "The new provisioned IOPS, for types that have them.") var iops: Int?
    @Option(name: .customLong("throughput"), help: "The new provisioned throughput in MiB/s, for gp3.")
    var throughput: Int?
    @Flag(
        name: .customLong("runasync"),
        help: "Do not wait until the change is in effect, nor let the filesystem grow.")
    var runAsync = false
    @OptionGroup var repetition: Repetition
    @OptionGroup var output: OutputOptions
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func run(_ session: Session) throws {
        let sizeGiB = try VolumeSize.requested(size, session)
        // REX-Ray's flags are 0 when they are not given.
        let (iops, throughput) = (iops == 0 ? nil : iops, throughput == 0 ? nil : throughput)
        guard sizeGiB != nil || given(type) != nil || iops != nil || throughput != nil else {
            throw UsageFailure("Say what shall change: --size, --volumetype, --iops or --throughput")
        }
        try repetition.each(try names.resolve(session)) { volume in
            session.log.info("Waiting for volume modification to take effect")
            let id = volume.volume.id
            let type = given(type).map(VolumeType.init)
            if runAsync {
                let request = ModifyVolumeRequest(
                    volumeID: id, sizeGiB: sizeGiB, type: type, iops: iops, throughputMiBps: throughput)
                return try session.call(Ebb.ModifyVolume.self, request, doing: "modifying volume \(id)")
            }
            return try session.call(
                Ebb.ModifyHostVolume.self,
                .init(volume: .id(id), sizeGiB: sizeGiB, type: type, iops: iops, throughputMiBps: throughput),
                doing: "modifying volume \(id)")
        } finish: { modifications in
            try session.print(ModificationAnswer.modifications(modifications), output)
        }
    }
}

/// `volume modifications`: how far they are, of the volumes that are named or of all.
struct VolumeModifications: SessionCommand {
    static let configuration = CommandConfiguration(
        commandName: "modifications", abstract: "List the latest modifications of volumes.")

    @OptionGroup var names: VolumeNames
    @OptionGroup var output: OutputOptions
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func run(_ session: Session) throws {
        let query = VolumeModificationQuery(
            volumeIDs: names.isEmpty ? [] : try names.resolve(session).map(\.volume.id))
        let page = try session.call(Ebb.DescribeVolumeModifications.self, query, doing: "listing modifications")
        try session.print(ModificationAnswer.modifications(page.modifications), output)
    }
}
