#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
import Glibc
import Platform
import SystemPackage

/// An `ebbd` with a home of its own, started for a test and gone after it.
public final class RunningDaemon: Sendable {
    public let home: FilePath
    public let process: TestProcess

    public var rpcSocket: FilePath { home.appending("run/ebb/ebb.sock") }
    public var filesystem: FilePath { home.appending("run/ebb/volumes") }
    public var dockerSockets: FilePath { home.appending("run/docker/plugins") }
    /// The nodes of its volumes, beside those of other daemons.
    public var devices: FilePath { home.appending("dev") }

    /// Starts `ebbd --home HOME` and waits until it serves.
    ///
    /// - Parameters:
    ///   - arguments: further arguments, such as `--docker-name`.
    ///   - environment: what to add to this process's environment. Unless it says how volumes perform, they are as
    ///     fast as they can be: what else the tests do at the same time would make slow ones too slow.
    ///   - launcher: a command that becomes the daemon: it is given the daemon's command as further arguments.
    ///   - replacing: a killed daemon whose socket file still lies there and does not count.
    /// - Throws: `DidNotServe` with the log when it ends or does not serve within the time.
    public init(
        home: FilePath, arguments: [String] = [], environment: [String: String] = [:], launcher: [String] = [],
        replacing: RunningDaemon? = nil,
        within timeout: Duration = .seconds(30)
    ) async throws {
        self.home = home
        if let replacing { try removeFile(at: replacing.rpcSocket) }
        let devices = home.appending("dev")
        try createDirectories(devices)
        let log = home.appending("ebbd.log")
        process = try TestProcess(
            ["env", "EBB_PERFORMANCE=off"] + environment.map { "\($0)=\($1)" } + launcher
                + [BuiltPrograms.ebbd.string] + arguments
                + ["--home", home.string, "--device-directory", devices.string],
            output: log, appending: true)
        let deadline = ContinuousClock.now + timeout
        while !FileManager.default.fileExists(atPath: rpcSocket.string) {
            let ended = try process.poll()
            if ended != nil || ContinuousClock.now > deadline {
                // One that is late may have mounted its filesystem, and takes it along when it is asked to end.
                if ended == nil { try await stop() }
                // One that has ended before it began has none.
                let said = FileManager.default.contents(atPath: log.string) ?? Data()
                throw DidNotServe(log: String(decoding: said, as: UTF8.self))
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    /// Asks it to end and waits until it has.
    @discardableResult
    public func stop(within timeout: Duration = .seconds(60)) async throws -> ChildProcess.Termination {
        try process.send(.terminate)
        return try await waitForEnd(within: timeout)
    }

    /// Waits for an end that somebody else causes.
    public func waitForEnd(within timeout: Duration) async throws -> ChildProcess.Termination {
        try await process.waitForEnd(within: timeout)
    }

    /// The process ids of its workers: its children.
    public func workers() throws -> [Int32] {
        let path = "/proc/\(process.pid)/task/\(process.pid)/children"
        return try String(contentsOfFile: path, encoding: .utf8).split(separator: " ").compactMap { Int32($0) }
    }

    public struct DidNotServe: Error { public let log: String }
}

/// Runs `body` with a daemon in a temporary home; stops it and removes the home also when `body` fails.
public func withDaemon<Result>(
    arguments: [String] = [], environment: [String: String] = [:], _ body: (RunningDaemon) async throws -> Result
) async throws -> Result {
    try await withTemporaryDirectory { home in
        try await withDaemon(home: home, arguments: arguments, environment: environment, body)
    }
}

/// Runs `body` with a daemon, and stops it also when `body` fails.
public func withDaemon<Result>(
    home: FilePath, arguments: [String] = [], environment: [String: String] = [:],
    replacing: RunningDaemon? = nil, _ body: (RunningDaemon) async throws -> Result
) async throws -> Result {
    let daemon = try await RunningDaemon(
        home: home, arguments: arguments, environment: environment, replacing: replacing)
    return try await withCleanup({ try await daemon.stop() }) { try await body(daemon) }
}

/// Runs `body` with a daemon whose end is its own affair. When `body` fails, the daemon is stopped, or, if it is dead,
/// another one removes what it left: its mounts and loop devices.
public func withDaemonToKill<Result>(
    home: FilePath, _ body: (RunningDaemon) async throws -> Result
) async throws -> Result {
    let daemon = try await RunningDaemon(home: home)
    return try await withCleanup(onFailure: { try await daemon.clearAway() }) { try await body(daemon) }
}

extension RunningDaemon {
    fileprivate func clearAway() async throws {
        if try process.poll() != nil { return try await withDaemon(home: home, replacing: self) { _ in } }
        // One that stands still does not hear that it is to end.
        try process.send(Signal(rawValue: SIGCONT))
        try await stop()
    }
}
