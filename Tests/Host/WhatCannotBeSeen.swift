// "Could not look" is not "is not there": what may be in use is kept.

import Driver
import FoundationEssentials
import Glibc
import Logging
import Platform
import SystemPackage
import Testing

@testable import Host

/// /proc and /sys as the kernel shows them, written down, with things in them that cannot be read.
@Suite struct WhatTheKernelDoesNotShow {
    let directory: TemporaryDirectory
    let machine: LinuxMachine
    let number = DeviceNumber(major: 7, minor: 3)

    init() throws {
        directory = try TemporaryDirectory()
        machine = LinuxMachine(
            settings: HostSettings(), clock: SystemClock(),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            proc: FilePath(directory.path + "/proc"), sys: FilePath(directory.path + "/sys"))
        try link("proc/self/ns/mnt", to: "mnt:[1]")
    }

    private func write(_ text: String, to path: String) throws {
        let path = FilePath(directory.path + "/" + path)
        try createDirectories(path.removingLastComponent())
        try text.write(toFile: path.string, atomically: false, encoding: .utf8)
    }

    private func link(_ path: String, to target: String) throws {
        let path = FilePath(directory.path + "/" + path)
        try createDirectories(path.removingLastComponent())
        try FileManager.default.createSymbolicLink(atPath: path.string, withDestinationPath: target)
    }

    /// A directory in a file's place: it opens, and reading it fails.
    private func writeUnreadable(_ path: String) throws {
        try createDirectories(FilePath(directory.path + "/" + path))
    }

    /// - Parameter state: `S` sleeps, `Z` has ended.
    private func addProcess(_ pid: Int, state: String = "S", threads: Int = 1) throws {
        try write(
            "\(pid) (a) b) \(state) 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 \(threads) 0 77 0 0\n", to: "proc/\(pid)/stat")
    }

    private func addView(_ task: String, namespace: String = "mnt:[2]", root: String = "/", at mountPoint: String)
        throws
    {
        try link("proc/\(task)/ns/mnt", to: namespace)
        try link("proc/\(task)/root", to: root)
        try write("36 35 7:3 / \(mountPoint) rw - ext4 /dev/xvdb rw\n", to: "proc/\(task)/mountinfo")
    }

    private func addUnreadableView(_ task: String) throws {
        try link("proc/\(task)/ns/mnt", to: "mnt:[2]")
        try link("proc/\(task)/root", to: "/")
        try writeUnreadable("proc/\(task)/mountinfo")
    }

    private func mountPoints() throws -> [String] { try machine.foreignMounts(of: number).map(\.mountPoint) }

    @Test func aProcessThatRunsAndCannotBeReadIsAnError() async throws {
        try addUnreadableView("10")
        let error = await expectError(.hostOperationFailed) { _ = try machine.foreignMounts(of: number) }
        #expect(error?.message.contains("process 10") == true)
        #expect(error?.cause == "Is a directory")
    }

    @Test func processesThatHaveEndedHaveNothingMounted() throws {
        try createDirectories(FilePath(directory.path + "/proc/10"))
        try createDirectories(FilePath(directory.path + "/proc/11/task/11"))
        try addView("12", at: "/kept")
        #expect(try mountPoints() == ["/kept"])
    }

    @Test func aProcessWhoseFirstThreadHasEndedIsSeenThroughAnother() throws {
        try createDirectories(FilePath(directory.path + "/proc/10/task/10"))
        try addView("10/task/11", at: "/kept")
        #expect(try mountPoints() == ["/kept"])
    }

    @Test func aProcessWhoseThreadsCannotBeReadIsAnError() async throws {
        try createDirectories(FilePath(directory.path + "/proc/10/task/10"))
        try addUnreadableView("10/task/11")
        _ = await expectError(.hostOperationFailed) { _ = try machine.foreignMounts(of: number) }
    }

    /// Its mountinfo shows what is below its root alone.
    @Test func aProcessWithARootOfItsOwnDoesNotStandForItsNamespace() throws {
        try addView("10", root: "/jail", at: "/inside")
        try addView("11", at: "/outside")
        try addView("12", at: "/outside")
        #expect(try mountPoints() == ["/inside", "/outside"])
    }

    @Test func whetherAnEngineRunsIsNotGuessed() async throws {
        let engine = Incarnation(pid: 10, startTimeTicks: 77)
        #expect(try !machine.isRunning(engine))
        try addProcess(10)
        #expect(try machine.isRunning(engine))
        #expect(try !machine.isRunning(Incarnation(pid: 10, startTimeTicks: 78)))
        try addProcess(10, state: "Z", threads: 2)
        #expect(try machine.isRunning(engine))
        try addProcess(10, state: "Z")
        #expect(try !machine.isRunning(engine))
        try write("nonsense", to: "proc/10/stat")
        _ = await expectError(.hostOperationFailed) { _ = try machine.isRunning(engine) }
        try writeUnreadable("proc/11/stat")
        _ = await expectError(.hostOperationFailed) {
            _ = try machine.isRunning(Incarnation(pid: 11, startTimeTicks: 77))
        }
    }

    @Test func aLoopDeviceThatCannotBeReadIsNotTakenForFree() async throws {
        #expect(try machine.loopAttribute("backing_file", of: number) == nil)
        try await machine.removeLoopDevice(number, backing: "/file")
        try writeUnreadable("sys/block/loop3/loop/backing_file")
        _ = await expectError(.hostOperationFailed) {
            try await machine.removeLoopDevice(number, backing: "/file")
        }
    }

    @Test func aFilesystemThatCannotBeAskedHasNotGivenUp() async throws {
        let machine = LinuxMachine(
            settings: HostSettings(commandDeadline: .zero), clock: SystemClock(),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        _ = await expectError(.deadlineExceeded) { _ = try await machine.takesWrites(at: directory.path) }
    }
}

/// The manager, when the machine cannot be looked at.
@Suite struct KeepingWhatCannotBeSeen {
    let stage: Stage
    let volume: VolumeID

    init() throws {
        stage = try Stage()
        volume = stage.region.addVolume("data")
    }

    @Test func aMountIsKeptWhileProcessesCannotBeLookedAt() async throws {
        let manager = try await stage.begin()
        let holder = MountHolder(id: "A", incarnation: dockerd)
        _ = try await manager.mount(.name("data"), holder: holder)
        stage.machine.blind(to: "foreign")
        try await manager.unmount(.name("data"), holder: holder)
        await stage.pass(.seconds(100))
        #expect(stage.machine.mountPoints == [stage.mounts + "/data"])
        #expect(stage.region.attachments(volume).count == 1)
        _ = await expectError(.hostOperationFailed) { try await manager.unmount(.name("data"), holder: .commandLine) }
        _ = await expectError(.hostOperationFailed) { try await manager.remove(.name("data"), force: false) }
        #expect(stage.machine.mountPoints == [stage.mounts + "/data"])
        stage.machine.see()
        await stage.pass(.seconds(100))
        stage.expectClean()
        await manager.shutdown()
    }

    @Test func aReferenceIsKeptWhileItsEngineCannotBeLookedAt() async throws {
        var manager = try await stage.begin()
        _ = try await manager.mount(.name("data"), holder: MountHolder(id: "A", incarnation: dockerd))
        stage.machine.kill(dockerd)
        stage.machine.blind(to: "running")
        await manager.incarnationBegan(laterDockerd)
        await stage.pass(.seconds(100))
        _ = await expectError(.hostOperationFailed) {
            try await manager.remove(.name("data"), force: false, engine: laterDockerd)
        }
        await manager.shutdown()
        manager = try await stage.begin()
        #expect(await manager.references() == [volume.rawValue: ["A": 1]])
        #expect(stage.machine.mountPoints == [stage.mounts + "/data"])
        stage.machine.see()
        await stage.pass(.seconds(40))
        // What the sweep finds is written durably, in real time.
        try await stage.until("the reference is dropped") { await manager.references().isEmpty }
        await stage.pass(.seconds(60))
        stage.expectClean()
        await manager.shutdown()
    }

    @Test func aPathThatCannotBeLookedUpIsNotUnpublished() async throws {
        let manager = try await stage.begin()
        _ = try await stage.region.attachVolume(AttachVolumeRequest(volumeID: volume, instanceID: "i-a"))
        let real = stage.directory.path + "/real"
        try FileManager.default.createDirectory(atPath: real, withIntermediateDirectories: false)
        try FileManager.default.createSymbolicLink(atPath: stage.directory.path + "/link", withDestinationPath: real)
        let staging = stage.directory.path + "/link/not/yet/there"
        try await manager.stage(volume, at: staging, options: MountOptions())
        #expect(stage.machine.mountPoints == [real + "/not/yet/there"], "as the kernel shows it")
        try FileManager.default.createSymbolicLink(atPath: stage.directory.path + "/loop", withDestinationPath: "loop")
        let error = await expectError(.hostOperationFailed) {
            try await manager.unstage(volume, at: stage.directory.path + "/loop/x/there")
        }
        #expect(error?.cause == "Too many levels of symbolic links")
        try await manager.unstage(volume, at: staging)
        #expect(stage.machine.mountPoints == [])
        await manager.shutdown()
    }
}
