#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
import Driver
import Glibc
import Platform
import RPC
import SystemPackage
import TestSupport
import Testing

/// Prometheus' text from a daemon, as curl scrapes it.
@Suite(.timeLimit(.minutes(2))) struct MetricsTests {
    @Test func `a scrape tells what was written, also after a takeover`() async throws {
        try await withTemporaryDirectory { home in
            let socket = home.appending("metrics.sock")
            try await withDaemon(home: home, arguments: ["--metrics-socket", socket.string]) { daemon in
                let client = RPCClient(socketPath: daemon.rpcSocket.string)
                let volume = try client.call(
                    Ebb.CreateVolume.self,
                    CreateVolumeRequest(
                        zone: "us-east-1b", sizeGiB: 1, type: .gp3, tags: [Tag.name: "scraped"]))
                let instance = try client.call(Ebb.DescribeHost.self).instance
                let attachment = try client.call(
                    Ebb.AttachVolume.self, AttachVolumeRequest(volumeID: volume.id, instanceID: instance.id))
                guard case .file(let path)? = attachment.location else { return #expect(Bool(false), "no file") }
                let written = try await runCommand(
                    "dd", ["if=/dev/zero", "of=\(path)", "bs=4096", "count=3", "oflag=direct", "conv=notrunc"])
                #expect(written.status == 0, "\(written.errors)")
                let labels =
                    #"{volume_id="\#(volume.id)",volume_name="scraped",volume_type="gp3",zone="us-east-1b"}"#
                let text = try await scrape(socket)
                #expect(text.contains("ebb_volume_write_bytes_total\(labels) 12288\n"), "\(text.prefix(3_000))")
                let worker = try #require(try daemon.workers().first)
                #expect(kill(worker, SIGKILL) == 0)
                while try daemon.workers().first.map({ $0 == worker }) ?? true {
                    try await Task.sleep(for: .milliseconds(20))
                }
                _ = try client.call(Ebb.DescribeHost.self)
                #expect(try await scrape(socket).contains("ebb_volume_write_bytes_total\(labels) 0\n"))
            }
            #expect(!FileManager.default.fileExists(atPath: socket.string))
        }
    }

    private func scrape(_ socket: FilePath) async throws -> String {
        let result = try await runCommand(
            "curl",
            [
                "-sS", "--fail-with-body", "--max-time", "20", "--retry", "50", "--retry-delay", "0",
                "--retry-all-errors", "--unix-socket", socket.string, "http://localhost/metrics",
            ])
        try #require(result.status == 0, "\(result.output)\(result.errors)")
        return result.output
    }

    @Test func `a port is this machine's own, and one that is taken is named`() async throws {
        try await withDaemon(arguments: ["--metrics-port", "28761"]) { daemon in
            let answer = try await runCommand(
                "curl",
                ["-sS", "--max-time", "20", "-w", "%{http_code} %{content_type}", "http://127.0.0.1:28761/metrics"])
            #expect(answer.output.hasSuffix("200 text/plain; version=0.0.4; charset=utf-8"), "\(answer)")
            let wrong = try await runCommand(
                "curl", ["-sS", "--max-time", "20", "-w", "%{http_code}", "http://127.0.0.1:28761/"])
            #expect(wrong.output == "There is /metrics here.\n404")
            let failure = await #expect(throws: RunningDaemon.DidNotServe.self) {
                try await withDaemon(arguments: ["--metrics-port", "28761"]) { _ in }
            }
            #expect(failure?.log.contains("Cannot serve metrics on 127.0.0.1:28761") ?? false)
        }
    }
}
