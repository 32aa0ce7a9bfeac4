#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
import SystemPackage
import TestSupport
import Testing

/// Commands that need no daemon, and what the others say without one.
@Suite struct StandaloneCommandTests {
    private typealias Output = CommandRunner.Output

    @Test(
        arguments: [
            "frob", "volume frob", "volume ls --frob", "volume create x --size=0", "volume create x --size=-5",
            "volume create x --size=ten", "volume create", "volume create --volumename=x", "volume rm", "volume mount",
            "volume ls -f xml", "volume ls --format tmpl", "volume ls --runasync=perhaps", "device mount",
            "device unmount", "device format", "device get --devicename=a --mountpoint=b", "snapshot create",
            "snapshot remove", "snapshot copy", "service frob", "env -l loud", "env --host tcp://:7979", "-z",
            "volume create x --size 1 --tag novalue", "service start --lanes=none",
        ])
    func `a wrong command line exits with 2, and one line says why`(line: String) async throws {
        try await withRunner { commands async throws in
            let result = try await commands.ebb(line)
            #expect(result.status == 2, "\(result)")
            #expect(result.output.isEmpty)
            #expect(result.errors.hasPrefix("ebb: ") || result.errors.hasPrefix("time="), "\(result.errors)")
            #expect(result.errors.split(separator: "\n").count == 1, "\(result.errors)")
        }
    }

    @Test(arguments: [
        ("frob", "Unexpected argument 'frob'; see 'ebb --help'"),
        ("volume create x --sise 1", "Unknown option '--sise'. Did you mean '--size'?; see 'ebb volume create --help'"),
        (
            "volume create x --size 1 --iops many",
            "The value 'many' is invalid for '--iops <iops>'; see 'ebb volume create --help'"
        ),
        (
            "volume create x --size=0",
            "Value (0) for parameter size is invalid (InvalidParameterValue): it is not a positive whole number of GiB; "
                + "write 10 or 10g for GiB, 512m for MiB, 1t for TiB"
        ),
        ("volume rm", "Name a volume: ebb volume … VOLUME, or --volumename"),
        (
            "device get --devicename a --mountpoint b",
            "Cannot specify mountPoint and deviceName; see 'ebb device ls --help'"
        ),
    ])
    func `the line says what is wrong, and where help is`(line: String, expected: String) async throws {
        try await withRunner { commands async throws in
            #expect(try await commands.ebb(line) == Output(status: 2, errors: "ebb: \(expected)\n"))
        }
    }

    @Test(arguments: ["volume", "volume create x --size 1", "device get", "adapter instances", "volume mount x"])
    func `without a daemon the command fails and says what to do`(line: String) async throws {
        try await withRunner { commands async throws in
            let result = try await commands.ebb(line)
            #expect(result.status == 1)
            #expect(result.output.isEmpty)
            #expect(result.errors.contains("HOME/run/ebb/ebb.sock"), "\(result.errors)")
            #expect(result.errors.contains("(Unavailable)"), "\(result.errors)")
            #expect(result.errors.split(separator: "\n").count == 1)
        }
    }

    @Test func `in REX-Ray's grammar a failure is a FATA line`() async throws {
        try await withRunner { commands async throws in
            let result = try await commands.rexray("volume get")
            #expect(result.status == 1)
            #expect(result.errors.hasPrefix(#"time="TIME" level=fatal msg=""#))
        }
    }

    @Test(arguments: ["", "help", "--help", "-?"])
    func `help names every command`(line: String) async throws {
        try await withRunner { commands async throws in
            for result in [try await commands.ebb(line), try await commands.rexray(line)] {
                #expect(result.status == 0)
                #expect(result.errors.isEmpty)
                for command in ["version", "env", "adapter", "device", "volume", "snapshot", "service", "help"] {
                    #expect(result.output.contains("\n  \(command) "))
                }
            }
        }
    }

    @Test func `help for a command has its flags under both names`() async throws {
        try await withRunner { commands async throws in
            for line in ["volume create --help", "help volume create", "volume create -?"] {
                let result = try await commands.rexray(line)
                #expect(result.status == 0)
                for flag in [
                    "--availabilityzone", "--iops", "--runasync", "--size", "--snapshotid", "--volumeid",
                    "--volumename", "--volumetype", "--zone", "--type",
                ] { #expect(result.output.contains(flag), "\(flag)") }
            }
        }
    }

    @Test func `adapter types lists the drivers`() async throws {
        try await withRunner { commands async throws in
            let names = ["emulator", "ec2", "linux", "docker"]
            let expected = Output(output: names.map { "Storage Driver: \($0)\n" }.joined())
            #expect(try await commands.rexray("adapter types") == expected)
            #expect(try await commands.ebb("adapter") == expected)
        }
    }

    @Test func `version prints what this binary is`() async throws {
        try await withRunner { commands async throws in
            let result = try await commands.rexray("version")
            #expect(result.status == 0)
            #expect(
                result.output.split(separator: "\n").map { $0.prefix { $0 != ":" } }
                    == ["Binary", "SemVer", "OsArch", "Formed"])
            #expect(try await commands.ebb("--version").output + "" == "0.1.0\n")
        }
    }

    @Test func `env prints every setting with its origin`() async throws {
        try await withRunner { commands async throws in
            try FileManager.default.createDirectory(
                atPath: commands.home.appending("etc/ebb").string, withIntermediateDirectories: true)
            try "fsType: xfs\nmountOptions: noatime,nodiratime x\naws: {accessKey: id9f2c, secretKey: hush9f2c}\n"
                .write(
                    toFile: commands.home.appending("etc/ebb/config.yml").string, atomically: true, encoding: .utf8)
            let lines = try await commands.ebb("env --log-level=debug").output.split(separator: "\n")
            func origin(_ assignment: String) -> Substring? {
                lines.first { $0.hasPrefix(assignment + " ") }?.split(separator: "# ").last
            }
            #expect(origin("EBB_HOME=HOME") == "environment EBB_HOME")
            #expect(origin("EBB_FS_TYPE=xfs") == "HOME/etc/ebb/config.yml")
            #expect(origin("EBB_MOUNT_OPTIONS='noatime,nodiratime x'") == "HOME/etc/ebb/config.yml")
            #expect(origin("# EBB_AWS_SECRET_KEY='******'") == "HOME/etc/ebb/config.yml")
            for format in ["", " -f json", " -f yml", " -f table", " --template '{{.Value}}'"] {
                let output = try await commands.ebb("env" + format).output
                #expect(output.contains("******") && !output.contains("9f2c"), "\(output)")
            }
            #expect(origin("EBB_LOG_LEVEL=debug") == "flag --loglevel")
            #expect(origin("EBB_REGION=us-east-1") == "default")
        }
    }

    @Test func `a bad configuration file fails with its line`() async throws {
        try await withRunner { commands async throws in
            let file = commands.home.appending("bad.yml").string
            try "region: a\nregoin: b\n".write(toFile: file, atomically: true, encoding: .utf8)
            let result = try await commands.ebb("env -c \(file)")
            #expect(result.status == 1)
            #expect(result.errors.hasPrefix("ebb: HOME/bad.yml:2: unknown setting regoin; there are home, "))
        }
    }

    @Test(arguments: [("bash", "complete -o filenames -F"), ("zsh", "#compdef rexray"), ("fish", "complete -c")])
    func `completions are made for the name that was called`(shell: String, line: String) async throws {
        try await withRunner { commands async throws in
            let result = try await commands.rexray("--generate-completion-script \(shell)")
            #expect(result.status == 0)
            #expect(result.output.contains(line))
            #expect(result.output.contains("rexray"))
            #expect(result.output.contains("volumename"))
        }
    }

    @Test func `the manual page has every command and every setting`() async throws {
        try await withRunner { commands async throws in
            let page = try await commands.ebb("manual")
            #expect(page.status == 0)
            #expect(page.output.hasPrefix(".TH EBB 1 "))
            for text in [".SS volume create", ".SS service start", "EBB_HOME", "--volumename"] {
                #expect(page.output.contains(text), "\(text)")
            }
        }
    }

    private func withRunner(_ body: (CommandRunner) async throws -> Void) async throws {
        try await withTemporaryDirectory { home in try await body(CommandRunner(home: home)) }
    }
}
