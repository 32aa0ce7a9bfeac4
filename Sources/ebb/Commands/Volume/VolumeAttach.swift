import ArgumentParser
import Driver
import RPC

/// Where volumes are attached, if not on this machine.
struct InstanceChoice: ParsableArguments {
    @Option(
        name: .customLong("instanceid"),
        help: ArgumentHelp("Another instance, by id or name.", valueName: "instance"))
    var instance: String?

    /// The instance of that id or name; `nil` for this machine's own.
    func resolve(_ session: Session) throws -> Instance? {
        guard let name = given(instance) else { return nil }
        let own = try session.host().instance
        if own.id.rawValue == name { return nil }
        guard let instance = try session.instances().first(where: { $0.id.rawValue == name || $0.name == name }) else {
            throw StorageError(
                .instanceNotFound, "The instance ID '\(name)' does not exist", advice: "see adapter instances")
        }
        return instance.id == own.id ? nil : instance
    }
}

/// `volume attach`: to this machine, or to another instance of the region.
struct VolumeAttach: SessionCommand {
    static let configuration = CommandConfiguration(
        commandName: "attach", abstract: "Attach volumes.", aliases: ["a"])

    @OptionGroup var names: VolumeNames
    @OptionGroup var instance: InstanceChoice
    @Option(name: .customLong("device"), help: "The device's name, such as /dev/xvdf; the next free one by default.")
    var device: String?
    @Flag(
        name: [.customLong("force"), .customLong("preempt")],
        help: "Take the volume from the instance that holds it, as pulling its power would.")
    var force = false
    @Flag(name: [.customShort("i"), .customLong("idempotent")], help: "No error if it is attached here already.")
    var idempotent = false
    @Flag(name: .customLong("runasync"), help: "Taken for REX-Ray's sake; attaching always completes.")
    var runAsync = false
    @OptionGroup var repetition: Repetition
    @OptionGroup var output: OutputOptions
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func run(_ session: Session) throws {
        let other = try instance.resolve(session)
        try repetition.each(try names.resolve(session)) { volume in
            session.log.info("Waiting for volume attachment to complete")
            let attachment = try attach(volume, to: other, session)
            session.log.info("Attached volume \(attachment.volumeID) to instance \(attachment.instanceID)")
            return attachment
        } finish: { attachments in
            try session.print(VolumeAnswer.attachments(attachments), output)
        }
    }

    private func attach(_ volume: HostVolume, to other: Instance?, _ session: Session) throws -> Attachment {
        let id = volume.volume.id
        let name = given(device).map { DeviceName($0) }
        if let other {
            let request = AttachVolumeRequest(volumeID: id, instanceID: other.id, device: name, preempt: force)
            return try session.call(Ebb.AttachVolume.self, request, doing: "attaching volume \(id)")
        }
        if idempotent, let held = volume.volume.attachments.first(where: { $0.device == volume.device }) { return held }
        return try session.call(
            Ebb.AttachHostVolume.self, .init(volume: .id(id), device: name, preempt: force),
            doing: "attaching volume \(id)")
    }
}

/// `volume detach`: from this machine, or from another instance.
struct VolumeDetach: SessionCommand {
    static let configuration = CommandConfiguration(
        commandName: "detach", abstract: "Detach volumes.", aliases: ["d"])

    @OptionGroup var names: VolumeNames
    @OptionGroup var instance: InstanceChoice
    @Flag(name: .customLong("force"), help: "Fail what is in flight instead of waiting for it.") var force = false
    @Flag(name: [.customShort("i"), .customLong("idempotent")], help: "No error if it is not attached.")
    var idempotent = false
    @Flag(name: .customLong("runasync"), help: "Taken for REX-Ray's sake; detaching always completes.")
    var runAsync = false
    @OptionGroup var repetition: Repetition
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func run(_ session: Session) throws {
        let other = try instance.resolve(session)
        try repetition.each(try names.resolve(session)) { volume in
            session.log.info("Waiting for volume detachment to complete")
            try detach(volume, from: other, session)
            session.log.info("Detached volume \(volume.volume.id)")
            return volume
        } finish: {
            VolumeAnswer.printNames($0)
        }
    }

    /// REX-Ray 0.3 had no complaint about a volume that is attached to nothing.
    private func detach(_ volume: HostVolume, from other: Instance?, _ session: Session) throws {
        let id = volume.volume.id
        if volume.volume.attachments.isEmpty, idempotent || Invocation.current.usesFlagGrammar { return }
        if let other {
            let request = DetachVolumeRequest(volumeID: id, instanceID: other.id, force: force)
            _ = try session.call(Ebb.DetachVolume.self, request, doing: "detaching volume \(id)")
        } else {
            _ = try session.call(
                Ebb.DetachHostVolume.self, .init(volume: .id(id), force: force), doing: "detaching volume \(id)")
        }
    }
}
