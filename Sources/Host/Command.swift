// A program of the machine, run as a child with a deadline.
//
// Our own filesystem may be what the program waits for: a child can be left behind, a thread of ours could not.

import Driver
import Platform
import Subprocess
import SystemPackage

struct Command: Sendable {
    let arguments: [String]
    let deadline: Duration

    init(_ arguments: [String], deadline: Duration) {
        self.arguments = arguments
        self.deadline = deadline
    }

    struct Outcome: Sendable {
        var exitCode: Int
        var output: String
        var errorOutput: String
    }

    /// Where the tools are, whatever the daemon's own PATH says.
    private static let searchPath = "/usr/sbin:/usr/bin:/sbin:/bin"
    private static let outputLimit = 1 << 20

    /// Runs the program and gives its exit code and output. Killed at the deadline (`DeadlineExceeded`).
    func outcome(clock: any Clock) async throws -> Outcome {
        try await withDeadline(deadline, clock: clock, "'\(arguments.joined(separator: " "))'") {
            try await self.run()
        }
    }

    /// Runs the program; any exit code but 0 is `HostOperationFailed`. Gives its standard output.
    @discardableResult
    func output(clock: any Clock) async throws -> String {
        let outcome = try await outcome(clock: clock)
        guard outcome.exitCode == 0 else { throw failure(outcome) }
        return outcome.output
    }

    func failure(_ outcome: Outcome) -> StorageError {
        let lines = outcome.errorOutput.split(whereSeparator: \.isNewline)
        let last = lines.last(where: { !$0.allSatisfy(\.isWhitespace) }).map { $0.prefix(300) }
        return StorageError(
            .hostOperationFailed, "'\(arguments.joined(separator: " "))' failed with exit code \(outcome.exitCode)",
            cause: last.map(String.init))
    }

    private func run() async throws -> Outcome {
        do {
            let result = try await Subprocess.run(
                .name(arguments[0]), arguments: Arguments(Array(arguments.dropFirst())),
                environment: .custom(["PATH": Self.searchPath, "LC_ALL": "C"]),
                output: .string(limit: Self.outputLimit), error: .string(limit: Self.outputLimit))
            return Outcome(
                exitCode: Self.code(result.terminationStatus), output: result.standardOutput,
                errorOutput: result.standardError)
        } catch let error as SubprocessError {
            throw StorageError(
                .hostOperationFailed, "'\(arguments[0])' could not be run", cause: "\(error)",
                advice: "install the package that has it: util-linux, e2fsprogs, xfsprogs or diffutils")
        }
    }

    /// As a shell gives it: 128 and the signal's number for one that was killed.
    private static func code(_ status: TerminationStatus) -> Int {
        switch status {
        case .exited(let code): Int(code)
        case .signaled(let signal): 128 + Int(signal)
        }
    }
}
