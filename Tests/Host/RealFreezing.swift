// Real filesystems that are frozen by a real guardian, and what becomes of them when somebody dies.

import Driver
import FoundationEssentials
import Logging
import Platform
import SystemPackage
import TestSupport
import Testing

@testable import Host

/// A mounted volume, and the machine that it is frozen on.
private struct FreezeStage: Sendable {
    let stage: RealStage
    let machine: LinuxMachine
    let volume: VolumeID
    let place: FrozenPlace

    /// Runs a test with a volume that is mounted, and expects it to be thawed and whole afterwards.
    static func run(_ fsType: String = "ext4", _ body: (FreezeStage) async throws -> Void) async throws {
        try await RealStage().run { stage in
            let id = stage.region.addVolume("data", tags: [Tag.fsType: fsType])
            let manager = try await stage.begin()
            let path = try await manager.mount(.name("data"), holder: .commandLine).path
            let mount = try #require(try manager.mounts().first { $0.mountPoint == path })
            let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            try await body(
                FreezeStage(
                    stage: stage,
                    machine: LinuxMachine(settings: stage.settings, clock: SystemClock(), logger: logger), volume: id,
                    place: FrozenPlace(number: mount.deviceNumber, path: path)))
            try await stage.run("sh", "-c", "echo done > \(path)/last; sync -f \(path)")
            try await manager.unmount(.name("data"), holder: .commandLine)
            try await stage.expectClean()
            await manager.shutdown()
        }
    }

    /// Somebody who writes a file, and who cannot be killed while he waits.
    func beginToWrite() throws -> ChildProcess {
        try ChildProcess.spawn("/bin/sh", arguments: ["-c", "echo x > \(place.path)/written"], inherited: [])
    }

    func ends(_ writer: ChildProcess) async throws -> Bool {
        try await eventually { try writer.poll() != nil }
    }

    /// The guardian of this volume, while it is there.
    func guardian() async throws -> Int32 {
        let text = try await stage.shell("pgrep -f '[g]uard-frozen hold [0-9]+ \(place.number) '")
        return try #require(Int32(text.filter { !$0.isWhitespace }), "\(text)")
    }
}

extension RealMachine {
    @Test(arguments: ["ext4", "xfs"])
    func whoWritesToAFrozenFilesystemWaits(_ fsType: String) async throws {
        try await FreezeStage.run(fsType) { stage in
            let held = try await stage.machine.whileFrozen([stage.place], atMost: .seconds(60)) {
                let writer = try stage.beginToWrite()
                try await Task.sleep(for: .milliseconds(300))
                #expect(try writer.poll() == nil, "the writer waits")
                return writer
            }
            #expect(held.lasted)
            #expect(try await stage.ends(held.value))
        }
    }

    /// What was written is on the disk, also what nobody flushed, and is found there without the journal.
    @Test(arguments: [("ext4", "noload"), ("xfs", "norecovery,nouuid")])
    func aFrozenFilesystemIsConsistentWhileItIsUsed(_ fsType: String, _ withoutJournal: String) async throws {
        try await FreezeStage.run(fsType) { stage in
            let (path, directory) = (stage.place.path, stage.stage.directory.path)
            async let load = stage.stage.run(
                "fio", "--name=load", "--directory=\(path)", "--size=4M", "--nrfiles=16", "--rw=randwrite",
                "--bs=4k", "--fsync=8", "--time_based", "--runtime=2")
            // It lays all of them out before it begins.
            #expect(try await eventually { try await stage.stage.shell("ls \(path) | wc -l") == "16\n" })
            let written = try await stage.stage.shell("head -c 1M /dev/urandom | tee \(path)/new | sha256sum")
            let held = try await stage.machine.whileFrozen([stage.place], atMost: .seconds(60)) {
                try await stage.stage.run("cp", "--sparse=always", stage.stage.file(stage.volume), "\(directory)/copy")
            }
            #expect(held.lasted)
            _ = try await load
            let seen = try await stage.stage.shell(
                """
                cd \(directory) && mkdir seen && mount -o loop,ro,\(withoutJournal) copy seen
                sha256sum < seen/new; ls seen | wc -l; umount seen
                """)
            #expect(seen == written + "17\n")
        }
    }

    @Test func aGuardianThatIsKilledLeavesNothingFrozen() async throws {
        try await FreezeStage.run { stage in
            let held = try await stage.machine.whileFrozen([stage.place], atMost: .seconds(60)) {
                try send(.terminate, toProcess: try await stage.guardian())
                try await Task.sleep(for: .milliseconds(200))
                // It takes more than asking.
                try send(.kill, toProcess: try await stage.guardian())
                return try stage.beginToWrite()
            }
            #expect(!held.lasted, "who knows for how long")
            #expect(try await stage.ends(held.value))
        }
    }

    @Test func whoFreezesTooLongIsNotWaitedFor() async throws {
        try await FreezeStage.run { stage in
            let held = try await stage.machine.whileFrozen([stage.place], atMost: .milliseconds(300)) {
                let writer = try stage.beginToWrite()
                return try await stage.ends(writer)
            }
            #expect(held.value && !held.lasted)
        }
    }

    /// The guardian's input ends with the process at its other end, however that dies.
    @Test func aDaemonThatIsKilledLeavesNothingFrozen() async throws {
        try await FreezeStage.run { stage in
            let order = GuardianOrder.hold([stage.place], limitMilliseconds: 600_000)
            let command = (stage.machine.guardianProgram + order.arguments).map { "'\($0)'" }.joined(separator: " ")
            let said = stage.stage.directory.path + "/said"
            let script = "mkfifo \(said).in; \(command) < \(said).in > \(said) & exec 9> \(said).in; exec sleep 600"
            let daemon = try ChildProcess.spawn("/bin/sh", arguments: ["-c", script], inherited: [])
            #expect(try await eventually { try await stage.stage.shell("cat \(said) || true") == "frozen\n" })
            let writer = try stage.beginToWrite()
            try await Task.sleep(for: .milliseconds(200))
            #expect(try writer.poll() == nil)
            try daemon.send(.kill)
            _ = try daemon.wait()
            #expect(try await stage.ends(writer))
            #expect(try await eventually { try await stage.stage.shell("cat \(said)") == "frozen\nthawed\n" })
        }
    }

    @Test func onlyTheFilesystemThatIsMeantIsFrozen() async throws {
        try await FreezeStage.run { stage in
            let wrong = FrozenPlace(number: DeviceNumber(major: 7, minor: 999), path: stage.place.path)
            let error = await expectError(.hostOperationFailed) {
                _ = try await stage.machine.whileFrozen([stage.place, wrong], atMost: .seconds(60)) {}
            }
            #expect(error?.message.contains("another filesystem") == true)
            let missing = FrozenPlace(number: stage.place.number, path: stage.place.path + "/missing")
            _ = await expectError(.hostOperationFailed) { try await stage.machine.thaw([missing]) }
            let writer = try stage.beginToWrite()
            #expect(try await stage.ends(writer))
        }
    }

    @Test func whatOthersFrozeIsRefusedAndThawedOnRequest() async throws {
        try await FreezeStage.run { stage in
            try await stage.stage.run("fsfreeze", "--freeze", stage.place.path)
            _ = await expectError(.deviceBusy) {
                _ = try await stage.machine.whileFrozen([stage.place], atMost: .seconds(60)) {}
            }
            let writer = try stage.beginToWrite()
            try await Task.sleep(for: .milliseconds(200))
            #expect(try writer.poll() == nil, "it is the other one's to thaw")
            try await stage.machine.thaw([stage.place])
            try await stage.machine.thaw([stage.place])
            #expect(try await stage.ends(writer))
        }
    }
}

@Suite struct GuardianWords {
    @Test func ordersAndAnswersComeAsTheyWereMeant() {
        let places = [
            FrozenPlace(number: DeviceNumber(major: 7, minor: 3), path: "/a b"),
            FrozenPlace(number: DeviceNumber(major: 259, minor: 0), path: "/c\nd"),
        ]
        for order in [GuardianOrder.hold(places, limitMilliseconds: 10_000), .thaw(places)] {
            #expect(GuardianOrder(arguments: order.arguments) == order)
        }
        for wrong in ["", "hold", "hold x 7:3 /a", "hold 1", "thaw", "thaw 7:3", "thaw 7 /a", "freeze 7:3 /a"] {
            #expect(GuardianOrder(arguments: wrong.split(separator: " ").map(String.init)) == nil, "\(wrong)")
        }
        let refusal = GuardianRefusal(errno: 16, step: .freeze, index: 1)
        for word in [GuardianWord.frozen, .thawed, .expired, .refused(refusal)] {
            #expect(GuardianWord(line: word.line) == word)
        }
        #expect(GuardianWord(line: "refused 16 freeze") == nil)
    }
}
