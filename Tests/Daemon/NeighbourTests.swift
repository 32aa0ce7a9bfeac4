import Driver
import Glibc
import Platform
import RPC
import TestSupport
import Testing

/// Daemons beside each other, whose loop devices are the kernel's.
@Suite(.timeLimit(.minutes(2))) struct NeighbourTests {
    @Test func aDaemonThatDoesNotAnswerHindersNoOther() async throws {
        try await withDaemon { silent in
            try await attach(silent)
            try await withDaemon { daemon in
                // Longer than the kernel believes a file's attributes.
                try await Task.sleep(for: .milliseconds(1500))
                let worker = try #require(try silent.workers().first)
                #expect(kill(worker, SIGSTOP) == 0)
                let result: Result<Void, any Error>
                do { result = .success(try await attachAndDetach(daemon)) } catch { result = .failure(error) }
                #expect(kill(worker, SIGCONT) == 0)
                try result.get()
            }
        }
    }

    private func attach(_ daemon: RunningDaemon) async throws {
        _ = try await daemon.calling { client in
            _ = try client.call(Ebb.CreateHostVolume.self, HostVolumeRequest(name: "data", sizeGiB: 1))
            return try client.call(Ebb.AttachHostVolume.self, .init(volume: .name("data")))
        }
    }

    private func attachAndDetach(_ daemon: RunningDaemon) async throws {
        try await attach(daemon)
        _ = try await daemon.calling { try $0.call(Ebb.DetachHostVolume.self, .init(volume: .name("data"))) }
    }
}
