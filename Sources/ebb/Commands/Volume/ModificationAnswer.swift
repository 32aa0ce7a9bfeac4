import Driver

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Modifications in EC2's fields, and as a table.
enum ModificationAnswer {
    static func modifications(_ modifications: [VolumeModification]) -> Answer {
        Answer(
            value: .list(modifications.map(record)),
            table: Table(
                header: ["VolumeID", "Status", "Progress", "Size", "Type", "IOPS", "Throughput"],
                rows: modifications.map { modification in
                    let (original, target) = (modification.original, modification.target)
                    return [
                        modification.volumeID.rawValue, modification.state.rawValue, "\(modification.progress)%",
                        change("\(original.sizeGiB)", "\(target.sizeGiB)"),
                        change(original.type.name, target.type.name),
                        change(text(original.iops), text(target.iops)),
                        change(text(original.throughputMiBps), text(target.throughputMiBps)),
                    ]
                }))
    }

    private static func change(_ original: String, _ target: String) -> String {
        original == target ? target : "\(original) -> \(target)"
    }

    private static func text(_ number: Int?) -> String { number.map { String($0) } ?? "-" }

    private static func record(_ modification: VolumeModification) -> Value {
        .record(
            [
                .init("VolumeID", .text(modification.volumeID.rawValue)),
                .init("Status", .text(modification.state.rawValue)),
                .init("StatusMessage", .text(modification.statusMessage ?? "")),
                .init("Progress", .integer(modification.progress)),
                .init("StartTime", .text(modification.startTime.formatted(.iso8601))),
                .init("EndTime", .text(modification.endTime?.formatted(.iso8601) ?? "")),
            ] + fields("Original", modification.original) + fields("Target", modification.target))
    }

    private static func fields(_ prefix: String, _ configuration: VolumeModification.Configuration) -> [Value.Field] {
        [
            .init(prefix + "Size", .text(String(configuration.sizeGiB))),
            .init(prefix + "VolumeType", .text(configuration.type.name)),
            .init(prefix + "IOPS", .integer(configuration.iops ?? 0)),
            .init(prefix + "Throughput", .integer(configuration.throughputMiBps ?? 0)),
            .init(prefix + "MultiAttachEnabled", .boolean(configuration.isMultiAttachEnabled)),
        ]
    }
}
