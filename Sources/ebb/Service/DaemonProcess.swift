import Driver
import Platform
import RPC
import Settings
import SystemPackage

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// The daemon in the background, as its pid file tells of it.
struct DaemonProcess {
    let settings: Settings
    /// Where the kernel shows processes; another place in tests.
    var proc: FilePath = "/proc"

    /// The running daemon's process id; `nil` when there is none.
    ///
    /// A pid file may outlive its daemon, and its number may be somebody else's by now: the process must be an
    /// `ebbd`.
    func runningPID() throws -> Int32? {
        guard let text = try recordedPID() else { return nil }
        guard let pid = Int32(text.filter(\.isNumber)), pid > 0 else { return nil }
        return try isDaemon(pid) ? pid : nil
    }

    private func recordedPID() throws(Errno) -> String? {
        do {
            return String(decoding: try readFile(settings.pidFile), as: UTF8.self)
        } catch {
            if error == .noSuchFileOrDirectory || error == .notDirectory { return nil }
            throw error
        }
    }

    private func isDaemon(_ pid: Int32) throws(Errno) -> Bool {
        // One that has ended keeps its name until it is reaped.
        guard let status = try ProcessStatus(of: pid, proc: proc), !status.hasEnded else { return false }
        do {
            return String(decoding: try readFile(proc.appending("\(pid)/comm")), as: UTF8.self) == "ebbd\n"
        } catch {
            // ESRCH: it ended between opening and reading.
            if error == .noSuchFileOrDirectory || error == .noSuchProcess { return false }
            throw error
        }
    }

    /// Where `ebbd` is: beside this program, or in the path.
    static func executable() throws -> String {
        let beside = FilePath(try ownPath()).removingLastComponent().appending("ebbd").string
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin"
        let candidates = [beside] + path.split(separator: ":").map { $0 + "/ebbd" }
        guard let found = candidates.first(where: { FileManager.default.isExecutableFile(atPath: $0) }) else {
            throw CommandFailure("ebbd was not found beside \(beside.dropLast("/ebbd".count)) nor in the path")
        }
        return found
    }

    /// Starts the daemon and waits until it answers.
    ///
    /// - Returns: its process id.
    /// - Throws: `CommandFailure` with the last lines of its log when it ends or does not answer in time.
    func start(arguments: [String], within timeout: Duration = .seconds(60)) throws -> Int32 {
        let executable = try Self.executable()
        let (log, start) = try openLog()
        let child = try log.closeAfter {
            try ChildProcess.spawnDetached(executable, arguments: arguments, log: log)
        }
        let deadline = ContinuousClock.now + timeout
        while true {
            if let end = try child.poll() {
                throw CommandFailure("ebbd ended with \(end)\n\(try lastLines(after: start))")
            }
            if try isReady(child.pid) { return child.pid }
            guard ContinuousClock.now < deadline else {
                try child.send(.terminate)
                throw CommandFailure("ebbd did not answer within \(timeout)\n\(try lastLines(after: start))")
            }
            try pause(.milliseconds(20))
        }
    }

    /// Whether this very daemon has written its pid and answers.
    private func isReady(_ pid: Int32) throws -> Bool {
        let running = try runningPID()
        let socket = settings.socket.string
        if running != pid || !FileManager.default.fileExists(atPath: socket) { return false }
        return try answers(RPCClient(socketPath: socket, timeout: .seconds(5)))
    }

    private func answers(_ client: RPCClient) throws(StorageError) -> Bool {
        do {
            _ = try client.call(Ebb.DescribeHost.self, Empty())
        } catch {
            if error.code == .unavailable || error.code == .deadlineExceeded { return false }
            throw error
        }
        return true
    }

    /// Asks the daemon to end and waits until it has.
    func stop(_ pid: Int32, within timeout: Duration = .seconds(90)) throws {
        try send(.terminate, toProcess: pid)
        let deadline = ContinuousClock.now + timeout
        while try isDaemon(pid) {
            guard ContinuousClock.now < deadline else {
                throw CommandFailure("ebbd, process \(pid), has not ended within \(timeout); see \(settings.logFile)")
            }
            try pause(.milliseconds(20))
        }
    }

    private func openLog() throws -> (FileDescriptor, offset: Int64) {
        do {
            try createDirectories(settings.logDirectory)
            let log = try FileDescriptor.open(
                settings.logFile, .writeOnly, options: [.create, .append, .closeOnExec],
                permissions: [.ownerReadWrite, .groupRead])
            return (log, try log.seek(offset: 0, from: .end))
        } catch let error as Errno {
            throw CommandFailure("the log \(settings.logFile) cannot be written: \(error); set EBB_HOME or run as root")
        }
    }

    private func lastLines(after offset: Int64) throws -> String {
        let bytes = try readFile(settings.logFile, limit: 256 << 20).dropFirst(Int(offset))
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n").suffix(10)
        return lines.isEmpty ? "(it logged nothing)" : lines.map { "  \($0)" }.joined(separator: "\n")
    }

    private func pause(_ duration: Duration) throws {
        _ = try waitUntilReadable([], timeout: duration)
    }
}
