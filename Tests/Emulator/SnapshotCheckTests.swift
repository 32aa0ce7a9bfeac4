// Checks of the store: what they find, and what they do not take for an error while much goes on.
import BlockStore
import Driver
import Platform
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import Emulator

@Suite struct SnapshotCheckTests {
    private func withSnapshots(
        _ body: (TestRegion, _ first: SnapshotID, _ second: SnapshotID) async throws -> Void
    ) async throws {
        try await withRegion { region in
            let volume = try await region.create("one")
            try region.write([0: 1, 1: 2, 700: 3], to: volume.id)
            let first = try await region.completeSnapshot(volume.id, name: "first")
            try region.write([1: 4], to: volume.id)
            let second = try await region.completeSnapshot(volume.id, name: "second")
            try await body(region, first, second)
            try await region.driver.close()
        }
    }

    private func report(_ region: TestRegion) async throws -> SnapshotReport {
        try #require(try await region.ended(SnapshotTaskRequest(action: .check)).report)
    }

    @Test("a damaged block is named with every snapshot that has it, a missing one with its own")
    func damagedBlocks() async throws {
        try await withSnapshots { region, first, second in
            let sound = try await report(region)
            #expect(sound.findings == [] && sound.snapshotCount == 2)
            // Two manifests; segment 0 in two forms and segment 10; blocks 0, 1 in two forms, 700.
            #expect(sound.objectCount == 9)
            #expect(sound.objectBytes > 4 << 19 && sound.objectBytes < 4 << 19 + 4_096)

            try await region.damage(block: 700, of: first)
            try removeFile(at: region.objectPath(try await region.blockName(1, of: second)))
            let findings = try await report(region).findings
            let found = findings.map { "\($0.kind) \($0.snapshotID?.rawValue ?? "") \($0.blockIndex?.rawValue ?? -1)" }
            #expect(
                Set(found) == ["damaged \(first) 700", "damaged \(second) 700", "missing \(second) 1"], "\(findings)")
            for finding in findings {
                let snapshot = try #require(finding.snapshotID)
                let block = try #require(finding.blockIndex)
                #expect(finding.message.hasPrefix("Block \(block) of \(snapshot) cannot be read: "))
            }
            // It repairs nothing, and finds the same again.
            #expect(try await report(region).findings == findings)
        }
    }

    @Test("a volume that is not restored is named when its snapshot is gone")
    func restoringVolume() async throws {
        try await withSnapshots { region, first, second in
            let volume = try await region.driver.createVolume(
                CreateVolumeRequest(zone: TestRegion.zone, type: .gp3, snapshotID: first))
            try await region.damage(block: 1, of: first)
            try await region.driver.deleteSnapshot(first)
            let findings = try await report(region).findings
            #expect(findings.count == 1 && findings.first?.snapshotID == nil)
            #expect(findings.first?.message.contains("Block 1 of \(volume.id)") == true)
        }
    }

    @Test("a manifest and a segment that are lost are named, and nothing below them is called forgotten")
    func lostTrees() async throws {
        try await withSnapshots { region, first, second in
            let content = try #require(await region.driver.region.state.snapshots.snapshots[second]?.content)
            try removeFile(at: region.objectPath(content.manifest))
            let findings = try await report(region).findings
            #expect(findings.map(\.kind) == [.missing])
            #expect(findings.first?.snapshotID == second && findings.first?.blockIndex == nil)
            #expect(findings.first?.message.hasPrefix("All of \(second) cannot be read") == true)
        }
    }

    @Test("a wrong count and a forgotten object are found")
    func wrongCounts() async throws {
        try await withSnapshots { region, first, _ in
            let effects = await region.driver.region.effects
            let twice = try await region.blockName(0, of: first)
            try await effects.commit([.addReferences(ObjectReferences(kind: .block, changes: [twice: 3]))])
            let writer = effects.snapshots.beginWriting()
            let block = [UInt8](repeating: 77, count: SnapshotBlock.bytes)
            let put = unsafe try writer.put(block.span.bytes)
            let forgotten = try #require(put)
            // Somebody may be about to refer to it.
            #expect(try await report(region).findings.map(\.kind) == [.miscounted])
            writer.end()
            let findings = try await report(region).findings
            #expect(findings.map(\.kind) == [.miscounted, .unreferenced])
            #expect(findings.map(\.object) == [twice.hex, forgotten.hex])
            #expect(findings[0].message.contains("has 2 references, and the catalog counts 5"))
        }
    }

    @Test("an object that the catalog has forgotten is named with its snapshot, also when its file has gone")
    func forgottenObjects() async throws {
        try await withSnapshots { region, first, second in
            let effects = await region.driver.region.effects
            let (one, both) = (try await region.blockName(1, of: second), try await region.blockName(700, of: second))
            let segment = try #require(try await region.objects(of: second, .segment).last)
            let lost = ObjectReferences(kind: .block, changes: [one: -1, both: -1])
            try await effects.commit([
                .addReferences(lost), .addReferences(ObjectReferences(kind: .segment, changes: [segment: -2])),
            ])
            let findings = try await report(region).findings
            #expect(findings.map(\.kind) == [.miscounted, .miscounted, .miscounted])
            let messages = Dictionary(uniqueKeysWithValues: findings.map { ($0.object, $0) })
            #expect(messages[one.hex]?.snapshotID == second)
            #expect(messages[one.hex]?.message.hasPrefix("Object \(one) of \(second) has 1 references") == true)
            for name in [both, segment] {
                let finding = try #require(messages[name.hex])
                #expect(finding.snapshotID == nil)
                let holders = [first.rawValue, second.rawValue].sorted().joined(separator: ", ")
                #expect(finding.message.contains("of \(holders) has"), "\(finding)")
            }

            // As the next start does, which knows of nobody who needs them.
            for name in [one, both, segment] { try removeFile(at: region.objectPath(name)) }
            let missing = try await report(region).findings.filter { $0.kind == .missing }
            // What was below the segment is known by nobody any more.
            let found = missing.map { "\($0.snapshotID?.rawValue ?? "") \($0.blockIndex?.rawValue ?? -1)" }
            #expect(Set(found) == ["\(second) 1", "\(first) -1", "\(second) -1"], "\(missing)")
        }
    }

    @Test("a volume that is being made from a snapshot, and whose row is not there yet, is no finding")
    func volumeInTheMaking() async throws {
        try await withSnapshots { region, first, _ in
            let blank = try await region.create("made")
            try await region.driver.region.beginMaking(blank.id, from: first)
            #expect(try await report(region).findings == [])
            // What a check would find otherwise.
            await region.driver.region.settle(blank.id)
            #expect(try await report(region).findings.map(\.kind) == [.miscounted])
        }
    }

    @Test("of very many findings the first are told, and how many more there are")
    func manyFindings() {
        let finding = SnapshotFinding.unreferenced(Sample.digest(1))
        let report = SnapshotReport(
            snapshotCount: 1, objectCount: 1, objectBytes: 1, limiting: Array(repeating: finding, count: 1_003),
            omittedCount: 4)
        #expect(report.findings.count == 1_000 && report.omittedCount == 7)
        let few = SnapshotReport(snapshotCount: 1, objectCount: 1, objectBytes: 1, limiting: [finding], omittedCount: 0)
        #expect(few.findings == [finding] && few.omittedCount == nil)
    }

    /// Snapshots are made, copied, restored, exported, imported, written, given up and deleted while the store is checked
    /// again and again.
    @Test("a check finds nothing while snapshots come and go", arguments: [SystemRandom().next()])
    func underChanges(seed: UInt64) async throws {
        let random = SeededRandom(seed: seed)
        try await withRegion { region in
            let volume = try await region.create("one")
            let isOver = Atomic(false)
            let checks = Task {
                repeat {
                    let task = try await region.driver.startSnapshotTask(SnapshotTaskRequest(action: .check))
                    var now = task
                    while now.state == .active {
                        try await Task.sleep(for: .milliseconds(2))
                        now = try await region.driver.describeSnapshotTasks(ids: [task.id])[0]
                    }
                    #expect(now.state == .completed, "seed \(seed): \(now.error as Any)")
                    #expect(now.report?.findings == [], "seed \(seed)")
                } while !isOver.load(ordering: .acquiring)
            }
            try await withCleanup({
                isOver.store(true, ordering: .releasing)
                try await checks.value
            }) {
                for number in 0..<60 { try await change(region, volume.id, random, number) }
            }
            try await region.checkStore("at the end, seed \(seed)")
            try await region.driver.close()
        }
    }

    private func change(
        _ region: TestRegion, _ volume: VolumeID, _ random: SeededRandom, _ number: Int
    ) async throws {
        let driver = region.driver
        let completed = try await driver.describeSnapshots(SnapshotQuery(states: [.completed])).snapshots
        let one = completed.isEmpty ? nil : completed[Int(random.next() % UInt64(completed.count))]
        let file = region.directory.appending("file").string
        switch (random.next() % 7, one) {
        case (0, let one?), (1, let one?): try await driver.deleteSnapshot(one.id)
        case (2, let one?):
            _ = try await driver.copySnapshot(CopySnapshotRequest(sourceSnapshotID: one.id))
        case (3, let one?):
            let made = try await driver.createVolume(
                CreateVolumeRequest(zone: TestRegion.zone, type: .gp3, snapshotID: one.id))
            try await driver.deleteVolume(made.id)
        case (4, let one?):
            try removeFile(at: FilePath(file))
            var task = try await driver.startSnapshotTask(
                SnapshotTaskRequest(action: .export, snapshotID: one.id, location: file))
            while task.state == .active { task = try await driver.describeSnapshotTasks(ids: [task.id])[0] }
            try await driver.deleteSnapshot(one.id)
            task = try await driver.startSnapshotTask(SnapshotTaskRequest(action: .import, location: file))
            while task.state == .active { task = try await driver.describeSnapshotTasks(ids: [task.id])[0] }
            #expect(task.state == .completed)
        case (6, _):
            let id = try await region.start()
            // What nobody else brings: bytes that one removes and another brings anew may be told of.
            for block in 0..<2 { try await region.put(UInt8(100 + 2 * number + block), at: block, into: id) }
            if random.next() % 2 == 0 { _ = try await region.seal(id, blockCount: 2) }
            try await driver.deleteSnapshot(id)
        default:
            let place = TestRegion.places[Int(random.next() % UInt64(TestRegion.places.count))]
            try region.write([place: UInt8(random.next() % 5)], to: volume)
            let pending = try await driver.describeSnapshots(SnapshotQuery(states: [.pending])).snapshots
            if pending.count < 4 { _ = try await region.createSnapshot(volume) }
        }
    }
}

extension Region {
    /// The moment between a volume's appearance and the commit of its row and its reference.
    fileprivate func beginMaking(_ id: VolumeID, from snapshot: SnapshotID) throws {
        var volume = try state.volume(id)
        volume.origin = VolumeOrigin(
            source: .snapshot(snapshot), manifest: try state.snapshots.snapshot(snapshot).usableContent().manifest,
            lineage: id.rawValue)
        state.put(volume)
        work.unsettled.insert(id)
    }

    fileprivate func settle(_ id: VolumeID) { work.unsettled.remove(id) }
}
