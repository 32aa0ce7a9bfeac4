import ArgumentParser
import Settings

/// `env`: every setting as a line that a shell can read, with its origin.
struct EnvCommand: SessionCommand {
    static let configuration = CommandConfiguration(
        commandName: "env", abstract: "Print every setting and where it comes from.")

    @OptionGroup var output: OutputOptions
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func run(_ session: Session) throws {
        guard output.format != nil || output.template != nil else {
            return writeOut(lines(session.settings.all).joined(separator: "\n") + "\n")
        }
        let values = session.settings.all
        try session.print(
            Answer(
                value: .list(values.map(record)),
                table: Table(
                    header: ["Key", "Value", "Origin"],
                    rows: values.map { [$0.setting.key, $0.shown, $0.origin.description] })),
            output)
    }

    private func record(_ value: Settings.Value) -> Value {
        .record([
            .init("Key", .text(value.setting.key)),
            .init("Variable", .text(value.setting.variable)),
            .init("Value", .text(value.shown)),
            .init("Origin", .text(value.origin.description)),
        ])
    }

    private func lines(_ values: [Settings.Value]) -> [String] {
        // A shell that reads them is not to take stars for a secret.
        let assignments = values.map {
            ($0.shown == $0.text ? "" : "# ") + "\($0.setting.variable)=\(shellQuoted($0.shown))"
        }
        let width = assignments.map(\.count).max() ?? 0
        return zip(assignments, values).map { assignment, value in
            assignment + String(repeating: " ", count: width - assignment.count) + "  # \(value.origin)"
        }
    }

    private func shellQuoted(_ text: String) -> String {
        let isPlain = text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "/._-,:=@%+".contains($0)) }
        if isPlain { return text }
        return "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: #"'\''"#) + "'"
    }
}
