import Platform
import SystemPackage
import TestSupport
import Testing

/// Snapshots in buckets and directories, with the real programs and a real S3 server.
@Suite struct SnapshotPlaceCommandTests {
    private func makeSnapshot(_ commands: CommandRunner, _ text: String) async throws {
        #expect(try await commands.ebb("volume create data --size 1 --mount").status == 0)
        try write(text, commands)
        // Freezing is others' matter: it has to last, and many write to the same disk here.
        let flushed = try await runCommand(
            "sync", ["-f", commands.home.appending("var/lib/ebb/mounts/data/file").string])
        #expect(flushed.status == 0, "\(flushed)")
        let made = try await commands.ebb("snapshot create data --snapshotname first")
        #expect(made.status == 0, "\(made)")
    }

    private func write(_ text: String, _ commands: CommandRunner) throws {
        try writeFile(commands.home.appending("var/lib/ebb/mounts/data/file"), text)
    }

    /// What the file holds in a volume that is made of a snapshot.
    private func restored(_ snapshot: String, _ commands: CommandRunner) async throws -> String {
        let id = try #require(try await commands.words("snapshot ls \(snapshot) --template {{.SnapshotID}}").first)
        let made = try await commands.ebb("volume create restored --snapshotid \(id) --mount")
        #expect(made.status == 0, "\(made)")
        let text = try readFile(commands.home.appending("var/lib/ebb/mounts/restored/file"))
        #expect(try await commands.ebb("volume unmount restored").status == 0)
        return String(decoding: text, as: UTF8.self)
    }

    @Test func `a team's bucket takes a snapshot from one home to another, and only once`() async throws {
        try await withMotoServer { server in
            let making = try await runCommand("curl", ["-sSf", "-X", "PUT", "\(server.endpoint)/team"])
            try #require(making.status == 0, "\(making)")
            let access = [
                "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "EBB_S3_ENDPOINT": server.endpoint,
            ]
            try await withCommands(environment: access) { here async throws in
                try await makeSnapshot(here, "kept")
                let push = try await here.ebb("snapshot push first s3://team/data")
                #expect(push.status == 0 && push.errors.isEmpty, "\(push)")
                #expect(push.output.contains("action: push\nstatus: completed\nsnapshotid: SNAP\n"), "\(push)")
                let again = try await here.words(
                    "snapshot push first s3://team/data --template {{.PresentBytes}}/{{.TotalBytes}}")
                let figures = try #require(again.first).split(separator: "/")
                #expect(figures[0] == figures[1] && figures[0] != "0", "nothing is sent again: \(again)")
                #expect(try await here.ebb("volume unmount data").status == 0)
            }
            // Its daemon knows of no server, and is told by the command.
            try await withCommands(environment: access.merging(["EBB_S3_ENDPOINT": ""]) { $1 }) { there async throws in
                let pull = try await there.rexray(
                    "snapshot pull s3://team/data first --endpoint=\(server.endpoint) --snapshotname=second")
                #expect(pull.status == 0, "\(pull)")
                #expect(pull.output.hasPrefix("name: second\nvolumeid: VOL\nsnapshotid: SNAP\n"), "\(pull)")
                #expect(try await restored("second", there) == "kept")
                let missing = try await there.ebb("snapshot pull s3://nobody/data --endpoint \(server.endpoint)")
                #expect(missing.status == 1 && missing.errors.contains("(InvalidParameterValue)"), "\(missing)")
            }
        }
    }

    @Test func `a directory takes a snapshot from one home to another`() async throws {
        try await withTemporaryDirectory { place in
            try await withCommands { here async throws in
                try await makeSnapshot(here, "kept")
                #expect(try await here.ebb("snapshot push first \(place)").status == 0)
                try write("lost", here)
                #expect(try await here.ebb("volume unmount data").status == 0)
            }
            try await withCommands { there async throws in
                #expect(try await there.ebb("snapshot pull \(place)").status == 0)
                #expect(try await restored("first", there) == "kept")
            }
        }
    }

    private static let refusals: [(line: String, status: Int32, text: String)] = [
        ("snapshot push", 2, "Name a snapshot and a place"), ("snapshot push x", 2, "Name a snapshot and a place"),
        ("snapshot push x /nowhere", 1, "(InvalidSnapshot.NotFound)"), ("snapshot pull", 2, "Name a place"),
        ("snapshot pull /nowhere", 1, "/nowhere"), ("snapshot pull ftp://x/y", 1, "is no place for snapshots"),
        ("snapshot pull s3://team/x --endpoint nonsense", 1, "nonsense"),
        ("snapshot pull s3://team/x --endpoint http://127.0.0.1:1", 1, "(SnapshotStoreUnreachable)"),
    ]

    @Test func `what cannot be done is said in one line`() async throws {
        try await withCommands { commands async throws in
            for refusal in Self.refusals { try await commands.expectRefusal(refusal) }
        }
    }
}
