import Driver
import Platform
import Testing

@testable import Host

@Suite struct HostValues {
    @Test func aLineOfMountinfoIsTakenApart() throws {
        let line = #"36 35 98:0 /mnt1 /mnt\0402 rw,noatime master:1 shared:2 - ext3 /dev/ro\134ot rw,errors=continue"#
        let mount = try #require(MountInfo(line: line))
        #expect(
            mount
                == MountInfo(
                    id: 36, parent: 35, major: 98, minor: 0, root: "/mnt1", mountPoint: "/mnt 2",
                    options: "rw,noatime", optionalFields: "master:1 shared:2", fsType: "ext3",
                    source: #"/dev/ro\ot"#, superOptions: "rw,errors=continue"))
    }

    @Test func withoutOptionalFieldsThereAreNone() throws {
        let mount = try #require(MountInfo(line: "36 35 0:22 / / rw - tmpfs none rw"))
        #expect(mount.optionalFields == "")
        #expect(mount.deviceNumber == DeviceNumber(major: 0, minor: 22))
    }

    @Test(arguments: [
        "", "x", "36 35 98:0 / / rw", "36 35 98 / / rw - ext3 x", "a 35 98:0 / / rw - ext3 x rw", "- - -",
    ])
    func otherLinesAreLeftOut(_ line: String) {
        #expect(MountInfo(line: line) == nil)
    }

    @Test func randomBytesDoNotTrap() {
        let seed = SystemRandom().next()
        let random = SeededRandom(seed: seed)
        let alphabet = Array(#"0123:/ -\ rw"#)
        for _ in 0..<2000 {
            let line = String((0..<random.next() % 60).map { _ in alphabet[Int(random.next() % 12)] })
            #expect((MountInfo(line: line)?.id ?? 0) >= 0 || true, "seed \(seed)")
        }
    }

    @Test(arguments: ["a", "A9_.-", "0", String(repeating: "x", count: 255), "project_name", "vol-1"])
    func namesThatAreValid(_ name: String) {
        #expect(VolumeName.isValid(name))
    }

    @Test(arguments: [
        "", "-lead", ".", "..", "a b", "ü", "../../etc/x", "a/b", "a\n", String(repeating: "x", count: 256),
        "vol-0123456789abcdef0", "vol-01234567", "a\0",
    ])
    func namesThatAreNot(_ name: String) {
        #expect(throws: StorageError.self) { try VolumeName.validate(name) }
    }

    @Test func whatLibblkidSaysIsUnderstood() {
        let content = LinuxMachine.content(fromProbe:)
        #expect(content("DEVNAME=/x\nUUID=u-1\nTYPE=xfs\nUSAGE=filesystem\n") == .fileSystem(type: "xfs", uuid: "u-1"))
        #expect(content("DEVNAME=/x\nPTTYPE=gpt\n") == .other("a gpt partition table"))
        #expect(content("TYPE=LVM2_member\nUSAGE=raid\n") == .other("LVM2_member (raid)"))
        #expect(content("TYPE=vfat\nUSAGE=filesystem\nPTTYPE=dos\n") == .other("a dos partition table"))
        #expect(content("DEVNAME=/x\n") == .other("data that libblkid half knows"))
    }

    @Test func aLoopDevicesFileIsKnownAgain() {
        let file = "/run/ebb/volumes/us-east-1b/i-1/xvdb"
        #expect(LinuxMachine.isSame(backing: file, file: file))
        #expect(LinuxMachine.isSame(backing: file + " (deleted)", file: file))
        #expect(LinuxMachine.isSame(backing: "/us-east-1b/i-1/xvdb", file: file))
        #expect(!LinuxMachine.isSame(backing: "/us-east-1b/i-2/xvdb", file: file))
        #expect(!LinuxMachine.isSame(backing: "/xvdb", file: file))
        #expect(!LinuxMachine.isSame(backing: "/other" + file, file: file))
    }

    @Test func largeFilesystemsAreMadeSparse() {
        #expect(LinuxMachine.ext4Arguments(sizeBytes: 64 << 40, isZeroed: true).contains("meta_bg,^resize_inode"))
        #expect(!LinuxMachine.ext4Arguments(sizeBytes: 1 << 40, isZeroed: true).contains("-O"))
        #expect(!LinuxMachine.ext4Arguments(sizeBytes: 1 << 30, isZeroed: false).joined().contains("prezeroed"))
        #expect(LinuxMachine.xfsArguments(sizeBytes: 64 << 40).contains("size=256m"))
    }

    @Test func aBookSurvivesItsFile() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/references.json"
        let store = try ReferenceStore(path: path, logger: .init(label: "test"))
        try store.update { book in
            book["vol-1"] = ReferenceBook.Record(
                name: "data", isAttachedByMount: true,
                device: .init(node: "/dev/xvdb", number: DeviceNumber(major: 7, minor: 3), file: "/f", isNodeOurs: true)
            )
            book.addReference("vol-1", MountHolder(id: "A", incarnation: Incarnation(pid: 1, startTimeTicks: .max)))
        }
        #expect(try ReferenceStore(path: path, logger: .init(label: "test")).current == store.current)
    }

    @Test func locksAreHandedOnInOrderAndOneAtATime() async throws {
        let clock = SystemClock()
        let locks = VolumeLocks(clock: clock)
        let log = Log()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<50 {
                group.addTask {
                    try await locks.withLock("vol-1", until: clock.uptime() + .seconds(60)) {
                        await log.enter(index)
                        await Task.yield()
                        await log.leave(index)
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(await log.mostInside == 1)
        #expect(await log.entered == 50)
    }

    private actor Log {
        var inside = 0
        var mostInside = 0
        var entered = 0
        func enter(_ index: Int) {
            inside += 1
            entered += 1
            mostInside = max(mostInside, inside)
        }
        func leave(_ index: Int) { inside -= 1 }
    }
}
