import ArgumentParser
import Driver
import RPC

/// `volume migrate`: moves volumes to another zone, by snapshots of them.
struct VolumeMigrate: SessionCommand {
    static let configuration = CommandConfiguration(
        commandName: "migrate",
        abstract: "Move detached volumes to another availability zone, where they keep names and content.")

    @OptionGroup var names: VolumeNames
    @Option(
        name: [.customLong("az"), .customLong("zone"), .customLong("availabilityzone")],
        help: ArgumentHelp("The availability zone.", valueName: "zone"))
    var zone: String?
    @OptionGroup var repetition: Repetition
    @OptionGroup var output: OutputOptions
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func run(_ session: Session) throws {
        guard let zone = given(zone) else {
            throw UsageFailure("Say where to: \(Invocation.current.program) volume migrate VOLUME --az us-east-1b")
        }
        try repetition.each(try names.resolve(session, byPrefix: false)) { volume in
            let id = volume.volume.id
            session.log.info("Waiting for volume migration to complete")
            return try session.call(
                Ebb.MigrateHostVolume.self, .init(volume: .id(id), zone: ZoneName(zone)),
                doing: "moving volume \(id) to \(zone)", within: .seconds(86_400))
        } finish: { volumes in
            try session.print(VolumeAnswer.volumes(volumes), output)
        }
    }
}
