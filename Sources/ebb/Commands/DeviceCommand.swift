import ArgumentParser
import Driver
import RPC

/// `device`: the machine's mounts, whether or not a volume is behind them.
struct DeviceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "device", abstract: "The device manager.",
        subcommands: [List.self, MountDevice.self, UnmountDevice.self, FormatDevice.self])

    struct List: SessionCommand {
        static let configuration = CommandConfiguration(
            commandName: "ls", abstract: "List the host's mounts.", aliases: ["get", "list"])

        @Option(name: .customLong("devicename"), help: "Only the mounts of this device.")
        var deviceName: String?
        @Option(name: .customLong("mountpoint"), help: "Only the mount at this path.")
        var mountPoint: String?
        @OptionGroup var output: OutputOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func validate() throws {
            if given(deviceName) != nil, given(mountPoint) != nil {
                throw ValidationError("Cannot specify mountPoint and deviceName")
            }
        }

        func run(_ session: Session) throws {
            session.log.info(
                "getting mounts",
                [("deviceName", deviceName ?? ""), ("driverName", "linux"), ("mountPoint", mountPoint ?? "")])
            let mounts = try session.call(Ebb.ListMounts.self, Empty(), doing: "listing mounts").mounts.filter {
                given(deviceName).map([$0.source].contains) ?? true
                    && given(mountPoint).map([$0.mountPoint].contains) ?? true
            }
            let answer = Answer(
                value: .list(mounts.map(record)),
                table: Table(
                    header: ["ID", "Device", "MountPoint", "FsType"],
                    rows: mounts.map { [String($0.id), $0.source, $0.mountPoint, $0.fsType] }))
            try session.print(answer, output)
        }

        /// The names and the order of Docker's mount.Info, which REX-Ray printed.
        private func record(_ mount: MountInfo) -> Value {
            .record([
                .init("ID", .integer(mount.id)),
                .init("Parent", .integer(mount.parent)),
                .init("Major", .integer(mount.major)),
                .init("Minor", .integer(mount.minor)),
                .init("Root", .text(mount.root)),
                .init("Mountpoint", .text(mount.mountPoint)),
                .init("Opts", .text(mount.options)),
                .init("Optional", .text(mount.optionalFields)),
                .init("Fstype", .text(mount.fsType)),
                .init("Source", .text(mount.source)),
                .init("VfsOpts", .text(mount.superOptions)),
            ])
        }
    }

    struct MountDevice: SessionCommand {
        static let configuration = CommandConfiguration(
            commandName: "mount", abstract: "Mount a device.", aliases: ["m"])

        @Option(name: .customLong("devicename"), help: "The device.") var deviceName: String?
        @Option(name: .customLong("mountpoint"), help: "Where to mount it.") var mountPoint: String?
        @Option(name: .customLong("mountoptions"), help: "Options, as mount -o takes them.") var options: String?
        @Option(name: .customLong("mountlabel"), help: "The SELinux context of the files.") var label: String?
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run(_ session: Session) throws {
            guard let device = given(deviceName), let mountPoint = given(mountPoint) else {
                throw UsageFailure("Missing --devicename and --mountpoint")
            }
            let parameters = Ebb.MountDevice.Parameters(
                device: device, mountPoint: mountPoint, options: given(options), label: given(label))
            _ = try session.call(Ebb.MountDevice.self, parameters, doing: "mounting \(device)")
        }
    }

    struct UnmountDevice: SessionCommand {
        static let configuration = CommandConfiguration(
            commandName: "unmount", abstract: "Unmount what is mounted at a path.", aliases: ["umount", "u"])

        @Option(name: .customLong("mountpoint"), help: "Where it is mounted.") var mountPoint: String?
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run(_ session: Session) throws {
            guard let mountPoint = given(mountPoint) else { throw UsageFailure("Missing --mountpoint") }
            _ = try session.call(
                Ebb.UnmountDevice.self, .init(mountPoint: mountPoint), doing: "unmounting \(mountPoint)")
        }
    }

    struct FormatDevice: SessionCommand {
        static let configuration = CommandConfiguration(
            commandName: "format", abstract: "Make a filesystem on a blank device.", aliases: ["f"])

        @Option(name: .customLong("devicename"), help: "The device.") var deviceName: String?
        @Option(name: .customLong("fstype"), help: "The filesystem: ext4 or xfs.") var fsType: String?
        @Flag(name: .customLong("overwritefs"), help: "Format even what is not blank.") var overwrite = false
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run(_ session: Session) throws {
            guard let device = given(deviceName) else { throw UsageFailure("Missing --devicename") }
            let parameters = Ebb.FormatDevice.Parameters(
                device: device, fsType: given(fsType), overwrite: overwrite)
            _ = try session.call(Ebb.FormatDevice.self, parameters, doing: "formatting \(device)")
        }
    }
}

/// A flag's value; REX-Ray's flags are empty when they are not given.
func given(_ text: String?) -> String? {
    text.flatMap { $0.isEmpty ? nil : $0 }
}
