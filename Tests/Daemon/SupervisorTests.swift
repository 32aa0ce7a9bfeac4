#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
import Glibc
import Platform
import SystemPackage
import TestSupport
import Testing

@testable import ebbd

@Suite struct RestartPacingTests {
    @Test func theFirstRestartWaitsForNothing() {
        var pacing = RestartPacing()
        #expect(pacing.pauseBeforeNext() == .zero)
    }

    @Test func workersThatDieAtOnceAreStartedMoreAndMoreSlowly() {
        var pacing = RestartPacing()
        let pauses = (0..<20).map { _ in pacing.pauseBeforeNext() }
        #expect(pauses == pauses.sorted())
        #expect(pauses[1] > .zero)
        #expect(pauses.last == .seconds(5))
    }

    @Test func aWorkerThatServedStartsTheCountAgain() {
        var pacing = RestartPacing()
        for _ in 0..<5 { _ = pacing.pauseBeforeNext() }
        pacing.workerServed()
        #expect(pacing.pauseBeforeNext() == .zero)
    }
}

/// The supervisor and its worker, as real processes.
@Suite(.timeLimit(.minutes(3))) struct SupervisorTests {
    @Test func itLeavesNothingBehindAfterASignal() async throws {
        try await withTemporaryDirectory { home in
            let daemon = try await RunningDaemon(home: home)
            #expect(try mountPoints().contains(daemon.filesystem.string))
            #expect(exists(daemon.dockerSockets.appending("ebb.sock")))
            let pid = try String(contentsOfFile: home.appending("run/ebb/ebbd.pid").string, encoding: .utf8)
            #expect(pid == "\(daemon.process.pid)\n")
            #expect(try await daemon.stop() == .exited(code: 0))
            #expect(try !mountPoints().contains { $0.hasPrefix(home.string) })
            #expect(!exists(daemon.rpcSocket))
            #expect(!exists(daemon.dockerSockets.appending("ebb.sock")))
            #expect(!exists(home.appending("run/ebb/ebbd.pid")))
        }
    }

    /// Asked to end while it starts, wherever it is.
    @Test(arguments: [0, 50, 100, 200, 400, 800])
    func norBeforeItServes(milliseconds: Int) async throws {
        try await withTemporaryDirectory { home in
            do {
                let daemon = try await RunningDaemon(home: home, within: .milliseconds(milliseconds))
                try await daemon.stop()
            } catch is RunningDaemon.DidNotServe {
                // As most of them.
            }
            #expect(try !mountPoints().contains { $0.hasPrefix(home.string) })
        }
    }

    @Test func aSecondDaemonOnTheSameStateIsRefusedAndNamesTheFirst() async throws {
        try await withDaemon { daemon in
            let second = try await output(of: BuiltPrograms.ebbd, ["--home", daemon.home.string])
            #expect(second.code == 1)
            #expect(second.text.contains("(process \(daemon.process.pid))"))
            #expect(second.text.contains("(Unavailable)"))
            #expect(second.text.split(separator: "\n").count == 1)
            #expect(exists(daemon.rpcSocket), "the first one's socket must stay")
        }
    }

    @Test(arguments: [SIGKILL, SIGUSR1])
    func aWorkerThatEndsHasASuccessorAndItsSocketsStay(signal: Int32) async throws {
        try await withDaemon { daemon in
            let first = try #require(try daemon.workers().first)
            // The supervisor asks its worker to make place; nobody asks before a kill.
            #expect(kill(signal == SIGUSR1 ? daemon.process.pid : first, signal) == 0)
            let deadline = ContinuousClock.now + .seconds(20)
            while try daemon.workers().first(where: { $0 != first }) == nil, ContinuousClock.now < deadline {
                try await Task.sleep(for: .milliseconds(20))
            }
            #expect(try daemon.workers().contains { $0 != first })
            #expect(exists(daemon.rpcSocket))
            // Answered by the successor: listing a directory of the filesystem goes through its lanes.
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: daemon.filesystem.string).contains("us-east-1b"))
        }
    }

    @Test func whatADaemonKilledWithItsWorkerLeftIsCleanedByTheNext() async throws {
        try await withTemporaryDirectory { home in
            let first = try await RunningDaemon(home: home)
            try first.process.send(.kill)
            _ = try await first.waitForEnd(within: .seconds(10))
            let second = try await RunningDaemon(home: home, replacing: first)
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: second.filesystem.string).contains("us-east-1b"))
            try await second.stop()
            #expect(try !mountPoints().contains { $0.hasPrefix(home.string) })
        }
    }
}

private func exists(_ path: FilePath) -> Bool { FileManager.default.fileExists(atPath: path.string) }

private func mountPoints() throws -> [String] {
    try mountInfo().split(separator: "\n").map { String($0.split(separator: " ")[4]) }
}

private func output(of program: FilePath, _ arguments: [String]) async throws -> (code: Int32, text: String) {
    try await withTemporaryDirectory { directory in
        let log = directory.appending("output")
        let process = try ChildProcess.spawn(
            "/bin/sh",
            arguments: ["-c", #"log=$1; shift; exec "$@" >"$log" 2>&1"#, "sh", log.string, program.string] + arguments,
            inherited: [])
        while true {
            if case .exited(let code)? = try process.poll() {
                return (code, try String(contentsOfFile: log.string, encoding: .utf8))
            }
            try await Task.sleep(for: .milliseconds(10))
        }
    }
}
