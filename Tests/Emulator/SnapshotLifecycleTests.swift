// Snapshots' states, limits and texts alone, without a region.
import BlockStore
import Driver
import Testing

@testable import Emulator

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Values that tests of snapshots begin with.
enum Sample {
    static let start = Date(milliseconds: 1_700_000_000_000)
    static let snapshotID: SnapshotID = "snap-00000000000000001"

    static func digest(_ byte: UInt8) -> Digest { Digest(Array(repeating: byte, count: Digest.byteCount)) }

    static func snapshot(
        _ number: Int64 = 1, sizeGiB: Int = 8, startTime: Date = start, tags: [String: String] = [:],
        origin: SnapshotOrigin = .volume("vol-00000000000000001"), region: String = "us-east-1"
    ) -> SnapshotRecord {
        let digits = String(number, radix: 16)
        return SnapshotRecord(
            number: SnapshotNumber(number),
            id: SnapshotID("snap-" + String(repeating: "0", count: 17 - digits.count) + digits), region: region,
            origin: origin, sizeGiB: sizeGiB, startTime: startTime, text: "nightly", tags: tags)
    }

    static func volume(
        _ type: VolumeType = .gp3, sizeGiB: Int = 8, state: VolumeLifecycle.State = .available
    ) -> VolumeRecord {
        VolumeRecord(
            number: VolumeNumber(1), id: "vol-00000000000000001", zone: "us-east-1b",
            specification: VolumeSpecification(type: type, sizeGiB: sizeGiB), isMultiAttachEnabled: false,
            createTime: start, tags: [:], state: state)
    }
}

@Suite struct SnapshotLifecycleTests {
    private enum Kind: CaseIterable { case copied, failed, deletionBegan }

    private static let end = Sample.start.adding(milliseconds: 90_000)

    private static func content() -> SnapshotContent {
        SnapshotContent(manifest: Sample.digest(7), fullSizeBytes: 3 << 20)
    }

    private static func event(_ kind: Kind) -> SnapshotLifecycle.Event {
        switch kind {
        case .copied: .copied(content(), at: end)
        case .failed: .failed(at: end, reason: "no space left")
        case .deletionBegan: .deletionBegan
        }
    }

    private static func snapshot(_ state: Snapshot.State, deleted: Bool = false) throws -> SnapshotRecord {
        var snapshot = Sample.snapshot()
        if deleted { _ = try snapshot.apply(.deletionBegan) }
        switch state {
        case .pending: break
        case .completed: _ = try snapshot.apply(event(.copied))
        case .error: _ = try snapshot.apply(event(.failed))
        }
        return snapshot
    }

    @Test("what came from elsewhere is related to the volume that it was of, and to nothing if it was of none")
    func lineageOfImports() {
        let known = Sample.snapshot(1, origin: .imported("vol-00000000000000009"))
        #expect(known.lineage == "vol-00000000000000009")
        let unknown = [2, 3].map { Sample.snapshot($0, origin: .imported(.ofNoVolume)) }
        #expect(unknown.map(\.lineage) == unknown.map(\.id.rawValue))
    }

    @Test("every event in every state leads where it should, or is refused and changes nothing")
    func transitions() throws {
        let allowed: [Snapshot.State: [Kind: Snapshot.State]] = [
            .pending: [.copied: .completed, .failed: .error, .deletionBegan: .pending],
            .completed: [.deletionBegan: .completed], .error: [.deletionBegan: .error],
        ]
        for state in Snapshot.State.allCases {
            for kind in Kind.allCases {
                var subject = try Self.snapshot(state)
                if let expected = allowed[state]?[kind] {
                    let outcome = try subject.apply(Self.event(kind))
                    #expect(subject.state == expected)
                    #expect((outcome == .goes) == (kind == .deletionBegan && state != .pending))
                    continue
                }
                let event = Self.event(kind)
                let error = #expect(throws: StorageError.self) { try subject.apply(event) }
                #expect(error?.code == .incorrectState)
                #expect(try subject == Self.snapshot(state))
            }
        }
    }

    @Test("a pending snapshot that is deleted goes when its blocks are in, or given up", arguments: [true, false])
    func deletedWhilePending(_ succeeds: Bool) throws {
        var subject = try Self.snapshot(.pending, deleted: true)
        #expect(try subject.apply(.deletionBegan) == .stays, "twice is once")
        #expect(subject.state == .pending)
        #expect(try subject.apply(Self.event(succeeds ? .copied : .failed)) == .goes)
    }

    @Test("it is described as EC2 does: percent below 100 until it is completed, sizes and times after")
    func report() throws {
        let pending = try Self.snapshot(.pending)
        #expect([-1, 0, 42, 100].map { pending.report(copiedPercent: $0).progressPercent } == [0, 0, 42, 99])
        #expect(pending.report(copiedPercent: 1).fullSizeBytes == nil)
        #expect(pending.report(copiedPercent: 1).completionTime == nil)
        let completed = try Self.snapshot(.completed).report(copiedPercent: 0)
        #expect(completed.progressPercent == 100)
        #expect(completed.fullSizeBytes == 3 << 20)
        #expect(completed.completionTime == Self.end)
        #expect(completed.description == "nightly")
        let failed = try Self.snapshot(.error).report(copiedPercent: 50)
        #expect(failed.state == .error)
        #expect(failed.stateMessage == "no space left")
        #expect(failed.completionTime == nil)
    }

    @Test("only what was cut from a volume names it")
    func origins() {
        let volume: VolumeID = "vol-00000000000000001"
        #expect(SnapshotOrigin.volume(volume).reportedVolumeID == volume)
        #expect(SnapshotOrigin.imported(volume).reportedVolumeID == volume)
        #expect(SnapshotOrigin.copy(of: Sample.snapshotID).reportedVolumeID == "vol-ffffffff")
        #expect(SnapshotOrigin.blocks(parent: nil, timeoutMinutes: 60).reportedVolumeID == "vol-ffffffff")
    }

    @Test("what is not completed cannot be used, with EC2's text")
    func unusable() throws {
        #expect(try Self.snapshot(.completed).usableContent() == Self.content())
        let pending = try Self.snapshot(.pending)
        let error = #expect(throws: StorageError.self) { try pending.usableContent() }
        #expect(error?.code == .incorrectState)
        #expect(error?.message == "Snapshot is in invalid state - pending")
    }

    @Test("ids are well formed with 17 or 8 digits")
    func ids() {
        for good in ["snap-0123456789abcdef0", "snap-01234567"] as [SnapshotID] {
            #expect(good.isWellFormedSnapshotID)
        }
        for bad in ["", "snap-", "snap-0123", "vol-01234567", "snap-0123456G", "snap-0123456789ABCDEF0"] {
            #expect(!SnapshotID(bad).isWellFormedSnapshotID)
        }
    }
}

@Suite struct SnapshotLimitTests {
    private func refusal(_ body: () throws -> Void) -> StorageError? {
        #expect(throws: StorageError.self) { try body() }
    }

    @Test("five of a volume may be pending, one of an HDD volume", arguments: [VolumeType.gp3, .io2, .st1, .sc1])
    func pending(_ type: VolumeType) throws {
        let limit = type == .st1 || type == .sc1 ? 1 : 5
        let volume = Sample.volume(type)
        let pending = (1...Int64(limit)).map { Sample.snapshot($0) }
        try SnapshotLimits.check(
            oneMoreOf: volume, earlier: pending.dropLast(), at: Sample.start, SnapshotPolicy())
        let error = refusal {
            try SnapshotLimits.check(oneMoreOf: volume, earlier: pending, at: Sample.start, SnapshotPolicy())
        }
        #expect(error?.code == .concurrentSnapshotLimitExceeded)
        #expect(error?.message == "Maximum allowed in-progress snapshots for a single volume exceeded.")
        var done = pending
        _ = try done[0].apply(.failed(at: Sample.start, reason: "x"))
        try SnapshotLimits.check(oneMoreOf: volume, earlier: done, at: Sample.start, SnapshotPolicy())
    }

    @Test("where an interval is set, the next one is refused until it is over")
    func interval() throws {
        let policy = SnapshotPolicy(creationInterval: .seconds(15))
        let earlier = [Sample.snapshot(1, startTime: Sample.start), Sample.snapshot(2, startTime: .distantPast)]
        func check(_ milliseconds: Int64, _ policy: SnapshotPolicy) throws {
            try SnapshotLimits.check(
                oneMoreOf: Sample.volume(), earlier: earlier, at: Sample.start.adding(milliseconds: milliseconds),
                policy)
        }
        #expect(refusal { try check(14_999, policy) }?.code == .snapshotCreationRateExceeded)
        try check(15_000, policy)
        try check(0, SnapshotPolicy())
    }

    @Test("a description has at most 255 characters")
    func description() throws {
        try SnapshotLimits.checkDescription(String(repeating: "ü", count: 255))
        let error = refusal { try SnapshotLimits.checkDescription(String(repeating: "a", count: 256)) }
        #expect(error?.code == .invalidParameterValue)
    }
}

@Suite struct VolumeSourceTests {
    private func completed() throws -> SnapshotRecord {
        var snapshot = Sample.snapshot(sizeGiB: 8)
        _ = try snapshot.apply(
            .copied(SnapshotContent(manifest: Sample.digest(1), fullSizeBytes: 0), at: Sample.start))
        return snapshot
    }

    private func refusal(_ body: () throws -> Void) -> StorageError? {
        #expect(throws: StorageError.self) { try body() }
    }

    @Test("a volume is as large as its source, or larger, never smaller")
    func sizes() throws {
        let snapshot = try completed()
        for source in [VolumeSource.snapshot(snapshot), .volume(Sample.volume(sizeGiB: 8))] {
            #expect(try source.sizeGiB(asked: nil) == 8)
            #expect(try source.sizeGiB(asked: 8) == 8)
            #expect(try source.sizeGiB(asked: 9) == 9)
            #expect(refusal { _ = try source.sizeGiB(asked: 7) }?.code == .invalidParameterValue)
        }
        let error = refusal { _ = try VolumeSource.snapshot(snapshot).sizeGiB(asked: 5) }
        #expect(
            error?.message
                == "Volume of size 5GB is smaller than snapshot 'snap-00000000000000001', expect size >= 8GB")
        #expect(try VolumeSource.blank.sizeGiB(asked: 1) == 1)
        let missing = refusal { _ = try VolumeSource.blank.sizeGiB(asked: nil) }
        #expect(missing?.message == "The request must contain the parameter size/snapshot")
    }

    @Test("a source must have content, and a volume's copy stays in its zone")
    func usable() throws {
        try VolumeSource.snapshot(completed()).checkUsable(in: "us-east-1a")
        try VolumeSource.volume(Sample.volume()).checkUsable(in: "us-east-1b")
        try VolumeSource.blank.checkUsable(in: "us-east-1b")
        let pending = VolumeSource.snapshot(Sample.snapshot())
        #expect(refusal { try pending.checkUsable(in: "us-east-1b") }?.code == .incorrectState)
        let elsewhere = refusal { try VolumeSource.volume(Sample.volume()).checkUsable(in: "us-east-1a") }
        #expect(elsewhere?.code == .zoneMismatch)
        for state in VolumeLifecycle.State.allCases where state != .available {
            let source = VolumeSource.volume(Sample.volume(state: state))
            #expect(refusal { try source.checkUsable(in: "us-east-1b") }?.code == .incorrectState)
        }
    }

    @Test("an initialization rate is for a snapshot, and 100 to 300 MiB/s")
    func rates() throws {
        let source = VolumeSource.snapshot(Sample.snapshot())
        for rate in [nil, 100, 300] { try source.check(initializationRateMiBps: rate) }
        for rate in [Int.min, 0, 99, 301] {
            #expect(refusal { try source.check(initializationRateMiBps: rate) }?.code == .invalidParameterValue)
        }
        let alone = refusal { try VolumeSource.blank.check(initializationRateMiBps: 200) }
        #expect(alone?.code == .invalidParameterCombination)
    }
}
