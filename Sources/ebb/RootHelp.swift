import ArgumentParser
import Settings

/// The program's own help, laid out as REX-Ray's was. Commands' help is the argument parser's.
enum RootHelp {
    static func text(isVerbose: Bool) -> String {
        let program = Invocation.current.program
        let socket = socketPath()
        var commands: [String] = []
        for command in Root.configuration.subcommands where command.configuration.shouldDisplay {
            commands.append(row(command.configuration.commandName ?? "", command.configuration.abstract))
        }
        return """
            Ebb:
              Elastic Block storage on your own Box: EBS volumes for containers and tests, without a cloud account.

            Usage:
              \(program) [flags]
              \(program) [command]

            Available Commands:
            \(commands.joined(separator: "\n"))
            \(row("help", "Help about any command"))

            Global Flags:
              -c, --config="/etc/ebb/config.yml": The configuration file
              -h, --host="unix://\(socket)": The daemon's socket
                  --home="": Puts every path below it
              -l, --logLevel="info": The log level (panic, fatal, error, warn, info, debug, trace)
              -v, --verbose[=false]: Print verbose help information
              -?, --help[=false]: Print help

            Use "\(program) [command] --help" for more information about a command.
            \(isVerbose ? settingsText() : "")
            """
    }

    /// Help is for whoever has a broken configuration too.
    private static func socketPath() -> String {
        do {
            return try Settings.load().socket.string
        } catch {
            return "/run/ebb/ebb.sock"
        }
    }

    /// Every setting, for `--verbose`.
    private static func settingsText() -> String {
        let rows = Setting.all.map { setting in
            "  \(setting.variable) (\(setting.key) in config.yml)\n      \(setting.summary)"
        }
        return "\nSettings:\n" + rows.joined(separator: "\n") + "\n"
    }

    private static func row(_ name: String, _ abstract: String) -> String {
        let plain = abstract.hasSuffix(".") ? String(abstract.dropLast()) : abstract
        return "  " + name + String(repeating: " ", count: max(1, 12 - name.count)) + plain
    }
}
