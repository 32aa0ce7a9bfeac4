// What volumes are said to have done, on a clock moved by hand.
import BlockStore
import Driver
import Foundation
import Logging
import Platform
import TestSupport
import Testing

@testable import Emulator

@Suite struct StatisticsTests {
    private let clock = VirtualClock()

    private func volume(_ type: VolumeType, sizeGiB: Int = 100, iops: Int? = nil) throws -> VolumePerformance {
        let limits = try #require(
            PerformanceLimits(VolumeSpecification(type: type, sizeGiB: sizeGiB, iops: iops)))
        return VolumePerformance(PerformancePlan(limits: limits, seed: 1), clock: clock)
    }

    private func read(_ offset: Int64 = 0, _ length: Int64 = 4_096) -> VolumeIO {
        VolumeIO(direction: .read, offset: offset, length: length)
    }

    @Test("what is in flight is the queue, and makes the volume busy until it is answered")
    func queueAndBusyTime() throws {
        let volume = try volume(.gp3)
        let first = volume.begin(read())
        clock.advance(by: .milliseconds(2))
        let second = volume.begin(read(1 << 20))
        #expect(volume.report.statistics.inFlight == 2)
        #expect(volume.report.statistics.busy(at: volume.report.time) == 2_000_000)
        clock.advance(by: .milliseconds(1))
        volume.end(first)
        volume.end(second)
        clock.advance(by: .seconds(5))
        let report = volume.report
        #expect(report.statistics.busy(at: report.time) == 3_000_000)
        #expect(report.statistics.reads.time == 4_000_000)
        #expect(report.statistics.reads.operations == 2)
        #expect(report.statistics.service == first.service + second.service)
    }

    @Test("waiting for the credits that have run out is told apart from waiting for the rate")
    func waits() throws {
        let limits = try #require(
            PerformanceLimits(VolumeSpecification(type: .gp2, sizeGiB: 100, iops: 300)))
        let drained = VolumePerformance(PerformancePlan(limits: limits, seed: 1, credits: 0), clock: clock)
        let full = VolumePerformance(PerformancePlan(limits: limits, seed: 1), clock: clock)
        for number in 0..<100 {
            _ = drained.begin(read(Int64(number) << 20))
            _ = full.begin(read(Int64(number) << 20))
        }
        let waits = LimitWait.all(drained.statistics)
        #expect(waits.map(\.limit) == [.iops, .throughput, .credits, .instance])
        #expect(waits[2].waitedNanoseconds > 0 && waits[0].waitedNanoseconds == 0)
        // The hundredth comes when there are 100 credits, at 300 a second.
        #expect(waits[2].exceededNanoseconds == 333_333_334)
        let quick = LimitWait.all(full.statistics)
        #expect(quick[0].waitedNanoseconds > 0 && quick[2].waitedNanoseconds == 0)
    }

    @Test("the mean of a distribution is that of its draws")
    func meanLatency() {
        var random = SplitMix64(seed: 7)
        let count = 400_000
        for distribution in [LatencyDistribution.generalPurpose, .blockExpress, .st1Random] {
            let sum = (0..<count).reduce(0) { sum, _ in sum + Int(distribution.nanoseconds(for: random.next())) }
            let mean = Double(sum) / Double(count)
            #expect(abs(mean / Double(distribution.mean) - 1) < 0.01, "\(mean) beside \(distribution.mean)")
        }
    }

    @Test("a region tells the limits, the credits and the instance of an attached volume")
    func regionStatistics() async throws {
        try await withRealTable { driver in
            let instance = try await driver.registerInstance(
                RegisterInstanceRequest(name: "hosta", zone: "us-east-1b", type: "m5.large"))
            let volume = try await driver.createVolume(
                CreateVolumeRequest(zone: "us-east-1b", sizeGiB: 200, type: .gp2))
            _ = try await driver.attachVolume(
                AttachVolumeRequest(volumeID: volume.id, instanceID: instance.id))
            let statistics = try #require(try await driver.describeVolumeStatistics(ids: [volume.id]).first)
            #expect(statistics.limits?.operationsPerSecond == 3_000)
            #expect(statistics.limits?.bytesPerSecond == 250 << 20)
            #expect(statistics.limits?.bytesPerSecondWithoutCredits == 128 << 20)
            #expect(statistics.limits?.randomLatency.medianNanoseconds == 570_000)
            #expect(statistics.limits?.randomLatency.percentile99Nanoseconds == 1_050_000)
            #expect(
                statistics.credits
                    == CreditStatus(
                        currency: .operations, balance: 5_400_000, capacity: 5_400_000, fillPerSecond: 600))
            #expect(statistics.instances.map(\.type) == ["m5.large"])
            #expect(statistics.instances.first?.baselineOperationsPerSecond == 3_600)
            #expect(statistics.instances.first?.bytesBalancePercent == 100)
        }
    }

    @Test("data points are made for each minute in which a volume is attached, and for no other")
    func dataPoints() async throws {
        try await withRealTable { driver in
            let instance = try await driver.registerInstance(RegisterInstanceRequest(name: "hosta", zone: "us-east-1b"))
            let volume = try await driver.createVolume(CreateVolumeRequest(zone: "us-east-1b", sizeGiB: 1, type: .gp3))
            func passMinutes(_ count: Int) async {
                for _ in 0..<count {
                    clock.advance(by: .seconds(60))
                    await driver.endMetricMinute()
                }
            }
            await passMinutes(2)
            #expect(await driver.getMetricData(MetricDataQuery()).isEmpty)
            _ = try await driver.attachVolume(AttachVolumeRequest(volumeID: volume.id, instanceID: instance.id))
            await passMinutes(2)
            try await driver.detachVolume(DetachVolumeRequest(volumeID: volume.id))
            await passMinutes(2)
            let series = try #require(
                await driver.getMetricData(MetricDataQuery(volumeIDs: [volume.id], metrics: [.idleTime])).first)
            #expect(series.values == [60, 60])
            #expect(series.unit == "Seconds")
            // The clock began at 22:13:20.
            #expect(
                series.timestamps.map { $0.formatted(.iso8601) } == ["2023-11-14T22:15:00Z", "2023-11-14T22:16:00Z"])
            let last = await driver.getMetricData(
                MetricDataQuery(metrics: [.idleTime], startTime: series.timestamps[1]))
            #expect(last.map(\.timestamps) == [[series.timestamps[1]]])
        }
    }

    @Test("data points are kept for three hours")
    func lifetime() {
        var history = MetricHistory()
        let start = Date(timeIntervalSince1970: 1_700_000_040)
        for minute in 0...200 {
            let statistics = VolumeStatistics(
                volumeID: "vol-1", time: start, uptimeNanoseconds: Int64(minute) * 60_000_000_000)
            history.endMinute([statistics], at: start.addingTimeInterval(Double(minute) * 60))
        }
        let series = history.series(MetricDataQuery(metrics: [.averageIOPS]))
        #expect(series.map(\.values.count) == [180])
        #expect(series.first?.timestamps.last == start.addingTimeInterval(199 * 60))
    }

    private func withRealTable(_ body: (EmulatorDriver) async throws -> Void) async throws {
        try await withTemporaryDirectory { directory in
            let store = try VolumeStore(directory: directory.appending("volumes"))
            let driver = try await EmulatorDriver(
                configuration: RegionConfiguration(mountPoint: "/mnt/ebb"), stateDirectory: directory,
                exports: try ExportTable(store: store, clock: clock), clock: clock,
                random: SeededRandom(seed: 1), logger: Logger(label: "test"))
            try await body(driver)
            try await driver.close()
        }
    }
}
