import Platform
import Synchronization
import Testing

@testable import Emulator

/// Who is let in, and who is waited for.
@Suite struct GateTests {
    /// Classes can be shared with tasks; a gate cannot be copied.
    private final class Shared: Sendable {
        private let gate = Gate()
        private let drained = Atomic(false)
        private let visitors = Atomic(0)

        var isDrained: Bool { drained.load(ordering: .acquiring) }
        var count: Int { visitors.load(ordering: .relaxed) }

        func enter() -> Bool { gate.enter() }
        func leave() { gate.leave() }

        func closeAndDrain() async {
            await gate.closeAndDrain()
            drained.store(true, ordering: .releasing)
        }

        func visit() {
            visitors.add(1, ordering: .relaxed)
            visitors.subtract(1, ordering: .relaxed)
        }
    }

    @Test func closingWaitsForThoseInside() async throws {
        let shared = Shared()
        #expect(shared.enter())
        #expect(shared.enter())
        let closing = Task { await shared.closeAndDrain() }
        // Closed for newcomers at some point from now on; nobody has left yet.
        while shared.enter() {
            shared.leave()
            await Task.yield()
        }
        shared.leave()
        try await Task.sleep(for: .milliseconds(20))
        #expect(!shared.isDrained)
        shared.leave()
        await closing.value
        #expect(!shared.enter())
    }

    @Test func closingAnEmptyGateWaitsForNobodyAndMayBeRepeated() async {
        let shared = Shared()
        await shared.closeAndDrain()
        await shared.closeAndDrain()
        #expect(!shared.enter())
    }

    @Test func nobodyIsInsideAfterClosing() async {
        let shared = Shared()
        let threads = (0..<4).map { number in
            KernelThread(name: "visitor \(number)") {
                while shared.enter() {
                    shared.visit()
                    shared.leave()
                }
            }
        }
        for thread in threads { thread.start() }
        await shared.closeAndDrain()
        #expect(shared.count == 0)
        for thread in threads { thread.join() }
    }
}

@Suite struct InodeNumberTests {
    /// The kernel keeps these numbers while daemons, and their versions, change: they must never be others.
    @Test func numbersStayWhatTheyAre() {
        #expect(InodeNumber.root.rawValue == 1)
        #expect(InodeNumber.volume(VolumeNumber(1)).rawValue == 13)
        #expect(InodeNumber.attachment(AttachmentNumber(1)).rawValue == 14)
        #expect(InodeNumber.zone("us-east-1b").rawValue == 0x3a9e_9dae_2546_4c72)
        #expect(InodeNumber.volumes("us-east-1b").rawValue == 0x3a9e_9dae_2546_4c73)
        #expect(InodeNumber.instance("i-1", in: "us-east-1b").rawValue == 0x1976_24a9_e4e9_cb4c)
    }

    @Test func aNumberTellsItsKind() {
        let all: [(InodeNumber, InodeNumber.Kind)] = [
            (.root, .root), (.zone("z"), .zone), (.volumes("z"), .volumes), (.instance("i", in: "z"), .instance),
            (.volume(VolumeNumber(1 << 50)), .volume), (.attachment(AttachmentNumber(1 << 50)), .attachment),
        ]
        for (number, kind) in all { #expect(number.kind == kind) }
        #expect(Set(all.map(\.0)).count == all.count)
        #expect(InodeNumber(rawValue: 0).kind == nil)
        // Directory offsets are these numbers, and signed.
        #expect(all.allSatisfy { $0.0.rawValue < 1 << 62 })
    }
}
