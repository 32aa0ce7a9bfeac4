import Settings

/// The command line, brought from REX-Ray's two grammars to the one that the commands are declared in.
///
/// Flags lose their case and inner dashes (`--volumeName`, `--volume-name`); those with a value become
/// `--flag=value`; flags that stand before the command move behind it, since REX-Ray takes them anywhere; a
/// group without a command gets its default one. What a flag means is not known here, only whether it takes
/// a value.
struct Invocation: Sendable {
    /// The name that the program was called by: `ebb`, or `rexray`.
    let program: String
    /// For the argument parser.
    private(set) var arguments: [String] = []
    /// Whether the command line is in the grammar of REX-Ray 0.3: names as flags, YAML, log lines.
    private(set) var usesFlagGrammar = false
    /// Whether the program's own help was asked for.
    private(set) var asksForRootHelp = false
    /// Settings that `service start` and `restart` hand to the daemon, in any of their spellings.
    private(set) var daemonFlags: SettingFlags?
    /// What is wrong with those, if anything is.
    private(set) var daemonFlagsProblem: SettingsError?

    static let current = Invocation(CommandLine.arguments)

    init(_ commandLine: [String]) {
        program = commandLine.first.flatMap { $0.split(separator: "/").last }.map(String.init) ?? "ebb"
        var words: [String] = []
        var flags: [String] = []
        var rest = commandLine.dropFirst()
        takeDaemonFlags(&rest)
        let all = rest
        while let argument = rest.popFirst() {
            if argument == "--" { break }
            if argument.count > 1, argument.hasPrefix("-") {
                flags += Self.flag(argument, rest: &rest)
            } else {
                words.append(argument)
            }
        }
        let afterTerminator = all.suffix(rest.count)
        settle(words: words, flags: flags, trailing: Array(afterTerminator))
    }

    /// Any setting may follow `service start`, to be the daemon's.
    private mutating func takeDaemonFlags(_ arguments: inout ArraySlice<String>) {
        let starts = ["start", "restart"]
        let isHoisted = arguments.first.map(starts.contains) ?? false
        guard isHoisted || arguments.contains("service") && starts.contains(where: arguments.contains) else { return }
        do {
            let taken = try SettingFlags(Array(arguments))
            daemonFlags = taken
            arguments = taken.rest[...]
        } catch {
            daemonFlagsProblem = error
        }
    }

    private mutating func settle(words: [String], flags: [String], trailing: [String]) {
        var words = words
        let asksForHelp = flags.contains { $0 == "--help" }
        asksForRootHelp =
            words.isEmpty && (flags.isEmpty || asksForHelp || flags == ["--verbose"]) && trailing.isEmpty
            || words == ["help"]
        if words.count == 1, !asksForHelp, let fallback = Self.defaultCommands[words[0].lowercased()] {
            words.append(fallback)
        }
        usesFlagGrammar =
            (program == "rexray" && words.count <= 2)
            || flags.contains { flag in Self.flagGrammarOnly.contains { flag.hasPrefix("--\($0)=") } }
        if words.count == 1, let hoisted = Self.hoistedCommands[words[0].lowercased()] {
            words = ["service", hoisted]
        }
        arguments = words + flags + (trailing.isEmpty ? [] : ["--"] + trailing)
    }

    /// `volume` alone is `volume ls`.
    private static let defaultCommands = ["volume": "ls", "snapshot": "ls", "device": "ls", "adapter": "types"]
    /// `rexray start` is `rexray service start`.
    private static let hoistedCommands = [
        "start": "start", "stop": "stop", "restart": "restart", "status": "status", "initsys": "initsys",
    ]
    /// Names as flags are REX-Ray 0.3's way.
    private static let flagGrammarOnly = [
        "volumename", "volumeid", "devicename", "mountpoint", "snapshotname",
    ]

    /// Long flags that take a value; all others are switches. A test holds this against the commands.
    static let valueFlags: Set<String> = [
        "availabilityzone", "az", "config", "description", "destinationregion", "destinationsnapshotname", "device",
        "devicename", "endpoint", "format", "fstype", "home", "host", "initializationrate", "instanceid", "iops",
        "loglevel",
        "mountlabel", "mountoptions", "mountpoint", "seconds", "size", "snapshotid", "snapshotname", "tag", "template",
        "throughput", "volumeid", "volumename", "volumetype", "type", "zone",
    ]
    static let shortValueFlags: [Character: String] = ["c": "config", "f": "format", "h": "host", "l": "loglevel"]
    static let shortSwitches: [Character: String] = [
        "?": "help", "i": "idempotent", "q": "quiet", "v": "verbose",
    ]
    /// The argument parser's own, whose dashes stay.
    private static let builtInSwitch = "--experimental-dump-help"
    private static let builtInValueFlag = "--generate-completion-script"

    /// One flag in the one grammar; takes its value from `rest` where it needs one.
    private static func flag(_ argument: String, rest: inout ArraySlice<String>) -> [String] {
        let (spelling, inline) = split(argument)
        if spelling == builtInSwitch { return [argument] }
        if spelling == builtInValueFlag {
            // Without the shell's name beside it, the parser would guess one from `SHELL`.
            return [spelling] + [inline ?? rest.popFirst()].compactMap { $0 }
        }
        if spelling.hasPrefix("--") {
            let name = spelling.dropFirst(2).lowercased().filter { $0 != "-" && $0 != "_" }
            return long(name, spelling: spelling, inline: inline, rest: &rest)
        }
        let letters = spelling.dropFirst()
        if let letter = letters.first, let name = shortValueFlags[letter] {
            // `-f json`, `-f=json` and `-fjson`.
            let attached = letters.count > 1 ? String(letters.dropFirst()) : nil
            return long(name, spelling: spelling, inline: inline ?? attached, rest: &rest)
        }
        if letters.count == 1, let letter = letters.first, let name = shortSwitches[letter] {
            return long(name, spelling: spelling, inline: inline, rest: &rest)
        }
        return [argument]
    }

    private static func long(
        _ name: String, spelling: String, inline: String?, rest: inout ArraySlice<String>
    ) -> [String] {
        if valueFlags.contains(name) {
            guard let value = inline ?? rest.popFirst() else { return ["--\(name)"] }
            return ["--\(name)=\(value)"]
        }
        switch inline?.lowercased() {
        case nil, "true", "1", "t": return ["--\(name)"]
        case "false", "0", "f": return []
        default: return ["--\(name)=\(inline ?? "")"]
        }
    }

    private static func split(_ argument: String) -> (name: String, value: String?) {
        guard let equals = argument.firstIndex(of: "=") else { return (argument, nil) }
        return (String(argument[..<equals]), String(argument[argument.index(after: equals)...]))
    }
}
