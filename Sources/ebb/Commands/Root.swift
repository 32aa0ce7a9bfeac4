import ArgumentParser

/// `ebb`, and `rexray` when it is called so.
struct Root: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: Invocation.current.program,
            abstract: "Elastic Block storage on your own Box.",
            version: Version.text,
            subcommands: [
                VersionCommand.self, EnvCommand.self, AdapterCommand.self, DeviceCommand.self, VolumeCommand.self,
                SnapshotCommand.self, ServiceCommand.self, ManualCommand.self,
            ],
            helpNames: [.customLong("help"), .customShort("?")])
    }
}
