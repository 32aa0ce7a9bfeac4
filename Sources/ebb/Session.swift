import ArgumentParser
import Driver
import Platform
import RPC
import Settings
import SystemPackage

/// What a command works with: the settings, the daemon, and where its answer goes.
struct Session {
    let settings: Settings
    let log: Log
    private let client: RPCClient
    private var interruption: FileDescriptor?

    init(_ global: GlobalOptions) throws {
        settings = try global.settings()
        log = Log(level: Log.Level(settings.logLevel))
        client = RPCClient(socketPath: settings.socket.string)
    }

    /// The same session where signals are read from a descriptor: a call is given up when one comes and no answer does.
    func interruptible(by signals: SignalDescriptor?) -> Session {
        var session = self
        session.interruption = signals?.descriptor
        return session
    }

    /// Asks the daemon, and says so when it takes long, unless something else is shown.
    ///
    /// - Parameter time: for a call that takes as long as a volume has bytes.
    func call<Method: RPCMethod>(
        _ method: Method.Type, _ parameters: Method.Parameters, doing what: String, isShown: Bool = true,
        within time: Duration? = nil
    ) throws(StorageError) -> Method.Result {
        try Progress.during(what, isShown: isShown) { () throws(StorageError) -> Method.Result in
            try client.call(method, parameters, within: time, interruptedBy: interruption)
        }
    }

    func host() throws(StorageError) -> Ebb.DescribeHost.Result {
        try call(Ebb.DescribeHost.self, Empty(), doing: "asking the daemon who it is")
    }

    func instances() throws(StorageError) -> [Instance] {
        try call(Ebb.DescribeInstances.self, Empty(), doing: "listing instances").instances
    }

    /// Every volume of the region.
    func volumes() throws(StorageError) -> [HostVolume] {
        try Progress.during("listing volumes") { () throws(StorageError) -> [HostVolume] in
            try client.hostVolumes()
        }
    }

    func volume(_ reference: VolumeReference) throws(StorageError) -> HostVolume {
        try call(Ebb.GetHostVolume.self, .init(volume: reference), doing: "looking for volume \(reference)")
    }

    /// Waits until a volume can be used: a copy of another one is `creating` at first.
    ///
    /// - Throws: why it will never be.
    func sound(_ made: HostVolume) throws(StorageError) -> HostVolume {
        guard made.volume.state == .creating else { return made }
        let id = made.volume.id
        return try Progress.during("copying the blocks of \(id)") { () throws(StorageError) -> HostVolume in
            var host = made
            while host.volume.state == .creating {
                waitInThisThread(untilUptimeNanoseconds: SystemClock().uptimeNanoseconds() + 100_000_000)
                host = try client.call(Ebb.GetHostVolume.self, .init(volume: .id(id)))
            }
            try host.volume.requireSound()
            return host
        }
    }

    func print(_ answer: Answer, _ output: OutputOptions) throws {
        writeOut(try answer.text(output.chosenFormat, template: output.template, isQuiet: output.quiet))
    }
}

/// What every command takes.
struct GlobalOptions: ParsableArguments {
    @Option(
        name: [.customShort("c"), .customLong("config")],
        help: ArgumentHelp("The configuration file.", valueName: "file"), completion: .file())
    var config: String?

    @Option(
        name: [.customShort("h"), .customLong("host")],
        help: ArgumentHelp("The daemon's socket.", valueName: "socket"), completion: .file())
    var host: String?

    @Option(
        name: .customLong("home"), help: ArgumentHelp("Puts every path below it.", valueName: "directory"),
        completion: .directory)
    var home: String?

    @Option(
        name: [.customShort("l"), .customLong("loglevel")],
        help: ArgumentHelp("The log level (panic, fatal, error, warn, info, debug, trace).", valueName: "level"),
        completion: .list(Log.Level.names))
    var logLevel: String?

    @Flag(name: [.customShort("v"), .customLong("verbose")], help: "Print verbose help information.")
    var verbose = false

    /// The settings, these flags included.
    func settings() throws -> Settings {
        if let problem = Invocation.current.daemonFlagsProblem { throw problem }
        let taken = Invocation.current.daemonFlags
        var flags = taken?.flags ?? [:]
        if let home { flags[.home] = (home, "--home") }
        if let logLevel { flags[.logLevel] = (logLevel, "--loglevel") }
        if let host { flags[.socket] = (try Self.socketPath(host), "--host") }
        return try Settings.load(flags: flags, configurationFile: config ?? taken?.configurationFile)
    }

    /// `unix:///run/ebb/ebb.sock`, or the path alone.
    private static func socketPath(_ host: String) throws -> String {
        for scheme in ["unix://", "unix:"] where host.hasPrefix(scheme) { return String(host.dropFirst(scheme.count)) }
        guard host.hasPrefix("/") else {
            throw UsageFailure("The daemon answers on a Unix socket: --host unix:///run/ebb/ebb.sock, not \(host)")
        }
        return host
    }
}

/// How a command answers.
struct OutputOptions: ParsableArguments {
    @Option(
        name: [.customShort("f"), .customLong("format")],
        help: ArgumentHelp("The output format (yml, table, json, jsonp, tmpl).", valueName: "format"))
    var format: Format?

    @Option(
        name: .customLong("template"),
        help: ArgumentHelp("What to print of each item, such as '{{.Name}} {{.Size}}'.", valueName: "template"))
    var template: String?

    @Flag(name: [.customShort("q"), .customLong("quiet")], help: "Leave a table's header out.")
    var quiet = false

    func validate() throws {
        if format == .tmpl, template == nil { throw ValidationError("--format tmpl needs a --template") }
    }

    /// YAML for REX-Ray 0.3's grammar and for pipes, a table for people.
    var chosenFormat: Format {
        if let format { return format }
        if template != nil { return .tmpl }
        if Invocation.current.usesFlagGrammar { return .yml }
        return isTerminal(.standardOutput) ? .table : .yml
    }
}

/// A command that works with the settings and the daemon.
protocol SessionCommand: ParsableCommand {
    var global: GlobalOptions { get }
    func run(_ session: Session) throws
}

extension SessionCommand {
    mutating func run() throws {
        try run(Session(global))
    }
}
