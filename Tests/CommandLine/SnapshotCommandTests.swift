import Platform
import TestSupport
import Testing

/// Commands about snapshots, to the letter, against a daemon.
@Suite struct SnapshotCommandTests {
    private typealias Output = CommandRunner.Output

    @Test func `REX-Ray 0_3's grammar makes, shows, copies and removes a snapshot`() async throws {
        try await withCommands { commands async throws in
            #expect(try await commands.rexray("snapshot") == Output())
            #expect(try await commands.ebb("snapshot ls -f json") == Output(output: "[]\n"))
            _ = try await commands.ebb("volume create data --size 2")
            let made = try await commands.rexray(
                "snapshot create --volumeid=data --snapshotname=first --description=before")
            #expect(made.status == 0, "\(made)")
            #expect(
                made.output == """
                    - name: first
                      volumeid: VOL
                      snapshotid: SNAP
                      volumesize: "2"
                      starttime: "TIME"
                      description: before
                      status: completed

                    """)
            #expect(made.errors.contains("Waiting for snapshot to complete"))
            #expect(made.errors.contains("Created Snapshot: SNAP"))
            #expect(try await commands.rexray("snapshot get --snapshotname=first").output == made.output)
            #expect(try await commands.rexray("snapshot get --snapshotname=other") == Output())
            let copy = try await commands.rexray("snapshot copy --snapshotname=first --destinationsnapshotname=second")
            #expect(copy.output.hasPrefix("name: second\nvolumeid: "), "\(copy)")
            #expect(
                try await commands.ebb("snapshot ls first second --template {{.Name}}:{{.Status}}:{{.Progress}}").output
                    == "first:completed:100\nsecond:completed:100\n")
            #expect(try await commands.ebb("snapshot rm first second").status == 0)
            #expect(try await commands.rexray("snapshot") == Output())
        }
    }

    @Test func `several volumes are taken at one instant, also while they are mounted and frozen`() async throws {
        try await withCommands { commands async throws in
            _ = try await commands.ebb("volume create a b --size 1 --mount")
            let made = try await commands.ebb("snapshot create a b --freeze --template {{.Status}}:{{.StartTime}}")
            #expect(made.output == "completed:TIME\ncompleted:TIME\n", "\(made)")
            #expect(try await commands.ebb("volume unmount a b").status == 0)
        }
    }

    @Test func `a volume that is made of a snapshot holds what there was, also when the snapshot is gone`() async throws
    {
        try await withCommands { commands async throws in
            _ = try await commands.ebb("volume create data --size 1 --mount")
            let mounts = commands.home.appending("var/lib/ebb/mounts")
            try writeFile(mounts.appending("data/file"), "kept")
            let made = try await commands.ebb("snapshot create data --freeze --snapshotname first")
            #expect(made.status == 0, "\(made)")
            try writeFile(mounts.appending("data/file"), "lost", durably: true)
            let id = try #require(
                try await commands.words("snapshot ls first --template {{.SnapshotID}}").first)
            let restored = try await commands.ebb("volume create restored --snapshotid \(id) --mount")
            #expect(restored.status == 0, "\(restored)")
            #expect(try await commands.ebb("snapshot rm first").status == 0)
            let source = try #require(try await commands.words("volume ls data --template {{.VolumeID}}").first)
            let copy = try await commands.ebb("volume create copy --volumeid \(source)")
            #expect(copy.status == 0 && copy.output.contains("status: available"), "\(copy)")
            let begun = try await commands.ebb("volume create begun --volumeid \(source) --runasync")
            #expect(begun.status == 0 && begun.output.contains("status: creating"), "\(begun)")
            #expect(try await commands.ebb("volume mount begun copy").status == 0)
            #expect(try readFile(mounts.appending("begun/file")) == Array("lost".utf8))
            #expect(try await commands.ebb("volume create twin --volumeid \(source) --mount").status == 0)
            #expect(try readFile(mounts.appending("twin/file")) == Array("lost".utf8))
            #expect(try readFile(mounts.appending("restored/file")) == Array("kept".utf8))
            #expect(try await commands.ebb("volume unmount data restored twin begun copy").status == 0)
        }
    }

    @Test func `a volume moves to another zone and back`() async throws {
        try await withCommands { commands async throws in
            _ = try await commands.ebb("volume create data --size 8 --type gp3 --iops 4000 --mount")
            let file = commands.home.appending("var/lib/ebb/mounts/data/file")
            try writeFile(file, "kept")
            let busy = try await commands.ebb("volume migrate data --az us-east-1c")
            #expect(busy.status == 1 && busy.errors.contains("(VolumeInUse)"), "\(busy)")
            #expect(try await commands.ebb("volume unmount data").status == 0)
            let asked = "--template {{.Name}}:{{.AvailabilityZone}}:{{.IOPS}}:{{.Status}}"
            let away = try await commands.ebb("volume migrate data --az us-east-1c \(asked)")
            #expect(away.output == "data:us-east-1c:4000:available\n", "\(away)")
            let refused = try await commands.ebb("volume mount data")
            #expect(
                refused.status == 1 && refused.errors.contains("ebb volume migrate VOL --az us-east-1b"), "\(refused)")
            let back = try await commands.rexray("volume migrate --volumename=data --availabilityzone=us-east-1b")
            #expect(back.status == 0, "\(back)")
            #expect(try await commands.ebb("volume ls \(asked)").output == "data:us-east-1b:4000:available\n")
            #expect(try await commands.ebb("snapshot ls -f json").output == "[]\n")
            #expect(try await commands.ebb("volume mount data").status == 0)
            #expect(try readFile(file) == Array("kept".utf8))
            #expect(try await commands.ebb("volume unmount data").status == 0)
        }
    }

    private static let refusals: [(line: String, status: Int32, text: String)] = [
        ("volume migrate x", 2, "Say where to"),
        ("volume migrate x --az us-east-1c", 1, "(InvalidVolume.NotFound)"),
        ("snapshot create", 2, "missing --volumeid"),
        ("snapshot create nothing", 1, "(InvalidVolume.NotFound)"),
        ("snapshot create vol-00000000000000000", 1, "(InvalidVolume.NotFound)"),
        ("snapshot rm snap-00000000000000000", 1, "(InvalidSnapshot.NotFound)"),
        ("snapshot rm snap-1", 1, "(InvalidSnapshotID.Malformed)"),
        ("snapshot rm nothing", 1, "(InvalidSnapshot.NotFound)"),
        ("volume create x --volumeid vol-1", 1, "Expected: 'vol-...'"),
        ("volume create x --volumeid vol-00000000000000000", 1, "(InvalidVolume.NotFound)"),
        ("volume create x --snapshotid snap-00000000000000000", 1, "(InvalidSnapshot.NotFound)"),
        ("snapshot copy", 2, "missing --volumeid or --snapshotid or --volumename"),
        ("snapshot copy --volumeid vol-00000000000000000", 1, "has 0 snapshots"),
    ]

    @Test func `what cannot be done is said in one line`() async throws {
        try await withCommands { commands async throws in
            for refusal in Self.refusals { try await commands.expectRefusal(refusal) }
        }
    }
}
