import Platform
import SystemPackage
import Testing

@testable import BlockStore

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// What is left, on disk and open, when a step of a cut fails: what there was before.
@Suite struct CutCleanupTests {
    private static let names = ["vol-1", "vol-2", "vol-3"]

    /// Three volumes with a base, of which the second then refuses something.
    private func run(_ body: (TrackingFixture, [VolumeBlocks]) throws -> Void) async throws {
        try await TrackingFixture.run { fixture in
            var volumes: [VolumeBlocks] = []
            for name in Self.names {
                try fixture.store.create(name, sizeBytes: 4 << 20)
                volumes.append(try fixture.volumes.open(name))
                try volumes.last?.write([1], at: 0)
            }
            for cut in try fixture.volumes.cut(requests("snap-1")) {
                try cut.copy(into: MemorySink())
                try fixture.volumes.finish(cut)
            }
            try body(fixture, volumes)
        }
    }

    private func requests(_ cut: String, base: String? = nil) -> [TrackedVolumes.CutRequest] {
        Self.names.map { .init(volume: $0, cut: cut, base: base) }
    }

    @Test func aVolumeThatCannotBePreparedLeavesTheOthersAsTheyWere() async throws {
        try await run { fixture, volumes in
            let before = try Leftovers(of: fixture)
            // A file where the second volume's next changes are to be.
            let obstacle = volumes[1].directory.changes(2)
            try createDirectories(obstacle)
            #expect(throws: Errno.self) { try fixture.volumes.cut(requests("snap-2", base: "snap-1")) }
            try Directory.remove(obstacle)
            #expect(try Leftovers(of: fixture) == before)
            for name in Self.names { #expect(try fixture.volumes.trackedBase(of: name) == "snap-1") }
            try expectCut(fixture, base: "snap-1")
        }
    }

    /// The first volume has been cut by then, the third not.
    @Test func aVolumeThatCannotBeCutTakesTheCutBackFromTheOthers() async throws {
        try await run { fixture, volumes in
            var before = try Leftovers(of: fixture)
            let record = volumes[1].directory.record
            let contents = try readFile(record)
            // No file takes the name of a directory that is not empty.
            try removeFile(at: record)
            try createDirectories(record.appending("obstacle"))
            #expect(throws: Errno.isDirectory) { try fixture.volumes.cut(requests("snap-2", base: "snap-1")) }
            try Directory.remove(record.appending("obstacle"))
            try Directory.remove(record)
            try writeFile(record, contents)
            // What the first one counted from is a cut that failed.
            before.forget("vol-1")
            #expect(try Leftovers(of: fixture) == before)
            #expect(try Self.names.map { try fixture.volumes.trackedBase(of: $0) } == [nil, "snap-1", "snap-1"])
            #expect(try fixture.pendingCuts().isEmpty)
            try expectCut(fixture, base: "snap-1")
        }
    }

    /// All goes on as if nothing had been tried.
    private func expectCut(_ fixture: TrackingFixture, base: String) throws {
        for name in Self.names { try fixture.volumes.open(name).write([7], at: 1 << 20) }
        let cuts = try fixture.volumes.cut(requests("snap-2", base: base))
        for cut in cuts {
            let sink = MemorySink()
            try cut.copy(into: sink)
            #expect(sink.putCount == (cut.base == nil ? 2 : 1))
            try fixture.volumes.finish(cut)
        }
    }

    @Test func aVolumeThatCannotBeMadeFromASnapshotLeavesNothing() async throws {
        try await run { fixture, _ in
            let before = try Leftovers(of: fixture)
            // The second part of the volume cannot be made.
            let store = try VolumeStore(directory: fixture.store.directory, partBytes: 1 << 20)
            let volumes = try TrackedVolumes(store: store, boot: fixture.boot) { _ in }
            let obstacle = fixture.store.directory.appending("new.1")
            try createDirectories(obstacle)
            let source = MemorySnapshot(name: "source", [UInt8](repeating: 1, count: 2 << 20))
            #expect(throws: Errno.self) { try volumes.create("new", sizeBytes: 2 << 20, restoring: source) }
            try Directory.remove(obstacle)
            #expect(try Leftovers(of: fixture) == before)
        }
    }

    @Test func afterManyCutsAndProcessesThereIsNothingButTheVolumes() async throws {
        try await run { fixture, volumes in
            let before = try Leftovers(of: fixture)
            for round in 2..<8 {
                let cuts = try fixture.volumes.cut(requests("snap-\(round)", base: "snap-\(round - 1)"))
                for cut in cuts where round % 2 == 0 { cut.fail(.cancelled) }
                for cut in cuts { try fixture.volumes.finish(cut) }
            }
            #expect(try Leftovers(of: fixture).withoutGenerations == before.withoutGenerations)
        }
    }

    /// What a killed process had prepared, half made.
    @Test func theNextProcessRemovesWhatWasHalfMade() async throws {
        try await run { fixture, volumes in
            let before = try Leftovers(of: fixture)
            let request = TrackedVolumes.CutRequest(volume: volumes[0].name, cut: "snap-2", base: "snap-1")
            _ = try volumes[0].prepareCut(request)
            try writeFile(volumes[1].directory.record.appending(suffix: ".new"), [1])
            try fixture.startNextProcess()
            #expect(try Leftovers(of: fixture).files == before.files)
        }
    }

    @Test func volumesThatHaveBeenClosedAreForgotten() async throws {
        try await TrackingFixture.run { fixture in
            let before = try Leftovers(of: fixture)
            for number in 0..<1000 {
                try fixture.store.create("vol-\(number)", sizeBytes: 4096)
                _ = try fixture.volumes.open("vol-\(number)")
                try fixture.store.remove("vol-\(number)")
            }
            #expect(fixture.volumes.openingCount <= 64)
            #expect(try Leftovers(of: fixture) == before)
        }
    }
}

/// The files below a store's directory, and how many of them this process has open.
private struct Leftovers: Equatable {
    var files: Set<String>
    var descriptors: [String]

    init(of fixture: TrackingFixture) throws {
        let root = fixture.store.directory.string
        files = Set(try FileManager.default.subpathsOfDirectory(atPath: root))
        descriptors = try Directory.names(in: "/proc/self/fd").compactMap { number in
            let path: String
            do {
                path = try linkTarget(of: FilePath("/proc/self/fd/\(number)"))
            } catch .noSuchFileOrDirectory {
                // One of a test beside this one, which has closed it.
                return nil
            }
            return path.hasPrefix(root) ? String(path.dropFirst(root.count)) : nil
        }.sorted()
    }

    /// A volume's changes are not counted any more.
    mutating func forget(_ volume: String) {
        let isMap = { (path: String) in path.contains(".maps/\(volume)/changes.") }
        files = files.filter { !isMap($0) }
        descriptors.removeAll(where: isMap)
    }

    var withoutGenerations: Self {
        var copy = self
        copy.files = Set(files.map(Self.withoutGeneration))
        copy.descriptors = descriptors.map(Self.withoutGeneration)
        return copy
    }

    private static func withoutGeneration(_ path: String) -> String {
        guard path.contains("/changes."), let dot = path.lastIndex(of: ".") else { return path }
        return String(path[...dot])
    }
}

extension FilePath {
    fileprivate func appending(suffix: String) -> FilePath { FilePath(string + suffix) }
}
