// The model of a volume beside a reference that was written apart from it, and the figures that EBS documents.
import Driver
import Platform
import Testing

@testable import Emulator

private let second: Nanoseconds = 1_000_000_000
private let mebibyte: Int64 = 1 << 20

/// What an EBS volume allows, written again from the User Guide in exact fractions: tokens of one part in
/// `perSecond` of a nanosecond, counted up and down, where the model keeps times.
private struct ReferenceVolume {
    /// A token bucket: `level` in units of 1/1e9, so that a nanosecond adds `perSecond`.
    struct Bucket {
        var perSecond: Int128
        var depth: Int128
        var level: Int128
        var time: Int128 = 0

        init(perSecond: Int64, depth: Int128) {
            self.perSecond = Int128(perSecond)
            self.depth = depth
            level = depth
        }

        mutating func fill(until now: Int128) {
            level = min(depth, level + (now - time) * perSecond)
            time = now
        }

        /// The first nanosecond at which the level is at least `needed`.
        func when(_ needed: Int128) -> Int128 {
            level >= needed ? time : time + (needed - level + perSecond - 1) / perSecond
        }
    }

    let limits: PerformanceLimits
    var operations: Bucket
    var bytes: Bucket
    var credits: Bucket?
    var last: Int128 = 0
    var runs: [(direction: VolumeIO.Direction, start: Int64, end: Int64, paid: Int64)] = []

    init(_ limits: PerformanceLimits) {
        self.limits = limits
        // A rate with an allowance of 4 ms may be overdrawn by what it lets through: the depth is the allowance, and
        // a unit passes while the level is not negative.
        operations = Bucket(
            perSecond: limits.operationsPerSecond, depth: Int128(limits.operationsPerSecond) * 4_000_000)
        bytes = Bucket(perSecond: limits.bytesPerSecond, depth: Int128(limits.bytesPerSecond) * 4_000_000)
        credits = limits.credits.map {
            Bucket(perSecond: $0.fillPerSecond, depth: Int128($0.capacity) * Int128(second))
        }
    }

    /// When the last unit of an I/O is dispatched.
    mutating func dispatch(_ io: VolumeIO, at now: Nanoseconds) -> Nanoseconds {
        var units = charge(io)
        last = max(last, Int128(now))
        var rest = io.length
        while rest > 0 {
            let piece = min(rest, limits.traits.unitBytes)
            let unit: Int64 = units > 0 ? 1 : 0
            pass(unit: unit, bytes: limits.traits.chargesWholeUnits ? unit * limits.traits.unitBytes : piece)
            units -= unit
            rest -= piece
        }
        return Nanoseconds(last)
    }

    private mutating func pass(unit: Int64, bytes count: Int64) {
        let price = limits.credits?.currency == .bytes ? count : unit
        for bucket in [unit > 0 ? operations : nil, count > 0 ? bytes : nil].compactMap({ $0 }) {
            last = max(last, bucket.when(0))
        }
        if let credits, price > 0 { last = max(last, credits.when(Int128(price) * Int128(second))) }
        operations.fill(until: last)
        bytes.fill(until: last)
        credits?.fill(until: last)
        operations.level -= Int128(unit) * Int128(second)
        // The whole credits are what counts as having any.
        let isEmpty = credits.map { $0.level < Int128(second) } ?? false
        let share = isEmpty ? Int128(limits.credits?.bytesPermilleWhenEmpty ?? 1_000) : 1_000
        bytes.level -= Int128(count) * Int128(second) * 1_000 / share
        credits?.level -= Int128(price) * Int128(second)
    }

    private mutating func charge(_ io: VolumeIO) -> Int64 {
        let unit = limits.traits.unitBytes
        let known = limits.traits.chargesWholeUnits ? 128 : 8
        func units(_ bytes: Int64) -> Int64 { (bytes + unit - 1) / unit }
        guard io.length >= limits.traits.smallestMergedBytes else { return units(io.length) }
        let match = runs.firstIndex {
            $0.direction == io.direction && ($0.end == io.offset || $0.start == io.offset + io.length)
        }
        guard let match else {
            runs = [(io.direction, io.offset, io.offset + io.length, units(io.length))] + runs.prefix(known - 1)
            return units(io.length)
        }
        var run = runs.remove(at: match)
        run.start = min(run.start, io.offset)
        run.end = max(run.end, io.offset + io.length)
        var gone: Int?
        if let next = runs.firstIndex(where: { $0.direction == run.direction && $0.start == run.end }) {
            run.end = runs[next].end
            run.paid += runs[next].paid
            gone = next
        }
        if let gone { runs[gone] = (run.direction, -1, -1, 0) }
        let unpaid = max(0, units(run.end - run.start) - run.paid)
        run.paid += unpaid
        runs.insert(run, at: 0)
        return unpaid
    }
}

@Suite struct PerformanceModelTests {
    private func limits(
        _ type: VolumeType, _ sizeGiB: Int, iops: Int? = nil, throughput: Int? = nil
    ) throws -> PerformanceLimits {
        let specification = try VolumeTypeLimits.of(type).specification(
            sizeGiB: sizeGiB, iops: iops, throughputMiBps: throughput)
        return try #require(PerformanceLimits(specification))
    }

    /// Sends `count` I/Os that all come at once; gives when the last one is dispatched.
    private func backlog(
        _ model: inout VolumeModel, _ count: Int, length: Int64, from start: Nanoseconds = 0, isSequential: Bool = false
    ) -> Nanoseconds {
        var last: Nanoseconds = 0
        for number in 0..<Int64(count) {
            let offset = isSequential ? number * length : number * 2 * (1 << 21)
            last = model.admit(VolumeIO(direction: .read, offset: offset, length: length), at: start).dispatch
        }
        return last
    }

    @Test("what each volume may do, as documented")
    func documentedLimits() throws {
        let cases: [(PerformanceLimits, operations: Int64, mebibytes: Int64)] = [
            (try limits(.gp3, 10), 3_000, 125),
            (try limits(.gp3, 1_000, iops: 16_000, throughput: 1_000), 16_000, 1_000),
            (try limits(.gp2, 1), 3_000, 128),
            (try limits(.gp2, 170), 3_000, 128),
            (try limits(.gp2, 171), 3_000, 250),
            (try limits(.gp2, 1_000), 3_000, 250),
            (try limits(.gp2, 5_334), 16_000, 250),
            (try limits(.io1, 100, iops: 100), 100, 25),
            (try limits(.io1, 100, iops: 2_000), 2_000, 500),
            (try limits(.io1, 1_000, iops: 32_000), 32_000, 500),
            (try limits(.io1, 1_280, iops: 64_000), 64_000, 1_000),
            (try limits(.io2, 256, iops: 256_000), 256_000, 4_000),
            (try limits(.io2, 100, iops: 16_000), 16_000, 4_000),
            (try limits(.st1, 2_048), 500, 500),
            (try limits(.st1, 16_384), 500, 500),
            (try limits(.sc1, 3_200), 250, 250),
        ]
        for (limits, operations, mebibytes) in cases {
            #expect(limits.operationsPerSecond == operations)
            #expect(limits.bytesPerSecond == mebibytes * mebibyte)
        }
        #expect(try limits(.st1, 125).credits?.fillPerSecond == 5_120_000)
        #expect(try limits(.st1, 12_800).credits == nil, "the baseline has reached the burst")
        #expect(try limits(.gp2, 1_000).credits == nil)
        #expect(try limits(.gp2, 334).credits?.bytesPermilleWhenEmpty == 1_000)
        #expect(try limits(.gp2, 333).credits?.bytesPermilleWhenEmpty == 512)
        #expect(PerformanceLimits(VolumeSpecification(type: .local, sizeGiB: 1)) == nil)
    }

    @Test(
        "a full gp2 bucket lasts as long as the User Guide's table says, and fills as it says",
        arguments: [(1, 1_862, 54_000), (100, 2_000, 18_000), (334, 2_703, 5_389), (750, 7_200, 2_400)])
    func gp2Burst(sizeGiB: Int, burstSeconds: Int64, refillSeconds: Int64) throws {
        // A hundredth of the bucket lasts a hundredth of the time.
        var limits = try limits(.gp2, sizeGiB)
        limits.credits?.capacity /= 100
        let bucket = try #require(limits.credits)
        #expect(bucket.capacity == 54_000)
        var model = VolumeModel(limits, seed: 1, at: 0)
        // While it lasts, 3,000 a second.
        let spent = 3_000 * bucket.capacity / (3_000 - bucket.fillPerSecond)
        let drained = backlog(&model, Int(spent), length: 4_096)
        #expect(abs(drained * 100 / second - burstSeconds) <= 1)
        #expect(try #require(model.credits(at: drained)) <= 1)
        // Then the baseline.
        let after = backlog(&model, Int(bucket.fillPerSecond) * 10, length: 4_096, from: drained)
        #expect(abs(after - drained - 10 * second) <= second / bucket.fillPerSecond)
        let half = try #require(model.credits(at: after + refillSeconds * second / 200))
        #expect(abs(half * 2 - bucket.capacity) < 100)
        #expect(model.credits(at: after + (refillSeconds + 1) * second / 100) == bucket.capacity)
    }

    @Test(
        "a full bucket of an HDD volume covers one scan of the volume at its burst",
        arguments: [
            (VolumeType.st1, 1_024, 4_200), (.st1, 5_120, 10_476), (.sc1, 1_024, 13_104), (.sc1, 5_120, 20_988),
        ])
    func hardDiskScan(type: VolumeType, sizeGiB: Int, seconds: Int64) throws {
        // A hundredth of it.
        var limits = try limits(type, sizeGiB)
        limits.credits?.capacity /= 100
        var model = VolumeModel(limits, seed: 1, at: 0)
        let end = backlog(&model, sizeGiB * 1_024 / 100, length: mebibyte, isSequential: true)
        // The table is rounded to hundredths of an hour.
        #expect(abs(end * 100 / second - seconds) <= 36, "\(end * 100 / second) s")
    }

    @Test("random I/O on st1 is charged a whole MiB, sequential I/O what it moves")
    func hardDiskCharges() throws {
        let limits = try limits(.st1, 2_048)
        for (length, isSequential, expected) in [
            (Int64(16 << 10), false, Int64(500)), (128 << 10, true, 4_000), (16 << 10, true, 500),
            (mebibyte, true, 500),
        ] {
            var model = VolumeModel(limits, seed: 1, at: 0)
            let count = Int(expected) * 10
            let end = backlog(&model, count, length: length, isSequential: isSequential)
            #expect(abs(end - 10 * second) <= second / 50, "\(length) bytes, \(end) ns")
        }
    }

    @Test("the pieces of a request that the kernel split count together, with all others between them")
    func splitRequestsOnHardDisk() throws {
        var model = VolumeModel(try limits(.st1, 2_048), seed: 1, at: 0)
        var end: Nanoseconds = 0
        for round in Int64(0)..<200 {
            for piece in Int64(0)..<2 {
                for thread in Int64(0)..<32 {
                    let offset = (round * 32 + thread) * 3 * mebibyte + piece * mebibyte / 2
                    let io = VolumeIO(direction: .read, offset: offset, length: mebibyte / 2)
                    end = max(end, model.admit(io, at: 0).dispatch)
                }
            }
        }
        // 6,400 MiB at 500 MiB/s.
        #expect(abs(end - 128 * second / 10) <= second / 50, "\(end) ns")
    }

    @Test(
        "large I/O counts as several, small sequential I/O as one",
        arguments: [
            (Int64(4_096), false, Int64(3_000)), (256 << 10, false, 500), (1 << 20, false, 125), (4_096, true, 32_000),
            (32 << 10, true, 4_000),
        ])
    func solidStateAccounting(length: Int64, isSequential: Bool, perSecond: Int64) throws {
        var model = VolumeModel(try limits(.gp3, 100), seed: 1, at: 0)
        let end = backlog(&model, Int(perSecond) * 10, length: length, isSequential: isSequential)
        #expect(abs(end - 10 * second) <= 20_000_000, "\(end) ns")
    }

    @Test("gp2 between 170 and 334 GiB has 250 MiB/s while it has credits, 128 without")
    func gp2Throughput() throws {
        let limits = try limits(.gp2, 200)
        var full = VolumeModel(limits, seed: 1, at: 0)
        #expect(abs(backlog(&full, 10_000, length: 256 << 10) - 10 * second) <= 20_000_000)
        // 512 I/Os of 256 KiB a second are less than the baseline of 600, so credits come in, one now and then.
        var empty = VolumeModel(limits, seed: 1, credits: 0, at: 0)
        _ = backlog(&empty, 600, length: 4_096)
        let end = backlog(&empty, 5_120, length: 256 << 10, from: second)
        #expect(end - second >= 5 * second)
    }

    @Test("every dispatch is that of the reference, drained and refilled", arguments: 0..<26)
    func reference(_ seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let all = [
            try limits(.gp3, 100), try limits(.gp3, 1_000, iops: 16_000, throughput: 1_000), try limits(.gp2, 1),
            try limits(.gp2, 200), try limits(.gp2, 333), try limits(.gp2, 700), try limits(.gp2, 2_000),
            try limits(.io1, 100, iops: 777), try limits(.io2, 100, iops: 33_333), try limits(.st1, 125),
            try limits(.st1, 4_001), try limits(.sc1, 127), try limits(.standard, 8),
        ]
        var limits = all[Int(seed) % all.count]
        // Small buckets drain and fill many times in one run.
        if seed % 2 == 0, let credits = limits.credits {
            limits.credits?.capacity = credits.currency == .bytes ? 64 * mebibyte : 200
        }
        var model = VolumeModel(limits, seed: seed, at: 0)
        var reference = ReferenceVolume(limits)
        var now: Nanoseconds = 0
        var end: Int64 = 0
        for step in 0..<1_500 {
            switch random.next() % 16 {
            case 0: now += Nanoseconds(random.next() % UInt64(4 * second))
            case 1...8: now += Nanoseconds(random.next() % 2_000_000)
            default: break
            }
            let length = Int64(1 + random.next() % 2_048) * 512
            let offset = random.next() % 2 == 0 ? end : Int64(random.next() % 1_000_000) * 512
            let io = VolumeIO(direction: random.next() % 3 == 0 ? .write : .read, offset: offset, length: length)
            end = io.end
            let expected = reference.dispatch(io, at: now)
            let got = model.admit(io, at: now)
            guard got.dispatch == expected else {
                Issue.record("seed \(seed), step \(step), \(io) at \(now): \(got.dispatch), reference \(expected)")
                return
            }
            if let bucket = reference.credits {
                var later = bucket
                later.fill(until: Int128(got.dispatch))
                #expect(model.credits(at: got.dispatch) == Int64(max(0, later.level) / Int128(second)), "seed \(seed)")
            }
        }
    }

    @Test("reads and writes share one budget, and are served in their order")
    func oneBudget() throws {
        var model = VolumeModel(try limits(.gp3, 100), seed: 1, at: 0)
        var last: Nanoseconds = 0
        for number in 0..<6_000 {
            let direction: VolumeIO.Direction = number % 2 == 0 ? .read : .write
            let io = VolumeIO(direction: direction, offset: Int64(number) * mebibyte, length: 4_096)
            let dispatch = model.admit(io, at: 0).dispatch
            #expect(dispatch >= last)
            last = dispatch
        }
        #expect(abs(last - 2 * second) < 5_000_000)
    }

    @Test("what held an I/O back is named")
    func causes() throws {
        var model = VolumeModel(try limits(.gp3, 100), seed: 1, at: 0)
        #expect(model.admit(VolumeIO(direction: .read, offset: 0, length: 4_096), at: 0).heldBack == nil)
        _ = backlog(&model, 100, length: 4_096)
        #expect(model.admit(VolumeIO(direction: .read, offset: 0, length: 4_096), at: 0).heldBack == .operations)
        var large = VolumeModel(try limits(.gp3, 100), seed: 1, at: 0)
        _ = backlog(&large, 10, length: mebibyte)
        #expect(large.admit(VolumeIO(direction: .read, offset: 0, length: mebibyte), at: 0).heldBack == .bytes)
        var empty = VolumeModel(try limits(.gp2, 10), seed: 1, credits: 0, at: 0)
        #expect(empty.admit(VolumeIO(direction: .read, offset: 0, length: 4_096), at: 0).heldBack == .credits)
    }

    @Test("a clock that steps backwards stalls nothing")
    func clockBack() throws {
        var model = VolumeModel(try limits(.gp2, 100), seed: 1, at: 5_000 * second)
        let start = 5_000 * second
        let end = backlog(&model, 3_000, length: 4_096, from: start)
        let credits = model.credits(at: end)
        let back = start - 3_600 * second
        let io = VolumeIO(direction: .read, offset: 0, length: 4_096)
        let next = model.admit(io, at: back).dispatch
        #expect(next - back <= end - start + second / 1_000, "what was queued is as far away as before")
        #expect(abs(try #require(model.credits(at: next)) - (try #require(credits))) <= 1)
        // Threads that come in another order than they looked at the clock give nothing away.
        var disordered = VolumeModel(try limits(.gp3, 100), seed: 1, at: 0)
        var last: Nanoseconds = 0
        for number in 0..<6_000 { last = disordered.admit(io, at: number % 2 == 0 ? 10_000 : 0).dispatch }
        #expect(abs(last - 2 * second) < 5_000_000)
    }

    @Test("seconds that fall short are as rare as promised, and the same for the same seed")
    func promise() throws {
        var limits = try limits(.gp3, 100)
        limits.operationsPerSecond = 100
        var first = VolumeModel(limits, seed: 7, fallsShort: true, at: 0)
        var again = VolumeModel(limits, seed: 7, fallsShort: true, at: 0)
        var perSecond: [Int64: Int] = [:]
        var last: Nanoseconds = 0
        while last < 2_000 * second {
            let io = VolumeIO(direction: .read, offset: 0, length: 4_096)
            last = first.admit(io, at: last).dispatch
            #expect(again.admit(io, at: last).dispatch <= last + second)
            perSecond[last / second, default: 0] += 1
        }
        // The last one is not over.
        perSecond[last / second] = nil
        let short = perSecond.values.count { $0 < 90 }
        #expect((8...40).contains(short), "\(short) of 2,000 seconds")
        #expect(perSecond.values.allSatisfy { $0 >= 49 })
    }

    @Test("latencies have the distribution's median and tail, and follow from the seed", arguments: [1, 2, 3])
    func latencies(_ seed: UInt64) throws {
        for distribution in [LatencyDistribution.generalPurpose, .blockExpress, .st1Random, .magneticRandom] {
            var random = SplitMix64(seed: seed)
            let draws = (0..<100_000).map { _ in distribution.nanoseconds(for: random.next()) }
            #expect(abs(draws.count { $0 <= distribution.median } - 50_000) < 800)
            #expect(abs(draws.count { $0 <= distribution.percentile99 } - 99_000) < 160)
        }
        let mean =
            (0..<100_000).reduce(into: (SplitMix64(seed: seed), Int64(0))) { state, _ in
                state.1 += LatencyDistribution.generalPurpose.nanoseconds(for: state.0.next())
            }.1 / 100_000
        #expect(abs(mean - 597_000) < 10_000, "measured on a gp3: 597 µs")
        #expect(LatencyDistribution.generalPurpose.nanoseconds(for: 0) == 300_000)
        #expect(LatencyDistribution.generalPurpose.nanoseconds(for: .max) <= 8_000_000)
    }

    @Test("two volumes share an instance's limits, and its burst lasts half an hour")
    func instance() throws {
        let type = try #require(InstanceType.named("m5.large"))
        var instance = InstanceModel(type, at: 0)
        var last: Nanoseconds = 0
        var count: Int64 = 0
        while last < 2_000 * second {
            last = instance.admit(units: 100, bytes: 4_096, at: last)
            count += 100
        }
        // 18,750 a second for 1,800 s, then 3,600.
        let expected: Int64 = 18_750 * 1_800 + 3_600 * 200
        #expect(abs(count - expected) * 1_000 < expected)
        #expect(instance.balancePermille(at: last)?.operations == 0)
    }
}
