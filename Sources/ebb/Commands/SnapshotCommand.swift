import ArgumentParser
import Driver

/// `snapshot`: no driver of this build has snapshots, so that listing shows none and the rest is refused.
struct SnapshotCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "snapshot", abstract: "The snapshot manager.",
        subcommands: [List.self, Create.self, Remove.self, Copy.self])

    private static func refusal() -> StorageError {
        StorageError(
            .unsupportedOperation, "The emulator has no snapshots yet",
            advice: "copy the files of a mounted volume instead")
    }

    struct List: SessionCommand {
        static let configuration = CommandConfiguration(
            commandName: "ls", abstract: "List snapshots.", aliases: ["get", "list"])

        @Option(name: .customLong("snapshotname"), help: "Only snapshots of this name.") var name: String?
        @Option(name: .customLong("snapshotid"), help: "Only this snapshot.") var snapshotID: String?
        @Option(name: .customLong("volumeid"), help: "Only snapshots of this volume.") var volumeID: String?
        @OptionGroup var output: OutputOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run(_ session: Session) throws {
            if let id = given(snapshotID) {
                throw StorageError(.snapshotNotFound, "The snapshot '\(id)' does not exist.")
            }
            let header = ["ID", "Name", "Status", "VolumeID"]
            try session.print(Answer(value: .list([]), table: Table(header: header, rows: [])), output)
        }
    }

    struct Create: SessionCommand {
        static let configuration = CommandConfiguration(
            commandName: "create", abstract: "Make a snapshot of a volume.", aliases: ["new"])

        @Option(name: .customLong("volumeid"), help: "The volume.") var volumeID: String?
        @Option(name: .customLong("snapshotname"), help: "The snapshot's name.") var name: String?
        @Option(name: .customLong("description"), help: "What it is for.") var text: String?
        @Flag(name: .customLong("runasync"), help: "Do not wait until it is complete.") var runAsync = false
        @OptionGroup var output: OutputOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run(_ session: Session) throws {
            guard given(volumeID) != nil else { throw UsageFailure("missing --volumeid") }
            throw refusal()
        }
    }

    struct Remove: SessionCommand {
        static let configuration = CommandConfiguration(
            commandName: "remove", abstract: "Delete a snapshot.", aliases: ["rm", "delete"])

        @Option(name: .customLong("snapshotid"), help: "The snapshot.") var snapshotID: String?
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run(_ session: Session) throws {
            guard let id = given(snapshotID) else { throw UsageFailure("missing --snapshotid") }
            throw StorageError(.snapshotNotFound, "The snapshot '\(id)' does not exist.")
        }
    }

    struct Copy: SessionCommand {
        static let configuration = CommandConfiguration(commandName: "copy", abstract: "Copy a snapshot.")

        @Option(name: .customLong("volumeid"), help: "The volume it was made of.") var volumeID: String?
        @Option(name: .customLong("snapshotid"), help: "The snapshot.") var snapshotID: String?
        @Option(name: .customLong("snapshotname"), help: "The snapshot's name.") var name: String?
        @Option(name: .customLong("destinationsnapshotname"), help: "The copy's name.") var copyName: String?
        @Option(name: .customLong("destinationregion"), help: "The copy's region.") var copyRegion: String?
        @Flag(name: .customLong("runasync"), help: "Do not wait until it is complete.") var runAsync = false
        @OptionGroup var output: OutputOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run(_ session: Session) throws {
            guard given(volumeID) ?? given(snapshotID) ?? given(name) != nil else {
                throw UsageFailure("missing --volumeid or --snapshotid or --volumename")
            }
            throw refusal()
        }
    }
}
