// The manager on this machine: real loop devices, filesystems and mounts, on sparse files.

import Driver
import FoundationEssentials
import Glibc
import Host
import Logging
import Platform
import SystemPackage
import TestSupport
import Testing

@testable import struct Host.Command

/// A region of sparse files, a private device directory, and what the tests left, taken away at the end.
final class RealStage: Sendable {
    let directory: TemporaryDirectory
    let region: FakeRegion
    let settings: HostSettings

    init(volumeRootPath: String? = nil) throws {
        directory = try TemporaryDirectory()
        for name in ["files", "dev"] {
            try FileManager.default.createDirectory(
                atPath: directory.path + "/" + name, withIntermediateDirectories: false)
        }
        region = FakeRegion(files: directory.path + "/files")
        settings = HostSettings(
            stateDirectory: directory.path + "/state", deviceDirectory: directory.path + "/dev",
            volumeRootPath: volumeRootPath, linger: .milliseconds(300),
            guardianProgram: [BuiltPrograms.ebbd.string, "guard-frozen"])
    }

    var mounts: String { directory.path + "/state/mounts" }

    func begin(_ instance: InstanceID = "i-a") async throws -> VolumeManager {
        try await VolumeManager(
            driver: region,
            instance: Instance(
                id: instance, zone: "us-east-1b", region: "us-east-1", name: "a", state: .running,
                providerName: "fake"),
            settings: settings, clock: SystemClock(), random: SeededRandom(seed: 1),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    /// Runs a program; gives its output. A failure is the test's.
    @discardableResult
    func run(_ arguments: String...) async throws -> String {
        try await Command(arguments, deadline: .seconds(60)).output(clock: SystemClock())
    }

    func shell(_ script: String) async throws -> String { try await run("sh", "-c", script) }

    func file(_ id: VolumeID) -> String { directory.path + "/files/" + id.rawValue }

    /// Of the volume's first and last MiB, where the tests write.
    func digest(_ id: VolumeID) async throws -> String {
        try await shell("(head -c 1M \(file(id)); tail -c 1M \(file(id))) | sha256sum")
    }

    /// Runs a test and takes away whatever it left mounted.
    func run(_ body: (RealStage) async throws -> Void) async throws {
        let result: Result<Void, any Error>
        do { result = .success(try await body(self)) } catch { result = .failure(error) }
        _ = try await shell(
            """
            for mount in $(awk '{print $5}' /proc/self/mountinfo | grep '^\(directory.path)/' | tac); do
                while fsfreeze --unfreeze "$mount" 2>/dev/null; do true; done
                umount "$mount" || umount -l "$mount"
            done
            for file in \(directory.path)/files/*; do
                losetup -j "$file" | cut -d: -f1 | xargs -r -n1 losetup -d
            done
            """)
        try result.get()
    }

    func expectClean(_ location: SourceLocation = #_sourceLocation) async throws {
        let left = try await leftovers
        #expect(left == "", sourceLocation: location)
    }

    /// Mounts, loop devices and device nodes.
    var leftovers: String {
        get async throws {
            try await shell(
                """
                grep ' \(directory.path)/' /proc/self/mountinfo; losetup -a | grep \(directory.path); ls \(directory.path)/dev
                """)
        }
    }
}

/// One after another: a new mount namespace copies, and so keeps, the mounts of all tests.
@Suite(.serialized) struct RealMachine {
    @Test(arguments: ["ext4", "xfs"])
    func aVolumeIsFormattedMountedAndKeepsItsData(_ fsType: String) async throws {
        try await RealStage().run { stage in
            let id = stage.region.addVolume("data", tags: [Tag.fsType: fsType])
            let manager = try await stage.begin()
            let mounted = try await manager.mount(.name("data"), holder: .commandLine)
            #expect(mounted.path == stage.mounts + "/data")
            #expect(try await stage.run("ls", "-A", mounted.path) == "", "a new volume's root is empty")
            #expect(try await stage.run("stat", "-c", "%a", mounted.path) == "755\n")
            let source = try await stage.run("df", "--output=source,fstype", mounted.path)
            #expect(source.contains(stage.directory.path + "/dev/xvdb") && source.contains(fsType))
            #expect(try await stage.run("losetup", "-n", "-O", "DIO", "-j", stage.file(id)).contains("1"))
            try await stage.run("sh", "-c", "echo kept > \(mounted.path)/file; chmod 1711 \(mounted.path)")
            try await manager.unmount(.name("data"), holder: .commandLine)
            try await stage.expectClean()
            _ = try await manager.mount(.name("data"), holder: .commandLine)
            #expect(try await stage.run("cat", mounted.path + "/file") == "kept\n")
            #expect(try await stage.run("stat", "-c", "%a", mounted.path) == "1711\n", "permissions are the user's")
            try await manager.remove(.name("data"), force: true)
            try await stage.expectClean()
            await manager.shutdown()
        }
    }

    @Test func theRootPathIsMadeOnceAndThenLeftAsItIs() async throws {
        try await RealStage(volumeRootPath: "/data").run { stage in
            _ = stage.region.addVolume("data")
            let manager = try await stage.begin()
            let mounted = try await manager.mount(.name("data"), holder: .commandLine)
            #expect(mounted.path == stage.mounts + "/data/data")
            #expect(try await stage.run("stat", "-c", "%a", mounted.path) == "755\n")
            _ = try await stage.shell("echo kept >\(mounted.path)/file; chmod 1711 \(mounted.path)")
            try await manager.unmount(.name("data"), holder: .commandLine)
            try await stage.expectClean()
            // What is there needs no writing.
            _ = try await manager.mount(
                .name("data"), holder: .commandLine, options: MountOptions(mountOptions: "ro"))
            #expect(try await stage.run("cat", mounted.path + "/file") == "kept\n")
            #expect(try await stage.run("stat", "-c", "%a", mounted.path) == "1711\n", "permissions are the user's")
            try await manager.remove(.name("data"), force: true)
            try await stage.expectClean()
            await manager.shutdown()
        }
    }

    /// Whoever had the volume before may have put a way out of it where the root path is.
    @Test(arguments: ["ln -s / srv", "ln -s /etc srv/data", "touch srv/data"])
    func aRootPathLeadsNowhereElse(command: String) async throws {
        try await RealStage(volumeRootPath: "/srv/data").run { stage in
            _ = stage.region.addVolume("data")
            let manager = try await stage.begin()
            let mounted = try await manager.mount(.name("data"), holder: .commandLine)
            let root = stage.mounts + "/data"
            #expect(mounted.path == root + "/srv/data")
            let parent = command.contains("srv/data") ? "" : "rmdir srv && "
            _ = try await stage.shell("cd \(root) && rmdir srv/data && \(parent)\(command)")
            try await manager.unmount(.name("data"), holder: .commandLine)
            let error = await expectError(.hostOperationFailed) {
                _ = try await manager.mount(.name("data"), holder: .commandLine)
            }
            #expect(error?.message.contains("/srv/data") == true)
            try await stage.expectClean()
            await manager.shutdown()
        }
    }

    @Test func fsckAgreesWithAnEmptyRoot() async throws {
        try await RealStage().run { stage in
            let id = stage.region.addVolume("data")
            let manager = try await stage.begin()
            _ = try await manager.mount(.name("data"), holder: .commandLine)
            try await manager.unmount(.name("data"), holder: .commandLine)
            try await stage.run("e2fsck", "-f", "-n", stage.file(id))
            await manager.shutdown()
        }
    }

    /// As a signature of each kind, as its tools write them; `dd` puts it at its place.
    @Test(arguments: [
        ("swap", "mkswap -q FILE"),
        (
            "dos",
            "printf '\\125\\252' | dd of=FILE bs=1 seek=510 conv=notrunc; printf '\\200\\1\\1\\0\\203\\1\\1\\1\\0\\10\\0\\0\\0\\100\\0\\0' | dd of=FILE bs=1 seek=446 conv=notrunc"
        ),
        ("crypto_LUKS", "printf 'LUKS\\272\\276\\0\\1' | dd of=FILE conv=notrunc"),
        ("unknown data", "printf 'something of mine' | dd of=FILE conv=notrunc"),
        ("unknown data", "printf 'at the very end' | dd of=FILE bs=1 seek=1073741800 conv=notrunc"),
        ("btrfs", "printf '_BHRfS_M' | dd of=FILE bs=1 seek=65600 conv=notrunc"),
        (
            "LVM2_member",
            "printf 'LABELONE\\1\\0\\0\\0\\0\\0\\0\\0\\274\\222\\44\\63\\40\\0\\0\\0LVM2 001' | dd of=FILE bs=1 seek=512 conv=notrunc"
        ),
    ])
    func whatIsNotBlankIsRefusedAndUntouched(_ name: String, _ script: String) async throws {
        try await RealStage().run { stage in
            let id = stage.region.addVolume("data")
            _ = try await stage.shell(
                "{ \(script.replacing("FILE", with: stage.file(id))); } 2>/dev/null")
            let before = try await stage.digest(id)
            let manager = try await stage.begin()
            let error = await expectError(.deviceNotBlank) {
                _ = try await manager.mount(.name("data"), holder: .commandLine)
            }
            #expect(error?.message.contains(name) == true || name == "btrfs" || name == "LVM2_member", "\(error!)")
            #expect(try await stage.digest(id) == before)
            try await stage.expectClean()
            let options = MountOptions(overwriteFileSystem: true)
            _ = try await manager.mount(.name("data"), holder: .commandLine, options: options)
            try await manager.unmount(.name("data"), holder: .commandLine)
            let probed = try await stage.run("blkid", "-p", "-o", "value", "-s", "TYPE", stage.file(id))
            #expect(probed == "ext4\n")
            await manager.shutdown()
        }
    }

    @Test(arguments: ["ext4", "xfs"])
    func aHugeVolumeStaysSparseAndIsQuick(_ fsType: String) async throws {
        try await RealStage().run { stage in
            // 15 TiB: more does not fit into a file of ext4's, where tests run.
            let id = stage.region.addVolume("huge", tags: [Tag.fsType: fsType], sizeGiB: 15 << 10)
            let manager = try await stage.begin()
            let begin = ContinuousClock.now
            _ = try await manager.mount(.name("huge"), holder: .commandLine)
            #expect(ContinuousClock.now - begin < .seconds(30))
            try await Task.sleep(for: .seconds(2))
            try await manager.unmount(.name("huge"), holder: .commandLine)
            let kibibytes = Int(try await stage.run("du", "-k", stage.file(id)).split(separator: "\t")[0])!
            #expect(kibibytes < 600 << 10, "\(kibibytes) KiB are allocated")
            await manager.shutdown()
        }
    }

    @Test func aRestartFindsWhatIsMounted() async throws {
        try await RealStage().run { stage in
            _ = stage.region.addVolume("data")
            var manager = try await stage.begin()
            let engine = Incarnation(
                pid: getpid(), startTimeTicks: try #require(try ProcessStatus(of: getpid())).startTimeTicks)
            let holder = MountHolder(id: "B", incarnation: engine)
            let mounted = try await manager.mount(.name("data"), holder: holder)
            await manager.shutdown()
            manager = try await stage.begin()
            #expect(try await manager.volume(.name("data")).mountPath == mounted.path)
            try await Task.sleep(for: .seconds(1))
            #expect(try manager.mounts().contains { $0.mountPoint == mounted.path })
            try await manager.unmount(.name("data"), holder: holder)
            // An engine's volume goes in the background.
            _ = try await eventually { try await stage.leftovers.isEmpty }
            try await stage.expectClean()
            await manager.shutdown()
        }
    }

    /// As a container does: a mount namespace of its own that shows the volume.
    @Test func aProcessThatShowsTheVolumeKeepsIt() async throws {
        try await RealStage().run { stage in
            _ = stage.region.addVolume("data")
            let manager = try await stage.begin()
            let mounted = try await manager.mount(.name("data"), holder: .commandLine)
            try await stage.run("mkdir", stage.directory.path + "/seen")
            let container = try ChildProcess.spawn(
                "/usr/bin/unshare",
                arguments: [
                    "-m", "--propagation", "private", "sh", "-c",
                    """
                    mount --bind \(mounted.path) \(stage.directory.path)/seen; umount \(mounted.path)
                    touch \(stage.directory.path)/ready; exec sleep 60
                    """,
                ], inherited: [])
            try await withCleanup({
                try container.send(.kill)
                while try container.poll() == nil { try await Task.sleep(for: .milliseconds(10)) }
            }) {
                let ready = stage.directory.path + "/ready"
                let isReady = try await eventually { FileManager.default.fileExists(atPath: ready) }
                #expect(isReady)
                let error = await expectError(.deviceBusy) {
                    try await manager.unmount(.name("data"), holder: .commandLine)
                }
                #expect(error?.message.contains("process \(container.pid)") == true, "\(error!)")
            }
            try await manager.unmount(.name("data"), holder: .commandLine)
            try await stage.expectClean()
            await manager.shutdown()
        }
    }

    /// The kernel shows a process by its first thread, and a mount by its path from the process's root.
    @Test(arguments: [
        // Its first thread ends; another goes on.
        "exec python3 -c 'import ctypes, threading, time; threading.Thread(target=time.sleep, args=(60,)).start(); ctypes.CDLL(None).pthread_exit(None)'",
        // The process that comes first has a root of its own, below which nothing of the volume is.
        "while kill -0 $$ 2>/dev/null; do sleep 0.05; done & exec chroot DIRECTORY/jail /busybox sleep 60",
    ])
    func aProcessThatHidesItsMountsKeepsTheVolumeAllTheSame(_ script: String) async throws {
        try await RealStage().run { stage in
            _ = stage.region.addVolume("data")
            let manager = try await stage.begin()
            let mounted = try await manager.mount(.name("data"), holder: .commandLine)
            let directory = stage.directory.path
            _ = try await stage.shell("mkdir \(directory)/seen \(directory)/jail; cp /bin/busybox \(directory)/jail/")
            let container = try ChildProcess.spawn(
                "/usr/bin/unshare",
                arguments: [
                    "--mount", "--propagation", "private", "sh", "-c",
                    """
                    mount --bind \(mounted.path) \(directory)/seen; umount \(mounted.path)
                    touch \(directory)/ready; \(script.replacing("DIRECTORY", with: directory))
                    """,
                ], inherited: [])
            let ready = directory + "/ready"
            #expect(try await eventually { FileManager.default.fileExists(atPath: ready) })
            try await Task.sleep(for: .milliseconds(500))
            let error = await expectError(.deviceBusy) {
                try await manager.unmount(.name("data"), holder: .commandLine)
            }
            #expect(error?.message.contains("by process") == true, "\(error!)")
            #expect(try manager.mounts().contains { $0.mountPoint == mounted.path }, "it stays mounted")
            try container.send(.kill)
            while try container.poll() == nil { try await Task.sleep(for: .milliseconds(10)) }
            let holders = "grep -l ' \(directory)/seen ' /proc/[0-9]*/mountinfo 2>/dev/null || true"
            #expect(try await eventually { try await stage.shell(holders) == "" })
            try await manager.unmount(.name("data"), holder: .commandLine)
            try await stage.expectClean()
            await manager.shutdown()
        }
    }

    /// As every parent leaves them that is slow to ask for their end.
    @Test func aZombieKeepsNothing() async throws {
        try await RealStage().run { stage in
            _ = stage.region.addVolume("data")
            let manager = try await stage.begin()
            _ = try await manager.mount(.name("data"), holder: .commandLine)
            let zombie = try ChildProcess.spawn("/bin/true", arguments: [], inherited: [])
            #expect(try await eventually { try ProcessStatus(of: zombie.pid)?.hasEnded == true })
            try await manager.unmount(.name("data"), holder: .commandLine)
            #expect(try zombie.poll() == .exited(code: 0))
            try await stage.expectClean()
            await manager.shutdown()
        }
    }

    /// While fio writes to it and reads back what it wrote.
    @Test func xfsGrowsWhileItIsWritten() async throws {
        try await RealStage().run { stage in
            let id = stage.region.addVolume("data", tags: [Tag.fsType: "xfs"])
            let manager = try await stage.begin()
            let path = try await manager.mount(.name("data"), holder: .commandLine).path
            let before = try await manager.usage(of: id, at: path).totalBytes
            async let writing = stage.run(
                "fio", "--name=grow", "--directory=\(path)", "--size=64M", "--rw=randwrite", "--bs=16k",
                "--verify=crc32c", "--time_based", "--runtime=4", "--rate_iops=500", "--do_verify=1",
                "--verify_fatal=1", "--verify_state_save=0")
            try await Task.sleep(for: .seconds(1))
            _ = try await manager.modify(ModifyVolumeRequest(volumeID: id, sizeGiB: 3))
            try await manager.grow(.id(id))
            let after = try await manager.usage(of: id, at: path).totalBytes
            #expect(after - before == 2 << 30)
            _ = try await writing
            // What did not fit before.
            try await stage.run("fallocate", "-l", "2G", path + "/large")
            try await manager.unmount(.name("data"), holder: .commandLine)
            try await stage.run("xfs_repair", "-n", stage.file(id))
            try await stage.expectClean()
            await manager.shutdown()
        }
    }

    /// Two trees, one after the other, have files of the same names and inodes.
    @Test func aLoopDeviceOnAnotherFilesystemIsAnothers() async throws {
        try await RealStage().run { stage in
            let files = ["old", "new"].map { "\(stage.directory.path)/\($0)/zone/instance/xvdb" }
            for file in files {
                let mount = file.replacing("/zone/instance/xvdb", with: "")
                _ = try await stage.shell(
                    """
                    mkdir \(mount) && mount -t tmpfs tmpfs \(mount)
                    mkdir -p \(mount)/zone/instance && truncate -s 1M \(file)
                    """)
            }
            let inodes = Set(try await stage.run("stat", "--format=%i", files[0], files[1]).split(separator: "\n"))
            #expect(inodes.count == 1)
            let machine = LinuxMachine(
                settings: stage.settings, clock: SystemClock(),
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            let made = try await machine.makeLoopDevice(backing: files[0])
            try await withCleanup({ try await machine.removeLoopDevice(made.number, backing: files[0]) }) {
                let found = [
                    try await machine.loopDevice(backing: files[0]), try await machine.loopDevice(backing: files[1]),
                ]
                #expect(found == [made, nil])
            }
        }
    }

    @Test func ext4GrowsAtItsNextMount() async throws {
        try await RealStage().run { stage in
            let id = stage.region.addVolume("data")
            let manager = try await stage.begin()
            let path = try await manager.mount(.name("data"), holder: .commandLine).path
            _ = try await stage.shell("echo kept > \(path)/file")
            try await manager.unmount(.name("data"), holder: .commandLine)
            _ = try await manager.modify(ModifyVolumeRequest(volumeID: id, sizeGiB: 3))
            _ = try await manager.mount(.name("data"), holder: .commandLine)
            #expect(try await manager.usage(of: id, at: path).totalBytes > 2900 << 20)
            #expect(try await stage.run("cat", path + "/file") == "kept\n")
            try await manager.unmount(.name("data"), holder: .commandLine)
            try await stage.run("e2fsck", "-f", "-n", stage.file(id))
            await manager.shutdown()
        }
    }

    /// With CAP_SYS_RESOURCE it grows mounted; without it, it says what to do, and does it at its next mount.
    @Test func ext4ThatIsMountedGrowsOrSaysWhatToDo() async throws {
        try await RealStage().run { stage in
            let id = stage.region.addVolume("data")
            let manager = try await stage.begin()
            let path = try await manager.mount(.name("data"), holder: .commandLine).path
            _ = try await manager.modify(ModifyVolumeRequest(volumeID: id, sizeGiB: 3))
            do {
                try await manager.grow(.id(id))
            } catch let error as StorageError {
                #expect(error.code == .deviceBusy, "\(error)")
                #expect(error.advice?.contains("at its next mount") == true, "\(error)")
                let device = try await stage.run("blockdev", "--getsize64", stage.directory.path + "/dev/xvdb")
                #expect(device == "\(3 << 30)\n", "the device has grown all the same")
                try await manager.unmount(.name("data"), holder: .commandLine)
                _ = try await manager.mount(.name("data"), holder: .commandLine)
            }
            #expect(try await manager.usage(of: id, at: path).totalBytes > 2900 << 20)
            try await manager.unmount(.name("data"), holder: .commandLine)
            try await stage.expectClean()
            await manager.shutdown()
        }
    }

    @Test func aCommandPastItsDeadlineIsKilledAndNamed() async throws {
        let begin = ContinuousClock.now
        let error = await expectError(.deadlineExceeded) {
            _ = try await Command(["sleep", "77"], deadline: .milliseconds(100)).output(clock: SystemClock())
        }
        #expect(ContinuousClock.now - begin < .seconds(20))
        #expect(error?.message.contains("'sleep 77'") == true)
    }

    @Test func aFailedCommandSaysWhichAndWhy() async throws {
        let error = await expectError(.hostOperationFailed) {
            _ = try await Command(["sh", "-c", "echo first >&2; echo last >&2; exit 3"], deadline: .seconds(5))
                .output(clock: SystemClock())
        }
        #expect(error?.message.hasSuffix("exit code 3") == true)
        #expect(error?.cause == "last")
    }
}
