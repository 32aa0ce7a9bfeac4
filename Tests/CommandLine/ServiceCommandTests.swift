#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
import Platform
import Settings
import SystemPackage
import TestSupport
import Testing

@testable import ebb

/// The daemon in the background.
@Suite struct ServiceCommandTests {
    private typealias Output = CommandRunner.Output

    @Test func `the service starts once, answers, restarts and stops`() async throws {
        try await withService { commands async throws in
            let flags = "--docker-name q --device-dir \(commands.home)/dev"
            #expect(try await commands.ebb("service status") == Output(output: "Ebb is stopped\n"))
            let start = try await commands.rexray("service start \(flags)")
            #expect(start.status == 0, "\(start)")
            #expect(start.output.hasPrefix("Starting Ebb...SUCCESS!\n\n  The Ebb daemon is now running at PID N. To\n"))
            #expect(FileManager.default.fileExists(atPath: "\(commands.home)/run/docker/plugins/q.sock"))
            #expect(try await commands.ebb("service status") == Output(output: "Ebb is running at PID N\n"))
            #expect(try await commands.ebb("status") == Output(output: "Ebb is running at PID N\n"))
            #expect(
                try await commands.ebb("service start")
                    == Output(status: 1, errors: "ebb: Ebb already running at PID N\n"))
            #expect(try await commands.ebb("volume create x --size 1").status == 0)
            let restart = try await commands.ebb("service restart \(flags)")
            #expect(restart.output.hasPrefix("Shutting down Ebb...SUCCESS!\nStarting Ebb...SUCCESS!\n"), "\(restart)")
            #expect(try await commands.ebb("volume ls --template {{.Name}}").output == "x\n")
            #expect(try await commands.ebb("service stop") == Output(output: "Shutting down Ebb...SUCCESS!\n"))
            #expect(
                try await commands.ebb("service stop") == Output(status: 1, errors: "ebb: Ebb is already stopped\n"))
        }
    }

    @Test func `a start that fails shows the reason from the log`() async throws {
        try await withService { commands async throws in
            try "in the way".write(toFile: "\(commands.home)/run", atomically: true, encoding: .utf8)
            let start = try await commands.ebb("service start")
            #expect(start.status == 1)
            #expect(start.output == "Starting Ebb...FAILED!\n")
            #expect(start.errors.contains("ebb: ebbd ended with exit code 1\n"), "\(start.errors)")
            #expect(start.errors.contains("HOME/run"), "\(start.errors)")
            try FileManager.default.removeItem(atPath: "\(commands.home)/run")
        }
    }

    @Test func `a pid file that a dead daemon left, with somebody else's number, is not believed`() async throws {
        try await withService { commands async throws in
            try writePIDFile(1, commands.home)
            #expect(try await commands.ebb("service status") == Output(output: "Ebb is stopped\n"))
            #expect(try await commands.ebb("service stop").status == 1)
        }
    }

    @Test func `a daemon that has ended and waits to be reaped is stopped`() async throws {
        try await withService { commands async throws in
            let program = commands.home.appending("ebbd").string
            try FileManager.default.createSymbolicLink(atPath: program, withDestinationPath: "/bin/true")
            let zombie = try ChildProcess.spawn(program, arguments: [], inherited: [])
            #expect(try await eventually { try ProcessStatus(of: zombie.pid)?.hasEnded == true })
            try writePIDFile(zombie.pid, commands.home)
            #expect(try await commands.ebb("service status") == Output(output: "Ebb is stopped\n"))
            _ = try zombie.wait()
        }
    }

    @Test func `a daemon that cannot be looked at is not taken for stopped`() async throws {
        try await withTemporaryDirectory { home in
            try writePIDFile(10, home)
            let settings = try Settings.load(environment: ["EBB_HOME": home.string])
            let daemon = DaemonProcess(settings: settings, proc: home.appending("proc"))
            #expect(try daemon.runningPID() == nil)
            try createDirectories(home.appending("proc/10/stat"))
            #expect(throws: Errno.isDirectory) { try daemon.runningPID() }
        }
    }

    private func writePIDFile(_ pid: Int32, _ home: FilePath) throws {
        try createDirectories(home.appending("run/ebb"))
        try "\(pid)\n".write(toFile: home.appending("run/ebb/ebbd.pid").string, atomically: true, encoding: .utf8)
    }

    @Test func `where systemd has the unit, the service is left to it`() async throws {
        func run(_ line: String) async throws -> CommandResult {
            // A namespace of mounts in which systemd runs, and its systemctl says what it is asked for.
            let machine = """
                set -e
                mount -t tmpfs systemd /run
                mkdir -p /run/systemd/system
                mount -t tmpfs units /etc/systemd/system
                touch /etc/systemd/system/ebb.service
                printf '#!/bin/sh\\necho "systemctl $*"; exit 3\\n' >/run/systemctl
                chmod +x /run/systemctl
                mount --bind /run/systemctl "$(readlink -f /bin/systemctl)"
                exec \(BuiltPrograms.ebb) \(line)
                """
            return try await runCommand(
                "unshare", ["--mount", "--propagation", "private", "bash", "-c", machine],
                environment: ["EBB_HOME": nil])
        }
        for verb in ["start", "stop", "restart", "status"] {
            let result = try await run("service \(verb)")
            #expect(result.output == "systemctl \(verb) -l ebb\n", "\(result)")
            #expect(result.status == 3)
        }
        let start = try await run("service start --lanes 2")
        #expect(start.status == 1)
        #expect(
            start.errors == "ebb: systemd runs the daemon, and would not give it --lanes=2; "
                + "write settings into /etc/ebb/config.yml\n")
    }

    @Test func `the init system is named`() async throws {
        try await withService { commands async throws in
            let result = try await commands.rexray("service initsys")
            #expect(result.status == 0)
            #expect(result.output.hasPrefix("\nInit System: "))
        }
    }

    /// Stops a daemon that the test has left.
    private func withService(_ body: (CommandRunner) async throws -> Void) async throws {
        try await withTemporaryDirectory { home in
            let commands = try CommandRunner(home: home)
            try await withCleanup({ _ = try await commands.ebb("service stop") }) { try await body(commands) }
        }
    }
}
