import Driver

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Volumes and attachments in REX-Ray 0.3's fields, and as tables.
enum VolumeAnswer {
    static func volumes(_ volumes: [HostVolume], withPath: Bool = false) -> Answer {
        Answer(value: .list(volumes.map(record)), table: table(volumes, withPath: withPath))
    }

    /// One volume is no list.
    static func volume(_ volume: HostVolume) -> Answer {
        Answer(value: record(volume), table: table([volume], withPath: volume.mountPath != nil))
    }

    /// What was done to, by name. REX-Ray 0.3 prints nothing here, later ones the names.
    static func printNames(_ volumes: [HostVolume]) {
        if !Invocation.current.usesFlagGrammar { writeOut(volumes.map { $0.label + "\n" }.joined()) }
    }

    private static func table(_ volumes: [HostVolume], withPath: Bool) -> Table {
        Table(
            header: ["ID", "Name", "Status", "Size", "Type", "Zone"] + (withPath ? ["Path"] : []),
            rows: volumes.map { host in
                let volume = host.volume
                let path = withPath ? [host.mountPath ?? ""] : []
                return [
                    volume.id.rawValue, volume.name, status(host), String(volume.sizeGiB), volume.type.name,
                    volume.zone.rawValue,
                ] + path
            })
    }

    /// REX-Ray 0.11's words: whether this machine has the volume, could have it, or another one has it.
    static func status(_ host: HostVolume) -> String {
        switch host.volume.state {
        case .inUse: host.device == nil ? "unavailable" : "attached"
        case .available: "available"
        case .creating: host.volume.initialization.map { "creating \($0.progressPercent)%" } ?? "creating"
        case .deleting, .deleted, .error: host.volume.state.rawValue
        }
    }

    private static func record(_ host: HostVolume) -> Value {
        let volume = host.volume
        return .record([
            .init("Name", .text(volume.name)),
            .init("VolumeID", .text(volume.id.rawValue)),
            .init("AvailabilityZone", .text(volume.zone.rawValue)),
            .init("Status", .text(volume.state.rawValue)),
            .init("VolumeType", .text(volume.type.name)),
            .init("IOPS", .integer(volume.iops ?? 0)),
            .init("Size", .text(String(volume.sizeGiB))),
            .init("NetworkName", ""),
            .init("Attachments", .list(volume.attachments.map(attachment))),
            .extra("Throughput", .integer(volume.throughputMiBps ?? 0)),
            .extra("SnapshotID", .text(volume.snapshotID?.rawValue ?? "")),
            .extra("CreateTime", .text(volume.createTime.formatted(.iso8601))),
            .extra("Device", .text(host.device?.path ?? "")),
            .extra("MountPath", .text(host.mountPath ?? "")),
            .extra("FsType", .text(volume.tags[Tag.fsType] ?? "")),
            .extra("Tags", .list(tags(of: volume))),
        ])
    }

    private static func tags(of volume: Volume) -> [Value] {
        volume.tags.sorted { $0.key < $1.key }.map { .record([.init("Key", .text($0)), .init("Value", .text($1))]) }
    }

    static func attachments(_ attachments: [Attachment]) -> Answer {
        Answer(
            value: .list(attachments.map(attachment)),
            table: Table(
                header: ["VolumeID", "InstanceID", "Device", "Status"],
                rows: attachments.map {
                    [$0.volumeID.rawValue, $0.instanceID.rawValue, $0.device.path, $0.state.rawValue]
                }))
    }

    private static func attachment(_ attachment: Attachment) -> Value {
        .record([
            .init("VolumeID", .text(attachment.volumeID.rawValue)),
            .init("InstanceID", .text(attachment.instanceID.rawValue)),
            .init("DeviceName", .text(attachment.device.path)),
            .init("Status", .text(attachment.state.rawValue)),
        ])
    }
}

extension HostVolume {
    /// What people call it: its name, or its id when it has none.
    var label: String { volume.name.isEmpty ? volume.id.rawValue : volume.name }
}
