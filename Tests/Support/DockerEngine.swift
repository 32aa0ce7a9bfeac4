#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
import Platform
import SystemPackage

/// A machine made of namespaces, with its own mounts, `/run`, `/dev`, network and processes, and in it a real
/// Docker engine and, when a test wants one, an `ebbd`.
///
/// `scripts/lib/engine.sh` knows how such machines are made; the lab uses it too. All of it hangs on one script,
/// the keeper, which ends it when this process ends or dies: it waits for the end of a pipe.
public final class DockerEngine: Sendable {
    /// Sockets, logs and the home of `ebbd` lie here. Short, for the paths of sockets are.
    public let directory: FilePath
    /// The machine's host name.
    public let name: String
    private let keeper: ChildProcess
    private let keeperInput: FileDescriptor
    private let initPID: Int32

    private static let script = """
        set -euo pipefail
        exec <&"$1" 2>"$2.keeper" >&2
        export LAB=$2
        . "$3/scripts/lib/engine.sh"
        trap lab_end EXIT
        trap 'exit 1' TERM INT HUP
        lab_begin "$LAB"
        host_start "$4"
        engine_start "$4"
        busybox_image
        engine_image "$4"
        touch "$LAB/ready"
        read -r _ || true
        """

    /// Starts the machine and its engine, with the image `busybox` in it.
    public init(name: String = "a", within timeout: Duration = .seconds(120)) async throws {
        self.name = name
        directory = FilePath("/tmp/ebb-\(String(UInt32.random(in: 0 ... .max), radix: 36))")
        try createDirectories(directory)
        let pipe = try makePipe()
        keeperInput = pipe.writeEnd
        keeper = try ChildProcess.spawn(
            "/usr/bin/unshare",
            arguments: [
                "--mount", "bash", "-c", Self.script, "bash", "\(pipe.readEnd.rawValue)", directory.string,
                projectDirectory.string, name,
            ], inherited: [pipe.readEnd])
        try pipe.readEnd.close()
        do {
            try await Self.waitUntilReady(keeper, directory, within: timeout)
            let text = try readFile(directory.appending("hosts/\(name)/pid"))
            initPID = Int32(String(decoding: text, as: UTF8.self).filter(\.isNumber)) ?? 0
        } catch {
            try pipe.writeEnd.close()
            // One that has ended by itself is reaped, and has cleaned up.
            if !(error is DidNotStart) {
                try await Self.waitForEnd(of: keeper)
                throw DidNotStart(log: "\(error)\n" + (try Self.takeLog(directory)))
            }
            throw error
        }
    }

    private static func waitUntilReady(
        _ keeper: ChildProcess, _ directory: FilePath, within timeout: Duration
    ) async throws {
        let started = try await eventually(within: timeout) {
            if try keeper.poll() != nil { throw DidNotStart(log: try takeLog(directory)) }
            return FileManager.default.fileExists(atPath: directory.appending("ready").string)
        }
        if !started { throw TookTooLong() }
    }

    /// What the keeper said; it lies beside the directory, which goes with the machine.
    private static func takeLog(_ directory: FilePath) throws -> String {
        let path = FilePath(directory.string + ".keeper")
        defer { try? removeFile(at: path) }
        return String(decoding: try readFile(path), as: UTF8.self)
    }

    private static func waitForEnd(of keeper: ChildProcess) async throws {
        if try await !eventually(within: .seconds(60), { try keeper.poll() != nil }) {
            try keeper.send(.terminate)
        }
    }

    /// Ends everything in the machine. Afterwards there is nothing left of it: no process, mount or loop device.
    public func stop() async throws {
        // Whether it runs or not, and whatever it answers: what it leaves goes with the machine.
        _ = try await self(
            "pid=$(cat /run/ebbd.pid) && kill -TERM $pid && for i in $(seq 100); do kill -0 $pid || exit; sleep 0.1; done"
        )
        try keeperInput.close()
        try await Self.waitForEnd(of: keeper)
        _ = try Self.takeLog(directory)
    }

    /// Runs a shell script in the machine.
    public func callAsFunction(_ script: String, within timeout: Duration = .seconds(60)) async throws -> CommandOutput
    {
        try await runToDeadline(entering + ["sh", "-c", script], within: timeout)
    }

    /// Runs the client of the machine's engine.
    public func docker(_ arguments: String..., within timeout: Duration = .seconds(60)) async throws -> CommandOutput {
        try await docker(arguments, within: timeout)
    }

    public func docker(_ arguments: [String], within timeout: Duration = .seconds(60)) async throws -> CommandOutput {
        let socket = directory.appending("hosts/\(name)/docker.sock")
        return try await runToDeadline(["docker", "--host", "unix://\(socket)"] + arguments, within: timeout)
    }

    // MARK: The engine's life

    public func startEngine(_ arguments: String...) async throws {
        try await library("engine_start \(name) \(arguments.joined(separator: " "))").checked()
    }

    /// As `systemctl stop docker` does.
    public func stopEngine() async throws {
        try await library("engine_stop \(name)").checked()
    }

    /// As a crash does. Its containers live on until the next start.
    public func killEngine() async throws {
        try await self(
            "pid=$(cat /run/docker.pid) && kill -9 $pid && while kill -0 $pid; do sleep 0.05; done 2>/dev/null; :"
        )
        .checked()
    }

    private func library(_ command: String) async throws -> CommandOutput {
        let setUp = "set -euo pipefail; LAB=\(directory); . '\(projectDirectory)/scripts/lib/engine.sh'; "
        return try await runToDeadline(["bash", "-c", setUp + command], within: .seconds(90))
    }

    private var entering: [String] {
        ["nsenter", "--target", "\(initPID)", "--mount", "--net", "--uts", "--ipc", "--pid", "--"]
    }

    // MARK: ebbd in the machine

    public var home: FilePath { directory.appending("hosts/\(name)/ebb") }

    /// Starts `ebbd` in the machine with a home of its own, serving Docker where dockerd looks for plugins. Unless the
    /// arguments say otherwise, volumes are as fast as they can be.
    public func startDaemon(_ arguments: String..., within timeout: Duration = .seconds(60)) async throws {
        let command = [
            BuiltPrograms.ebbd.string, "--home", home.string, "--docker-directory", "/run/docker/plugins",
            "--performance", "off",
        ]
        let words = (command + arguments).map { "'\($0)'" }.joined(separator: " ")
        try createDirectories(home)
        let socket = home.appending("run/ebb/ebb.sock")
        try await self("setsid \(words) >>\(home)/ebbd.log 2>&1 </dev/null & echo $! >/run/ebbd.pid").checked()
        let serves = try await eventually(within: timeout) {
            if FileManager.default.fileExists(atPath: socket.string) { return true }
            if try await !self("kill -0 $(cat /run/ebbd.pid)").succeeded { throw DidNotStart(log: try daemonLog()) }
            return false
        }
        if !serves { throw DidNotStart(log: try daemonLog()) }
    }

    /// Ends `ebbd` as a service manager does, and waits until it has.
    public func stopDaemon(within timeout: Duration = .seconds(40)) async throws {
        try await self(
            "pid=$(cat /run/ebbd.pid) && kill -TERM $pid && while kill -0 $pid; do sleep 0.05; done 2>/dev/null; :",
            within: timeout
        )
        .checked()
    }

    /// Kills the worker, and waits for nothing: the supervisor starts the next one.
    public func killWorker() async throws {
        try await self("supervisor=$(cat /run/ebbd.pid) && kill -9 $(cat /proc/$supervisor/task/$supervisor/children)")
            .checked()
    }

    public func daemonLog() throws -> String {
        String(decoding: try readFile(home.appending("ebbd.log"), limit: 64 << 20), as: UTF8.self)
    }

    public struct TookTooLong: Error {}

    public struct DidNotStart: Error, CustomStringConvertible {
        public let log: String
        public var description: String { "it did not start; its log:\n\(log)" }
    }
}
