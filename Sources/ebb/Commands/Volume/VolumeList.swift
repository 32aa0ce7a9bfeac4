import ArgumentParser
import Driver
import RPC

/// `volume ls`: all volumes of the region, or those that are named.
struct VolumeList: SessionCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls", abstract: "List volumes.", aliases: ["get", "list", "inspect", "l"])

    @OptionGroup var names: VolumeNames
    @Flag(name: .customLong("attached"), help: "Only volumes that are attached to this machine.")
    var attached = false
    @Flag(name: .customLong("available"), help: "Only volumes that are attached nowhere.")
    var available = false
    @Flag(name: .customLong("path"), help: "Show where volumes are mounted.")
    var path = false
    @OptionGroup var output: OutputOptions
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func run(_ session: Session) throws {
        let volumes = names.isEmpty ? try session.volumes() : try named(session)
        let shown = volumes.filter {
            (!attached || $0.device != nil) && (!available || $0.volume.state == .available)
        }
        try session.print(VolumeAnswer.volumes(shown, withPath: path), output)
    }

    /// In REX-Ray 0.3's grammar a name that nothing has is an empty list.
    private func named(_ session: Session) throws -> [HostVolume] {
        do {
            return try names.resolve(session)
        } catch let error as StorageError
            where error.code == .volumeNotFound && names.patterns.isEmpty && given(names.id) == nil
        {
            return []
        }
    }
}

/// `volume path`: where a volume is mounted; nothing when it is not.
struct VolumePath: SessionCommand {
    static let configuration = CommandConfiguration(commandName: "path", abstract: "Print where volumes are mounted.")

    @OptionGroup var names: VolumeNames
    @OptionGroup var output: OutputOptions
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func run(_ session: Session) throws {
        let paths = try names.resolve(session).compactMap(\.mountPath)
        writeOut(try output.text(ofPaths: paths))
    }
}

extension OutputOptions {
    /// Paths alone, a line each, unless JSON is wanted.
    func text(ofPaths paths: [String]) throws -> String {
        let format = format ?? .yml
        if format == .yml || format == .table { return paths.map { $0 + "\n" }.joined() }
        let value: Value = paths.count == 1 ? .text(paths[0]) : .list(paths.map(Value.text))
        let table = Table(header: ["Path"], rows: paths.map { [$0] })
        return try Answer(value: value, table: table).text(format, template: template, isQuiet: quiet)
    }
}

/// `volume map`: the block devices that this machine has from volumes.
struct VolumeMap: SessionCommand {
    static let configuration = CommandConfiguration(
        commandName: "map", abstract: "List the volumes' devices on this machine.")

    @OptionGroup var output: OutputOptions
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func run(_ session: Session) throws {
        let host = try session.host()
        let devices = try session.volumes().flatMap(\.volume.attachments).filter {
            $0.instanceID == host.instance.id
        }
        let answer = Answer(
            value: .list(devices.map { record($0, of: host.instance) }),
            table: VolumeAnswer.attachments(devices).table)
        try session.print(answer, output)
    }

    private func record(_ attachment: Attachment, of instance: Instance) -> Value {
        .record([
            .init("ProviderName", .text(instance.providerName)),
            .init("InstanceID", .text(attachment.instanceID.rawValue)),
            .init("VolumeID", .text(attachment.volumeID.rawValue)),
            .init("DeviceName", .text(attachment.device.path)),
            .init("Region", .text(instance.region)),
            .init("Status", .text(attachment.state.rawValue)),
            .init("NetworkName", ""),
        ])
    }
}

/// `volume refs`: who keeps which volumes mounted.
struct VolumeReferences: SessionCommand {
    static let configuration = CommandConfiguration(
        commandName: "refs", abstract: "List who keeps volumes mounted.", aliases: ["references"])

    @OptionGroup var output: OutputOptions
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func run(_ session: Session) throws {
        let references = try session.call(Ebb.ListReferences.self, Empty(), doing: "listing references").references
        let rows = references.sorted { $0.key < $1.key }.flatMap { volume, holders in
            holders.sorted { $0.key < $1.key }.map { [volume, $0.key, String($0.value)] }
        }
        let records: [Value] = rows.map { row in
            .record([
                .init("VolumeID", .text(row[0])), .init("Holder", .text(row[1])),
                .init("Count", .integer(Int(row[2]) ?? 0)),
            ])
        }
        try session.print(
            Answer(value: .list(records), table: Table(header: ["VolumeID", "Holder", "Count"], rows: rows)), output)
    }
}
