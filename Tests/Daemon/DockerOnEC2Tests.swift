import SystemPackage
import TestSupport
import Testing

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// A real engine on an instance of moto's, whose volumes are real block devices: everything between `docker run` and EC2's
/// API, by the configuration file of a user of REX-Ray's.
///
/// Beside moto runs what a hypervisor does: it looks at which volumes are attached, and shows each as an NVMe disk with
/// the volume's id as its serial number, which is a loop device on a sparse file.
@Suite(.timeLimit(.minutes(5))) struct DockerOnEC2Tests {
    private static let hypervisor = """
        import os, shutil, subprocess, sys, time, urllib.request, xml.etree.ElementTree as xml

        endpoint, authorization, disks, block = sys.argv[1:]
        shown = {}

        def text(item, name):
            return next(e.text for e in item.iter() if e.tag.endswith("}" + name))

        def attached():
            request = urllib.request.Request(
                endpoint, b"Action=DescribeVolumes&Version=2016-11-15",
                {"Authorization": authorization})
            volumes = next(e for e in xml.parse(urllib.request.urlopen(request)).iter() if e.tag.endswith("volumeSet"))
            return {text(v, "volumeId"): int(text(v, "size")) << 30 for v in volumes if text(v, "status") == "in-use"}

        def show(volume, size, number):
            path = os.path.join(disks, volume)
            with open(path, "ab") as file:
                file.truncate(size)
            loop = subprocess.check_output(["losetup", "--find", "--show", path], text=True).strip()
            disk = os.path.join(block, "nvme%dn1" % number)
            os.makedirs(os.path.join(disk, "device"))
            with open(os.path.join(disk, "device", "serial"), "w") as file:
                file.write(volume.replace("-", "") + "\\n")
            status = os.stat(loop)
            with open(os.path.join(disk, "dev.new"), "w") as file:
                file.write("%d:%d\\n" % (os.major(status.st_rdev), os.minor(status.st_rdev)))
            os.rename(os.path.join(disk, "dev.new"), os.path.join(disk, "dev"))
            return loop, disk, size

        number = 0
        while True:
            now = attached()
            for volume in set(now) - set(shown):
                number += 1
                shown[volume] = show(volume, now[volume], number)
            for volume in set(shown) - set(now):
                loop, disk, size = shown.pop(volume)
                shutil.rmtree(disk)
                subprocess.check_call(["losetup", "--detach", loop])
            for volume, (loop, disk, size) in shown.items():
                if now[volume] > size:
                    os.truncate(os.path.join(disks, volume), now[volume])
                    subprocess.check_call(["losetup", "--set-capacity", loop])
                    shown[volume] = loop, disk, now[volume]
            time.sleep(0.2)
        """

    private static let configuration = """
        rexray:
          logLevel: info
          storageDrivers: [ec2]
        docker: {size: 1, volumeType: gp3, fsType: xfs}
        aws: {accessKey: AKIDANYBODY, secretKey: any, region: us-east-1, endpoint: "http://127.0.0.1:5000"}
        instance: INSTANCE

        """

    /// Starts moto, an instance and its hypervisor in the machine, and then the daemon.
    private func begin(_ engine: DockerEngine) async throws {
        let moto = ProcessInfo.processInfo.environment["EBB_MOTO_SERVER"] ?? "moto_server"
        let authorization = MotoServer.authorization(for: "ec2")
        let instance = try await engine(
            """
            setsid '\(moto)' --host 127.0.0.1 --port 5000 >/run/moto.log 2>&1 </dev/null &
            ask='curl -sSf http://127.0.0.1:5000'
            until $ask/moto-api/ >/dev/null 2>&1; do sleep 0.1; done
            $ask -H 'Authorization: \(authorization)' \\
                -d 'Action=RunInstances&Version=2016-11-15&ImageId=ami-12c6146b&MinCount=1&MaxCount=1' |
                sed -n 's,.*<instanceId>\\(.*\\)</instanceId>.*,\\1,p'
            """, within: .seconds(90)
        ).checked()
        try #require(instance.hasPrefix("i-"))
        let disks = engine.directory.appending("hosts/\(engine.name)/disks")
        let script = engine.directory.appending("hosts/\(engine.name)/hypervisor.py").string
        try Self.hypervisor.write(toFile: script, atomically: true, encoding: .utf8)
        try await engine(
            """
            mkdir -p \(disks) /run/block && mount --bind /run/block /sys/block
            setsid python3 \(script) http://127.0.0.1:5000 '\(authorization)' \(disks) /run/block >/run/hypervisor.log 2>&1 </dev/null &
            """
        ).checked()
        let file = engine.directory.appending("hosts/\(engine.name)/config.yml").string
        try Self.configuration.replacing("INSTANCE", with: instance).write(
            toFile: file, atomically: true, encoding: .utf8)
        try await engine.startDaemon("-c", file, "--detach-linger", "1s")
    }

    @Test func containersUseVolumesOfEC2() async throws {
        let engine = try await DockerEngine()
        try await withCleanup({ try await engine.stop() }) {
            try await begin(engine)
            func run(_ script: String) async throws -> String {
                try await engine.docker(
                    "run", "--rm", "--network", "none", "--volume-driver", "rexray", "-v", "data:/test", "busybox",
                    "sh",
                    "-c", script
                ).checked()
            }
            func ebb(_ arguments: String) async throws -> String {
                try await engine("\(BuiltPrograms.ebb) --home \(engine.home) \(arguments)").checked()
            }
            #expect(try await run("echo kept >/test/file; sync") == "")
            let named = try await ebb("volume ls data --template '{{.Name}} {{.Size}} {{.VolumeType}}'")
            #expect(named == "data 1 gp3")
            #expect(
                try await run("cat /test/file; df -P /test | tail -n 1 | tr -s ' ' | cut -d ' ' -f 1")
                    == "kept\n/dev/xvdb")
            // It grows while a container has it.
            try await engine.docker(
                "run", "--detach", "--name", "user", "--network", "none", "--volume-driver", "rexray", "-v",
                "data:/test", "busybox", "sleep", "600"
            ).checked()
            _ = try await ebb("volume modify data --size 2")
            let hasGrown = try await eventually(within: .seconds(60)) {
                let blocks = try await engine.docker("exec", "user", "sh", "-c", "df -Pk /test | tail -n 1").checked()
                return blocks.split(separator: " ").dropFirst().first.flatMap { Int($0) }.map { $0 > 1_500_000 }
                    ?? false
            }
            #expect(hasGrown)
            try await engine.docker("rm", "--force", "user").checked()
            // After the linger it is nobody's, and its disk is gone.
            let isFree = try await eventually(within: .seconds(60)) {
                try await ebb("volume ls data --template '{{.Status}}'") == "available"
            }
            #expect(isFree)
            try await engine.docker("volume", "rm", "data").checked()
            #expect(try await ebb("volume ls --template '{{.Name}}'").contains("data") == false)
            try await engine.stopDaemon()
        }
    }
}
