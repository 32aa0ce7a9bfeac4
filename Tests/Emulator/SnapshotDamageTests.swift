// Files of the store that were altered or lost: what needs them fails with a reason, everything else goes on, what is
// damaged can be deleted, and nothing is removed that something needs.
import BlockStore
import Driver
import Platform
import SystemPackage
import TestSupport
import Testing

@testable import Emulator

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// What happens to an object's file.
enum Harm: CaseIterable, Sendable {
    case lost, altered, cutOff

    func happen(to path: String) throws {
        if self == .lost { return try FileManager.default.removeItem(atPath: path) }
        var bytes = try #require(FileManager.default.contents(atPath: path))
        if self == .cutOff { bytes = bytes.dropLast() } else { bytes[bytes.count / 2] ^= 1 }
        #expect(FileManager.default.createFile(atPath: path, contents: bytes))
    }
}

extension TestRegion {
    /// The objects of a snapshot's tree.
    func objects(of id: SnapshotID, _ kind: ObjectKind) async throws -> [Digest] {
        let content = try #require(await driver.region.state.snapshots.snapshots[id]?.content)
        if kind == .manifest { return [content.manifest] }
        let store = await driver.region.effects.snapshots
        let manifest = try store.manifest(content.manifest)
        var names: [Digest] = []
        try store.forEachReference(of: manifest, segments: 0..<manifest.segmentCount) { name, found in
            if found == kind { names.append(name) }
            return true
        }
        return names
    }

    func path(of name: Digest) -> String {
        directory.appending("snapshots/objects/\(name.hex.prefix(2))/\(name.hex.dropFirst(2))").string
    }

    /// What is wrong with the store, apart from what is needed by nothing and stays.
    func damages() async throws -> [SnapshotFinding] {
        try await driver.finishSnapshotWork()
        let report = try #require(try await ended(SnapshotTaskRequest(action: .check)).report)
        return report.findings.filter { !($0.kind == .miscounted && $0.message.contains("it takes space")) }
    }
}

@Suite struct SnapshotDamageTests {
    private static let blocks: Blocks = [0: 1, 1: 2, 64: 3, 2047: 4]
    private static let harms: [(ObjectKind, Harm)] = [ObjectKind.manifest, .segment].flatMap { kind in
        Harm.allCases.map { (kind, $0) }
    }

    /// A region with a volume, a snapshot of it, and one of a change of it; the first one's tree is damaged where the
    /// second has nothing of it.
    private func withDamage(
        _ kind: ObjectKind, _ harm: Harm,
        _ body: (TestRegion, Volume, _ damaged: SnapshotID, _ whole: SnapshotID) async throws -> Void
    ) async throws {
        try await withRegion { region in
            let volume = try await region.create("one")
            try region.write(Self.blocks, to: volume.id)
            let first = try await region.completeSnapshot(volume.id)
            try region.write([0: 7], to: volume.id)
            let second = try await region.completeSnapshot(volume.id)
            let shared = Set(try await region.objects(of: second, kind))
            let own = try #require(try await region.objects(of: first, kind).first { !shared.contains($0) })
            try harm.happen(to: region.path(of: own))
            try await body(region, volume, first, second)
        }
    }

    private func request(_ snapshot: SnapshotID) -> CreateVolumeRequest {
        CreateVolumeRequest(zone: TestRegion.zone, type: .gp3, snapshotID: snapshot)
    }

    @Test("what is damaged can be deleted, and nothing goes that another snapshot needs", arguments: harms)
    func deletes(_ kind: ObjectKind, _ harm: Harm) async throws {
        try await withDamage(kind, harm) { region, volume, damaged, whole in
            try await region.driver.deleteSnapshot(damaged)
            #expect(try await region.damages() == [])
            #expect(try await region.snapshots.map(\.id) == [whole])
            let changed = Self.blocks.merging([0: 7]) { $1 }
            #expect(try await region.blocks(of: whole) == changed)
            // Nor later: not what was passed over, when it comes and goes once more.
            try region.write([0: 1], to: volume.id)
            let again = try await region.completeSnapshot(volume.id)
            #expect(try await region.blocks(of: again) == Self.blocks)
            try await region.driver.deleteSnapshot(again)
            let next = try await region.reopened()
            #expect(try await next.damages() == [])
            #expect(try await next.blocks(of: whole) == changed)
            try await next.driver.close()
        }
    }

    @Test(
        "what cannot be carried away is named", arguments: [ObjectKind.manifest, .segment, .block],
        [SnapshotTask.Action.export, .push])
    func isNotCarriedAway(_ kind: ObjectKind, _ action: SnapshotTask.Action) async throws {
        try await withDamage(kind, .altered) { region, _, damaged, whole in
            for id in [damaged, whole] {
                let place = region.directory.appending(action == .push ? "place" : id.rawValue)
                if action == .push { try createDirectories(place) }
                let task = try await region.ended(
                    SnapshotTaskRequest(action: action, snapshotID: id, location: place.string))
                #expect(task.state == (id == whole ? .completed : .error))
                guard id == damaged else { continue }
                #expect(task.error?.code == .snapshotDamaged)
                #expect(task.error?.description.contains(id.rawValue) == true)
                let part = kind == .segment ? "blocks 0 to 63" : kind.rawValue
                #expect(task.error?.description.contains(part) == true, "\(task.error?.description ?? "")")
            }
        }
    }

    @Test("what cannot be read for the moment is not told as damage")
    func momentary() {
        let name = Sample.digest(1)
        let errors: [(SnapshotStoreError, StorageError.Code)] = [
            (.damaged(.block, name), .snapshotDamaged), (.missing(.segment, name), .snapshotDamaged),
            (.failed(.block, name, .ioError), .snapshotDamaged),
            (.failed(.manifest, name, .tooManyOpenFiles), .internalError),
        ]
        for (error, code) in errors {
            #expect(StorageError.unreadable("snap-1", error).code == code)
            let part = UnreadableSnapshotPart(blocks: 0..<1, error: error)
            #expect(StorageError.unreadable("snap-1", part).code == code)
        }
    }

    @Test("a restoring volume goes on without its damaged snapshot, and can be deleted", arguments: harms)
    func deletesVolumes(_ kind: ObjectKind, _ harm: Harm) async throws {
        try await withTemporaryDirectory { directory in
            let crash = Crash(after: 2)
            let first = try await TestRegion.open(directory, beforeStep: crash.beforeStep)
            let volume = try await first.create("one")
            try first.write(Self.blocks, to: volume.id)
            let snapshot = try await first.completeSnapshot(volume.id)
            let restored = try await first.driver.createVolume(request(snapshot))
            let name = try #require(try await first.objects(of: snapshot, kind).first)
            try await first.driver.deleteSnapshot(snapshot)
            try harm.happen(to: first.path(of: name))
            // The process dies at it, and start-up finishes it.
            crash.arm()
            await #expect(throws: Crash.self) { try await first.driver.deleteVolume(restored.id) }
            let region = try await first.reopened()
            #expect(try await region.driver.describeVolumes(.all).volumes.map(\.id) == [volume.id])
            #expect(try await region.damages() == [])
            #expect(try region.blocks(of: volume.id) == Self.blocks)
            try await region.driver.close()
        }
    }

    @Test("a snapshot that counts from a damaged one is in error and says why; the next one is whole", arguments: harms)
    func counts(_ kind: ObjectKind, _ harm: Harm) async throws {
        try await withRegion { region in
            let volume = try await region.create("one")
            try region.write(Self.blocks, to: volume.id)
            let parent = try await region.completeSnapshot(volume.id)
            let name = try #require(try await region.objects(of: parent, kind).first)
            try harm.happen(to: region.path(of: name))
            try region.write([0: 9], to: volume.id)
            let failed = try await region.snapshot(region.completeSnapshot(volume.id))
            #expect(failed.state == .error)
            let reason = try #require(failed.stateMessage)
            #expect(reason.hasPrefix("\(kind.rawValue) \(name.hex)"), "\(reason)")
            try region.write([1: 8], to: volume.id)
            let next = try await region.completeSnapshot(volume.id)
            let expected = Self.blocks.merging([0: 9, 1: 8]) { $1 }
            #expect(try await region.blocks(of: next) == expected)
            #expect(try region.blocks(of: volume.id) == expected)
            try await region.driver.deleteSnapshot(failed.id)
            try await region.driver.deleteSnapshot(parent)
            #expect(try await region.damages() == [])
            #expect(try await region.blocks(of: next) == expected)
            try await region.driver.close()
        }
    }

    @Test("a copy of a damaged snapshot is in error and says why", arguments: harms)
    func copies(_ kind: ObjectKind, _ harm: Harm) async throws {
        try await withDamage(kind, harm) { region, _, damaged, whole in
            let copy = try await region.driver.copySnapshot(CopySnapshotRequest(sourceSnapshotID: damaged))
            try await region.driver.finishSnapshotWork()
            let failed = try await region.snapshot(copy.id)
            #expect(failed.state == .error)
            #expect(failed.stateMessage?.hasPrefix("\(kind.rawValue) ") == true, "\(failed)")
            try await region.driver.deleteSnapshot(copy.id)
            try await region.driver.deleteSnapshot(damaged)
            #expect(try await region.damages() == [])
            #expect(try await region.blocks(of: whole)[0] == 7)
            try await region.driver.close()
        }
    }

    @Test("a volume is not copied over what is damaged in its snapshot, and goes on", arguments: Harm.allCases)
    func copiesVolumes(_ harm: Harm) async throws {
        try await withDamage(.segment, harm) { region, _, damaged, whole in
            let volume = try await region.driver.createVolume(request(damaged))
            try region.write([0: 6], to: volume.id)
            let copy = try await region.copied(volume.id)
            #expect(copy.state == .error)
            #expect(copy.stateMessage?.hasPrefix("segment ") == true, "\(copy)")
            try await region.driver.deleteVolume(copy.id)
            try region.write([0: 5], to: volume.id)
            try await region.driver.deleteVolume(volume.id)
            try await region.driver.deleteSnapshot(damaged)
            #expect(try await region.damages() == [])
            #expect(try await region.blocks(of: whole)[0] == 7)
            #expect(try region.volumes.pendingCuts { _, _ in }.isEmpty)
            try await region.driver.close()
        }
    }

    @Test("no volume comes of a damaged manifest, and nothing of it stays", arguments: Harm.allCases)
    func restoresNone(_ harm: Harm) async throws {
        try await withDamage(.manifest, harm) { region, volume, damaged, _ in
            let refused = await refusal { try await region.driver.createVolume(request(damaged)) }
            #expect(refused?.code == .snapshotDamaged)
            #expect(refused?.message.contains(damaged.rawValue) == true)
            #expect(try await region.driver.describeVolumes(.all).volumes.map(\.id) == [volume.id])
            #expect(try region.store.names() == [volume.id.rawValue])
            try await region.driver.close()
        }
    }

    @Test("of a damaged segment and of a damaged block only its own blocks cannot be read", arguments: Harm.allCases)
    func restoresTheRest(_ harm: Harm) async throws {
        for kind in [ObjectKind.segment, .block] {
            try await withDamage(kind, harm) { region, _, damaged, _ in
                let volume = try await region.driver.createVolume(request(damaged))
                let blocks = try region.volumes.open(volume.id.rawValue)
                func read(_ block: Int) throws -> UInt8 {
                    var bytes = [UInt8](repeating: 0xEE, count: 512)
                    var elements = bytes.mutableSpan
                    var span = unsafe elements.mutableBytes
                    try blocks.read(into: &span, count: 512, at: Int64(block) * Int64(SnapshotBlock.bytes))
                    return bytes[0]
                }
                #expect(throws: Errno.ioError) { try read(0) }
                #expect(try read(64) == 3 && read(2047) == 4)
                // What is overwritten as a whole is right again.
                if kind == .block {
                    try region.write([0: 6], to: volume.id)
                    #expect(try read(0) == 6)
                }
                try await region.driver.close()
            }
        }
    }
}
