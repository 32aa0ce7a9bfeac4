import ArgumentParser
import Driver
import Platform
import Settings
import SystemPackage

/// The command line. It links no server; everything about volumes is asked of the daemon.
///
/// Exit status: 0 done, 1 failed, 2 the command line is wrong. A signal ends it as it ends any program.
@main enum Main {
    static func main() {
        let invocation = Invocation.current
        if invocation.asksForRootHelp {
            writeOut(RootHelp.text(isVerbose: invocation.arguments.contains("--verbose")))
            return
        }
        do {
            var command = try Root.parseAsRoot(invocation.arguments)
            try command.run()
        } catch {
            let status = report(error)
            // Ctrl-C that has ended the command ends the program too, as it ends any: a shell sees 130.
            SignalDescriptor.letIn()
            Root.exit(withError: ExitCode(status))
        }
    }

    /// Tells people what went wrong; gives the exit status.
    private static func report(_ error: any Error) -> Int32 {
        let log = Log(level: .fatal)
        switch error {
        case let error as StorageError: log.failure(error.description)
        case let error as SettingsError:
            log.failure(error.description)
            return error.isUsage ? 2 : 1
        case let error as CommandFailure: log.failure(error.description)
        case let error as UsageFailure:
            log.failure(error.description)
            return 2
        case let error as Errno: log.failure(error.description)
        case let error as ExitCode: return error.rawValue
        default: return reportParsing(error)
        }
        return 1
    }

    /// Help and completions are asked for by errors too; they are no failures.
    private static func reportParsing(_ error: any Error) -> Int32 {
        let text = Root.fullMessage(for: error)
        if Root.exitCode(for: error) == .success {
            writeOut(text.hasSuffix("\n") ? text : text + "\n")
            return 0
        }
        writeToStandardError("\(Invocation.current.program): \(oneLine(text))\n")
        return 2
    }

    /// The parser's message without the usage below it, but for the command that shows that.
    private static func oneLine(_ text: String) -> String {
        let lines = text.split(separator: "\n")
        let message = lines.first ?? ""
        let help = lines.last.flatMap { $0.firstMatch(of: #/See '(.+)' for more/#)?.output.1 }
        return message.replacing("Error: ", with: "", maxReplacements: 1) + (help.map { "; see '\($0)'" } ?? "")
    }
}

/// A failure that no `StorageError` tells: of the service, of a file.
struct CommandFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}

/// A command line that the parser took, and that is wrong all the same.
struct UsageFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}

/// Writes an answer, all of it.
func writeOut(_ text: String) {
    guard !text.isEmpty else { return }
    do {
        try FileDescriptor.standardOutput.writeAll(text.utf8)
    } catch {
        writeToStandardError("\(Invocation.current.program): the answer cannot be written: \(error)\n")
        Root.exit(withError: ExitCode(1))
    }
}
