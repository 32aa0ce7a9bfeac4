import ArgumentParser
import Driver
import Platform
import RPC

/// `snapshot`: what volumes held at an instant.
struct SnapshotCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "snapshot", abstract: "The snapshot manager.",
        subcommands: [
            List.self, Create.self, Remove.self, Copy.self, Export.self, Import.self, Push.self, Pull.self,
            Check.self, Tasks.self, Cancel.self,
        ])

    struct List: SessionCommand {
        static let configuration = CommandConfiguration(
            commandName: "ls", abstract: "List snapshots.", aliases: ["get", "list"])

        @Argument(help: ArgumentHelp("The ids or names of snapshots.", valueName: "snapshot"))
        var snapshots: [String] = []
        @Option(name: .customLong("snapshotname"), help: "Only snapshots of this name.") var name: String?
        @Option(name: .customLong("snapshotid"), help: "Only this snapshot.") var snapshotID: String?
        @Option(name: .customLong("volumeid"), help: "Only snapshots of this volume.") var volumeID: String?
        @OptionGroup var output: OutputOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run(_ session: Session) throws {
            let query = SnapshotQuery(
                ids: given(snapshotID).map { [SnapshotID($0)] } ?? [], names: given(name).map { [$0] } ?? [],
                volumeIDs: given(volumeID).map { [VolumeID($0)] } ?? [])
            let found =
                snapshots.isEmpty ? try session.snapshots(query) : try snapshots.map { try session.snapshot($0) }
            try session.print(SnapshotAnswer.snapshots(found), output)
        }
    }

    struct Create: SessionCommand {
        static let configuration = CommandConfiguration(
            commandName: "create", abstract: "Make snapshots of volumes, all of one instant.", aliases: ["new"])

        @Argument(help: ArgumentHelp("The ids or names of volumes.", valueName: "volume"))
        var volumes: [String] = []
        @Option(name: .customLong("volumeid"), help: "The volume.") var volumeID: String?
        @Option(name: .customLong("snapshotname"), help: "The snapshot's name.") var name: String?
        @Option(name: .customLong("description"), help: "What it is for.") var text: String?
        @Flag(help: "Make mounted filesystems consistent first, and hold their writers meanwhile.") var freeze = false
        @Flag(name: .customLong("runasync"), help: "Do not wait until it is complete.") var runAsync = false
        @OptionGroup var output: OutputOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run(_ session: Session) throws {
            let volumes = self.volumes + (given(volumeID).map { [$0] } ?? [])
            guard !volumes.isEmpty else { throw UsageFailure("missing --volumeid") }
            let tags = given(name).map { [Tag.name: $0] }
            let request = HostSnapshotsRequest(
                clientToken: SystemRandom().hexDigits(32),
                sources: volumes.map { .init(volume: VolumePattern($0).reference, tags: tags) },
                description: given(text),
                freeze: freeze)
            var snapshots = try session.call(Ebb.CreateHostSnapshots.self, request, doing: "making the snapshot")
                .snapshots
            if !runAsync {
                session.log.info("Waiting for snapshot to complete")
                snapshots = try snapshots.map { try session.completed($0) }
            }
            for snapshot in snapshots { session.log.info("Created Snapshot: \(snapshot.id)") }
            try session.print(SnapshotAnswer.snapshots(snapshots), output)
        }
    }

    struct Remove: SessionCommand {
        static let configuration = CommandConfiguration(
            commandName: "remove", abstract: "Delete snapshots.", aliases: ["rm", "delete"])

        @Argument(help: ArgumentHelp("The ids or names of snapshots.", valueName: "snapshot"))
        var snapshots: [String] = []
        @Option(name: .customLong("snapshotid"), help: "The snapshot.") var snapshotID: String?
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run(_ session: Session) throws {
            let snapshots = self.snapshots + (given(snapshotID).map { [$0] } ?? [])
            guard !snapshots.isEmpty else { throw UsageFailure("missing --snapshotid") }
            for id in try snapshots.map({ try session.snapshot($0).id }) {
                _ = try session.call(Ebb.DeleteSnapshot.self, .init(snapshotID: id), doing: "removing snapshot \(id)")
                session.log.info("Removed Snapshot: \(id)")
            }
        }
    }

    struct Copy: SessionCommand {
        static let configuration = CommandConfiguration(commandName: "copy", abstract: "Copy a snapshot.")

        @Argument(help: ArgumentHelp("The snapshot's id or name.", valueName: "snapshot")) var snapshot: String?
        @Option(name: .customLong("volumeid"), help: "The volume whose only snapshot it is.") var volumeID: String?
        @Option(name: .customLong("snapshotid"), help: "The snapshot.") var snapshotID: String?
        @Option(name: .customLong("snapshotname"), help: "The snapshot's name.") var name: String?
        @Option(name: .customLong("destinationsnapshotname"), help: "The copy's name.") var copyName: String?
        @Option(name: .customLong("destinationregion"), help: "The copy's region.") var copyRegion: String?
        @Option(name: .customLong("description"), help: "What the copy is for.") var text: String?
        @Flag(name: .customLong("runasync"), help: "Do not wait until it is complete.") var runAsync = false
        @OptionGroup var output: OutputOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run(_ session: Session) throws {
            let request = CopySnapshotRequest(
                clientToken: SystemRandom().hexDigits(32), sourceSnapshotID: try source(session).id,
                destinationRegion: given(copyRegion), description: given(text),
                tags: given(copyName).map { [Tag.name: $0] } ?? [:])
            var copy = try session.call(Ebb.CopySnapshot.self, request, doing: "copying the snapshot")
            if !runAsync {
                session.log.info("Waiting for snapshot copy to complete")
                copy = try session.completed(copy)
            }
            session.log.info("Created Snapshot: \(copy.id)")
            try session.print(SnapshotAnswer.snapshot(copy), output)
        }

        private func source(_ session: Session) throws -> Snapshot {
            if let one = given(snapshot) ?? given(snapshotID) ?? given(name) { return try session.snapshot(one) }
            guard let volumeID = given(volumeID) else {
                throw UsageFailure("missing --volumeid or --snapshotid or --volumename")
            }
            let all = try session.snapshots(SnapshotQuery(volumeIDs: [VolumeID(volumeID)]))
            guard let only = all.first, all.count == 1 else {
                throw StorageError(
                    .invalidParameterValue, "'\(volumeID)' has \(all.count) snapshots",
                    advice: "name the one to copy with --snapshotid")
            }
            return only
        }
    }
}
