import Platform
import SystemPackage
import Testing

@testable import BlockStore

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Files of a cut, or of a volume's tracking, that the next process cannot read: they cost what they belong to.
@Suite struct UnreadableCutTests {
    /// Nobody opens a link to itself.
    private func makeUnreadable(_ file: FilePath) throws {
        try removeFile(at: file)
        try FileManager.default.createSymbolicLink(atPath: file.string, withDestinationPath: file.string)
    }

    private func withCuts(_ body: (TrackingFixture, [CutDirectory]) throws -> Void) async throws {
        try await TrackingFixture.run { fixture in
            for name in ["vol-1", "vol-2"] {
                try fixture.store.create(name, sizeBytes: 4 << 20)
                try fixture.volumes.open(name).write([1], at: 0)
            }
            let cuts = try fixture.volumes.cut([
                .init(volume: "vol-1", cut: "snap-1", base: nil), .init(volume: "vol-2", cut: "snap-1", base: nil),
            ])
            for name in ["vol-1", "vol-2"] { try fixture.volumes.open(name).write([2], at: 0) }
            try body(fixture, cuts.map(\.directory))
        }
    }

    private static let files = ["record", "needed", "saved", "chunks", "done", "state", "names", "old.0"]

    @Test(arguments: files) func aCutThatCannotBeReadCostsNothingElse(file: String) async throws {
        try await withCuts { fixture, places in
            try makeUnreadable(places[0].path.appending(file))
            try fixture.startNextProcess()
            var unusable: [String] = []
            let pending = try fixture.volumes.pendingCuts { cut, _ in unusable.append(cut) }
            #expect(pending.map(\.volume) == ["vol-2"])
            #expect(unusable == ["snap-1"])
            let sink = MemorySink()
            try #require(pending.first).copy(into: sink)
            #expect(try sink.contents(of: pending[0], on: nil).bytes[0] == 1)
            try fixture.volumes.finish(pending[0])
            // The volume has its bytes, counts from nothing, and is cut again.
            #expect(try fixture.volumes.open("vol-1").bytes(at: 0, count: 1) == [2])
            #expect(try fixture.volumes.trackedBase(of: "vol-1") == nil)
            let next = try fixture.volumes.cut([.init(volume: "vol-1", cut: "snap-2", base: nil)])[0]
            try fixture.volumes.open("vol-1").write([3], at: 0)
            try next.copy(into: sink)
            #expect(try sink.contents(of: next, on: nil).bytes[0] == 2)
            try fixture.volumes.finish(next)
            // What is left of the cut goes with the process after.
            try fixture.startNextProcess()
            #expect(try CutDirectory.all(in: fixture.store.directory).isEmpty)
        }
    }

    @Test func aCutOfAVolumeThatIsGoneKeepsNoSpaceWhenItCannotBeRead() async throws {
        try await withCuts { fixture, places in
            try fixture.store.remove("vol-1")
            try fixture.startNextProcess()
            #expect(try fixture.pendingCuts().map(\.volume) == ["vol-1", "vol-2"])
            try makeUnreadable(places[0].record)
            try fixture.startNextProcess()
            #expect(try fixture.pendingCuts().map(\.volume) == ["vol-2"])
            #expect(try CutDirectory.all(in: fixture.store.directory).map(\.volume) == ["vol-2"])
        }
    }

    @Test func trackingThatCannotBeReadCostsItsVolumeAlone() async throws {
        try await withCuts { fixture, places in
            let tracking = TrackingDirectory(store: fixture.store.directory, volume: "vol-1")
            try makeUnreadable(tracking.record)
            try fixture.startNextProcess()
            var unusable: [Errno] = []
            let pending = try fixture.volumes.pendingCuts { _, error in unusable.append(error) }
            #expect(pending.map(\.volume) == ["vol-2"])
            #expect(unusable == [.tooManySymbolicLinkLevels])
            #expect(throws: Errno.tooManySymbolicLinkLevels) { try fixture.volumes.open("vol-1") }
            #expect(try fixture.volumes.open("vol-2").bytes(at: 0, count: 1) == [2])
            // It can be removed, and then nothing is left of it.
            try fixture.store.remove("vol-1")
            try fixture.startNextProcess()
            #expect(try CutDirectory.all(in: fixture.store.directory).map(\.volume) == ["vol-2"])
        }
    }
}
