import ArgumentParser
import Driver
import RPC

// Snapshots in directories and buckets that others use too.
extension SnapshotCommand {
    struct Push: SessionCommand {
        static let configuration = CommandConfiguration(
            commandName: "push",
            abstract: "Bring a snapshot to a directory or a bucket; what is there already is not sent again.")

        @OptionGroup var way: SnapshotAndTarget
        @Option(help: ArgumentHelp("The URL of the bucket's server.", valueName: "url")) var endpoint: String?
        @Flag(help: "Ask for each block, and so mend a place that has lost some.") var thorough = false
        @Flag(name: .customLong("runasync"), help: "Do not wait until all is there.") var runAsync = false
        @OptionGroup var output: OutputOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run(_ session: Session) throws {
            let (snapshot, place) = try way.resolve(
                session, orSay: "Name a snapshot and a place: snapshot push SNAPSHOT s3://BUCKET/PREFIX")
            let request = SnapshotTaskRequest(
                action: .push, snapshotID: snapshot.id, location: placeLocation(place), endpoint: given(endpoint),
                isThorough: thorough ? true : nil)
            let task = try session.carryOut(request, doing: "pushing \(snapshot.id)", isAwaited: !runAsync)
            if !runAsync { session.log.info("Pushed Snapshot: \(snapshot.id)") }
            try session.print(SnapshotTaskAnswer.task(task), output)
        }
    }

    struct Pull: SessionCommand {
        static let configuration = CommandConfiguration(
            commandName: "pull", abstract: "Make a snapshot of one in a directory or a bucket.")

        @Argument(help: ArgumentHelp("A directory, or s3://BUCKET/PREFIX.", valueName: "place")) var place: String?
        @Argument(
            help: ArgumentHelp("Its id or its name there; needed if there are several.", valueName: "snapshot"))
        var snapshot: String?
        @Option(name: .customLong("snapshotname"), help: "The snapshot's name, instead of what it was.")
        var name: String?
        @Option(name: .customLong("description"), help: "What it is for, instead of what it was.") var text: String?
        @Option(help: ArgumentHelp("The URL of the bucket's server.", valueName: "url")) var endpoint: String?
        @Flag(name: .customLong("runasync"), help: "Do not wait until it is complete.") var runAsync = false
        @OptionGroup var output: OutputOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run(_ session: Session) throws {
            guard let place = given(place) else {
                throw UsageFailure("Name a place: snapshot pull s3://BUCKET/PREFIX [SNAPSHOT]")
            }
            let request = SnapshotTaskRequest(
                action: .pull, snapshotID: given(snapshot).map { SnapshotID($0) }, location: placeLocation(place),
                endpoint: given(endpoint), name: given(name), description: given(text))
            let task = try session.carryOut(request, doing: "pulling from \(place)", isAwaited: !runAsync)
            try session.printMade(task, output)
        }
    }
}

extension Session {
    /// What an import or a pull has made; while nobody waits for it, the task.
    func printMade(_ task: SnapshotTask, _ output: OutputOptions) throws {
        guard let id = task.snapshotID, task.state == .completed else {
            return try print(SnapshotTaskAnswer.task(task), output)
        }
        log.info("Created Snapshot: \(id)")
        try print(SnapshotAnswer.snapshot(try snapshot(id.rawValue)), output)
    }
}

private func placeLocation(_ text: String) -> String { text.contains("://") ? text : absolutePath(text) }
