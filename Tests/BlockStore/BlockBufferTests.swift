import Platform
import Synchronization
import Testing

@testable import BlockStore

/// What is saved and fetched between a request and its answer takes the memory that is there, and waits for it.
@Suite struct BlockBufferTests {
    private static let count = 16

    @Test func aWriterThatFindsEveryBufferTakenWaitsForOne() async throws {
        try await TrackingFixture.run { fixture in
            try fixture.store.create("vol-1", sizeBytes: 4 << 20)
            let volume = try fixture.volumes.open("vol-1")
            let before = [UInt8](repeating: 5, count: 4 << 20)
            try volume.write(before, at: 0)
            let cut = try fixture.volumes.cut([.init(volume: "vol-1", cut: "snap-1", base: nil)])[0]
            let writer = LateThread { try volume.write([6], at: 0) }
            holding(Self.count, of: fixture.volumes.buffers) {
                writer.start()
                writer.expectToWait()
            }
            try writer.join()
            let sink = MemorySink()
            try cut.copy(into: sink)
            #expect(try sink.contents(of: cut, on: nil).bytes == before)
            #expect(try volume.bytes(at: 0, count: 2) == [6, 5])
            try fixture.volumes.finish(cut)
        }
    }

    @Test func aReaderOfAMissingBlockWaitsForABuffer() async throws {
        try await TrackingFixture.run { fixture in
            let source = MemorySnapshot(name: "source", [UInt8](repeating: 7, count: 1 << 20))
            try fixture.create("vol-1", sizeBytes: 1 << 20, from: source)
            let volume = try fixture.volumes.open("vol-1")
            let reader = LateThread {
                let bytes = try volume.bytes(at: 100, count: 2)
                #expect(bytes == [7, 7])
            }
            holding(Self.count, of: fixture.volumes.buffers) {
                reader.start()
                reader.expectToWait()
            }
            try reader.join()
        }
    }

    /// More threads than buffers, each of which saves and fetches, and some that want the same blocks.
    @Test func moreThreadsThanBuffersDoNotWaitInACircle() async throws {
        try await TrackingFixture.run { fixture in
            let size = 48 * Int(VolumeBlock.bytes)
            let source = MemorySnapshot(name: "source", (0..<size).map { UInt8(truncatingIfNeeded: $0 >> 19 | 1) })
            try fixture.create("vol-1", sizeBytes: Int64(size), from: source)
            let volume = try fixture.volumes.open("vol-1")
            let cut = try fixture.volumes.cut([.init(volume: "vol-1", cut: "snap-1", base: "source")])[0]
            let threads = (0..<3 * Self.count).map { number in
                LateThread {
                    for step in 0..<8 {
                        let block = Int64((number + step * 5) % 48)
                        try volume.write([UInt8](repeating: 9, count: 512), at: block * VolumeBlock.bytes + 512)
                    }
                }
            }
            for thread in threads { thread.start() }
            for thread in threads { try thread.join() }
            let sink = MemorySink()
            try cut.copy(into: sink)
            #expect(try sink.contents(of: cut, on: source).bytes == source.bytes)
            for block in 0..<48 {
                let start = Int64(block) * VolumeBlock.bytes
                let old = source.bytes[Int(start)]
                #expect(
                    try volume.bytes(at: start + 511, count: 514) == [old] + [UInt8](repeating: 9, count: 512) + [old])
            }
            try fixture.volumes.finish(cut)
        }
    }

    private func holding(_ count: Int, of pool: BlockBufferPool, _ body: () -> Void) {
        if count == 0 { return body() }
        let buffer = pool.take()
        holding(count - 1, of: pool, body)
        buffer.zero(from: 0)
    }
}

/// A thread whose body is to wait for something.
private final class LateThread: Sendable {
    private let outcome = Monitor<Result<Void, any Error>?>(nil)
    private let thread: KernelThread

    init(_ body: @escaping @Sendable () throws -> Void) {
        thread = KernelThread(name: "late") { [outcome] in
            let result = Result { try body() }
            outcome.withLock { $0 = result }
        }
    }

    func start() { thread.start() }

    /// Long enough for a body that does not wait.
    func expectToWait() {
        waitInThisThread(untilUptimeNanoseconds: SystemClock().uptimeNanoseconds() + 200_000_000)
        let isWaiting = outcome.withLock { $0 == nil }
        #expect(isWaiting)
    }

    func join() throws {
        thread.join()
        try outcome.withLock { $0 }?.get()
    }
}
