// What attached volumes did, in Prometheus' text format 0.0.4; pure.
//
// Source of the format: Prometheus' documentation, "Exposition formats"; of the naming: "Metric and label naming". Times
// are seconds, written from whole nanoseconds without floating point.
import Driver

/// A volume and what it did.
struct MeasuredVolume: Sendable {
    let volume: Volume
    let statistics: VolumeStatistics
}

enum PrometheusText {
    static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    /// A family of samples: what it is called, is, and holds for each volume.
    private struct Family: Sendable {
        let name: String
        let kind: String
        let help: String
        let samples: @Sendable (MeasuredVolume) -> [Sample]
    }

    private struct Sample {
        var suffix = ""
        /// Besides the volume's own.
        var labels: [(String, String)] = []
        let value: String
    }

    static func text(of volumes: [MeasuredVolume]) -> String {
        var text = ""
        for family in families {
            text += "# HELP \(family.name) \(family.help)\n# TYPE \(family.name) \(family.kind)\n"
            for volume in volumes {
                for sample in family.samples(volume) {
                    text += family.name + sample.suffix + labels(volume.volume, sample.labels) + " \(sample.value)\n"
                }
            }
        }
        return text
    }

    private static let families =
        direction("read", \.reads) + direction("write", \.writes) + time + work + credits + limits

    private static func direction(_ name: String, _ totals: @escaping @Sendable (VolumeStatistics) -> IOTotals)
        -> [Family]
    {
        [
            counter("ebb_volume_\(name)_operations_total", "The \(name)s that were answered.") {
                totals($0).operations
            },
            counter("ebb_volume_\(name)_bytes_total", "The bytes of the \(name)s that were answered.") {
                totals($0).bytes
            },
            Family(
                name: "ebb_volume_\(name)_latency_seconds", kind: "histogram",
                help: "How long \(name)s took, from arrival to answer."
            ) { histogram(totals($0.statistics)) },
        ]
    }

    private static let time = [
        seconds("ebb_volume_busy_seconds_total", "How long at least one request was there.") { $0.busyNanoseconds },
        seconds("ebb_volume_service_seconds_total", "What the latency of the volume's type made requests take.") {
            $0.serviceNanoseconds
        },
        waits("ebb_volume_wait_seconds_total", "How long requests waited for each limit, in sum.") {
            $0.waitedNanoseconds
        },
        waits("ebb_volume_exceeded_seconds_total", "How long at least one request waited for each limit.") {
            $0.exceededNanoseconds
        },
    ]

    private static let work = [
        counter("ebb_volume_charged_operations_total", "I/Os as the volume's type counts them.") {
            $0.chargedOperations
        },
        gauge("ebb_volume_queue_length", "Requests that have come and are not answered.") { Int64($0.queueLength) },
    ]

    private static let credits = [
        Family(name: "ebb_volume_credits", kind: "gauge", help: "What is left for bursting, in I/Os or bytes.") {
            guard let credits = $0.statistics.credits else { return [] }
            return [Sample(labels: [("currency", credits.currency.rawValue)], value: String(credits.balance))]
        },
        Family(name: "ebb_volume_credits_capacity", kind: "gauge", help: "What can be saved for bursting.") {
            guard let credits = $0.statistics.credits else { return [] }
            return [Sample(labels: [("currency", credits.currency.rawValue)], value: String(credits.capacity))]
        },
    ]

    private static let limits = [
        gauge("ebb_volume_limit_operations_per_second", "The I/Os a second that the volume is held to.") {
            $0.limits?.operationsPerSecond
        },
        gauge("ebb_volume_limit_bytes_per_second", "The bytes a second that the volume is held to.") {
            $0.limits?.bytesPerSecond
        },
        Family(name: "ebb_volume_size_bytes", kind: "gauge", help: "The volume's size.") {
            [Sample(value: String(Int64($0.volume.sizeGiB) << 30))]
        },
    ]

    private static func counter(
        _ name: String, _ help: String, _ value: @escaping @Sendable (VolumeStatistics) -> Int64
    ) -> Family {
        Family(name: name, kind: "counter", help: help) { [Sample(value: String(value($0.statistics)))] }
    }

    private static func gauge(
        _ name: String, _ help: String, _ value: @escaping @Sendable (VolumeStatistics) -> Int64?
    ) -> Family {
        Family(name: name, kind: "gauge", help: help) { volume in
            value(volume.statistics).map { [Sample(value: String($0))] } ?? []
        }
    }

    private static func seconds(
        _ name: String, _ help: String, _ nanoseconds: @escaping @Sendable (VolumeStatistics) -> Int64
    ) -> Family {
        Family(name: name, kind: "counter", help: help) {
            [Sample(value: seconds(nanoseconds: nanoseconds($0.statistics)))]
        }
    }

    private static func waits(_ name: String, _ help: String, _ nanoseconds: @escaping @Sendable (LimitWait) -> Int64)
        -> Family
    {
        Family(name: name, kind: "counter", help: help) { volume in
            volume.statistics.waits.map {
                Sample(labels: [("limit", $0.limit.rawValue)], value: seconds(nanoseconds: nanoseconds($0)))
            }
        }
    }

    /// Counts up to each bin's end; a bin has nothing at its very end, so that "less" and "less or equal" are the same.
    private static func histogram(_ totals: IOTotals) -> [Sample] {
        var samples: [Sample] = []
        var seen: Int64 = 0
        for (bin, count) in totals.latencies.counts.enumerated() {
            seen += count
            let end = LatencyCounts.upperMicroseconds(ofBin: bin).map { seconds(nanoseconds: $0 * 1_000) } ?? "+Inf"
            samples.append(Sample(suffix: "_bucket", labels: [("le", end)], value: String(seen)))
        }
        samples.append(Sample(suffix: "_sum", value: seconds(nanoseconds: totals.timeNanoseconds)))
        samples.append(Sample(suffix: "_count", value: String(seen)))
        return samples
    }

    /// Such as `1.5`.
    static func seconds(nanoseconds: Int64) -> String {
        let digits = String(nanoseconds.magnitude)
        let padded = String(repeating: "0", count: max(0, 10 - digits.count)) + digits
        var fraction = padded.suffix(9)
        while fraction.last == "0" { fraction.removeLast() }
        return (nanoseconds < 0 ? "-" : "") + padded.dropLast(9) + (fraction.isEmpty ? "" : ".") + fraction
    }

    private static func labels(_ volume: Volume, _ others: [(String, String)]) -> String {
        let all =
            [
                ("volume_id", volume.id.rawValue), ("volume_name", volume.name), ("volume_type", volume.type.name),
                ("zone", volume.zone.rawValue),
            ] + others
        return "{" + all.map { "\($0)=\"\(escaped($1))\"" }.joined(separator: ",") + "}"
    }

    private static func escaped(_ text: String) -> String {
        var result = ""
        for character in text.unicodeScalars {
            switch character {
            case "\\": result += "\\\\"
            case "\"": result += "\\\""
            case "\n": result += "\\n"
            default: result.unicodeScalars.append(character)
            }
        }
        return result
    }
}
