// What start-up plans for what it finds.
import Driver
import Testing

@testable import Emulator

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

@Suite struct RepairTests {
    private func volume(
        _ digit: Int, _ state: VolumeLifecycle.State, attachments: [AttachmentLifecycle.State] = []
    ) -> VolumeRecord {
        VolumeRecord(
            number: VolumeNumber(Int64(digit)), id: VolumeID("vol-" + String(repeating: "\(digit)", count: 17)),
            zone: "us-east-1b", specification: VolumeSpecification(type: .gp2, sizeGiB: 1, iops: 100),
            isMultiAttachEnabled: false, createTime: Date(milliseconds: 0), tags: [:], state: state,
            attachments: attachments.enumerated().map { index, state in
                AttachmentRecord(
                    number: AttachmentNumber(Int64(digit * 10 + index)), volume: VolumeNumber(Int64(digit)),
                    instance: InstanceID("i-\(index)"), device: "/dev/xvdb", attachTime: Date(milliseconds: 0),
                    state: state)
            })
    }

    private func plan(
        _ volumes: [VolumeRecord], missing: Set<VolumeID> = [], misfits: Set<VolumeID> = []
    ) throws -> RepairPlan {
        let files = Set(volumes.map(\.fileName)).subtracting(missing.map(\.rawValue))
        return try RepairPlan(
            volumes: volumes, tokens: [], files: files, fits: { !misfits.contains($0.id) }, isBlank: { _ in false })
    }

    @Test("a sound catalog needs nothing")
    func sound() throws {
        let volumes = [volume(1, .available), volume(2, .available, attachments: [.attached]), volume(3, .error)]
        let plan = try plan(volumes)
        #expect(plan.changes.isEmpty)
        #expect(plan.filesToRemove.isEmpty)
        #expect(plan.remarks.isEmpty)
        #expect(plan.volumes == volumes)
    }

    @Test("a volume whose file was whole when its maker died is there")
    func made() throws {
        let left = volume(1, .creating)
        let plan = try plan([left])
        #expect(plan.volumes.map(\.state) == [.available])
        #expect(plan.changes == [.putVolume(plan.volumes[0])])
        #expect(plan.filesToRemove.isEmpty)
    }

    @Test("a copy that is being made stays with its token, and its file is made anew")
    func copied() throws {
        var left = volume(1, .creating)
        left.origin = VolumeOrigin(source: .volume("vol-99999999999999999"))
        let token = ClientTokenRecord(token: "t", volume: left.id, parameters: "{}", time: Date(milliseconds: 0))
        for files in [[], [left.fileName]] as [Set<String>] {
            let plan = try RepairPlan(
                volumes: [left], tokens: [token], files: files, fits: { _ in true }, isBlank: { _ in false })
            #expect(plan.volumes == [left] && plan.tokens == [token])
            #expect(plan.filesToRemove == Array(files) && plan.changes.isEmpty && plan.releases.isEmpty)
        }
    }

    @Test("a half made file takes its row with it", arguments: [true, false])
    func halfMade(isMissing: Bool) throws {
        let left = volume(1, .creating)
        let plan = try plan([left], missing: isMissing ? [left.id] : [], misfits: [left.id])
        #expect(plan.filesToRemove == [left.fileName])
        #expect(plan.changes == [.deleteVolume(left.number)])
        #expect(plan.volumes.isEmpty)
    }

    @Test("a half deleted volume goes")
    func halfDeleted() throws {
        let left = volume(1, .deleting)
        let plan = try plan([left, volume(2, .available)])
        #expect(plan.filesToRemove == [left.fileName])
        #expect(plan.changes == [.deleteVolume(left.number)])
        #expect(plan.volumes.map(\.number.rawValue) == [2])
        #expect(plan.remarks.count == 1)
    }

    @Test("a take-over that was decided is finished")
    func takeOver() throws {
        let plan = try plan([volume(1, .available, attachments: [.detaching, .attaching])])
        let left = try #require(plan.volumes.first).attachments
        #expect(left.map(\.instance) == ["i-1"])
        #expect(left.map(\.state) == [.attached])
        #expect(plan.changes == [.deleteAttachment(AttachmentNumber(10)), .putAttachment(left[0])])
    }

    @Test("a volume without its file, or with another's size, is in error and attached to nothing")
    func damaged() throws {
        let (one, other) = (volume(1, .available, attachments: [.attached]), volume(2, .available))
        let plan = try plan([one, other], missing: [one.id], misfits: [other.id])
        #expect(plan.volumes.map(\.state) == [.error, .error])
        #expect(plan.volumes.allSatisfy { $0.attachments.isEmpty })
        #expect(plan.changes.contains(.deleteAttachment(AttachmentNumber(10))))
        #expect(plan.remarks.contains { $0.contains("its file is missing") })
        #expect(plan.remarks.contains { $0.contains("another size") })
    }

    @Test("a file of no volume is told of; it goes when it is ours and nothing was written to it")
    func strangers() throws {
        let (blank, written) = ("vol-88888888888888888", "vol-99999999999999999")
        let plan = try RepairPlan(
            volumes: [], tokens: [], files: [blank, written, "lost+found", "notes"], fits: { _ in true },
            isBlank: { $0 != written })
        #expect(plan.filesToRemove == [blank])
        #expect(plan.remarks.count == 2)
        #expect(plan.remarks[0].contains(blank))
        #expect(plan.remarks[1].contains(written))
    }
}
