import Platform
import Synchronization
import SystemPackage

/// What a load was given.
struct LoadResult: Equatable, Sendable {
    var seconds: Double
    /// Of the requests that were answered while it was measured, in nanoseconds, rising.
    var latencies: [Int64]
    /// How late a bare timer of this machine woke up meanwhile, in nanoseconds, rising.
    var timerDelays: [Int64] = []

    var operationsPerSecond: Double { Double(latencies.count) / seconds }

    /// The time that this share of the requests did not exceed; `nil` for none.
    func quantile(_ share: Double) -> Int64? { Self.quantile(share, of: latencies) }

    var timerPercentile99: Int64? { Self.quantile(0.99, of: timerDelays) }

    private static func quantile(_ share: Double, of rising: [Int64]) -> Int64? {
        guard !rising.isEmpty else { return nil }
        return rising[min(rising.count - 1, Int(Double(rising.count) * share))]
    }
}

/// A load at work: a thread for each request at a time, each with one request after the other.
final class Load: Sendable {
    private let shape: LoadShape
    private let file: DirectFile
    private let clock = SystemClock()
    private let measured: Range<Int64>
    private let isStopping = Atomic(false)
    /// For sequential loads: how many requests were begun.
    private let next = Atomic<Int64>(0)
    private let outcome = Mutex(Outcome())

    private struct Outcome {
        var latencies: [Int64] = []
        var timerDelays: [Int64] = []
        var failure: Errno?
    }

    private init(_ shape: LoadShape, _ file: DirectFile, warmUpSeconds: Double, seconds: Double) {
        self.shape = shape
        self.file = file
        let start = clock.uptimeNanoseconds() + Int64(warmUpSeconds * 1e9)
        measured = start..<(start + Int64(seconds * 1e9))
    }

    /// Runs it to its end.
    ///
    /// - Parameter isInterrupted: waits for so long, or until the user wants no more of it.
    /// - Throws: `Interrupted`; the `Errno` of a request that failed.
    static func run(
        _ shape: LoadShape, on file: DirectFile, warmUpSeconds: Double, seconds: Double,
        isInterrupted: (Duration) throws -> Bool
    ) throws -> LoadResult {
        let load = Load(shape, file, warmUpSeconds: warmUpSeconds, seconds: seconds)
        let threads =
            (0..<shape.depth).map { number in KernelThread(name: "load") { load.work(number) } }
            + [KernelThread(name: "load timer") { load.watchTimer() }]
        for thread in threads { thread.start() }
        let left = load.measured.upperBound - load.clock.uptimeNanoseconds()
        let result = Result { try isInterrupted(.nanoseconds(left)) }
        load.isStopping.store(true, ordering: .relaxed)
        for thread in threads { thread.join() }
        if try result.get() { throw Interrupted() }
        return try load.result(seconds: seconds)
    }

    private func result(seconds: Double) throws(Errno) -> LoadResult {
        let outcome = self.outcome.withLock { $0 }
        if let failure = outcome.failure { throw failure }
        return LoadResult(
            seconds: seconds, latencies: outcome.latencies.sorted(), timerDelays: outcome.timerDelays.sorted())
    }

    /// Sleeps again and again for about as long as a request takes, beside the load: whoever waits on this machine is woken
    /// up no more in time than this.
    private func watchTimer() {
        var delays: [Int64] = []
        while !isStopping.load(ordering: .relaxed) {
            let due = clock.uptimeNanoseconds() + 1_000_000
            waitInThisThread(untilUptimeNanoseconds: due)
            let now = clock.uptimeNanoseconds()
            if measured.contains(now) { delays.append(now - due) }
        }
        outcome.withLock { $0.timerDelays = delays }
    }

    private func work(_ number: Int) {
        var buffer = DirectBuffer(count: shape.sizeBytes)
        var random = SplitMix64(seed: UInt64(number))
        var latencies: [Int64] = []
        do throws(Errno) {
            while !isStopping.load(ordering: .relaxed) {
                let offset = offset(&random)
                let start = clock.uptimeNanoseconds()
                if shape.isWrite {
                    try file.write(buffer, at: offset)
                } else if try !file.read(into: &buffer, at: offset) {
                    throw .ioError
                }
                let end = clock.uptimeNanoseconds()
                if measured.contains(end) { latencies.append(end - start) }
            }
        } catch {
            outcome.withLock { $0.failure = error }
        }
        outcome.withLock { $0.latencies += latencies }
    }

    /// A multiple of the size, within the file.
    private func offset(_ random: inout SplitMix64) -> Int64 {
        let places = max(1, file.sizeBytes / Int64(shape.sizeBytes))
        let place =
            shape.isSequential
            ? next.add(1, ordering: .relaxed).oldValue % places : Int64(random.next() % UInt64(places))
        return place * Int64(shape.sizeBytes)
    }
}

/// The user has pressed Ctrl-C.
struct Interrupted: Error {}
