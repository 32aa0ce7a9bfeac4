import Platform
import SystemPackage
import TestSupport
import Testing

/// Commands about volumes, to the letter, against a daemon.
@Suite struct VolumeCommandTests {
    private typealias Output = CommandRunner.Output

    @Test func `REX-Ray 0_3's grammar creates, shows and removes a volume as the lab does`() async throws {
        try await withCommands { commands async throws in
            #expect(
                try await commands.rexray("volume create --size=5 --volumename=student001")
                    == Output(
                        output: """
                            name: student001
                            volumeid: VOL
                            availabilityzone: us-east-1b
                            status: available
                            volumetype: standard
                            iops: 0
                            size: "5"
                            networkname: ""
                            attachments: []

                            """,
                        errors: #"time="TIME" level=info msg="Waiting for volume creation to complete""# + "\n"))
            let list = try await commands.rexray("volume")
            #expect(list.output.hasPrefix("- name: student001\n  volumeid: VOL\n"))
            #expect(try await commands.rexray("volume get --volumeName student001") == list)
            #expect(try await commands.ebb("volume ls student001") == list)
            #expect(try await commands.rexray("volume get --volumename=other") == Output())
            #expect(
                try await commands.rexray("volume remove --volumename=student001")
                    == Output(errors: #"time="TIME" level=info msg="Deleted Volume: VOL""# + "\n"))
            #expect(try await commands.rexray("volume") == Output())
            #expect(try await commands.rexray("volume -f json") == Output(output: "[]\n"))
        }
    }

    @Test func `names as arguments create, show and remove several volumes`() async throws {
        try await withCommands { commands async throws in
            #expect(
                try await commands.ebb("volume create a b --size 1500m --type gp3 -f table")
                    == Output(
                        output: """
                            ID                     Name  Status     Size  Type  Zone
                            VOL  a     available  2     gp3   us-east-1b
                            VOL  b     available  2     gp3   us-east-1b

                            """,
                        errors: "ebb: 1500m is rounded up to 2 GiB\n"))
            #expect(
                try await commands.ebb("volume new c --zone us-east-1a --type io1 --iops 100 --size 10 -f yml")
                    .output.contains("availabilityzone: us-east-1a\nstatus: available\nvolumetype: io1\niops: 100\n"))
            #expect(
                try await commands.ebb("volume ls --template {{.Name}}:{{.Size}}:{{.Throughput}}").output
                    == "a:2:125\nb:2:125\nc:10:0\n")
            #expect(
                try await commands.ebb("volume ls /^[ab]$/ -q --format=TABLE").output.split(separator: "\n").count == 2)
            #expect(
                try await commands.ebb("volume rm A b")
                    == Output(output: "a\nb\n"))
            let missing = try await commands.ebb("volume rm b")
            #expect(missing.status == 1)
            #expect(missing.errors == "ebb: No volume is named 'b' (InvalidVolume.NotFound); see volume ls\n")
        }
    }

    @Test func `a volume is mounted, kept, shown and unmounted`() async throws {
        try await withCommands { commands async throws in
            _ = try await commands.ebb("volume create data --size 1")
            let path = "HOME/var/lib/ebb/mounts/data\n"
            #expect(try await commands.ebb("volume mount data") == Output(output: path))
            #expect(try await commands.rexray("volume path --volumename=data") == Output(output: path))
            #expect(
                try await commands.ebb("volume ls --attached --path -f table").output == """
                    ID                     Name  Status    Size  Type      Zone        Path
                    VOL  data  attached  1     standard  us-east-1b  \(path)
                    """)
            #expect(try await commands.ebb("volume refs").output == "- volumeid: VOL\n  holder: ebb\n  count: 1\n")
            #expect(
                try await commands.ebb("volume map").output == """
                    - providername: emulator
                      instanceid: INSTANCE
                      volumeid: VOL
                      devicename: /dev/xvdb
                      region: us-east-1
                      status: attached
                      networkname: ""

                    """)
            let mounts = try await commands.rexray("device get --mountpoint=\(commands.home)/var/lib/ebb/mounts/data")
            #expect(mounts.output.contains("\n  mountpoint: HOME/var/lib/ebb/mounts/data\n"))
            #expect(mounts.output.contains("\n  fstype: ext4\n"))
            #expect(mounts.errors.contains(#"msg="getting mounts" deviceName= driverName=linux mountPoint=HOME"#))
            let used = try await commands.ebb("volume rm data")
            #expect(used.status == 1)
            #expect(used.errors.contains("(VolumeInUse)"))
            #expect(try await commands.rexray("volume unmount --volumename=data").status == 0)
            #expect(try await commands.ebb("volume path data") == Output())
            #expect(try await commands.ebb("volume rm --force data") == Output(output: "data\n"))
        }
    }

    @Test func `a volume is attached and detached without a mount`() async throws {
        try await withCommands { commands async throws in
            _ = try await commands.ebb("volume create raw --size 1")
            let attached = try await commands.rexray("volume attach --volumename=raw")
            #expect(
                attached.output
                    == "- volumeid: VOL\n  instanceid: INSTANCE\n  devicename: /dev/xvdb\n  status: attached\n")
            #expect(attached.errors.contains(#"msg="Waiting for volume attachment to complete""#))
            #expect(attached.errors.contains(#"msg="Attached volume VOL to instance INSTANCE""#))
            #expect(try await commands.ebb("volume attach raw").status == 1)
            #expect(try await commands.ebb("volume attach -i raw").status == 0)
            #expect(try await commands.ebb("volume ls --available") == Output())
            let detached = try await commands.rexray("volume detach --volumename=raw")
            #expect(detached.errors.contains(#"msg="Detached volume VOL""#))
            #expect(try await commands.ebb("volume detach raw").status == 1)
            #expect(try await commands.ebb("volume detach -i raw").status == 0)
        }
    }

    @Test func `a volume is modified while it is mounted and written, and its filesystem grows`() async throws {
        try await withCommands { commands async throws in
            _ = try await commands.ebb("volume create data --size 1 --type gp3 --fstype xfs --mount")
            let path = "\(commands.home)/var/lib/ebb/mounts/data"
            async let writing = runCommand(
                "fio",
                [
                    "--name=grow", "--directory=\(path)", "--size=32M", "--rw=randwrite", "--bs=16k",
                    "--verify=crc32c", "--time_based", "--runtime=4", "--rate_iops=300", "--verify_fatal=1",
                    "--verify_state_save=0",
                ])
            try await Task.sleep(for: .milliseconds(500))
            let modified = try await commands.ebb("volume modify data --size 3 --throughput 200 -f yml")
            #expect(
                modified.output == """
                    - volumeid: VOL
                      status: optimizing
                      statusmessage: ""
                      progress: 0
                      starttime: "TIME"
                      endtime: ""
                      originalsize: "1"
                      originalvolumetype: gp3
                      originaliops: 3000
                      originalthroughput: 125
                      originalmultiattachenabled: false
                      targetsize: "3"
                      targetvolumetype: gp3
                      targetiops: 3000
                      targetthroughput: 200
                      targetmultiattachenabled: false

                    """, "\(modified)")
            let size = try await runCommand("df", ["--output=size", "--block-size=1M", path])
            #expect(size.output.split(whereSeparator: \.isWhitespace).last.flatMap { Int($0) } ?? 0 > 2_900, "\(size)")
            let second = try await commands.rexray("volume modify --volumename=data --size=4 --runasync")
            #expect(second.status == 1)
            #expect(second.errors.contains("cannot be modified in modification state OPTIMIZING"), "\(second)")
            let list = try await commands.ebb("volume modifications -f table").output
            #expect(list.contains("optimizing"), "\(list)")
            #expect(list.contains("1 -> 3  gp3   3000  125 -> 200"), "\(list)")
            let fio = try await writing
            #expect(fio.status == 0, "\(fio.errors)")
        }
    }

    @Test func `a modification is begun, listed, and needs something to change`() async throws {
        try await withCommands { commands async throws in
            _ = try await commands.ebb("volume create a b --size 1 --type gp3")
            let begun = try await commands.rexray("volume modify --volumename=a --volumetype=gp2 --runasync")
            #expect(begun.output.hasPrefix("- volumeid: VOL\n  status: modifying\n"), "\(begun)")
            #expect(begun.errors.contains("Waiting for volume modification to take effect"))
            #expect(try await commands.ebb("volume modifications a --template {{.TargetVolumeType}}").output == "gp2\n")
            let never = try await commands.ebb("volume modifications b")
            #expect(never.errors.contains("(InvalidVolumeModification.NotFound)"), "\(never)")
            #expect(try await commands.ebb("volume modify b").status == 2)
            let shrunk = try await commands.ebb("volume resize b --size 0")
            #expect(shrunk.status != 0, "\(shrunk)")
        }
    }

    private static let refusals: [(line: String, status: Int32, text: String)] = [
        ("volume create x --size=99999", 1, "maximum is 1024GiB (InvalidParameterValue)"),
        ("volume create x --size 1 --type floppy", 1, "(UnknownVolumeType)"),
        ("volume create x --size 1 --zone moon", 1, "(InvalidZone.NotFound)"),
        ("volume create x --size 1 --type gp2 --iops 100", 1, "(InvalidParameterCombination)"),
        ("volume create x --size 10 --type io1 --iops 501", 1, "ratio of 50.100000 is too high; maximum is 50"),
        ("volume create ../../etc --size 1", 1, "(InvalidParameterValue)"),
        ("volume create \(String(repeating: "x", count: 300)) --size 1", 1, "(InvalidParameterValue)"),
        ("volume create a␣b --size 1", 1, "(InvalidParameterValue)"),
        ("volume create x --size 1 --snapshotid snap-1", 1, "(InvalidSnapshotID.Malformed)"),
        ("volume create x --size 1 --snapshotid snap-00000000000000000", 1, "(InvalidSnapshot.NotFound)"),
        ("volume mount nope", 1, "(InvalidVolume.NotFound)"),
        ("volume path vol-0", 1, "(InvalidVolume.NotFound)"),
    ]

    @Test func `what the region refuses is one line with its code`() async throws {
        try await withCommands { commands async throws in
            for refusal in Self.refusals { try await commands.expectRefusal(refusal) }
        }
    }

    @Test func `a name that is empty or taken is refused`() async throws {
        try await withCommands { commands async throws in
            #expect(
                try await commands.ebb(["volume", "create", "", "--size", "1"])
                    == Output(
                        status: 1,
                        errors: "ebb: Volume name '' is not valid: it is empty (InvalidParameterValue); "
                            + "begin with a letter or digit\n"))
            #expect(try await commands.ebb("volume create a --size 1").status == 0)
            let taken = try await commands.ebb("volume create a --size 1")
            #expect(taken.status == 1)
            #expect(taken.errors.contains("(InvalidVolume.Duplicate)"))
            #expect(try await commands.ebb("volume ls --template {{.Name}}").output == "a\n")
        }
    }

    @Test func `instances are listed`() async throws {
        try await withCommands { commands async throws in
            #expect(
                try await commands.rexray("adapter instances").output
                    == "- providername: emulator\n  instanceid: INSTANCE\n  region: us-east-1\n  name: here\n")
        }
    }

    @Test func `a device is formatted, mounted and unmounted`() async throws {
        try await withCommands { commands async throws in
            _ = try await commands.ebb("volume create raw --size 1 --attach")
            let device = "\(commands.home)/dev/xvdb"
            let place = commands.home.appending("place")
            try createDirectories(place)
            #expect(try await commands.rexray("device format --devicename=\(device) --fstype=ext4") == Output())
            let again = try await commands.ebb("device format --devicename=\(device)")
            #expect(again.status == 1)
            #expect(again.errors.contains("(DeviceNotBlank)"), "\(again.errors)")
            #expect(
                try await commands.rexray("device mount --deviceName=\(device) --mountPoint=\(place)") == Output())
            #expect(try await commands.ebb("device ls --mountpoint \(place)").output.contains("fstype: ext4"))
            #expect(try await commands.rexray("device unmount --mountpoint=\(place)") == Output())
            #expect(try await commands.ebb("device ls --mountpoint \(place)").output.isEmpty)
        }
    }

    @Test func `statistics are shown of one second, and of each until a signal`() async throws {
        try await withCommands { commands async throws in
            _ = try await commands.ebb("volume create data --size 1 --type gp3")
            _ = try await commands.ebb("volume create other --size 1 --type gp3")
            #expect(
                try await commands.ebb("volume stats data -f table").output == """
                    Name  IOPS  MiB/s  Queue  Read  Write  Why
                    data  0     0.0    0.0    -     -      idle: there were no requests

                    """)
            #expect(try await commands.ebb("volume stats data --template {{.Limits.IOPS}}").output == "3000\n")
            let several = try await commands.ebb("volume stats data other --watch")
            #expect(several.status == 2)
            let lines = try await watched(commands, until: "0 IOPS  0.0 MiB/s")
            #expect(lines.hasPrefix("0 IOPS  0.0 MiB/s  queue 0.0  idle: there were no requests\n"))
            // The same on a terminal: what it changes it changes back.
            let terminal = ["script", "-qec", "exec sh watch", "/dev/null"]
            let screen = try await watched(commands, on: terminal, until: "0 of 3,000 IOPS")
            #expect(screen.hasPrefix("\u{1B}[?1049h\u{1B}[?25l\u{1B}[H"))
            #expect(screen.hasSuffix("\u{1B}[?25h\u{1B}[?1049l"))
        }
    }

    /// All that `volume stats --watch` says when it is interrupted after it has said something.
    private func watched(
        _ commands: CommandRunner, on terminal: [String] = ["sh", "watch"], until text: String
    ) async throws -> String {
        let home = commands.home
        let (output, number) = (home.appending("watched"), home.appending("watcher"))
        try writeFile(
            home.appending("watch"),
            "echo $$ >'\(number)'; exec '\(BuiltPrograms.ebb)' volume stats data --watch\n")
        let watcher = try TestProcess(
            ["env", "--chdir=\(home)", "EBB_HOME=\(home)"] + terminal, output: output)
        func said() throws -> String { String(decoding: try readFile(output, limit: 1 << 20), as: UTF8.self) }
        try await withCleanup({ try await watcher.kill() }) {
            let isShown = try await eventually(within: .seconds(60)) { try said().contains(text) }
            #expect(isShown)
            let pid = String(decoding: try readFile(number, limit: 100), as: UTF8.self)
            try await runToDeadline(["kill", "-INT", pid.filter(\.isNumber)]).checked()
            #expect(try await watcher.waitForEnd(within: .seconds(60)) == .exited(code: 0))
        }
        return try said()
    }

    @Test func `a certificate is made of an attached volume alone, and leaves it as it was`() async throws {
        try await withCommands { commands async throws in
            let devices = ["EBB_DEVICE_DIRECTORY": commands.home.appending("dev").string]
            _ = try await commands.ebb("volume create data --size 1 --type gp3")
            _ = try await commands.ebb("volume create fast --size 1 --type local --attach")
            let detached = try await commands.ebb("volume certify data")
            #expect(detached.status == 1)
            #expect(
                detached.errors
                    == "ebb: Volume 'VOL' is not attached to this machine. (IncorrectState); attach it first\n")
            #expect(try await commands.ebb("volume certify fast").errors.contains("there is nothing to certify"))
            #expect(try await commands.ebb("volume certify data fast").status == 2)
            #expect(try await commands.ebb("volume certify data --overwritefs").status == 2)
            _ = try await commands.ebb("volume attach data")
            let made = try await commands.ebb("volume certify data --write --seconds 1 -f json", environment: devices)
            // Whether it is certified is the machine's affair: some are slow, or busy.
            #expect(made.output.contains("\"Certified\":\(made.status == 0),"), "\(made)")
            #expect(made.output.contains("\"Path\":\"HOME/dev/xvdc\""), "\(made.output)")
            #expect(made.output.contains("\"Load\":\"1 MiB random writes, 16 at a time\""))
            #expect(try await commands.ebb("volume ls --template {{.Name}}").output == "data\nfast\n")
            // It is blank again, and so can be formatted.
            _ = try await commands.ebb("volume mount data")
            let mounted = try await commands.ebb("volume certify data", environment: devices)
            #expect(mounted.errors.contains("(DeviceBusy)"), "\(mounted)")
            _ = try await commands.ebb("volume unmount data")
            _ = try await commands.ebb("volume attach data")
            let used = try await commands.ebb("volume certify data --write", environment: devices)
            #expect(used.status == 1)
            #expect(used.errors.contains("(DeviceNotBlank)"), "\(used)")
        }
    }
}
