#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
import Platform
import SystemPackage

/// How a program ended and what it said.
public struct CommandOutput: Sendable, CustomStringConvertible {
    public let command: String
    public let termination: ChildProcess.Termination
    /// Standard output and standard error, without the blank space at their ends.
    public let output: String
    public let errors: String

    public var succeeded: Bool { termination == .exited(code: 0) }
    public var exitCode: Int32? {
        if case .exited(let code) = termination { code } else { nil }
    }
    public var lines: [String] { output.split(whereSeparator: \.isNewline).map(String.init) }
    public var description: String { "\(command): \(termination)\n\(output)\n\(errors)" }

    /// The output of a program that must succeed.
    @discardableResult
    public func checked() throws -> String {
        if !succeeded { throw CommandFailed(output: self) }
        return output
    }
}

public struct CommandFailed: Error, CustomStringConvertible {
    public let output: CommandOutput
    public var description: String { output.description }
}

/// Runs a program and waits for it without holding a thread. It is killed when its time is over; what it had
/// started by then is not.
public func runToDeadline(
    _ arguments: [String], within timeout: Duration = .seconds(60)
) async throws -> CommandOutput {
    let base = "/tmp/ebb-command-\(String(UInt64.random(in: 0 ... .max), radix: 36))"
    defer {
        for suffix in [".out", ".err"] { try? FileManager.default.removeItem(atPath: base + suffix) }
    }
    let redirect = #"base=$1; shift; exec "$@" >"$base.out" 2>"$base.err" </dev/null"#
    let process = try ChildProcess.spawn(
        "/bin/sh", arguments: ["-c", redirect, "sh", base] + arguments, inherited: [])
    let deadline = ContinuousClock.now + timeout
    var ended = try process.poll()
    while ended == nil {
        if ContinuousClock.now > deadline { try process.send(.kill) }
        // A cancelled test stops its commands too, and waits until they have.
        if Task.isCancelled { try process.send(.kill) }
        try? await Task.sleep(for: .milliseconds(5))
        ended = try process.poll()
    }
    return CommandOutput(
        command: arguments.joined(separator: " "), termination: ended!, output: try contents(of: base + ".out"),
        errors: try contents(of: base + ".err"))
}

private func contents(of path: String) throws -> String {
    let text = String(decoding: try readFile(FilePath(path), limit: 64 << 20), as: UTF8.self)
    return String(text.reversed().drop(while: \.isWhitespace).reversed())
}

/// Waits until `condition` holds; gives whether it did in time.
public func eventually(
    within timeout: Duration = .seconds(20), _ condition: () async throws -> Bool
) async throws -> Bool {
    let deadline = ContinuousClock.now + timeout
    while true {
        if try await condition() { return true }
        if ContinuousClock.now > deadline { return false }
        try await Task.sleep(for: .milliseconds(50))
    }
}
