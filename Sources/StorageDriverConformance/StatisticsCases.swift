// What drivers tell about what volumes did.
import Driver

extension ConformanceCase {
    static let statistics: [ConformanceCase] = [
        ConformanceCase("a volume that nobody uses has done nothing, and has its type's limits", needs: [.statistics]) {
            subject in
            try await subject.withVolume { volume in
                let all = try await subject.driver.describeVolumeStatistics(ids: [volume.id])
                try expect("one volume", all.map(\.volumeID), is: [volume.id])
                guard let statistics = all.first else { return }
                try expect("the reads", statistics.reads, is: IOTotals())
                try expect("the writes", statistics.writes, is: IOTotals())
                try expect("the queue length", statistics.queueLength, is: 0)
                try expect("the limits waited for", statistics.waits.map(\.limit), is: VolumeLimit.allCases)
                try expect("gp3's IOPS", statistics.limits?.operationsPerSecond, is: 3_000)
                try expect("gp3's throughput", statistics.limits?.bytesPerSecond, is: 125 << 20)
                try expect("gp3's credits", statistics.credits, is: nil)
            }
        },
        ConformanceCase("statistics come in the order of the ids, and of all volumes for none", needs: [.statistics]) {
            subject in
            try await subject.withVolume { first in
                try await subject.withVolume { second in
                    let ids = [second.id, first.id]
                    let asked = try await subject.driver.describeVolumeStatistics(ids: ids)
                    try expect("the ids", asked.map(\.volumeID), is: ids)
                    let all = Set(try await subject.driver.describeVolumeStatistics(ids: []).map(\.volumeID))
                    try expect("all volumes", all.isSuperset(of: ids), found: all)
                }
            }
        },
        ConformanceCase("statistics of a volume that does not exist are refused", needs: [.statistics]) { subject in
            try await expectRefusal(.volumeNotFound, saying: ["vol-00000000000000000"]) {
                try await subject.driver.describeVolumeStatistics(ids: ["vol-00000000000000000"])
            }
        },
        ConformanceCase("a volume that was never attached has no data points", needs: [.metrics]) { subject in
            try await subject.withVolume { volume in
                let query = MetricDataQuery(volumeIDs: [volume.id, "vol-00000000000000000"])
                try expect("the series", try await subject.driver.getMetricData(query), is: [])
            }
        },
    ]
}
