// Many callers that each want to know about one resource, and few calls to EC2.
import Driver
import Platform

/// Describes resources by their ids, those that are asked for within a moment in one call.
///
/// A batch begins `window` after its first id, and not earlier than `interval` after the one before, so that callers who
/// look again and again cost a few calls a second however many they are. A slow answer holds no other batch up.
actor DescribeBatches<Item: Sendable> {
    private let window: Duration
    private let interval: Duration
    private let idsPerCall: Int
    private let clock: any Clock
    private let describe: @Sendable ([String]) async throws -> [String: Item]

    /// Who waits, by ticket, be the call sent or not.
    private var callers: [Int: CheckedContinuation<Item?, any Error>] = [:]
    /// The tickets of those who want an id that was not asked for yet.
    private var wanted: [String: [Int]] = [:]
    private var pump: Task<Void, Never>?
    private var lastStart: Duration?
    private var lastTicket = 0

    /// - Parameter describe: what EC2 knows of some ids, without those that it does not know.
    init(
        limits: EC2Limits, idsPerCall: Int, clock: any Clock,
        describe: @escaping @Sendable ([String]) async throws -> [String: Item]
    ) {
        window = limits.batchWindow
        interval = limits.batchInterval
        self.idsPerCall = idsPerCall
        self.clock = clock
        self.describe = describe
    }

    /// `nil` for what EC2 does not know, or not yet.
    func item(_ id: String) async throws -> Item? {
        lastTicket += 1
        let ticket = lastTicket
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { answer in
                if Task.isCancelled {
                    answer.resume(throwing: CancellationError())
                } else {
                    enqueue(id, ticket, answer)
                }
            }
        } onCancel: {
            Task { await giveUp(ticket) }
        }
    }

    /// Those of them that EC2 knows.
    nonisolated func items(_ ids: [String]) async throws -> [Item] {
        try await withThrowingTaskGroup(of: Item?.self) { group in
            for id in Set(ids) { group.addTask { try await self.item(id) } }
            return try await group.reduce(into: []) { if let item = $1 { $0.append(item) } }
        }
    }

    private func enqueue(_ id: String, _ ticket: Int, _ caller: CheckedContinuation<Item?, any Error>) {
        callers[ticket] = caller
        wanted[id, default: []].append(ticket)
        if pump == nil { pump = Task { await sendWhileWanted() } }
    }

    private func giveUp(_ ticket: Int) {
        callers.removeValue(forKey: ticket)?.resume(throwing: CancellationError())
    }

    private func sendWhileWanted() async {
        while !wanted.isEmpty {
            let start = max(clock.uptime() + window, lastStart.map { $0 + interval } ?? .zero)
            do {
                try await clock.sleep(untilUptime: start)
            } catch {
                preconditionFailure("nobody cancels this task: \(error)")
            }
            lastStart = clock.uptime()
            let batch = Dictionary(uniqueKeysWithValues: wanted.prefix(idsPerCall).map { ($0.key, $0.value) })
            for id in batch.keys { wanted[id] = nil }
            Task { await answer(batch.filter { $0.value.contains { callers[$0] != nil } }) }
        }
        pump = nil
    }

    private func answer(_ batch: [String: [Int]]) async {
        guard !batch.isEmpty else { return }
        let result: Result<[String: Item], any Error>
        do { result = .success(try await describe(batch.keys.sorted())) } catch { result = .failure(error) }
        for (id, tickets) in batch {
            for ticket in tickets { callers.removeValue(forKey: ticket)?.resume(with: result.map { $0[id] }) }
        }
    }
}

/// Describes ids of which some may be unknown, for EC2 refuses a call for one that is.
///
/// The refusal names some of the unknown ones, or all that were asked for, so that what it does not help with is halved.
///
/// - Parameters:
///   - code: EC2's for an unknown id.
///   - describe: refuses with `code`.
func describeKnown<Item>(
    _ ids: [String], unknown code: StorageError.Code, _ describe: ([String]) async throws -> [String: Item]
) async throws -> [String: Item] {
    if ids.isEmpty { return [:] }
    do {
        return try await describe(ids)
    } catch let error as StorageError where error.code == code {
        if ids.count == 1 { return [:] }
        let unnamed = ids.filter { !error.message.contains($0) }
        if !unnamed.isEmpty, unnamed.count < ids.count {
            return try await describeKnown(unnamed, unknown: code, describe)
        }
        let half = ids.count / 2
        let first = try await describeKnown(Array(ids[..<half]), unknown: code, describe)
        return try await first.merging(describeKnown(Array(ids[half...]), unknown: code, describe)) { $1 }
    }
}
