import Driver
import Platform
import Synchronization
import Testing

@testable import EC2

@Suite(.timeLimit(.minutes(1))) struct DescribeBatchesTests {
    private let clock = VirtualClock()

    /// What was asked for in one call, and when.
    private struct Call: Equatable {
        let ids: [String]
        let uptime: Duration
    }

    private final class Calls: Sendable {
        let all = Mutex<[Call]>([])
    }

    private func batches(_ calls: Calls, idsPerCall: Int = 500) -> DescribeBatches<String> {
        DescribeBatches(limits: EC2Limits(), idsPerCall: idsPerCall, clock: clock) { [clock] ids in
            calls.all.withLock { $0.append(Call(ids: ids, uptime: clock.uptime())) }
            if ids.contains("broken") { throw StorageError(.unavailable, "It is.") }
            return Dictionary(uniqueKeysWithValues: ids.filter { $0 != "unknown" }.map { ($0, "item \($0)") })
        }
    }

    /// Moves the clock while `body` waits.
    private func advancing<Value: Sendable>(_ body: () async throws -> Value) async throws -> Value {
        let driver = Task { [clock] in
            while !Task.isCancelled {
                clock.advance(by: .milliseconds(10))
                await Task.yield()
            }
        }
        defer { driver.cancel() }
        return try await body()
    }

    @Test func manyAreAskedForTogether() async throws {
        let calls = Calls()
        let batches = batches(calls)
        let ids = (0..<200).map { "id-\($0)" }
        let found = try await advancing { try await batches.items(ids) }
        #expect(Set(found) == Set(ids.map { "item \($0)" }))
        let all = calls.all.withLock { $0 }
        #expect(all.count <= 3 && all.flatMap(\.ids).sorted() == ids.sorted(), "\(all.map(\.ids.count))")
    }

    @Test func noMoreThanACallTakes() async throws {
        let calls = Calls()
        let batches = batches(calls, idsPerCall: 7)
        _ = try await advancing { try await batches.items((0..<50).map { "id-\($0)" }) }
        let all = calls.all.withLock { $0 }
        #expect(all.allSatisfy { $0.ids.count <= 7 })
        let last = try #require(all.last)
        #expect(last.uptime >= EC2Limits().batchWindow + EC2Limits().batchInterval * (all.count - 1))
    }

    @Test func whatIsNotKnownIsNil() async throws {
        let batches = batches(Calls())
        let found = try await advancing {
            async let one = batches.item("unknown")
            async let other = batches.item("known")
            return try await [one, other]
        }
        #expect(found == [nil, "item known"])
    }

    @Test func aFailureIsToldToItsCallersAlone() async throws {
        let batches = batches(Calls())
        await #expect(throws: StorageError.self) { try await advancing { try await batches.item("broken") } }
        #expect(try await advancing { try await batches.item("whole") } == "item whole")
    }

    /// The clock stands still: only the cancelling ends it.
    @Test func waitingEndsWithItsTask() async throws {
        let batches = batches(Calls())
        let waiting = Task { try await batches.item("id") }
        waiting.cancel()
        await #expect(throws: CancellationError.self) { try await waiting.value }
        #expect(try await advancing { try await batches.item("id") } == "item id")
    }

    /// A call that is not answered holds nobody who has given up.
    @Test func waitingForAnAnswerEndsWithItsTask() async throws {
        let isSent = Mutex(false)
        let gate = AsyncStream<Void>.makeStream()
        let batches = DescribeBatches<String>(limits: EC2Limits(), idsPerCall: 500, clock: clock) { ids in
            isSent.withLock { $0 = true }
            for await _ in gate.stream {}
            return [ids[0]: "item"]
        }
        let leaving = Task { try await batches.item("id") }
        let staying = Task { try await batches.item("id") }
        try await advancing { while !isSent.withLock({ $0 }) { await Task.yield() } }
        leaving.cancel()
        await #expect(throws: CancellationError.self) { try await leaving.value }
        gate.continuation.finish()
        #expect(try await advancing { try await staying.value } == "item")
    }

    // MARK: Unknown ids

    /// Refuses as servers do, naming all, some or none of those that it does not know.
    private func describe(
        _ ids: [String], known: Set<String>, naming: (_ unknown: [String], _ all: [String]) -> [String]
    ) throws -> [String: String] {
        let unknown = ids.filter { !known.contains($0) }
        guard unknown.isEmpty else {
            let names = naming(unknown, ids).joined(separator: ", ")
            throw StorageError(.volumeNotFound, "The volumes '\(names)' do not exist.")
        }
        return Dictionary(uniqueKeysWithValues: ids.map { ($0, $0) })
    }

    @Test(arguments: [0, 1, 2, 3])
    func unknownIdsDoNotSpoilTheOthers(naming: Int) async throws {
        let seed = SystemRandom().next()
        let random = SeededRandom(seed: seed)
        for _ in 0..<200 {
            let ids = (0..<Int(random.next() % 20)).map { "vol-\($0 + 100)" }
            let known = Set(ids.filter { _ in random.next() % 4 > 0 })
            let found = try await describeKnown(ids, unknown: .volumeNotFound) { ids in
                try describe(ids, known: known) { unknown, all in
                    switch naming {
                    case 0: Array(unknown.prefix(1))
                    case 1: unknown
                    case 2: all
                    default: []
                    }
                }
            }
            #expect(Set(found.keys) == known, "seed \(seed)")
        }
    }

    @Test func anotherRefusalIsOne() async {
        await #expect(throws: StorageError.self) {
            try await describeKnown(["vol-1"], unknown: .volumeNotFound) { _ -> [String: Int] in
                throw StorageError(.unauthorized, "No.")
            }
        }
    }
}
