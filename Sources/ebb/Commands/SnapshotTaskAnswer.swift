import Driver

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Tasks on snapshots, and what a check found, in every form.
enum SnapshotTaskAnswer {
    static func task(_ task: SnapshotTask) -> Answer {
        Answer(value: record(task), table: table([task]))
    }

    static func tasks(_ tasks: [SnapshotTask]) -> Answer {
        Answer(value: .list(tasks.map(record)), table: table(tasks))
    }

    private static func table(_ tasks: [SnapshotTask]) -> Table {
        Table(
            header: ["ID", "Action", "Status", "SnapshotID", "Location"],
            rows: tasks.map {
                [$0.id.rawValue, $0.action.rawValue, status($0), $0.snapshotID?.rawValue ?? "", $0.location ?? ""]
            })
    }

    private static func status(_ task: SnapshotTask) -> String {
        guard task.state == .active, task.totalBytes > 0 else { return task.state.rawValue }
        return "\(task.state.rawValue) \(task.doneBytes * 100 / task.totalBytes)%"
    }

    private static func record(_ task: SnapshotTask) -> Value {
        .record([
            .init("TaskID", .text(task.id.rawValue)),
            .init("Action", .text(task.action.rawValue)),
            .init("Status", .text(task.state.rawValue)),
            .init("SnapshotID", .text(task.snapshotID?.rawValue ?? "")),
            .init("Location", .text(task.location ?? "")),
            .init("DoneBytes", .integer(Int(task.doneBytes))),
            .init("TotalBytes", .integer(Int(task.totalBytes))),
            .init("PresentBytes", .integer(Int(task.presentBytes))),
            .init("StartTime", .text(task.startTime.formatted(.iso8601))),
            .init("EndTime", .text(task.endTime?.formatted(.iso8601) ?? "")),
            .init("StatusMessage", .text(task.error?.description ?? "")),
        ])
    }

    // MARK: What a check found

    /// A line for each finding, and one for all.
    static func lines(of report: SnapshotReport) -> [String] {
        let count = report.findings.count + (report.omittedCount ?? 0)
        let end = count == 0 ? "all is in order" : count == 1 ? "1 finding" : "\(count) findings"
        return report.findings.map(\.message) + omitted(report) + [
            "\(report.snapshotCount) snapshots, \(report.objectCount) objects, "
                + "\(Figures.bytes(report.objectBytes)): \(end)"
        ]
    }

    private static func omitted(_ report: SnapshotReport) -> [String] {
        report.omittedCount.map { ["\($0) more"] } ?? []
    }

    static func report(_ report: SnapshotReport) -> Answer {
        Answer(
            value: .record([
                .init("Snapshots", .integer(report.snapshotCount)),
                .init("Objects", .integer(report.objectCount)),
                .init("ObjectBytes", .integer(Int(report.objectBytes))),
                .init("Findings", .list(report.findings.map(record))),
                .init("OmittedFindings", .integer(report.omittedCount ?? 0)),
            ]),
            table: Table(
                header: ["Kind", "SnapshotID", "Block", "Message"],
                rows: report.findings.map {
                    [$0.kind.rawValue, $0.snapshotID?.rawValue ?? "", block($0), $0.message]
                }))
    }

    private static func block(_ finding: SnapshotFinding) -> String {
        finding.blockIndex.map { "\($0.rawValue)" } ?? ""
    }

    private static func record(_ finding: SnapshotFinding) -> Value {
        .record([
            .init("Kind", .text(finding.kind.rawValue)),
            .init("SnapshotID", .text(finding.snapshotID?.rawValue ?? "")),
            .init("Block", .text(block(finding))),
            .init("Object", .text(finding.object)),
            .init("Message", .text(finding.message)),
        ])
    }
}
