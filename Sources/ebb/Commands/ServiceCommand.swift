import ArgumentParser
import Platform
import Settings

/// `service`: the daemon in the background, through systemd where its unit is installed.
struct ServiceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "service", abstract: "The service controller.",
        subcommands: [Start.self, Stop.self, Restart.self, Status.self, InitSystem.self])

    /// What `start` and `restart` take.
    struct StartOptions: ParsableArguments {
        @Argument(parsing: .postTerminator, help: "Further arguments of ebbd, after --.")
        var daemonArguments: [String] = []
    }

    struct Start: SessionCommand {
        static let configuration = CommandConfiguration(
            commandName: "start", abstract: "Start the daemon.",
            discussion: "Every setting is a flag here too, such as --docker-name rexray; see env.")

        @Flag(name: [.customShort("f"), .customLong("foreground")], help: "Run the daemon in the foreground.")
        var foreground = false
        @OptionGroup var options: StartOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run(_ session: Session) throws {
            let arguments = daemonArguments(session.settings, global, options)
            if foreground {
                let executable = try DaemonProcess.executable()
                throw CommandFailure("\(executable): \(replaceProcess(with: executable, arguments: arguments))")
            }
            try delegate("start", session.settings, arguments)
            let daemon = DaemonProcess(settings: session.settings)
            if let pid = try daemon.runningPID() { throw CommandFailure("Ebb already running at PID \(pid)") }
            try start(daemon, arguments)
        }
    }

    struct Stop: SessionCommand {
        static let configuration = CommandConfiguration(commandName: "stop", abstract: "Stop the daemon.")

        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run(_ session: Session) throws {
            try delegate("stop", session.settings)
            let daemon = DaemonProcess(settings: session.settings)
            guard let pid = try daemon.runningPID() else { throw CommandFailure("Ebb is already stopped") }
            try stop(daemon, pid)
        }
    }

    struct Restart: SessionCommand {
        static let configuration = CommandConfiguration(
            commandName: "restart", abstract: "Stop the daemon if it runs, and start it.",
            aliases: ["reload", "force-reload"])

        @OptionGroup var options: StartOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run(_ session: Session) throws {
            let arguments = daemonArguments(session.settings, global, options)
            try delegate("restart", session.settings, arguments)
            let daemon = DaemonProcess(settings: session.settings)
            if let pid = try daemon.runningPID() { try stop(daemon, pid) }
            try start(daemon, arguments)
        }
    }

    struct Status: SessionCommand {
        static let configuration = CommandConfiguration(
            commandName: "status", abstract: "Print whether the daemon runs.")

        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run(_ session: Session) throws {
            try delegate("status", session.settings)
            let pid = try DaemonProcess(settings: session.settings).runningPID()
            writeOut(pid.map { "Ebb is running at PID \($0)\n" } ?? "Ebb is stopped\n")
        }
    }

    struct InitSystem: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "initsys", abstract: "Print the init system.")

        func run() throws {
            writeOut("\nInit System: \(Systemd.isRunning ? "systemd" : "unknown")\n")
        }
    }

    private static func start(_ daemon: DaemonProcess, _ arguments: [String]) throws {
        writeOut("Starting Ebb...")
        do {
            let pid = try Progress.during("\nwaiting for the daemon", isShown: false) {
                try daemon.start(arguments: arguments)
            }
            let program = Invocation.current.program
            writeOut(
                """
                SUCCESS!

                  The Ebb daemon is now running at PID \(pid). To
                  shutdown the daemon execute the following command:

                    \(runsAsRoot() ? "" : "sudo ")\(program) service stop


                """)
        } catch {
            writeOut("FAILED!\n")
            throw error
        }
    }

    private static func stop(_ daemon: DaemonProcess, _ pid: Int32) throws {
        writeOut("Shutting down Ebb...")
        do {
            try daemon.stop(pid)
            writeOut("SUCCESS!\n")
        } catch {
            writeOut("FAILED!\n")
            throw error
        }
    }

    /// Leaves it to systemd where that has the unit; a home of one's own is not systemd's.
    ///
    /// - Parameter arguments: what the daemon shall be given; systemd gives it nothing.
    private static func delegate(_ verb: String, _ settings: Settings, _ arguments: [String] = []) throws {
        guard settings[.home].text.isEmpty, let controller = Systemd.controller() else { return }
        guard arguments.isEmpty else {
            throw CommandFailure(
                "systemd runs the daemon, and would not give it \(arguments.joined(separator: " ")); "
                    + "write settings into /etc/ebb/config.yml")
        }
        throw ExitCode(try Systemd.run(verb, controller))
    }

    /// The daemon's arguments: the settings that were flags here, and what stands behind `--`.
    private static func daemonArguments(
        _ settings: Settings, _ global: GlobalOptions, _ options: StartOptions
    ) -> [String] {
        var arguments: [String] = []
        for value in settings.all {
            if case .flag = value.origin { arguments.append("--\(value.setting.flag)=\(value.text)") }
        }
        if let file = global.config ?? Invocation.current.daemonFlags?.configurationFile {
            arguments.append("--config=\(file)")
        }
        return arguments + options.daemonArguments
    }
}
