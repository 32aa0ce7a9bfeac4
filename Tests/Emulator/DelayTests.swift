// Answers that wait: the schedule beside a sorted list, and a mounted volume whose model holds them back.
import Driver
import Foundation
import Platform
import Synchronization
import SystemPackage
import Testing

@testable import Emulator

@Suite struct DeadlineScheduleTests {
    @Test("the schedule gives what a sorted list gives", arguments: [1, 2, 3, UInt64.random(in: 4...(.max))])
    func model(_ seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var schedule = DeadlineSchedule(capacity: 64)
        var list: [(deadline: Nanoseconds, number: Int, slot: Int)] = []
        for step in 0..<20_000 {
            switch random.next() % 8 {
            case 0...3:
                let slot = schedule.takeSlot()
                #expect((slot == nil) == (list.count == 64), "seed \(seed), step \(step)")
                guard let slot else { continue }
                #expect(!list.contains { $0.slot == slot }, "seed \(seed), step \(step)")
                let deadline = Nanoseconds(random.next() % 50)
                schedule.add(slot, deadline: deadline)
                list.append((deadline, step, slot))
                list.sort { ($0.deadline, $0.number) < ($1.deadline, $1.number) }
            case 4...6:
                let now = Nanoseconds(random.next() % 50)
                let expected = list.first.flatMap { $0.deadline <= now ? $0 : nil }
                let ticket = schedule.popDue(at: now)
                #expect(ticket?.slot == expected?.slot, "seed \(seed), step \(step)")
                if let ticket {
                    list.removeFirst()
                    schedule.freeSlot(ticket.slot)
                }
            default:
                let odd = Int(random.next() % 4)
                let gone = schedule.remove { $0 % 4 == odd }.map(\.slot)
                #expect(gone == list.filter { $0.slot % 4 == odd }.map(\.slot), "seed \(seed), step \(step)")
                list.removeAll { $0.slot % 4 == odd }
                for slot in gone { schedule.freeSlot(slot) }
            }
            #expect(schedule.first == list.first?.deadline, "seed \(seed), step \(step)")
        }
    }
}

@Suite struct DelayedAnswerTests {
    private static let volume = VolumeNumber(1)

    /// A plan of so many I/Os a second, answered as soon as they are dispatched.
    private func plan(operationsPerSecond: Int64) -> PerformancePlan {
        let atOnce = LatencyDistribution([(0, 0), (1_000_000, 0)])
        return PerformancePlan(
            limits: PerformanceLimits(
                operationsPerSecond: operationsPerSecond, bytesPerSecond: 1 << 40,
                traits: .solidState(latency: atOnce)),
            seed: 1)
    }

    private func withVolume(
        operationsPerSecond: Int64, _ body: (inout MountedFilesystem, FilePath) async throws -> Void
    ) async throws {
        try await MountedFilesystem.run { filesystem in
            try filesystem.addVolume(1, sizeBytes: 64 << 20)
            filesystem.exports.setPerformance(of: Self.volume, plan(operationsPerSecond: operationsPerSecond))
            let path = try filesystem.attach(1, volume: 1)
            try await body(&filesystem, path)
        }
    }

    /// Writes that a volume has taken in and not answered, each from a thread of its own; gives their ends.
    private func writesUnderWay(_ count: Int, to path: FilePath, on filesystem: MountedFilesystem) -> [WaitingWrite] {
        let writes = (0..<count).map { WaitingWrite(path, at: Int64($0) * 8_192) }
        // The first ones pass within the allowance; the rest wait.
        wait { filesystem.exports.performance(of: Self.volume)?.statistics.inFlight ?? 0 >= count - 1 }
        return writes
    }

    /// Without giving up the thread: what is waited for passes, and other tests may have all the threads then.
    private func wait(for condition: () -> Bool) {
        for _ in 0..<5_000 {
            if condition() { return }
            usleep(2_000)
        }
        Issue.record("what was waited for did not come within ten seconds")
    }

    @Test("a forced detach fails what waits, at once")
    func forcedDetach() async throws {
        try await withVolume(operationsPerSecond: 1) { filesystem, path in
            let writes = writesUnderWay(20, to: path, on: filesystem)
            await filesystem.exports.detach(AttachmentNumber(1), force: true)
            let errors = writes.map { $0.outcome() }
            #expect(errors.count { $0 == .ioError } >= 19)
            #expect(filesystem.exports.performance(of: Self.volume)?.statistics.inFlight == 0)
        }
    }

    @Test("a detach waits for what is under way, which succeeds")
    func detachWaits() async throws {
        try await withVolume(operationsPerSecond: 2) { filesystem, path in
            let writes = writesUnderWay(6, to: path, on: filesystem)
            await filesystem.exports.detach(AttachmentNumber(1))
            #expect(writes.allSatisfy { $0.outcome() == nil })
            let statistics = try #require(filesystem.exports.performance(of: Self.volume)?.statistics)
            #expect(statistics.inFlight == 0)
            #expect(statistics.writes.operations == 6)
            #expect(statistics.waited[Limit.operations.rawValue] > 0)
        }
    }

    @Test("a server that stops answers what waits, and the next one goes on")
    func stop() async throws {
        try await withVolume(operationsPerSecond: 1) { filesystem, path in
            let writes = writesUnderWay(20, to: path, on: filesystem)
            filesystem.server.stop()
            #expect(writes.allSatisfy { $0.outcome() == nil })
            try filesystem.startNextServer { next in
                try next.addVolume(1, sizeBytes: 64 << 20)
                try next.attach(1, volume: 1)
            }
            #expect(WaitingWrite(path, at: 0).outcome() == nil)
        }
    }

    @Test("thousands wait with no thread each, and every byte is right")
    func thousands() async throws {
        try await withVolume(operationsPerSecond: 1_500) { filesystem, path in
            let performance = try #require(filesystem.exports.performance(of: Self.volume))
            let job = Process()
            job.executableURL = URL(fileURLWithPath: "/usr/bin/env")
            job.arguments = [
                "fio", "--name=deep", "--filename=\(path)", "--rw=randwrite", "--bs=4k", "--iodepth=3000",
                "--ioengine=libaio", "--direct=1", "--size=16m", "--verify=crc32c", "--verify_state_save=0",
            ]
            job.standardOutput = FileHandle.nullDevice
            try job.run()
            wait { performance.statistics.inFlight > 2_000 }
            let threads = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task").count
            #expect(threads < 200)
            job.waitUntilExit()
            #expect(job.terminationStatus == 0)
            #expect(performance.statistics.writes.operations == 4_096)
        }
    }

    @Test("how late the timer wakes is learned from one I/O after another, before each of which nothing waited")
    func learning() async throws {
        try await withVolume(operationsPerSecond: 500) { filesystem, path in
            #expect(filesystem.exports.delays.lead.load(ordering: .relaxed) == 0)
            let file = try FileDescriptor.openFile(path, .readWrite)
            defer { file.closeIgnoringErrors() }
            for place in 0..<100 { try file.write(Array(repeating: 1, count: 4_096), at: Int64(place) * 8_192) }
            #expect(filesystem.exports.delays.lead.load(ordering: .relaxed) > 0)
        }
    }

    @Test("answers that take more memory than there is are given all the same, and in time")
    func memory() async throws {
        try await withVolume(operationsPerSecond: 100_000) { filesystem, path in
            var taken: [TakenBuffer] = []
            while let buffer = TakenBuffer(from: filesystem.exports.delays.memory) { taken.append(buffer) }
            #expect(taken.count > 2_000)
            defer { taken.removeAll() }
            let result = try run(
                "fio",
                [
                    "--name=large", "--filename=\(path)", "--rw=randread", "--bs=1m", "--iodepth=16",
                    "--ioengine=libaio", "--direct=1", "--size=64m", "--output-format=terse",
                ])
            #expect(result.code == 0, "\(result.output)")
            #expect(filesystem.exports.performance(of: Self.volume)?.statistics.reads.bytes ?? 0 >= 64 << 20)
        }
    }

    @Test("two volumes of an instance share its limits; one with a short queue does not wait behind the other's")
    func instanceStage() async throws {
        try await MountedFilesystem.run { filesystem in
            for number in [Int64(1), 2] {
                try filesystem.addVolume(number, sizeBytes: 64 << 20)
                filesystem.exports.setPerformance(of: VolumeNumber(number), plan(operationsPerSecond: 500))
            }
            filesystem.exports.addInstance(
                zone: MountedFilesystem.zone, instance: MountedFilesystem.instance,
                type: InstanceType.named("m5.large"))
            let first = try filesystem.attach(1, volume: 1, device: "xvdb")
            let second = try filesystem.attach(2, volume: 2, device: "xvdc")
            let deep = (0..<100).map { WaitingWrite(first, at: Int64($0) * 8_192) }
            let performance = try #require(filesystem.exports.performance(of: VolumeNumber(1)))
            wait { performance.statistics.inFlight > 50 }
            // The instance has room, so the other volume is answered while the first one's queue is long.
            #expect(WaitingWrite(second, at: 0).outcome() == nil)
            #expect(performance.statistics.inFlight > 0)
            #expect(deep.allSatisfy { $0.outcome() == nil })
        }
    }
}

/// A buffer that no answer can have meanwhile.
private final class TakenBuffer {
    private let bytes: HeldBytes

    init?(from memory: HeldBytesPool) {
        guard let bytes = memory.take(1) else { return nil }
        self.bytes = bytes
    }
}

/// A write in a thread of its own, which may wait in the kernel.
private final class WaitingWrite: Sendable {
    private final class Result: Sendable {
        let error = Mutex<Errno?>(nil)
    }

    private let result = Result()
    private let thread: KernelThread

    init(_ path: FilePath, at offset: Int64) {
        thread = KernelThread(name: "write") { [result] in
            do throws(Errno) {
                let file = try FileDescriptor.openFile(path, .writeOnly)
                defer { file.closeIgnoringErrors() }
                try file.write([UInt8](repeating: 0x5A, count: 4_096), at: offset)
            } catch {
                result.error.withLock { $0 = error }
            }
        }
        thread.start()
    }

    /// Waits for the end; nothing if it was written.
    func outcome() -> Errno? {
        thread.join()
        return result.error.withLock { $0 }
    }
}
