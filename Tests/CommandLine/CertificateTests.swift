#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
import Driver
import Platform
import SystemPackage
import TestSupport
import Testing

@testable import ebb

/// What EBS would give, and what a certificate says to what was given.
@Suite struct CertificateTests {
    private static let latency = LatencyModel(
        medianNanoseconds: 570_000, percentile99Nanoseconds: 1_050_000, meanNanoseconds: 600_000)

    private static func statistics(
        type: VolumeType = .gp3, iops: Int64 = 3_000, mebibytes: Int64 = 125, unitBytes: Int64 = 256 << 10,
        chargesWholeUnits: Bool = false, credits: CreditStatus? = nil, instances: [InstanceLimits] = [],
        latency: LatencyModel = latency
    ) -> VolumeStatistics {
        VolumeStatistics(
            volumeID: "vol-1", time: Date(timeIntervalSince1970: 0), uptimeNanoseconds: 0, credits: credits,
            limits: VolumeLimits(
                type: type, operationsPerSecond: iops, bytesPerSecond: mebibytes << 20,
                bytesPerSecondWithoutCredits: (mebibytes / 2) << 20, unitBytes: unitBytes,
                chargesWholeUnits: chargesWholeUnits, randomLatency: latency, sequentialLatency: latency,
                fallsShort: false), instances: instances)
    }

    private func expect(
        _ sizeKiB: Int, _ depth: Int, of statistics: VolumeStatistics, sequential: Bool = false,
        gives rate: Double, by bound: ExpectedRate.Bound, line: Int = #line
    ) throws {
        let shape = LoadShape(sizeBytes: sizeKiB << 10, depth: depth, isSequential: sequential)
        let found = try #require(ExpectedRate(of: shape, statistics, warmUpSeconds: 1, seconds: 10))
        #expect(abs(found.operationsPerSecond - rate) < 0.01 && found.bound == bound, "line \(line): \(found)")
    }

    @Test func `the least of the limits decides, or the latency below them`() throws {
        let gp3 = Self.statistics()
        try expect(4, 1, of: gp3, gives: 1_666.67, by: .latency)
        try expect(4, 16, of: gp3, gives: 3_000, by: .iops)
        try expect(256, 16, of: gp3, gives: 500, by: .throughput)
        try expect(1_024, 16, of: gp3, gives: 125, by: .throughput)
        let slow = Self.statistics(iops: 100)
        try expect(1_024, 16, of: slow, gives: 25, by: .iops)
        let st1 = Self.statistics(type: .st1, iops: 500, mebibytes: 250, unitBytes: 1 << 20, chargesWholeUnits: true)
        try expect(16, 300, of: st1, gives: 250, by: .throughput)
        try expect(256, 300, of: st1, sequential: true, gives: 1_000, by: .throughput)
        let large = InstanceLimits(
            instanceID: "i-1", type: "m5.large", operationsPerSecond: 1_800, baselineOperationsPerSecond: 360,
            bytesPerSecond: 1 << 40, baselineBytesPerSecond: 1 << 40, operationsBalancePercent: 90)
        try expect(4, 16, of: Self.statistics(instances: [large]), gives: 1_800, by: .instance)
        var drained = large
        drained.operationsBalancePercent = 0
        try expect(4, 16, of: Self.statistics(instances: [drained]), gives: 360, by: .instance)
    }

    @Test func `credits are spent first, in the warm-up too, and then come in`() throws {
        func gp2(_ balance: Int64) -> VolumeStatistics {
            Self.statistics(
                type: .gp2,
                credits: CreditStatus(currency: .operations, balance: balance, capacity: 5_400_000, fillPerSecond: 300))
        }
        try expect(4, 16, of: gp2(5_400_000), gives: 3_000, by: .iops)
        try expect(4, 16, of: gp2(0), gives: 300, by: .credits)
        // 3,000 go in the warm-up; 6,000 and what comes in are left for ten seconds.
        try expect(4, 16, of: gp2(9_000 - 300), gives: 900, by: .credits)
        try expect(256, 16, of: gp2(0), gives: 248, by: .throughput)
    }

    @Test func `loads keep away from where limit and latency give the same`() {
        let shapes = LoadShape.all(for: Self.statistics(iops: 6_000), isWrite: false)
        #expect(shapes.filter { $0.sizeBytes == 4_096 }.map(\.depth) == [1, 8, 16, 64])
        for shape in shapes { #expect(!shape.isSequential && !shape.isWrite) }
        let disk = Self.statistics(type: .st1, unitBytes: 1 << 20, chargesWholeUnits: true)
        let loads = LoadShape.all(for: disk, isWrite: true)
        #expect(loads.contains { $0.isSequential && $0.isWrite })
        // One at a time would give 1,667 where 125 are allowed.
        #expect(loads.filter(\.isSequential).map(\.depth) == [1, 8])
    }

    /// With the latencies of `LatencyDistribution.magneticSequential` and `st1Sequential`.
    @Test func `loads are so deep that a slow request now and then leaves no limit unused`() {
        func sequentialDepths(_ statistics: VolumeStatistics) -> [Int] {
            LoadShape.all(for: statistics, isWrite: false).filter(\.isSequential).map(\.depth)
        }
        let standard = LatencyModel(
            medianNanoseconds: 1_000_000, percentile99Nanoseconds: 12_000_000, meanNanoseconds: 2_355_000)
        // 1 MiB is four I/Os of 200 a second: 20 ms, of which one request at a time may take 5 and 4.
        #expect(
            sequentialDepths(Self.statistics(type: .standard, iops: 200, mebibytes: 90, latency: standard)) == [2, 8])
        let st1 = LatencyModel(
            medianNanoseconds: 6_000_000, percentile99Nanoseconds: 15_000_000, meanNanoseconds: 6_310_000)
        let throughputOptimized = Self.statistics(
            type: .st1, iops: 500, mebibytes: 122, unitBytes: 1 << 20, chargesWholeUnits: true, latency: st1)
        #expect(sequentialDepths(throughputOptimized) == [4, 8])
    }

    private func row(
        depth: Int = 64, count: Int, nanoseconds: Int64 = 570_000, slow: Int = 0, machine: Double = 50_000,
        timer: Int64 = 60_000, iops: Int64 = 3_000
    ) throws -> CertificateRow {
        let shape = LoadShape(sizeBytes: 4_096, depth: depth)
        let expected = try #require(ExpectedRate(of: shape, Self.statistics(iops: iops), warmUpSeconds: 1, seconds: 6))
        let latencies =
            Array(repeating: nanoseconds, count: count - slow) + Array(repeating: 1_050_000, count: slow)
        return CertificateRow(
            shape: shape, expected: expected,
            given: LoadResult(seconds: 6, latencies: latencies, timerDelays: [timer]),
            machineOperationsPerSecond: machine)
    }

    @Test func `a rate passes within half a percent, on a machine that could give more`() throws {
        #expect(try row(count: 18_000).verdict == .pass)
        #expect(try row(count: 18_090).verdict == .pass)
        #expect(try row(count: 18_091).verdict == .fail)
        #expect(try row(count: 17_909).verdict == .fail)
        #expect(try row(count: 17_909, timer: 500_001).verdict == .busy)
        #expect(try row(count: 18_000, timer: 500_001).verdict == .pass)
        var stalled = try row(count: 17_000)
        stalled.given.timerDelays = Array(repeating: 60_000, count: 1_000) + [30_000_001]
        #expect(stalled.verdict == .busy)
        #expect(stalled.lateness == "was late by 30.00 ms once")
        #expect(try row(count: 18_000, machine: 3_299).verdict == .machine)
    }

    @Test func `a latency passes by its median and its 99th percentile, of requests enough`() throws {
        #expect(try row(depth: 1, count: 10_000, slow: 200).verdict == .pass)
        #expect(try row(depth: 1, count: 10_000, nanoseconds: 598_000, slow: 200).verdict == .pass)
        #expect(try row(depth: 1, count: 10_000, nanoseconds: 599_000, slow: 200).verdict == .fail)
        #expect(try row(depth: 1, count: 10_000, nanoseconds: 541_000, slow: 200).verdict == .fail)
        // A 99th percentile of 0.57 ms is within 0.5 ms of 1.05 ms; one of 0.54 ms is not.
        #expect(try row(depth: 1, count: 10_000).verdict == .pass)
        #expect(try row(depth: 1, count: 10_000, nanoseconds: 545_000).verdict == .fail)
        #expect(try row(depth: 1, count: 4_999, nanoseconds: 545_000).verdict == .pass)
        #expect(try row(depth: 1, count: 999, slow: 20).verdict == .tooShort)
    }

    /// 40 a second for six seconds are 240: half a percent is 1.2 of them.
    @Test func `a rate of so few requests that one or two decide says nothing, and is told the time it needs`() throws {
        #expect(try row(count: 241, iops: 40).verdict == .pass)
        #expect(try row(count: 239, iops: 40).verdict == .pass)
        #expect(try row(count: 242, iops: 40).verdict == .tooShort)
        #expect(try row(count: 238, iops: 40).verdict == .tooShort)
        #expect(try row(count: 243, iops: 40).verdict == .fail)
        #expect(try row(count: 237, iops: 40).verdict == .fail)
        #expect(try row(count: 242, iops: 40).secondsNeeded == 10)
        #expect(try row(depth: 1, count: 600).secondsNeeded == 10)
        #expect(try row(depth: 1, count: 0).secondsNeeded == 6_000)
        #expect(try row(count: 17_909).verdict == .fail)
    }

    private func certificate(_ rows: [CertificateRow]) -> Certificate {
        Certificate(
            volume: Volume(
                id: "vol-1", zone: "us-east-1b", state: .inUse, type: .gp3, sizeGiB: 8,
                createTime: Date(timeIntervalSince1970: 0), tags: [Tag.name: "data"]), path: "/dev/xvdb",
            secondsPerLoad: 6, rows: rows)
    }

    @Test func `a certificate is given when every load passed`() throws {
        let good = certificate([try row(depth: 1, count: 10_000, slow: 200), try row(count: 18_009)])
        #expect(good.isCertified)
        #expect(
            good.text
                == """
                data  vol-1  gp3 8 GiB  /dev/xvdb

                Load                              Decided by  EBS    Given  Error    Median          p99               \
                Machine  Verdict
                4 KiB random reads, 1 at a time   latency     1,667  1,667  +0.00 %  0.57 ms +0.0 %  1.05 ms +0.00 ms  \
                50,000   pass
                4 KiB random reads, 64 at a time  IOPS        3,000  3,002  +0.05 %                                    \
                50,000   pass

                Each load was measured for 6 s. Where a limit decides, the rate is within 0.5 % of it; where the latency \
                does, the median is within 5 % and the 99th percentile, if there were 5,000 requests, within 0.5 ms.
                Certified: data gives what EBS would, in all 2 loads.

                """)
        #expect(!certificate([]).isCertified)
    }

    @Test func `what stands against a certificate is said`() throws {
        let loads = [
            try row(count: 18_000), try row(count: 17_000), try row(count: 18_000, machine: 2_000),
            try row(count: 17_000, timer: 4_000_000), try row(depth: 1, count: 500),
        ]
        #expect(!certificate(loads).isCertified)
        #expect(
            certificate(loads).conclusion == """
                Not certified: 1 of 5 loads were given something else; this machine cannot carry 4 KiB random reads, \
                64 at a time: it carries 2,000 IOPS, and would have to carry 3,300; this machine is too busy for 4 KiB \
                random reads, 64 at a time: a bare timer is 4.00 ms late at the 99th percentile; 6 s are too short for \
                4 KiB random reads, 1 at a time: use --seconds 14. 1 of 5 loads passed.
                """)
    }

    @Test func `a load counts what was answered while it was measured`() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory.appending("file")
            let made = try FileDescriptor.open(path, .readWrite, options: .create, permissions: .ownerReadWrite)
            try made.closeAfter { try made.resize(to: 1 << 20) }
            let file = try DirectFile(path, writes: true)
            defer { file.close() }
            #expect(file.sizeBytes == 1 << 20)
            func wait(_ time: Duration) -> Bool {
                waitInThisThread(
                    untilUptimeNanoseconds: SystemClock().uptimeNanoseconds() + time.components.attoseconds
                        / 1_000_000_000)
                return false
            }
            for shape in [
                LoadShape(sizeBytes: 4_096, depth: 2), LoadShape(sizeBytes: 65_536, depth: 2, isSequential: true),
                LoadShape(sizeBytes: 4_096, depth: 1, isWrite: true),
            ] {
                let result = try Load.run(
                    shape, on: file, warmUpSeconds: 0.05, seconds: 0.2, isInterrupted: wait)
                #expect(result.latencies.count > 0)
                #expect(result.latencies == result.latencies.sorted())
            }
            #expect(throws: Interrupted.self) {
                try Load.run(
                    LoadShape(sizeBytes: 4_096, depth: 1), on: file, warmUpSeconds: 0, seconds: 60,
                    isInterrupted: { _ in true })
            }
        }
    }
}
