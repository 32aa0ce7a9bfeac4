import ArgumentParser
import Driver
import Glibc
import Logging
import Platform
import Settings

/// The daemon's command line: the settings' flags, which `SettingFlags` takes out first, and these.
@main
struct Ebbd: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ebbd",
        abstract: "The daemon of Ebb: a region of volumes on this machine, and its volume driver for Docker.",
        discussion: "Runs in the foreground. Settings, each also a variable and a key of the configuration file:\n"
            + settingsHelp,
        subcommands: [Serve.self, Node.self, GuardFrozen.self],
        defaultSubcommand: Serve.self)

    static func main() {
        do {
            let flags = try SettingFlags(Array(CommandLine.arguments.dropFirst()))
            var command = try parseAsRoot(flags.rest)
            if let daemon = command as? any DaemonCommand {
                try daemon.run(flags)
            } else {
                try command.run()
            }
        } catch let code as ExitCode {
            // What went wrong is said.
            Glibc.exit(code.rawValue)
        } catch let error as SettingsError {
            fail(error.description, code: error.isUsage ? 2 : 1)
        } catch let error as StorageError {
            fail(error.description, code: 1)
        } catch {
            let code = exitCode(for: error)
            if code == .success || code == .validationFailure { exit(withError: error, usageExitsWith: 2) }
            fail("\(error)", code: 1)
        }
    }

    private static func exit(withError error: any Error, usageExitsWith code: Int32) {
        if exitCode(for: error) == .success { exit(withError: error) }
        writeToStandardError(fullMessage(for: error) + "\n")
        Glibc.exit(code)
    }

    private static func fail(_ message: String, code: Int32) {
        writeToStandardError("ebbd: \(message)\n")
        Glibc.exit(code)
    }

    private static var settingsHelp: String {
        Setting.all.filter { $0.kind != .secret }.map { "  --\($0.flag)  \($0.summary)" }.joined(separator: "\n")
    }
}

/// A command that becomes a daemon: a supervisor, or with the hidden argument its worker.
protocol DaemonCommand: ParsableCommand {
    var inheritance: String? { get }
    func plan(_ flags: SettingFlags) throws -> DaemonPlan
}

extension DaemonCommand {
    func run(_ flags: SettingFlags) throws {
        let plan = try plan(flags)
        LoggingSystem.bootstrap(LogLine.init(label:))
        var logger = Logger(label: inheritance == nil ? "supervisor" : "ebbd")
        logger.logLevel = LogLine.level(named: plan.settings.logLevel)
        ignoreBrokenPipes()
        if let inheritance {
            try WorkerMain(plan: plan, inheritance: Inheritance(argument: inheritance), logger: logger).run()
        } else {
            for notice in plan.settings.notices { logger.warning("\(notice)") }
            var supervisor = try Supervisor(plan: plan, logger: logger)
            let code = try supervisor.run()
            if code != 0 { throw ExitCode(code) }
        }
    }
}

/// `ebbd`: the region and its first instance.
struct Serve: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Serve the region and this machine's instance (the default).")

    @Option(help: .hidden) var inheritance: String?

    func plan(_ flags: SettingFlags) throws -> DaemonPlan {
        let settings = try Settings.load(flags: flags.flags, configurationFile: flags.configurationFile)
        let world: DaemonPlan.World = settings.driver == .ec2 ? .ec2 : .region
        return try DaemonPlan(settings: settings, world: world, arguments: ["serve"] + flags.arguments)
    }
}

/// `ebbd node`: the host side and the Docker plugin of another machine.
struct Node: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "node",
        abstract: "Be another instance of the region behind a socket: --region SOCKET --instance NAME --zone ZONE.")

    @Option(help: .hidden) var inheritance: String?

    func plan(_ flags: SettingFlags) throws -> DaemonPlan {
        // `--region` names the region's socket here, and the region itself knows which zones it has.
        var chosen = flags.flags
        guard let socket = chosen.removeValue(forKey: .region)?.text, socket.hasPrefix("/") else {
            throw SettingsError("node needs --region with the absolute path of the region's socket", isUsage: true)
        }
        guard chosen[.instance] != nil else {
            throw SettingsError("node needs --instance with the name of this machine", isUsage: true)
        }
        if let zone = chosen[.zone] { chosen[.zones] = zone }
        let settings = try Settings.load(flags: chosen, configurationFile: flags.configurationFile)
        return try DaemonPlan(settings: settings, world: .remote(socket: socket), arguments: ["node"] + flags.arguments)
    }
}

extension SettingFlags {
    /// The flags again, as a worker is to be given them.
    var arguments: [String] {
        let configuration = configurationFile.map { ["--config", $0] } ?? []
        return configuration + flags.map { "--\($0.key.flag)=\($0.value.text)" }.sorted()
    }
}
