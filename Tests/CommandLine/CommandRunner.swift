#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
import SystemPackage
import TestSupport
import Testing

/// Runs `ebb`, and `rexray` beside it, in a home of its own.
struct CommandRunner {
    let home: FilePath

    /// What a command said, without what differs from run to run.
    struct Output: Equatable {
        var status: Int32 = 0
        var output = ""
        var errors = ""
    }

    /// Makes a `rexray` that is `ebb`, and a directory for devices, in the home.
    init(home: FilePath) throws {
        self.home = home
        try FileManager.default.createDirectory(
            atPath: home.appending("dev").string, withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(
            atPath: home.appending("rexray").string, withDestinationPath: BuiltPrograms.ebb.string)
    }

    func ebb(_ line: String, environment: [String: String] = [:]) async throws -> Output {
        try await run(BuiltPrograms.ebb.string, line, environment)
    }

    /// For words that a line cannot have, such as an empty one.
    func ebb(_ words: [String]) async throws -> Output {
        try await run(BuiltPrograms.ebb.string, words)
    }

    /// What `ebb` prints, as it is, by words.
    func words(_ line: String) async throws -> [String] {
        let result = try await runCommand(
            BuiltPrograms.ebb.string, line.split(separator: " ").map(String.init),
            environment: ["EBB_HOME": home.string, "EBB_INSTANCE": "here"])
        return result.output.split(whereSeparator: \.isWhitespace).map(String.init)
    }

    /// Runs a line that is refused with one line of text, besides what REX-Ray's grammar logs of what is being done.
    /// `HOME` stands for the home.
    func expectRefusal(
        _ refusal: (line: String, status: Int32, text: String), sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let result = try await ebb(refusal.line.replacing("HOME", with: home.string))
        let comment: Comment = "\(refusal.line): \(result)"
        #expect(result.status == refusal.status, comment, sourceLocation: sourceLocation)
        #expect(result.output.isEmpty, comment, sourceLocation: sourceLocation)
        #expect(result.errors.contains(refusal.text), comment, sourceLocation: sourceLocation)
        let lines = result.errors.split(whereSeparator: \.isNewline).filter { !$0.contains("level=info") }
        #expect(lines.count == 1, comment, sourceLocation: sourceLocation)
    }

    func rexray(_ line: String) async throws -> Output {
        try await run(home.appending("rexray").string, line)
    }

    private func run(_ program: String, _ line: String, _ others: [String: String] = [:]) async throws -> Output {
        try await run(program, line.split(separator: " ").map { String($0.replacing("␣", with: " ")) }, others)
    }

    private func run(_ program: String, _ words: [String], _ others: [String: String] = [:]) async throws -> Output {
        var environment: [String: String?] = ["EBB_HOME": home.string, "EBB_INSTANCE": "here"]
        for (name, value) in others { environment[name] = value }
        let result = try await runCommand(program, words, environment: environment)
        return Output(
            status: result.status, output: stable(result.output), errors: stable(withoutProgress(result.errors)))
    }

    /// A busy machine takes over a second for anything, and the command says so.
    private func withoutProgress(_ text: String) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false).filter { !$0.hasSuffix(" …") }
            .joined(separator: "\n")
    }

    /// What differs from run to run, by a word: `VOL`, `SNAP`, `INSTANCE`, `HOME`, `TIME`, `PID`.
    private func stable(_ text: String) -> String {
        text.replacing(#/vol-[0-9a-f]{17}/#, with: "VOL")
            .replacing(#/snap-[0-9a-f]{17}/#, with: "SNAP")
            .replacing(#/i-[0-9a-f]{17}/#, with: "INSTANCE")
            .replacing(home.string, with: "HOME")
            .replacing(#/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/#, with: "TIME")
            .replacing(#/PID \d+/#, with: "PID N")
    }
}

/// Commands beside a daemon.
///
/// - Parameter environment: the daemon's, besides what it has in all tests.
func withCommands(
    environment: [String: String] = [:], _ body: (CommandRunner) async throws -> Void
) async throws {
    let usual = ["EBB_PERFORMANCE": "on", "EBB_OPTIMIZING_TIME": "1h"]
    try await withDaemon(
        arguments: ["--instance", "here", "--detach-linger", "0"], environment: usual.merging(environment) { $1 }
    ) { daemon in
        try await body(try CommandRunner(home: daemon.home))
    }
}
