import Driver
import Foundation
import Testing

@testable import Prometheus

/// Prometheus' text, line by line.
@Suite struct PrometheusTextTests {
    private func volume(_ name: String = "da\"ta\n\\") -> MeasuredVolume {
        var statistics = VolumeStatistics(
            volumeID: "vol-1", time: Date(timeIntervalSince1970: 0), uptimeNanoseconds: 0,
            waits: [LimitWait(limit: .iops, waitedNanoseconds: 1_500_000_000, exceededNanoseconds: 1)],
            credits: CreditStatus(currency: .bytes, balance: 7, capacity: 10, fillPerSecond: 1))
        var latencies = LatencyCounts()
        (latencies.counts[0], latencies.counts[10], latencies.counts[27]) = (1, 2, 3)
        statistics.reads = IOTotals(
            operations: 6, bytes: 24_576, timeNanoseconds: 12_345_678_901, latencies: latencies)
        return MeasuredVolume(
            volume: Volume(
                id: "vol-1", zone: "us-east-1b", state: .inUse, type: .st1, sizeGiB: 125,
                createTime: Date(timeIntervalSince1970: 0), tags: [Tag.name: name]),
            statistics: statistics)
    }

    @Test func `totals, labels and histograms are written as Prometheus reads them`() {
        let text = PrometheusText.text(of: [volume()])
        let labels = #"volume_id="vol-1",volume_name="da\"ta\n\\",volume_type="st1",zone="us-east-1b""#
        for line in [
            "# TYPE ebb_volume_read_bytes_total counter",
            "ebb_volume_read_bytes_total{\(labels)} 24576",
            "ebb_volume_write_bytes_total{\(labels)} 0",
            "# TYPE ebb_volume_read_latency_seconds histogram",
            "ebb_volume_read_latency_seconds_bucket{\(labels),le=\"0.000001\"} 1",
            "ebb_volume_read_latency_seconds_bucket{\(labels),le=\"0.000512\"} 1",
            "ebb_volume_read_latency_seconds_bucket{\(labels),le=\"0.001024\"} 3",
            "ebb_volume_read_latency_seconds_bucket{\(labels),le=\"67.108864\"} 3",
            "ebb_volume_read_latency_seconds_bucket{\(labels),le=\"+Inf\"} 6",
            "ebb_volume_read_latency_seconds_sum{\(labels)} 12.345678901",
            "ebb_volume_read_latency_seconds_count{\(labels)} 6",
            "ebb_volume_wait_seconds_total{\(labels),limit=\"iops\"} 1.5",
            "ebb_volume_exceeded_seconds_total{\(labels),limit=\"iops\"} 0.000000001",
            "ebb_volume_credits{\(labels),currency=\"bytes\"} 7",
            "ebb_volume_size_bytes{\(labels)} 134217728000",
        ] { #expect(text.contains(line + "\n"), "\(line)") }
        #expect(!text.contains("limit_operations_per_second{"), "no limits, no samples")
    }

    @Test func `each family is described once, and its samples stand together`() {
        let lines = PrometheusText.text(of: [volume("a"), volume("b")]).split(separator: "\n")
        let described = lines.filter { $0.hasPrefix("# TYPE ") }.map { $0.split(separator: " ")[2] }
        #expect(Set(described).count == described.count)
        var family = ""
        for line in lines {
            if line.hasPrefix("# TYPE ") { family = String(line.split(separator: " ")[2]) }
            if !line.hasPrefix("#") { #expect(line.hasPrefix(family), "\(line)") }
        }
    }
}
