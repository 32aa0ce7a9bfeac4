import Platform
import Synchronization
import SystemPackage

/// A program that a test has started. It may be asked again and again how it ended; the kernel tells it only once.
public final class TestProcess: Sendable {
    public let pid: Int32
    private let process: ChildProcess
    private let termination = Mutex<ChildProcess.Termination?>(nil)

    /// - Parameter output: the file that takes what it says; without one it says it where the tests do.
    public init(_ command: [String], output: FilePath? = nil, appending: Bool = false) throws {
        // So that it can be read from now on.
        if let output, !appending { try writeFile(output, "") }
        let redirect = output == nil ? "" : appending ? #">>"$log" 2>&1"# : #">"$log" 2>&1"#
        let script = #"log=$1; shift; exec "$@" </dev/null "# + redirect
        process = try ChildProcess.spawn(
            "/bin/sh", arguments: ["-c", script, "sh", output?.string ?? ""] + command, inherited: [])
        pid = process.pid
    }

    /// Sends a signal, unless it is known to have ended.
    public func send(_ signal: Signal) throws {
        // Under the lock, so that its number is not another's meanwhile.
        try termination.withLock { if $0 == nil { try process.send(signal) } }
    }

    /// How it ended, or `nil` while it runs.
    public func poll() throws -> ChildProcess.Termination? {
        try termination.withLock { known in
            if known == nil { known = try process.poll() }
            return known
        }
    }

    /// Waits for its end, also when the test is cancelled.
    ///
    /// - Throws: `DidNotEnd` when it had to be killed because it did not end in time.
    public func waitForEnd(within timeout: Duration) async throws -> ChildProcess.Termination {
        if let ended = try await end(within: timeout) { return ended }
        try send(.kill)
        // What is killed may still wait for a disk.
        _ = try await end(within: .seconds(20))
        throw DidNotEnd()
    }

    private func end(within timeout: Duration) async throws -> ChildProcess.Termination? {
        let deadline = ContinuousClock.now + timeout
        while ContinuousClock.now < deadline {
            if let ended = try poll() { return ended }
            // In a task of its own, which nobody cancels.
            _ = await Task { try await Task.sleep(for: .milliseconds(20)) }.result
        }
        return nil
    }

    /// Ends it at once.
    public func kill() async throws {
        try send(.kill)
        _ = try await waitForEnd(within: .seconds(20))
    }

    public struct DidNotEnd: Error {}
}
