import Platform
import RPC
import TestSupport
import Testing

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// What the Docker tests do again and again.
extension DockerEngine {
    /// `docker volume create` with `--opt`s; must succeed.
    func createVolume(_ volume: String, driver: String = "ebb", _ options: String...) async throws {
        let arguments = ["volume", "create", "--driver", driver] + options.map { "--opt=\($0)" } + [volume]
        try await docker(arguments).checked()
    }

    /// Runs a shell script in a new container without a network, and removes the container; must succeed.
    @discardableResult
    func inContainer(_ mounts: String..., image: String = "busybox", script: String) async throws -> String {
        try await docker(Self.run(["--rm"], mounts, image, script)).checked()
    }

    /// Starts a container that stays; must succeed.
    func startContainer(
        _ name: String, _ mounts: String..., options: [String] = [], script: String = "sleep 100000"
    ) async throws {
        try await docker(Self.run(["--detach", "--name", name] + options, mounts, "busybox", script)).checked()
    }

    private static func run(_ options: [String], _ mounts: [String], _ image: String, _ script: String) -> [String] {
        // Without --init a shell as process 1 would not die of SIGTERM, and each stop take ten seconds.
        let shell = ["sh", "-c", "trap 'exit 0' TERM; (\(script)) & wait $!"]
        return ["run", "--network", "none"] + options + mounts.flatMap { ["--volume", $0] } + [image] + shell
    }

    /// One field of `docker volume inspect`, such as `.Status.size`; empty when there is no such volume.
    func inspect(_ volume: String, _ field: String) async throws -> String {
        try await docker("volume", "inspect", "--format", "{{\(field)}}", volume).output
    }

    /// The names of the volumes that Docker lists for a driver.
    func volumeNames(driver: String = "ebb") async throws -> [String] {
        try await docker("volume", "ls", "--quiet", "--filter", "driver=\(driver)").checked()
            .split(whereSeparator: \.isNewline).map(String.init)
    }

    /// Whether the machine's daemon has the volume mounted, by the machine's own mount table.
    func hasMounted(_ volume: String) async throws -> Bool {
        try await self("grep -q ' \(home)/[^ ]*/mounts/\(volume) ' /proc/self/mountinfo").succeeded
    }

    /// Expects that the volume is soon unmounted. If it is not, the daemon's log says why.
    func expectUnmount(of volume: String, sourceLocation: SourceLocation = #_sourceLocation) async throws {
        if try await eventually({ try await !hasMounted(volume) }) { return }
        Issue.record("\(volume) stays mounted:\n\(try daemonLog())", sourceLocation: sourceLocation)
    }

    /// Calls the machine's daemon by its socket; `body` may block.
    func calling<Value: Sendable>(
        _ body: @escaping @Sendable (RPCClient) throws -> Value
    ) async throws -> Value {
        let client = RPCClient(socketPath: home.appending("run/ebb/ebb.sock").string)
        return try await BlockingThreads(limit: 1).run { try body(client) }
    }

    /// Removes a container and a volume; both must be possible.
    func remove(container: String? = nil, volume: String) async throws {
        if let container { try await docker("rm", "--force", container).checked() }
        try await docker("volume", "rm", volume).checked()
    }
}
