import Driver
import Foundation
import Platform
import SystemPackage
import TestSupport
import Testing

@testable import ebb

/// Snapshots as files, and the check of the store, with the real programs.
@Suite struct SnapshotFileCommandTests {
    private static let blockBytes = 512 << 10

    // MARK: Steps

    /// The file of the volume that is attached as a device.
    private func device(_ name: String, _ commands: CommandRunner) async throws -> String {
        let found = try await runCommand("find", [commands.home.appending("run/ebb/volumes").string, "-name", name])
        return try #require(found.output.split(separator: "\n").first.map(String.init), "\(found)")
    }

    /// Makes a volume `data` with random blocks, and a snapshot `first` of it. Gives what it holds.
    private func makeSnapshot(_ commands: CommandRunner, blocks: Int = 6) async throws -> [UInt8] {
        #expect(try await commands.ebb("volume create data --size 1 --tag team=storage").status == 0)
        #expect(try await commands.ebb("volume attach data --device /dev/xvdf").status == 0)
        let source = commands.home.appending("source")
        let making = try await runCommand("dd", ["if=/dev/urandom", "of=\(source)", "bs=512K", "count=\(blocks)"])
        try #require(making.status == 0, "\(making)")
        let file = try await device("xvdf", commands)
        let writing = try await runCommand(
            "dd", ["if=\(source)", "of=\(file)", "bs=512K", "seek=3", "conv=notrunc,fsync"])
        try #require(writing.status == 0, "\(writing)")
        let made = try await commands.ebb(["snapshot", "create", "data", "--snapshotname", "first"])
        #expect(made.status == 0, "\(made)")
        return try readFile(source, limit: 1 << 30)
    }

    private func snapshotID(_ name: String, _ commands: CommandRunner) async throws -> String {
        try #require(try await commands.words("snapshot ls \(name) --template {{.SnapshotID}}").first)
    }

    /// What blocks 3 and on of a volume hold that is made of a snapshot.
    private func restored(_ snapshot: String, _ commands: CommandRunner, blocks: Int = 6) async throws -> [UInt8] {
        let id = try await snapshotID(snapshot, commands)
        #expect(try await commands.ebb("volume create restored --snapshotid \(id)").status == 0)
        #expect(try await commands.ebb("volume attach restored --device /dev/xvdg").status == 0)
        let copy = commands.home.appending("copy")
        let reading = try await runCommand(
            "dd", ["if=\(try await device("xvdg", commands))", "of=\(copy)", "bs=512K", "skip=3", "count=\(blocks)"])
        #expect(reading.status == 0, "\(reading)")
        return try readFile(copy, limit: 1 << 30)
    }

    /// The object of a block that has these bytes, found by its length and content.
    private func object(holding bytes: ArraySlice<UInt8>, _ commands: CommandRunner) async throws -> String {
        let objects = commands.home.appending("var/lib/ebb/snapshots/objects").string
        let found = try await runCommand("find", [objects, "-type", "f", "-size", "512k"])
        let paths = found.output.split(separator: "\n").map(String.init)
        return try #require(try paths.first { try readFile(FilePath($0)) == Array(bytes) })
    }

    // MARK: From home to home

    @Test func `a snapshot goes from one home to another as a file, and is restored there`() async throws {
        try await withCommands { here async throws in
            let bytes = try await makeSnapshot(here)
            let file = here.home.appending("data.ebbsnap").string
            let export = try await here.ebb(["snapshot", "export", "first", file])
            #expect(export.status == 0 && export.errors.isEmpty, "\(export)")
            #expect(export.output.contains("action: export\nstatus: completed\nsnapshotid: SNAP\n"), "\(export)")
            #expect(export.output.contains("location: HOME/data.ebbsnap\n"), "\(export)")
            let again = try await here.words(
                "snapshot export first \(file) --template {{.PresentBytes}}/{{.TotalBytes}}")
            let size = try readFile(FilePath(file), limit: 1 << 30).count
            #expect(again == ["\(size)/\(size)"])

            try await withCommands { there async throws in
                let made = try await there.rexray("snapshot import \(file) --snapshotname=second")
                #expect(made.status == 0, "\(made)")
                #expect(made.output.hasPrefix("name: second\nvolumeid: VOL\nsnapshotid: SNAP\n"), "\(made)")
                #expect(made.errors.contains("Created Snapshot: SNAP"), "\(made)")
                #expect(try await restored("second", there) == bytes)
                let check = try await there.ebb("snapshot check")
                #expect(check.status == 0 && check.errors.isEmpty, "\(check)")
                #expect(check.output.hasSuffix(" objects, 3.0 MiB: all is in order\n"), "\(check)")
            }
        }
    }

    @Test func `a file that is cut off or altered is refused with its byte, and a second export goes on`() async throws
    {
        let seed = SystemRandom().next()
        let random = SeededRandom(seed: seed)
        try await withCommands { commands async throws in
            _ = try await makeSnapshot(commands, blocks: 3)
            let path = commands.home.appending("file").string
            #expect(try await commands.ebb("snapshot export first \(path)").status == 0)
            let whole = try readFile(FilePath(path), limit: 1 << 30)
            for round in 0..<6 {
                let place = 100 + Int(random.next() % UInt64(whole.count - 100))
                var bytes = whole
                if round % 2 == 0 { bytes.removeLast(bytes.count - place) } else { bytes[place] ^= 0x40 }
                try Data(bytes).write(to: URL(filePath: path))
                let refused = try await commands.ebb("snapshot import \(path) --snapshotname again")
                #expect(refused.status == 1, "seed \(seed), byte \(place)")
                #expect(
                    refused.errors.contains("The file HOME/file was not imported. (InvalidSnapshotFile): "),
                    "seed \(seed), byte \(place): \(refused)")
                #expect(refused.errors.split(separator: "\n").count == 1, "seed \(seed): \(refused)")
                #expect(refused.errors.contains(" byte "), "seed \(seed), byte \(place): \(refused)")
                #expect(try await commands.words("snapshot ls --template {{.Name}}") == ["first"], "seed \(seed)")
                #expect(try await commands.ebb("snapshot export first \(path)").status == 0, "seed \(seed)")
                #expect(try readFile(FilePath(path), limit: 1 << 30) == whole, "seed \(seed), byte \(place)")
            }
            #expect(try await commands.ebb("snapshot rm first").status == 0)
            #expect(try await commands.ebb("snapshot import \(path)").status == 0)
            #expect(try await commands.words("snapshot ls --template {{.Name}}") == ["first"])
            #expect(try await commands.ebb("snapshot check").status == 0)
        }
    }

    // MARK: What is damaged

    @Test func `a damaged block fails where it is read, and is named by the log and by the check`() async throws {
        try await withCommands { commands async throws in
            let bytes = try await makeSnapshot(commands)
            let id = try await snapshotID("first", commands)
            let object = try await object(holding: bytes[2 * Self.blockBytes..<3 * Self.blockBytes], commands)
            var damaged = Array(bytes[2 * Self.blockBytes..<3 * Self.blockBytes])
            damaged[7] ^= 1
            try Data(damaged).write(to: URL(filePath: object))

            #expect(try await commands.ebb("volume create restored --snapshotid \(id)").status == 0)
            #expect(try await commands.ebb("volume attach restored --device /dev/xvdg").status == 0)
            let file = try await device("xvdg", commands)
            for block in 0..<6 {
                let copy = commands.home.appending("block").string
                let reading = try await runCommand(
                    "dd", ["if=\(file)", "of=\(copy)", "bs=512K", "skip=\(3 + block)", "count=1"],
                    environment: ["LC_ALL": "C"])
                #expect((reading.status == 0) == (block != 2), "block \(block): \(reading)")
                if block == 2 {
                    #expect(reading.errors.contains("Input/output error"), "\(reading)")
                } else {
                    let expected = Array(bytes[block * Self.blockBytes..<(block + 1) * Self.blockBytes])
                    #expect(try readFile(FilePath(copy)) == expected, "block \(block)")
                }
            }
            let log = String(
                decoding: try readFile(commands.home.appending("ebbd.log"), limit: 64 << 20), as: UTF8.self)
            let line = try #require(log.split(separator: "\n").first { $0.contains("block 5 of volume") }, "\(log)")
            #expect(line.contains(id) && line.contains("is damaged"), "\(line)")

            let check = try await commands.ebb("snapshot check")
            #expect(check.status == 1)
            let lines = check.output.split(separator: "\n")
            #expect(lines.count == 3, "\(check)")
            #expect(lines.first?.hasPrefix("Block 5 of SNAP cannot be read: block ") == true, "\(check)")
            #expect(lines.dropFirst().first?.hasPrefix("Block 5 of VOL cannot be read: block ") == true, "\(check)")
            #expect(lines.last?.hasSuffix("2 findings") == true, "\(check)")
            let json = try await commands.ebb("snapshot check -f json")
            #expect(
                json.status == 1 && json.output.contains(#""Kind":"damaged","SnapshotID":"SNAP","Block":"5""#),
                "\(json)")
            let export = try await commands.ebb(
                "snapshot export first HOME/x".replacing("HOME", with: "\(commands.home)"))
            #expect(export.status == 1 && export.errors.contains("block 5: block "), "\(export)")
            #expect(try await commands.ebb("volume detach restored --force").status == 0)
        }
    }

    // MARK: Watching and stopping

    @Test func `Ctrl-C stops an export, and the same command goes on with it`() async throws {
        try await withCommands { commands async throws in
            _ = try await makeSnapshot(commands, blocks: 200)
            let file = commands.home.appending("file").string
            // When something is in the file. It may all the same have ended before the signal comes.
            let script = """
                env --default-signal=INT "$1" snapshot export first "$2" & ebb=$!
                until [ "$(stat --format=%s "$2")" -gt 2000000 ] || ! kill -0 $ebb; do sleep 0.005; done 2>/dev/null
                kill -INT $ebb; wait $ebb
                """
            var stopped: CommandResult?
            for _ in 1...20 where stopped?.status != 1 {
                if FileManager.default.fileExists(atPath: file) { try removeFile(at: FilePath(file)) }
                stopped = try await runCommand(
                    "bash", ["-c", script, "bash", BuiltPrograms.ebb.string, file],
                    environment: ["EBB_HOME": commands.home.string])
            }
            let errors = try #require(stopped?.errors)
            #expect(errors.contains("was cancelled; the same command goes on where it was"), "\(errors)")
            let states = try await commands.words("snapshot tasks --template {{.Action}}:{{.Status}}")
            #expect(states.last == "export:cancelled")
            let again = try await commands.words("snapshot export first \(file) --template {{.PresentBytes}}")
            #expect(Int(again.first ?? "") ?? 0 > 0, "\(again)")
        }
    }

    @Test func `a task that nobody waits for is listed, and can be stopped`() async throws {
        try await withCommands { commands async throws in
            _ = try await makeSnapshot(commands, blocks: 200)
            var state = ""
            // It may have ended before it is stopped.
            for attempt in 1...20 where state != "cancelled" {
                let line = "snapshot export first \(commands.home)/file\(attempt) --runasync"
                let begun = try await commands.words(line + " --template {{.TaskID}}:{{.Status}}")
                let parts = try #require(begun.first).split(separator: ":")
                #expect(parts.last == "active")
                #expect(try await commands.ebb("snapshot cancel \(parts[0])").status == 0)
                repeat {
                    let found = try await commands.words("snapshot tasks \(parts[0]) --template {{.Status}}")
                    state = try #require(found.first)
                } while state == "active"
            }
            #expect(state == "cancelled")
        }
    }

    @Test func `on a terminal one line says how far it is, and goes away`() async throws {
        try await withCommands { commands async throws in
            _ = try await makeSnapshot(commands, blocks: 60)
            let command = "\(BuiltPrograms.ebb) snapshot export first \(commands.home)/file -f json"
            let shown = try await runCommand(
                "script", ["-qec", command, "/dev/null"], environment: ["EBB_HOME": commands.home.string])
            #expect(shown.status == 0, "\(shown)")
            #expect(shown.output.contains("\r\u{1B}[Kexporting snap-"), "\(shown)")
            #expect(shown.output.contains("\r\u{1B}[K{"), "\(shown)")
        }
    }

    @Test func `the line has shares and sizes`() {
        var task = SnapshotTask(
            id: "task-1", action: .export, state: .active, startTime: Date(timeIntervalSince1970: 0))
        #expect(TaskLine.text("exporting x", task) == "exporting x …")
        (task.doneBytes, task.totalBytes) = (3 << 29, 10 << 30)
        #expect(TaskLine.text("exporting x", task) == "exporting x … 15 %, 1.5 GiB of 10.0 GiB")
        task.presentBytes = 1_536
        #expect(
            TaskLine.text("exporting x", task) == "exporting x … 15 %, 1.5 GiB of 10.0 GiB, 1.5 KiB of it was there")
    }

    private static let refusals: [(line: String, status: Int32, text: String)] = [
        ("snapshot export", 2, "Name a snapshot and a file"),
        ("snapshot export first", 2, "Name a snapshot and a file"),
        ("snapshot export first HOME/a HOME/b", 2, "Name a snapshot and a file"),
        ("snapshot export nothing HOME/x", 1, "(InvalidSnapshot.NotFound)"),
        ("snapshot export snap-00000000000000000 HOME/x", 1, "(InvalidSnapshot.NotFound)"),
        ("snapshot export --snapshotid snap-1 HOME/x", 1, "(InvalidSnapshotID.Malformed)"),
        ("snapshot import", 2, "Name a file"),
        ("snapshot import HOME/nothing", 1, "The file HOME/nothing cannot be opened. (InvalidParameterValue)"),
        ("snapshot import HOME", 1, "HOME is no regular file."),
        ("snapshot import HOME/ebbd.log", 1, "this is no snapshot file"),
        ("snapshot cancel", 2, "Name a task"),
        ("snapshot cancel task-1", 1, "The snapshot task 'task-1' does not exist."),
        ("snapshot tasks task-1", 1, "The snapshot task 'task-1' does not exist."),
    ]

    @Test func `what cannot be done is said in one line`() async throws {
        try await withCommands { commands async throws in
            for refusal in Self.refusals { try await commands.expectRefusal(refusal) }
        }
    }

    @Test func `a file goes neither over another one, nor onto a volume of the region, nor without the right`()
        async throws
    {
        try await withCommands { commands async throws in
            _ = try await makeSnapshot(commands, blocks: 1)
            #expect(try await commands.ebb("volume create other --size 1 --mount").status == 0)
            let volume = "\(commands.home)/var/lib/ebb/mounts/other"
            let refused = [
                ("\(commands.home)/ebbd.log", "is something else than this snapshot"),
                ("\(volume)/file", "lies on a volume of this region"),
                ("\(commands.home)/run/ebb/volumes/file", "lies on a volume of this region"),
                ("/proc/version/x", "/proc/version/x cannot be opened"),
                ("/proc/x", "/proc/x cannot be opened"), (commands.home.string, "HOME is no regular file"),
                ("/dev/full", "/dev/full is no regular file"),
            ]
            for (path, text) in refused {
                let result = try await commands.ebb(["snapshot", "export", "first", path])
                #expect(result.status == 1, "\(path): \(result)")
                #expect(
                    result.errors.contains(text.replacing(commands.home.string, with: "HOME")), "\(path): \(result)")
            }
            for arguments in [["push", "first", volume], ["pull", volume]] {
                let result = try await commands.ebb(["snapshot"] + arguments)
                #expect(result.status == 1 && result.errors.contains("lies on a volume of this region"), "\(result)")
            }
            // A relative one is the caller's.
            let relative = try await runCommand(
                BuiltPrograms.ebb.string, ["snapshot", "export", "first", "near"],
                environment: ["EBB_HOME": commands.home.string], in: commands.home)
            #expect(relative.status == 0, "\(relative)")
            #expect(try readFile(commands.home.appending("near")).count > Self.blockBytes)
            #expect(try await commands.ebb("volume unmount other").status == 0)
        }
    }

    @Test func `a disk that becomes full is named, and the export goes on when there is room`() async throws {
        try await withCommands { commands async throws in
            let bytes = try await makeSnapshot(commands, blocks: 8)
            let small = commands.home.appending("small")
            try createDirectories(small)
            try await withMounted(["-t", "tmpfs", "-o", "size=2m", "tmpfs"], at: small) {
                let full = try await commands.ebb("snapshot export first \(small)/file")
                #expect(full.status == 1, "\(full)")
                #expect(full.errors.contains("The file HOME/small/file could not be written."), "\(full)")
                #expect(full.errors.contains("(InsufficientVolumeCapacity)"), "\(full)")
                let growing = try await runCommand("mount", ["-o", "remount,size=20m", small.string])
                #expect(growing.status == 0, "\(growing)")
                let present = try await commands.words(
                    "snapshot export first \(small)/file --template {{.PresentBytes}}")
                #expect(Int(present.first ?? "") ?? 0 > Self.blockBytes, "\(present)")
                #expect(try await commands.ebb("snapshot rm first").status == 0)
                #expect(try await commands.ebb("snapshot import \(small)/file").status == 0)
                #expect(try await restored("first", commands, blocks: 8) == bytes)
            }
        }
    }
}
