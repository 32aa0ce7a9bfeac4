import ArgumentParser
import Driver
import Platform
import RPC

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

// Snapshots as files, and the check of the store: what takes as long as the bytes need.
extension SnapshotCommand {
    struct Export: SessionCommand {
        static let configuration = CommandConfiguration(
            commandName: "export", abstract: "Write a snapshot into a file, or go on with one.")

        @OptionGroup var way: SnapshotAndTarget
        @Flag(name: .customLong("runasync"), help: "Do not wait until it is whole.") var runAsync = false
        @OptionGroup var output: OutputOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run(_ session: Session) throws {
            let (snapshot, file) = try way.resolve(
                session, orSay: "Name a snapshot and a file: snapshot export SNAPSHOT FILE")
            let request = SnapshotTaskRequest(
                action: .export, snapshotID: snapshot.id, location: absolutePath(file))
            let task = try session.carryOut(request, doing: "exporting \(snapshot.id)", isAwaited: !runAsync)
            if !runAsync { session.log.info("Exported Snapshot: \(snapshot.id)") }
            try session.print(SnapshotTaskAnswer.task(task), output)
        }
    }

    struct Import: SessionCommand {
        static let configuration = CommandConfiguration(
            commandName: "import", abstract: "Make a snapshot of an exported file.")

        @Argument(help: ArgumentHelp("The file.", valueName: "file"), completion: .file()) var file: String?
        @Option(name: .customLong("snapshotname"), help: "The snapshot's name, instead of what it was.")
        var name: String?
        @Option(name: .customLong("description"), help: "What it is for, instead of what it was.") var text: String?
        @Flag(name: .customLong("runasync"), help: "Do not wait until it is complete.") var runAsync = false
        @OptionGroup var output: OutputOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run(_ session: Session) throws {
            guard let file = given(file) else { throw UsageFailure("Name a file: snapshot import FILE") }
            let request = SnapshotTaskRequest(
                action: .import, location: absolutePath(file), name: given(name), description: given(text))
            let task = try session.carryOut(request, doing: "importing \(file)", isAwaited: !runAsync)
            try session.printMade(task, output)
        }
    }

    struct Check: SessionCommand {
        static let configuration = CommandConfiguration(
            commandName: "check", abstract: "Verify every block of every snapshot; exit with 1 if any is bad.")

        @Flag(name: .customLong("runasync"), help: "Do not wait for what it finds.") var runAsync = false
        @OptionGroup var output: OutputOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run(_ session: Session) throws {
            let task = try session.carryOut(
                SnapshotTaskRequest(action: .check), doing: "checking snapshots", isAwaited: !runAsync)
            guard let report = task.report else { return try session.print(SnapshotTaskAnswer.task(task), output) }
            if output.format == nil, output.template == nil {
                writeOut(SnapshotTaskAnswer.lines(of: report).map { $0 + "\n" }.joined())
            } else {
                try session.print(SnapshotTaskAnswer.report(report), output)
            }
            if !report.findings.isEmpty { throw ExitCode(1) }
        }
    }

    struct Tasks: SessionCommand {
        static let configuration = CommandConfiguration(
            commandName: "tasks",
            abstract: "List exports, imports, pushes, pulls and checks, also those that ended lately.")

        @Argument(help: ArgumentHelp("The ids of tasks.", valueName: "task")) var tasks: [String] = []
        @OptionGroup var output: OutputOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run(_ session: Session) throws {
            let found = try session.call(
                Ebb.DescribeSnapshotTasks.self, .init(ids: tasks.map { SnapshotTaskID($0) }),
                doing: "listing tasks"
            ).tasks
            try session.print(SnapshotTaskAnswer.tasks(found), output)
        }
    }

    struct Cancel: SessionCommand {
        static let configuration = CommandConfiguration(
            commandName: "cancel", abstract: "Stop exports, imports, pushes, pulls and checks.")

        @Argument(help: ArgumentHelp("The ids of tasks.", valueName: "task")) var tasks: [String] = []
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run(_ session: Session) throws {
            guard !tasks.isEmpty else { throw UsageFailure("Name a task: snapshot cancel TASK") }
            for task in tasks {
                _ = try session.call(
                    Ebb.CancelSnapshotTask.self, .init(id: SnapshotTaskID(task)), doing: "stopping \(task)")
            }
        }
    }
}

/// A snapshot, by argument or flag, and where it shall go.
struct SnapshotAndTarget: ParsableArguments {
    @Argument(
        help: ArgumentHelp(
            "The snapshot's id or name, unless a flag has it, and where to bring it.", valueName: "what"))
    var words: [String] = []
    @Option(name: .customLong("snapshotid"), help: "The snapshot.") var snapshotID: String?
    @Option(name: .customLong("snapshotname"), help: "The snapshot's name.") var name: String?

    /// - Parameter usage: what is said unless there are just these two.
    func resolve(_ session: Session, orSay usage: String) throws -> (Snapshot, target: String) {
        let all = [given(snapshotID) ?? given(name)].compactMap { $0 } + words
        guard all.count == 2 else { throw UsageFailure(usage) }
        return (try session.snapshot(all[0]), all[1])
    }
}

/// The daemon has another working directory.
func absolutePath(_ path: String) -> String {
    path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
}
