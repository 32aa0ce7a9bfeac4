import Subprocess
import SystemPackage

/// What a program left when it had ended.
public struct CommandResult: Sendable {
    /// The exit code; 128 + the signal's number if a signal ended it, as in a shell.
    public let status: Int32
    public let output: String
    public let errors: String
}

/// Runs a program to its end, with no standard input.
///
/// - Parameters:
///   - executable: a path, or a name that is looked for in `PATH`.
///   - environment: what to change in this process's environment; `nil` removes a variable.
/// - Throws: `SubprocessError` when it cannot be started, or writes more than 16 MiB.
public func runCommand(
    _ executable: String, _ arguments: [String] = [], environment: [String: String?] = [:],
    in directory: FilePath? = nil
) async throws -> CommandResult {
    let changes = Dictionary(
        uniqueKeysWithValues: environment.map { (Environment.Key(stringLiteral: $0.key), $0.value) })
    let limit = 16 << 20
    let result = try await Subprocess.run(
        executable.contains("/") ? .path(FilePath(executable)) : .name(executable),
        arguments: Arguments(arguments),
        environment: Environment.inherit.updating(changes),
        workingDirectory: directory,
        output: .string(limit: limit), error: .string(limit: limit))
    let status =
        switch result.terminationStatus {
        case .exited(let code): code
        case .signaled(let signal): 128 + signal
        }
    return CommandResult(
        status: status, output: result.standardOutput, errors: result.standardError)
}
