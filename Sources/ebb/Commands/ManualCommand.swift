import ArgumentParser
import Settings

/// The manual page, in roff, made of the commands' own help and the settings' table; `scripts/install` keeps
/// it as ebb(1).
struct ManualCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "manual", abstract: "Print the manual page.", shouldDisplay: false)

    func run() throws {
        let name = Invocation.current.program
        var page = """
            .TH \(name.uppercased()) 1 "" "Ebb \(Version.text)"
            .SH NAME
            \(name) \\- Elastic Block storage on your own Box
            .SH SYNOPSIS
            .B \(name)
            [flags] command [arguments]
            .SH DESCRIPTION
            EBS volumes for containers and tests, served from sparse files without a cloud account. The commands
            take names as arguments, or as the flags of REX-Ray 0.3; flags are taken without regard to case and
            may stand anywhere.
            .SH COMMANDS

            """
        for command in Self.leaves(of: Root.self) {
            page += ".SS \(command.path)\n.nf\n\(escaped(Root.helpMessage(for: command.type, columns: 78)))\n.fi\n"
        }
        page += ".SH SETTINGS\nA flag comes before the environment, that before\n.IR /etc/ebb/config.yml .\n"
        for setting in Setting.all {
            page += ".TP\n.BR \(setting.variable) \", \" \(setting.key)\n\(escaped(setting.summary))\n"
        }
        page += ".SH EXIT STATUS\n0 done, 1 failed, 2 the command line is wrong.\n"
        writeOut(page)
    }

    /// A command that does something, with the words that lead to it.
    private struct Leaf {
        let path: String
        let type: any ParsableCommand.Type
    }

    private static func leaves(of command: any ParsableCommand.Type, below path: [String] = []) -> [Leaf] {
        var leaves: [Leaf] = []
        for sub in command.configuration.subcommands where sub.configuration.shouldDisplay {
            let words = path + [sub.configuration.commandName ?? ""]
            if sub.configuration.subcommands.isEmpty {
                leaves.append(Leaf(path: words.joined(separator: " "), type: sub))
            } else {
                leaves += Self.leaves(of: sub, below: words)
            }
        }
        return leaves
    }

    private func escaped(_ text: String) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            let plain = line.split(separator: "\\", omittingEmptySubsequences: false).joined(separator: "\\e")
            return plain.hasPrefix(".") || plain.hasPrefix("'") ? "\\&" + plain : plain
        }.joined(separator: "\n")
    }
}
