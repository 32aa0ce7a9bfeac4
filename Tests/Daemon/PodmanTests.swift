import Driver
import RPC
import TestSupport
import Testing

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// A real Podman, which has no daemon, in the machine of the Docker tests: its storage and configuration are the
/// machine's, its volumes the same `ebbd`'s.
@Suite(.dockerEngine, .serialized, .timeLimit(.minutes(5))) struct PodmanTests {
    let engine: DockerEngine

    init() async throws {
        engine = try DockerEngineScope.engine()
        // Before each test; what is there already stays.
        try await engine.setUpPodman()
    }

    @Test func aFileOutlivesItsContainer() async throws {
        #expect(
            try await engine.podman("volume create --driver ebb --opt size=2 --opt fstype=xfs data").checked() == "data"
        )
        #expect(try await engine.podman("volume ls --format '{{.Driver}} {{.Name}}'").checked() == "ebb data")
        let status = try await engine.podman(
            "volume inspect --format '{{.Driver}} {{.Status.size}} {{.Status.fsType}}' data")
        #expect(try status.checked() == "ebb 2 xfs")
        let first = try await engine.podman(
            "run --rm -v data:/test busybox sh -c 'df /test | tail -n 1; echo kept >/test/file'")
        #expect(try first.checked().hasPrefix("/dev/xvd"))
        #expect(try await engine.podman("run --rm -v data:/other:ro busybox cat /other/file").checked() == "kept")
        try await engine.expectUnmount(of: "data")
        // Docker has the same volumes.
        #expect(try await engine.inContainer("data:/test", script: "cat /test/file") == "kept")
        try await removed("data")
    }

    @Test func aVolumeStaysMountedUntilItsLastContainerEnds() async throws {
        try await engine.podman("volume create --driver ebb --opt size=1 shared").checked()
        for name in ["one", "two"] {
            try await engine.podman("run --detach --name \(name) -v shared:/data busybox sleep 100000").checked()
        }
        try await engine.podman("exec one sh -c 'echo 1 >/data/file'").checked()
        let inUse = try await engine.podman("volume rm shared")
        #expect(!inUse.succeeded, "\(inUse)")
        try await engine.podman("rm --force --time 0 one").checked()
        try await Task.sleep(for: .milliseconds(2500))  // Longer than the linger.
        #expect(try await engine.hasMounted("shared"))
        #expect(try await engine.podman("exec two cat /data/file").checked() == "1")
        try await engine.podman("rm --force --time 0 two").checked()
        try await engine.expectUnmount(of: "shared")
        try await removed("shared")
    }

    /// No container shows the volume then, and the command that mounted it has ended.
    @Test func aVolumeThatAPersonMountedStaysMounted() async throws {
        try await engine.podman("volume create --driver ebb --opt size=1 mounted").checked()
        try await engine.podman("volume mount mounted").checked()
        #expect(try await engine.hasMounted("mounted"))
        try await engine.podman("volume ls").checked()  // Each command begins with Activate, which reaps.
        try await Task.sleep(for: .milliseconds(2500))  // Longer than the linger.
        #expect(try await engine.hasMounted("mounted"))
        try await engine.podman("volume unmount mounted").checked()
        try await engine.expectUnmount(of: "mounted")
        try await removed("mounted")
    }

    @Test func whatIsRefusedIsSaidInOneLine() async throws {
        let create = try await engine.podman("volume create --driver ebb --opt siez=5 refused")
        #expect(!create.succeeded)
        #expect(create.errors.contains("Option siez is not known (UnknownParameter); valid options are"), "\(create)")
        #expect(create.errors.split(separator: "\n").count == 1, "\(create)")
        #expect(try await engine.podman("volume ls --quiet").checked() == "")
    }

    /// Like dockerd, Podman asks for a volume before it creates it, and then does not tell its options.
    @Test func whatExistsIsUsedAsItIs() async throws {
        try await engine.createVolume("both", "size=1")
        try await engine.podman("volume create --driver ebb --opt size=2 both").checked()
        #expect(try await engine.podman("volume inspect --format '{{.Status.size}}' both").checked() == "1")
        try await removed("both")
    }

    /// Podman removes it, and the region has it no more.
    private func removed(_ volume: String) async throws {
        try await engine.podman("volume rm \(volume)").checked()
        #expect(try await engine.podman("volume ls --quiet").checked() == "")
        let volumes = try await engine.calling { try $0.hostVolumes().map(\.volume.name) }
        #expect(!volumes.contains(volume))
    }
}

extension DockerEngine {
    /// Podman's storage and configuration in the machine, with the image `busybox`. Once for a machine.
    func setUpPodman() async throws {
        // Control groups would outlive the machine, so there are none. crun refuses to run where both versions of them
        // are mounted.
        try await self(
            """
            set -e
            [ ! -e /run/containers.conf ] || exit 0
            mkdir -p /var/lib/containers
            mount -t tmpfs containers /var/lib/containers
            [ ! -d /sys/fs/cgroup/unified ] || umount /sys/fs/cgroup/unified
            cat >/run/containers.conf <<END
            [containers]
            cgroups = "disabled"
            default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
            log_driver = "k8s-file"
            netns = "none"
            [engine]
            cgroup_manager = "cgroupfs"
            events_logger = "none"
            runtime = "crun"
            [engine.volume_plugins]
            ebb = "/run/docker/plugins/ebb.sock"
            END
            """
        ).checked()
        try await podman("import \(directory)/busybox.tar busybox").checked()
    }

    func podman(_ command: String) async throws -> CommandOutput {
        try await self("CONTAINERS_CONF=/run/containers.conf podman --storage-driver vfs \(command)")
    }
}
