import ArgumentParser
import Driver
import RPC

/// `volume mount`: attaches, formats what is blank, and mounts; prints where.
struct VolumeMount: SessionCommand {
    static let configuration = CommandConfiguration(
        commandName: "mount", abstract: "Mount volumes.", aliases: ["m"])

    @OptionGroup var names: VolumeNames
    @Option(
        name: .customLong("fstype"),
        help: ArgumentHelp("What a blank volume is formatted with: ext4 or xfs.", valueName: "type"))
    var fsType: String?
    @Option(
        name: .customLong("mountoptions"),
        help: ArgumentHelp("Options, as mount -o takes them.", valueName: "options"))
    var mountOptions: String?
    @Flag(name: .customLong("overwritefs"), help: "Format even what is not blank.") var overwrite = false
    @Flag(
        name: [.customLong("preempt"), .customLong("force")],
        help: "Take the volume from the instance that holds it, as pulling its power would.")
    var preempt = false
    @Flag(name: [.customShort("i"), .customLong("idempotent")], help: "Mounting what is mounted is no error anyway.")
    var idempotent = false
    @OptionGroup var repetition: Repetition
    @OptionGroup var output: OutputOptions
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func run(_ session: Session) throws {
        try repetition.each(try names.resolve(session)) { volume in
            session.log.info(
                "mounting volume",
                [
                    ("driverName", "linux"), ("newFsType", fsType ?? ""), ("overwriteFs", "\(overwrite)"),
                    ("volumeID", volume.volume.id.rawValue), ("volumeName", volume.volume.name),
                ])
            let options = MountOptions(
                fsType: given(fsType), mountOptions: given(mountOptions), overwriteFileSystem: overwrite,
                preempt: preempt || session.settings.mountPreempt)
            return try session.call(
                Ebb.MountVolume.self, .init(volume: .id(volume.volume.id), options: options),
                doing: "mounting volume \(volume.volume.id)"
            ).path
        } finish: { paths in
            writeOut(try output.text(ofPaths: paths))
        }
    }
}

/// `volume unmount`: gives the command line's reference back; the last one unmounts and detaches.
struct VolumeUnmount: SessionCommand {
    static let configuration = CommandConfiguration(
        commandName: "unmount", abstract: "Unmount volumes.", aliases: ["umount", "u"])

    @OptionGroup var names: VolumeNames
    @Flag(
        name: [.customShort("i"), .customLong("idempotent")], help: "Unmounting what is not mounted is no error anyway."
    )
    var idempotent = false
    @OptionGroup var repetition: Repetition
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func run(_ session: Session) throws {
        try repetition.each(try names.resolve(session)) { volume in
            let id = volume.volume.id
            session.log.info(
                "unmounting volume",
                [("driverName", "linux"), ("volumeID", id.rawValue), ("volumeName", volume.volume.name)])
            _ = try session.call(Ebb.UnmountVolume.self, .init(volume: .id(id)), doing: "unmounting volume \(id)")
            return volume
        } finish: {
            VolumeAnswer.printNames($0)
        }
    }
}
