// What start-up plans for snapshots that were left pending.
import Driver
import Testing

@testable import Emulator

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

@Suite struct SnapshotRepairTests {
    private static let time = Sample.start.adding(milliseconds: 60_000)

    private func plan(
        _ snapshots: [SnapshotRecord], cuts: Set<String> = [], bases: Set<String> = [], isWritable: Bool = true
    ) throws -> SnapshotRepairPlan {
        try SnapshotRepairPlan(snapshots, cuts: cuts, bases: bases, at: Self.time) { _ in isWritable }
    }

    private func copy(_ number: Int64) -> SnapshotRecord {
        var copy = Sample.snapshot(number, origin: .copy(of: "snap-00000000000000009"), region: "eu-west-1")
        copy.base = Sample.digest(9)
        return copy
    }

    private func wanted(_ snapshot: SnapshotRecord) throws -> SnapshotRecord {
        var snapshot = snapshot
        _ = try snapshot.apply(.deletionBegan)
        return snapshot
    }

    private func completed(_ number: Int64) throws -> SnapshotRecord {
        var snapshot = Sample.snapshot(number)
        _ = try snapshot.apply(
            .copied(SnapshotContent(manifest: Sample.digest(1), fullSizeBytes: 0), at: Sample.start))
        return snapshot
    }

    private func failed(_ number: Int64, _ reason: String) throws -> SnapshotRecord {
        var snapshot = Sample.snapshot(number)
        _ = try snapshot.apply(.failed(at: Self.time, reason: reason))
        return snapshot
    }

    @Test("what has ended is left alone")
    func ended() throws {
        let snapshots = [try completed(1), try failed(2, "no space left")]
        let plan = try plan(snapshots)
        #expect(plan.snapshots == snapshots)
        #expect(plan.unfinished.isEmpty && plan.changes.isEmpty && plan.remarks.isEmpty)
        #expect(plan.cutsToGiveBack.isEmpty)
    }

    @Test("a pending one goes on from its cut, and without it is in error with a reason")
    func pending() throws {
        let (left, lost) = (Sample.snapshot(1), Sample.snapshot(2))
        let plan = try plan([left, lost], cuts: [left.id.rawValue])
        let error = try failed(2, SnapshotRepairPlan.lostInstant)
        #expect(plan.snapshots == [left, error])
        #expect(plan.unfinished == [.snapshot(left.id)])
        #expect(plan.changes == [.putSnapshot(error)])
        #expect(plan.cutsToGiveBack.isEmpty)
        #expect(plan.remarks.count == 1)
    }

    @Test("a cut of nothing that is pending is given back: of no snapshot, of one that ended, of one to be deleted")
    func strayCuts() throws {
        var leaving = Sample.snapshot(3)
        _ = try leaving.apply(.deletionBegan)
        let done = try completed(1)
        let cuts: Set = [done.id.rawValue, leaving.id.rawValue, "snap-00000000000000009"]
        let plan = try plan([done, leaving], cuts: cuts)
        #expect(plan.cutsToGiveBack == cuts)
        #expect(plan.snapshots == [done])
        #expect(plan.changes == [.deleteSnapshot(leaving.number)])
    }

    @Test("a copy goes on, whether its source is there or not; one to be deleted gives its reference back")
    func copies() throws {
        let plan = try plan([copy(2), wanted(copy(3))])
        #expect(plan.unfinished == [.snapshot(copy(2).id)])
        #expect(plan.snapshots == [copy(2)])
        #expect(plan.changes == [.deleteSnapshot(copy(3).number)])
        #expect(plan.releases == [Sample.digest(9)])
    }

    @Test(
        "a copy of a volume goes on from its cut, and without it is in error with a reason and gives its reference back"
    )
    func copiesOfVolumes() throws {
        var copy = Sample.volume(state: .creating)
        copy.origin = VolumeOrigin(source: .volume("vol-00000000000000009"), manifest: Sample.digest(9))
        let cuts: Set = [copy.id.rawValue]
        let going = try SnapshotRepairPlan([], copies: [copy], cuts: cuts, bases: [], at: Self.time) { _ in false }
        #expect(going.unfinished == [.volume(copy.id)])
        #expect(going.changes.isEmpty && going.failedCopies.isEmpty && going.cutsToGiveBack.isEmpty)
        let lost = try SnapshotRepairPlan([], copies: [copy], cuts: [], bases: [], at: Self.time) { _ in false }
        let failed = try #require(lost.failedCopies.first)
        #expect(failed.state == .error && failed.failure == SnapshotRepairPlan.lostInstant)
        #expect(failed.neededManifest == nil && lost.releases == [Sample.digest(9)])
        #expect(lost.changes == failed.ownRows && lost.unfinished.isEmpty)
    }

    @Test("one that others count from goes only when its blocks are in, whoever wants it gone")
    func base() throws {
        let (base, child) = (try wanted(Sample.snapshot(1)), Sample.snapshot(2))
        let plan = try plan([base, child], cuts: [base.id.rawValue, child.id.rawValue], bases: [base.id.rawValue])
        #expect(plan.snapshots == [base, child])
        #expect(plan.unfinished == [.snapshot(base.id), .snapshot(child.id)])
        #expect(plan.changes.isEmpty && plan.cutsToGiveBack.isEmpty)
    }

    @Test("one that lost its instant gives the reference of its base back")
    func lostWithBase() throws {
        var snapshot = Sample.snapshot(1)
        snapshot.base = Sample.digest(9)
        let lost = try plan([snapshot])
        #expect(lost.releases == [Sample.digest(9)])
        #expect(lost.changes == [.putSnapshot(try failed(1, SnapshotRepairPlan.lostInstant))])
        let leaving = try plan([wanted(snapshot)], bases: [snapshot.id.rawValue])
        #expect(leaving.releases == [Sample.digest(9)])
        #expect(leaving.changes == [.deleteSnapshot(snapshot.number)])
    }

    @Test("one that is written block by block waits for more, if what was put is there", arguments: [true, false])
    func blocks(_ isWritable: Bool) throws {
        let snapshot = Sample.snapshot(1, origin: .blocks(parent: nil, timeoutMinutes: 60))
        let plan = try plan([snapshot], isWritable: isWritable)
        #expect(plan.snapshots.map(\.state) == [isWritable ? .pending : .error])
        #expect(plan.unfinished.isEmpty, "nobody but its writer can go on")
        #expect(plan.changes.isEmpty == isWritable)
    }

    @Test("carried out twice it is carried out once")
    func twice() throws {
        var leaving = Sample.snapshot(3)
        _ = try leaving.apply(.deletionBegan)
        let first = try plan(
            [Sample.snapshot(1), Sample.snapshot(2), leaving], cuts: ["snap-00000000000000001", "snap-stray"])
        let second = try plan(first.snapshots, cuts: ["snap-00000000000000001"])
        #expect(second.snapshots == first.snapshots)
        #expect(second.unfinished == first.unfinished)
        #expect(second.changes.isEmpty && second.cutsToGiveBack.isEmpty)
    }
}
