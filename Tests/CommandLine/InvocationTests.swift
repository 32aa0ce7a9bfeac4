#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
import Testing
import TestSupport

@testable import ebb

/// Two grammars become one.
@Suite struct InvocationTests {
    @Test(arguments: [
        ("ebb volume", "volume ls"),
        ("ebb device", "device ls"),
        ("ebb adapter -f json", "adapter types --format=json"),
        ("ebb snapshot", "snapshot ls"),
        ("ebb volume --help", "volume --help"),
        ("ebb volume -?", "volume --help"),
        ("ebb -c /f volume ls", "volume ls --config=/f"),
        ("ebb -c=/f volume ls", "volume ls --config=/f"),
        ("ebb -l debug volume get x --host /s", "volume get x --loglevel=debug --host=/s"),
        ("ebb volume create --Size 5 --volumeName x", "volume create --size=5 --volumename=x"),
        ("ebb volume create --availability-zone us-east-1a x", "volume create x --availabilityzone=us-east-1a"),
        ("ebb volume create x --size -5", "volume create x --size=-5"),
        ("ebb volume create x --runAsync=true --attach=false", "volume create x --runasync"),
        ("ebb volume create x --size", "volume create x --size"),
        ("ebb volume ls -fjson", "volume ls --format=json"),
        ("ebb volume attach -i x", "volume attach x --idempotent"),
        ("ebb volume ls -- -x", "volume ls -- -x"),
        ("ebb volume ls --frob", "volume ls --frob"),
        ("rexray start", "service start"),
        ("ebb status", "service status"),
        ("ebb service start --docker-name q --Zone=c -l debug", "service start --loglevel=debug"),
        ("ebb volume create start --zone c", "volume create start --zone=c"),
    ])
    func `flags lose their case, move behind the command and keep their values`(line: String, expected: String) {
        #expect(Invocation(words(line)).arguments == words(expected))
    }

    @Test(arguments: [
        ("rexray volume", true), ("rexray volume get x", false), ("ebb volume ls", false),
        ("ebb volume get --volumename=x", true), ("ebb volume create --size=5 --VolumeName x", true),
        ("ebb volume create x --size=5", false), ("/usr/bin/rexray device get", true),
        ("ebb device get --mountpoint /", true),
    ])
    func `names as flags, and the name rexray, mean REX-Ray 0_3's way`(line: String, usesFlags: Bool) {
        #expect(Invocation(words(line)).usesFlagGrammar == usesFlags)
    }

    @Test(arguments: [
        ("ebb", true), ("ebb help", true), ("ebb --help", true), ("ebb -v", true), ("ebb -?", true),
        ("ebb help volume", false), ("ebb volume --help", false), ("ebb --frob", false),
    ])
    func `the program's own help is told from a command's`(line: String, asks: Bool) {
        #expect(Invocation(words(line)).asksForRootHelp == asks)
    }

    @Test func `settings after service start are the daemon's`() throws {
        let invocation = Invocation(words("ebb service start --docker-name q --zone=c --docker-name r"))
        let flags = try #require(invocation.daemonFlags)
        #expect(flags.flags[.dockerNames]?.text == "q r")
        #expect(flags.flags[.zone]?.text == "c")
        #expect(Invocation(words("ebb service start --region")).daemonFlagsProblem != nil)
    }

    /// The one pass must know of every flag whether it takes a value.
    @Test func `the table of flags agrees with the commands`() async throws {
        let dump = try await runCommand(BuiltPrograms.ebb.string, ["--experimental-dump-help"])
        #expect(dump.status == 0)
        let tool = try JSONDecoder().decode(Tool.self, from: Data(dump.output.utf8))
        let arguments = tool.command.all.flatMap { $0.arguments ?? [] }
        let builtIn: Set<String> = ["help", "version"]
        var options: Set<String> = []
        var switches: Set<String> = []
        for argument in arguments {
            let names = (argument.names ?? []).filter { $0.kind == "long" }.map(\.name)
            if argument.kind == "option" { options.formUnion(names) }
            if argument.kind == "flag" { switches.formUnion(names) }
        }
        #expect(options == Invocation.valueFlags)
        #expect(switches.isDisjoint(with: Invocation.valueFlags))
        #expect(Set(Invocation.shortValueFlags.values).isSubset(of: options))
        #expect(Set(Invocation.shortSwitches.values).isSubset(of: switches.union(builtIn)))
        for name in options.union(switches) { #expect(name == name.lowercased() && !name.contains("-")) }
    }

    private func words(_ line: String) -> [String] { line.split(separator: " ").map(String.init) }

    private struct Tool: Decodable {
        let command: Command
    }

    private struct Command: Decodable {
        let subcommands: [Command]?
        let arguments: [Argument]?
        var all: [Command] { [self] + (subcommands ?? []).flatMap(\.all) }
    }

    private struct Argument: Decodable {
        struct Name: Decodable {
            let kind: String
            let name: String
        }
        let kind: String
        let names: [Name]?
    }
}
