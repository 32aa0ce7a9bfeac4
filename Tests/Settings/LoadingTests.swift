import Settings
import Testing

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Precedence, places, and what is refused.
@Suite struct LoadingTests {
    @Test func `without anything set, the paths are the system's`() throws {
        let settings = try load(environment: ["EBB_CONFIG": emptyFile()])
        #expect(settings.stateDirectory == "/var/lib/ebb")
        #expect(settings.socket == "/run/ebb/ebb.sock")
        #expect(settings.dockerDirectory == "/run/docker/plugins")
        #expect(settings.deviceDirectory == "/dev")
        #expect(settings.zone == "us-east-1b")
        #expect(settings.zones.count == 6)
        #expect(settings.volumeSizeGiB == 16)
        #expect(settings.volumeIops == nil)
        #expect(settings.detachLinger == .seconds(5))
        #expect(settings.driver == .emulator)
        #expect(settings.mountOptions == nil)
        #expect(settings.allowsAnonymousVolumes)
        #expect(settings[.region].origin == .builtIn)
    }

    @Test func `home carries every path but the devices'`() throws {
        let settings = try load(environment: ["EBB_HOME": "/x/"])
        #expect(settings.stateDirectory == "/x/var/lib/ebb")
        #expect(settings.pidFile == "/x/run/ebb/ebbd.pid")
        #expect(settings.dockerDirectory == "/x/run/docker/plugins")
        #expect(settings.logFile == "/x/var/log/ebb/ebbd.log")
        #expect(settings.deviceDirectory == "/dev")
        #expect(settings.configurationFile == "/x/etc/ebb/config.yml")
    }

    @Test func `the file of home is read`() throws {
        let home = temporaryDirectory()
        defer { try? FileManager.default.removeItem(atPath: home) }
        try FileManager.default.createDirectory(atPath: home + "/etc/ebb", withIntermediateDirectories: true)
        try "region: eu-west-9\n".write(toFile: home + "/etc/ebb/config.yml", atomically: true, encoding: .utf8)
        let settings = try load(environment: ["EBB_HOME": home])
        #expect(settings.region == "eu-west-9")
        #expect(settings.zone == "eu-west-9b")
        #expect(settings[.region].origin.description == home + "/etc/ebb/config.yml")
    }

    @Test func `a flag beats the environment, which beats the file, which beats the default`() throws {
        let file = "fsType: xfs\nvolumeType: gp2\nregion: moon-1\n"
        let settings = try load(
            flags: [.volumeType: ("io1", "--volumeType")],
            environment: ["EBB_VOLUME_TYPE": "gp3", "EBB_REGION": "mars-1"], file: file)
        #expect(settings.volumeType == "io1")
        #expect(settings[.volumeType].origin == .flag("--volumeType"))
        #expect(settings.region == "mars-1")
        #expect(settings[.region].origin == .environment(variable: "EBB_REGION"))
        #expect(settings.fsType == "xfs")
    }

    @Test func `lists, quotes, comments and any case of a key are understood`() throws {
        let settings = try load(
            file: """
                ---
                # the drivers
                DOCKERNAMES: [ebb, 'rexray']   # two
                zones:
                  - a
                  - us-east-1b   # whole
                mountOptions: "noatime, discard # not a comment"
                instance: it's
                attachTimeout: 2m
                volumeSizeGiB: 1t
                logLevel:
                """)
        #expect(settings.dockerNames == ["ebb", "rexray"])
        #expect(settings.zones == ["us-east-1a", "us-east-1b"])
        #expect(settings.mountOptions == "noatime, discard # not a comment")
        #expect(settings.instance == "it's")
        #expect(settings.attachTimeout == .seconds(120))
        #expect(settings.volumeSizeGiB == 1024)
        #expect(settings.logLevel == "info")
    }

    @Test(arguments: [
        ("regoin: x", ":1: unknown setting regoin; there are home, stateDirectory, "),
        ("rexray:\n  loglevl: x", ":2: unknown setting rexray.loglevl; REX-Ray has none of that name either"),
        ("region: a\nregion: b", ":2: region is set twice"),
        ("\n\nnonsense", ":3: not of the form \"key: value\""),
        ("region:a", ":1: no blank after \"region:\""),
        ("zones: [a, b", ":1: a list that does not end with ]"),
        ("region: \"moon", ":1: a quote that is not closed"),
        ("region: {a: b}", ":1: unknown setting region.a; REX-Ray has none of that name either"),
        ("region: {a: b", ":1: a map that does not end with }"),
        ("region: {a: [b}", ":1: a map that does not end with }"),
        ("region: {a}", ":1: not of the form \"key: value\""),
        ("region: &a b", ":1: a value that starts with &; quote it"),
        ("zones:\n  x: y", ":2: unknown setting zones.x; REX-Ray has none of that name either"),
        ("region: a\n  zone: b", ":2: an indented line that belongs to none before it"),
        ("  region: a", ":1: an indented line that belongs to none before it"),
        ("aws:\n    region: a\n  accessKey: b", ":3: an indented line that belongs to none before it"),
        ("zones:\n  - a\n  x: y", ":3: an indented line that belongs to none before it"),
        ("aws:\n  region: a\nAWS:\n  region: b", ":4: AWS.region is set twice"),
        ("storageDrivers: [ec2, xtremio]", ":1: storageDrivers takes one value, not a list"),
        ("rexray:\n  storageDrivers:\n  - virtualbox", ":2: driver is virtualbox, but must be one of emulator, ec2"),
        ("aws: {accessKey: id}", ":1: awsAccessKey is set without awsSecretKey: set both, or neither"),
        ("awsSecretKey: hush", ":1: awsSecretKey is set without awsAccessKey: set both, or neither"),
        ("- a", ":1: a list item without a key before it"),
        ("region: [a]", ":1: region takes one value, not a list"),
        ("\tregion: a", ":1: a tab in the indentation; YAML wants blanks"),
        ("logLevel: loud", ":1: logLevel is loud, but must be one of panic, fatal, error, warn, info, debug, trace"),
        ("stateDirectory: here", ":1: stateDirectory is here, but must be an absolute path"),
        ("detachLinger: soon", ":1: detachLinger is soon, but must be a time such as 500ms, 5s or 2m"),
        ("driver: azure", ":1: driver is azure, but must be one of emulator, ec2"),
        ("anonymousVolumes: maybe", ":1: anonymousVolumes is maybe, but must be one of allow, refuse"),
        ("lanes: 0", ":1: lanes is 0, but must be a whole number from 1 to 64"),
        ("zone: us-east-1z", ":1: zone is us-east-1z, which is not one of the region's: us-east-1a us-east-1b "),
    ])
    func `a bad file is refused with its line`(file: String, expected: String) throws {
        let error = try #require(throws: SettingsError.self) { try load(file: file) }
        #expect(error.description.contains(expected))
        #expect(error.description.hasPrefix("/"))
        #expect(!error.isUsage)
    }

    @Test func `a line that is not understood is not repeated, since it may hold a secret`() throws {
        let error = try #require(throws: SettingsError.self) { try load(file: "awsSecretKey: hush\nhush hush") }
        #expect(!error.description.contains("hush"))
    }

    @Test func `a file that was asked for must exist`() throws {
        let error = try #require(throws: SettingsError.self) {
            try Settings.load(environment: [:], configurationFile: "/nowhere/config.yml")
        }
        #expect(error.description.hasPrefix("/nowhere/config.yml: the configuration file cannot be read"))
    }

    @Test func `a bad flag is the command line's fault`() throws {
        let error = try #require(throws: SettingsError.self) {
            try load(flags: [.logLevel: ("loud", "--loglevel")])
        }
        #expect(error.isUsage)
        #expect(error.description.hasPrefix("flag --loglevel: logLevel is loud"))
    }
}

/// The table itself.
@Suite struct SettingTableTests {
    @Test func `keys and variables are unique and alike`() {
        #expect(Set(Setting.all.map(\.key)).count == Setting.all.count)
        for setting in Setting.all {
            let plain = setting.variable.filter { $0 != "_" }.lowercased()
            #expect(plain == "ebb" + setting.key.lowercased())
        }
    }

    @Test func `a flag that names a setting is not taken for one with a longer name`() throws {
        for setting in Setting.all where setting.kind != .boolean && setting.kind != .secret {
            let flags = try SettingFlags(["--\(setting.flag)", "x"])
            #expect(flags.flags.map(\.key) == [setting])
        }
    }

    @Test func `flags are taken out of the arguments in any spelling`() throws {
        let flags = try SettingFlags([
            "node", "--docker-name", "a", "--DOCKERNAME=b", "--docker-dir", "/d", "--mount-preempt", "-c", "/f", "x",
            "--zone", "c", "--", "--region", "y",
        ])
        #expect(flags.rest == ["node", "x", "--", "--region", "y"])
        #expect(flags.flags[.dockerNames]?.text == "a b")
        #expect(flags.flags[.dockerDirectory]?.text == "/d")
        #expect(flags.flags[.mountPreempt]?.text == "true")
        #expect(flags.flags[.zone]?.text == "c")
        #expect(flags.flags[.zones] == nil)
        #expect(flags.configurationFile == "/f")
        #expect(throws: SettingsError.self) { try SettingFlags(["--region"]) }
    }
}

func loadSettings(file: String) throws -> Settings { try load(file: file) }

private func load(
    flags: [Setting: (text: String, spelling: String)] = [:], environment: [String: String] = [:], file: String? = nil
) throws -> Settings {
    guard let file else { return try Settings.load(flags: flags, environment: environment) }
    let directory = temporaryDirectory()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let path = directory + "/config.yml"
    try file.write(toFile: path, atomically: true, encoding: .utf8)
    return try Settings.load(flags: flags, environment: environment, configurationFile: path)
}

private func emptyFile() -> String { "/dev/null" }

private func temporaryDirectory() -> String {
    let path = "/tmp/ebb-settings.\(UInt32.random(in: 0...UInt32.max))"
    try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    return path
}
