#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
import SystemPackage
import TestSupport
import Testing

/// `scripts/install`, into a folder of the test's own.
@Suite struct InstallTests {
    private static let script = FilePath(#filePath).removingLastComponent().removingLastComponent()
        .removingLastComponent().appending("scripts/install").string

    /// Where everything stands below the default prefix, and how.
    private static let expected = [
        "/etc/systemd/system/ebb.service 644",
        "/usr/local/bin/ebb 755",
        "/usr/local/bin/ebbd 755",
        "/usr/local/bin/rexray -> ebb",
        "/usr/local/share/bash-completion/completions/ebb 644",
        "/usr/local/share/bash-completion/completions/rexray 644",
        "/usr/local/share/ebb/installed 644",
        "/usr/local/share/fish/vendor_completions.d/ebb.fish 644",
        "/usr/local/share/fish/vendor_completions.d/rexray.fish 644",
        "/usr/local/share/man/man1/ebb.1 644",
        "/usr/local/share/man/man1/rexray.1 -> ebb.1",
        "/usr/local/share/zsh/site-functions/_ebb 644",
        "/usr/local/share/zsh/site-functions/_rexray 644",
    ]

    @Test func `everything is put in its place, and runs there`() async throws {
        try await withInstallation { root async throws in
            #expect(try await listing(root) == Self.expected)
            for name in ["ebb", "rexray"] {
                #expect(try await succeeding("\(root)/usr/local/bin/\(name)", ["--version"]) == "0.1.0\n")
            }
            #expect(try await succeeding("\(root)/usr/local/bin/ebbd", ["--help"]).contains("ebbd"))
        }
    }

    @Test func `a program that runs is replaced all the same`() async throws {
        try await withInstallation { root async throws in
            let program = "\(root)/usr/local/bin/ebbd"
            // What runs cannot be written over, so this holds the file as a running daemon does.
            let line = """
                \(program) --home \(root)/home --log-level error &
                until test -S \(root)/home/run/ebb/ebb.sock; do sleep 0.05; done
                \(Self.script) --destdir \(root) --programs \(BuiltPrograms.directory)
                result=$?
                kill $!
                wait $!
                exit $result
                """
            _ = try await succeeding("bash", ["-c", line])
            try FileManager.default.removeItem(atPath: "\(root)/home")
            #expect(try await listing(root) == Self.expected)
        }
    }

    @Test func `what an older version put is taken away by the next`() async throws {
        try await withInstallation { root async throws in
            let old = "/usr/local/share/ebb/old"
            try "old\n".write(toFile: "\(root)\(old)", atomically: true, encoding: .utf8)
            let record = "\(root)/usr/local/share/ebb/installed"
            let recorded = try String(contentsOfFile: record, encoding: .utf8)
            try (recorded + old + "\n").write(toFile: record, atomically: true, encoding: .utf8)
            try await install(root)
            #expect(try await listing(root) == Self.expected)
            #expect(try String(contentsOfFile: record, encoding: .utf8) == recorded)
        }
    }

    @Test func `uninstalling leaves nothing of it, and all that is not its own`() async throws {
        try await withTemporaryDirectory { root async throws in
            let kept = ["/var/lib/ebb/volumes/vol-1", "/etc/ebb/config.yml", "/usr/local/bin/other"]
            for path in kept {
                try FileManager.default.createDirectory(
                    atPath: root.pushing(FilePath(String(path.dropFirst()))).removingLastComponent().string,
                    withIntermediateDirectories: true)
                try "kept\n".write(toFile: "\(root)\(path)", atomically: true, encoding: .utf8)
            }
            let before = try await succeeding("find", ["\(root)"])
            try await install(root)
            try "theirs\n".write(
                toFile: "\(root)/usr/local/share/man/man1/other.1", atomically: true, encoding: .utf8)
            try await install(root, ["--uninstall"])
            try FileManager.default.removeItem(atPath: "\(root)/usr/local/share/man/man1/other.1")
            for folder in ["man/man1", "man", ""] { #expect(rmdir("\(root)/usr/local/share/\(folder)")) }
            #expect(try await succeeding("find", ["\(root)"]) == before)
            let again = try await runCommand(Self.script, ["--uninstall", "--destdir", root.string])
            #expect(again.status == 1)
            #expect(again.errors.contains("nothing is installed with the prefix /usr/local"))
        }
    }

    @Test(arguments: [["--frob"], ["--prefix", "opt"], ["--prefix", "/opt/a b"], ["--destdir", "here"]])
    func `a wrong command line changes nothing and exits with 2`(arguments: [String]) async throws {
        let result = try await runCommand(Self.script, arguments)
        #expect(result.status == 2, "\(result)")
        #expect(result.errors.contains("# ") == false && result.errors.contains("Usage: scripts/install"))
    }

    @Test(arguments: ["ebb", "rexray"])
    func `bash completes commands and flags`(name: String) async throws {
        try await withInstallation { root async throws in
            let script = "\(root)/usr/local/share/bash-completion/completions/\(name)"
            #expect(try await bashCompletions("\(name) vol", script) == ["volume"])
            #expect(try await bashCompletions("\(name) volume cr", script) == ["create"])
            #expect(try await bashCompletions("\(name) volume create --volumen", script) == ["--volumename"])
            #expect(try await bashCompletions("\(name) volume ls --format js", script) == ["json", "jsonp"])
        }
    }

    @Test(arguments: ["ebb", "rexray"])
    func `fish and zsh read their completions`(name: String) async throws {
        try await withInstallation { root async throws in
            let fish = "\(root)/usr/local/share/fish/vendor_completions.d/\(name).fish"
            let completed = try await succeeding(
                "fish", ["--no-config", "-c", "source \(fish); complete -C '\(name) vol'"],
                environment: ["HOME": root.string])
            #expect(completed.hasPrefix("volume"), "\(completed)")
            let functions = "\(root)/usr/local/share/zsh/site-functions"
            let loaded = try await succeeding(
                "zsh",
                [
                    "-fc",
                    "fpath=(\(functions) $fpath); autoload -Uz compinit && compinit -u -d \(root)/zcompdump; "
                        + "print ${_comps[\(name)]}; autoload +X _\(name)",
                ])
            #expect(loaded == "_\(name)\n")
        }
    }

    @Test func `the manual page is shown without a warning`() async throws {
        try await withInstallation { root async throws in
            for name in ["ebb", "rexray"] {
                let result = try await runCommand(
                    "man", ["--warnings", "-E", "UTF-8", "-l", "\(root)/usr/local/share/man/man1/\(name).1"],
                    environment: ["MANROFFOPT": "", "MANWIDTH": "100", "PAGER": "cat", "LC_ALL": "C.UTF-8"])
                #expect(result.status == 0)
                #expect(result.errors == "")
                #expect(result.output.contains("volume create"))
            }
        }
    }

    @Test func `systemd finds nothing wrong with the unit`() async throws {
        try await withTemporaryDirectory { root async throws in
            // The unit names its program by the prefix: a link makes that the place below the folder, too.
            let prefix = "\(root)/prefix"
            try await install(root, ["--prefix", prefix])
            try FileManager.default.createSymbolicLink(atPath: prefix, withDestinationPath: "\(root)\(prefix)")
            let unit = "\(root)/etc/systemd/system/ebb.service"
            let result = try await runCommand("systemd-analyze", ["verify", "--man=no", unit])
            #expect(result.status == 0, "\(result)")
            #expect(!result.errors.contains("ebb"), "\(result.errors)")
            #expect(try String(contentsOfFile: unit, encoding: .utf8).contains("ExecStart=\(prefix)/bin/ebbd\n"))
        }
    }

    @Test func `the daemon tells its unit when it serves and when it ends`() async throws {
        try await withTemporaryDirectory { home async throws in
            let receiver = try DatagramReceiver(at: home.appending("notify"))
            let daemon = try await RunningDaemon(
                home: home, environment: ["NOTIFY_SOCKET": home.appending("notify").string])
            let first = Result { try receiver.receive() }
            try await daemon.stop()
            #expect(try first.get() == "READY=1")
            #expect(try receiver.receive() == "STOPPING=1")
        }
    }

    // MARK: Installing

    private func withInstallation(_ body: (FilePath) async throws -> Void) async throws {
        try await withTemporaryDirectory { root async throws in
            try await install(root)
            try await body(root)
        }
    }

    private func install(_ root: FilePath, _ arguments: [String] = []) async throws {
        let result = try await runCommand(
            Self.script, arguments + ["--destdir", root.string, "--programs", BuiltPrograms.directory.string])
        try #require(result.status == 0, "\(result.errors)")
    }

    /// What is no folder, by its path below `root`, with its mode or where it leads.
    private func listing(_ root: FilePath) async throws -> [String] {
        let links = try await succeeding("find", [root.string, "-type", "l", "-printf", "/%P -> %l\n"])
        let files = try await succeeding("find", [root.string, "-type", "f", "-printf", "/%P %m\n"])
        return (links + files).split(separator: "\n").map(String.init).sorted()
    }

    private func rmdir(_ path: String) -> Bool {
        do {
            try FileManager.default.contentsOfDirectory(atPath: path).isEmpty
                ? FileManager.default.removeItem(atPath: path) : ()
            return !FileManager.default.fileExists(atPath: path)
        } catch {
            return false
        }
    }

    private func bashCompletions(_ line: String, _ script: String) async throws -> [Substring] {
        let words = line.split(separator: " ")
        let setting =
            "COMP_LINE='\(line)'; COMP_POINT=\(line.count); COMP_WORDS=(\(line)); COMP_CWORD=\(words.count - 1)"
        let call = "_\(words[0]) \(words[0]) '\(words[words.count - 1])' '\(words[words.count - 2])'"
        return try await succeeding(
            "bash", ["-c", #"source "\#(script)"; \#(setting); \#(call); printf '%s\n' "${COMPREPLY[@]}""#]
        ).split(separator: "\n")
    }

    /// What the command says, if it succeeds and complains about nothing.
    private func succeeding(
        _ program: String, _ arguments: [String], environment: [String: String?] = [:]
    ) async throws -> String {
        let result = try await runCommand(program, arguments, environment: environment)
        try #require(result.status == 0, "\(result)")
        return result.output
    }
}
