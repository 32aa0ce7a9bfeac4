import ArgumentParser
import Driver
import Settings

/// `adapter`: which storage there is, and who uses it.
struct AdapterCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "adapter", abstract: "The adapter manager.", subcommands: [Types.self, Instances.self])

    /// The drivers that this build has: the storage worlds, and the sides of the host that REX-Ray counts too.
    private static let drivers = StorageWorld.allCases.map(\.rawValue) + ["linux", "docker"]

    struct Types: SessionCommand {
        static let configuration = CommandConfiguration(
            commandName: "types", abstract: "List the drivers.", aliases: ["ls", "list", "get"])

        @OptionGroup var output: OutputOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run(_ session: Session) throws {
            guard output.format != nil || output.template != nil else {
                return writeOut(drivers.map { "Storage Driver: \($0)\n" }.joined())
            }
            let answer = Answer(
                value: .list(drivers.map { .record([.init("Name", .text($0)), .init("Driver", .text($0))]) }),
                table: Table(header: ["Name", "Driver"], rows: drivers.map { [$0, $0] }))
            try session.print(answer, output)
        }
    }

    struct Instances: SessionCommand {
        static let configuration = CommandConfiguration(
            commandName: "instances", abstract: "List the instances that volumes attach to.")

        @OptionGroup var output: OutputOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run(_ session: Session) throws {
            let instances = try session.instances()
            let rows = instances.map {
                [$0.id.rawValue, $0.name, $0.providerName, $0.region, $0.zone.rawValue, $0.state.rawValue]
            }
            let answer = Answer(
                value: .list(instances.map(record)),
                table: Table(header: ["ID", "Name", "Provider", "Region", "Zone", "State"], rows: rows))
            try session.print(answer, output)
        }

        private func record(_ instance: Instance) -> Value {
            .record([
                .init("ProviderName", .text(instance.providerName)),
                .init("InstanceID", .text(instance.id.rawValue)),
                .init("Region", .text(instance.region)),
                .init("Name", .text(instance.name)),
                .extra("Zone", .text(instance.zone.rawValue)),
                .extra("State", .text(instance.state.rawValue)),
            ])
        }
    }
}
