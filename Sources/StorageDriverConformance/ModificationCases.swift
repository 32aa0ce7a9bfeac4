// Volumes that change their size, type and performance, attached or not.
import Driver

/// A change that must be refused for a gp3 volume of 100 GiB.
private struct RefusedChange: Sendable {
    var sizeGiB: Int?
    var type: VolumeType?
    var iops: Int?
    var throughputMiBps: Int?
    var isMultiAttachEnabled: Bool?
    let code: StorageError.Code
    let text: String
}

private let refused: [RefusedChange] = [
    RefusedChange(sizeGiB: 99, code: .invalidParameterValue, text: "New size cannot be smaller than existing size"),
    RefusedChange(
        sizeGiB: 65_537, code: .invalidParameterValue,
        text: "Volume of 65537GiB is too large for volume type gp3; maximum is 65536GiB"),
    RefusedChange(type: VolumeType("gp9"), code: .unknownVolumeType, text: "Unsupported volume type 'gp9'"),
    RefusedChange(
        type: .st1, code: .invalidParameterValue, text: "st1 volumes must be at least 125 GiB"),
    RefusedChange(
        type: .gp2, iops: 3_000, code: .invalidParameterCombination,
        text: "The parameter iops is not supported for gp2 volumes."),
    RefusedChange(
        iops: 50_001, code: .invalidParameterValue, text: "Iops to volume size ratio of 500.010000 is too high"),
    RefusedChange(
        throughputMiBps: 751, code: .invalidParameterValue, text: "Throughput (MiBps) to iops ratio of 0.250333"),
    RefusedChange(
        type: .io2, throughputMiBps: 200, code: .invalidParameterCombination,
        text: "The throughput parameter is not supported for io2 volumes."),
    RefusedChange(
        isMultiAttachEnabled: true, code: .invalidParameterCombination,
        text: "The parameter multi-attach-enabled is not supported for gp3 volumes."),
]

/// What a change leads to that leaves IOPS or throughput open.
private struct Default: Sendable {
    let from: CreateVolumeRequest
    let type: VolumeType
    var sizeGiB: Int?
    let iops: Int?
    let throughputMiBps: Int?
}

private func defaults(in zone: ZoneName) -> [Default] {
    func volume(_ type: VolumeType, _ sizeGiB: Int, iops: Int? = nil, throughputMiBps: Int? = nil)
        -> CreateVolumeRequest
    {
        CreateVolumeRequest(zone: zone, sizeGiB: sizeGiB, type: type, iops: iops, throughputMiBps: throughputMiBps)
    }
    return [
        // gp3 after gp2 has no less than that had; 500 GiB are the User Guide's example.
        Default(from: volume(.gp2, 500), type: .gp3, iops: 3_000, throughputMiBps: 250),
        Default(from: volume(.gp2, 100), type: .gp3, iops: 3_000, throughputMiBps: 128),
        Default(from: volume(.gp2, 2_000), type: .gp3, iops: 6_000, throughputMiBps: 250),
        Default(from: volume(.standard, 10), type: .gp3, iops: 3_000, throughputMiBps: 125),
        Default(from: volume(.gp2, 100), type: .io1, iops: 3_000, throughputMiBps: nil),
        Default(from: volume(.gp3, 10, iops: 5_000), type: .io2, iops: 3_000, throughputMiBps: nil),
        Default(from: volume(.io2, 1_000, iops: 9_000), type: .gp3, iops: 3_000, throughputMiBps: 125),
        Default(from: volume(.gp3, 150, iops: 9_000), type: .st1, iops: nil, throughputMiBps: nil),
        // The type stays, and with it what was bought; gp2's baseline follows the size.
        Default(
            from: volume(.gp3, 50, iops: 9_000, throughputMiBps: 500), type: .gp3, sizeGiB: 60, iops: 9_000,
            throughputMiBps: 500),
        Default(from: volume(.io1, 50, iops: 700), type: .io1, sizeGiB: 60, iops: 700, throughputMiBps: nil),
        Default(from: volume(.gp2, 100), type: .gp2, sizeGiB: 200, iops: 600, throughputMiBps: nil),
    ]
}

extension ConformanceSubject {
    /// A gp3 volume of 100 GiB in the instances' zone.
    fileprivate var hundredGiB: CreateVolumeRequest { CreateVolumeRequest(zone: zone, sizeGiB: 100, type: .gp3) }

    fileprivate func latestModification(_ id: VolumeID) async throws -> VolumeModification {
        let page = try await driver.describeVolumeModifications(VolumeModificationQuery(volumeIDs: [id]))
        guard page.modifications.count == 1, let modification = page.modifications.first else {
            throw ConformanceFailure(
                expected: "one modification of \(id)", found: "\(page.modifications.count)", line: #line)
        }
        return modification
    }

    /// Begins a modification, and returns it when it is in effect.
    fileprivate func modify(_ request: ModifyVolumeRequest) async throws -> VolumeModification {
        var modification = try await driver.modifyVolume(request)
        while modification.state == .modifying {
            try await Task.sleep(for: .milliseconds(20))
            modification = try await latestModification(request.volumeID)
        }
        return modification
    }
}

extension ConformanceCase {
    static let modification: [ConformanceCase] = [
        ConformanceCase("a modification tells what was and what shall be, and then is so", needs: [.modifyVolumes]) {
            subject in
            try await subject.withVolume(subject.hundredGiB) { volume in
                let request = ModifyVolumeRequest(
                    volumeID: volume.id, sizeGiB: 300, type: .gp3, iops: 6_000, throughputMiBps: 400)
                let modification = try await subject.modify(request)
                try expect("the volume", modification.volumeID, is: volume.id)
                try expect(
                    "the original", modification.original,
                    is: .init(sizeGiB: 100, type: .gp3, iops: 3_000, throughputMiBps: 125))
                try expect(
                    "the target", modification.target,
                    is: .init(sizeGiB: 300, type: .gp3, iops: 6_000, throughputMiBps: 400))
                try expect(
                    "a state after modifying", [.optimizing, .completed].contains(modification.state),
                    found: modification.state)
                try expect("progress in percent", 0...100 ~= modification.progress, found: modification.progress)
                try expect(
                    "an end only at the end", (modification.endTime == nil) == (modification.state == .optimizing),
                    found: modification)
                var changed = volume
                (changed.sizeGiB, changed.iops, changed.throughputMiBps) = (300, 6_000, 400)
                try expect("the volume", try await subject.volume(volume.id), is: changed)
            }
        },
        ConformanceCase("a volume changes while it is attached, and stays attached", needs: [.modifyVolumes]) {
            subject in
            try await subject.withVolume { volume in
                let attachment = try await subject.attach(volume, to: subject.first)
                _ = try await subject.modify(ModifyVolumeRequest(volumeID: volume.id, sizeGiB: 20_000))
                let changed = try await subject.volume(volume.id)
                try expect("the size", changed.sizeGiB, is: 20_000)
                try expect("the attachments", changed.attachments, is: [attachment])
            }
        },
        ConformanceCase("changes beyond the limits are refused, and change nothing", needs: [.modifyVolumes]) {
            subject in
            try await subject.withVolume(subject.hundredGiB) { volume in
                for change in refused {
                    let request = ModifyVolumeRequest(
                        volumeID: volume.id, sizeGiB: change.sizeGiB, type: change.type, iops: change.iops,
                        throughputMiBps: change.throughputMiBps, isMultiAttachEnabled: change.isMultiAttachEnabled)
                    try await expectRefusal(change.code, saying: [change.text]) {
                        try await subject.driver.modifyVolume(request)
                    }
                }
                try expect("the volume", try await subject.volume(volume.id), is: volume)
                try await expectRefusal(.volumeModificationNotFound, saying: [volume.id.rawValue]) {
                    try await subject.latestModification(volume.id)
                }
            }
        },
        ConformanceCase("IOPS and throughput that are left open follow from the types", needs: [.modifyVolumes]) {
            subject in
            for change in defaults(in: subject.zone) {
                try await subject.withVolume(change.from) { volume in
                    _ = try await subject.modify(
                        ModifyVolumeRequest(volumeID: volume.id, sizeGiB: change.sizeGiB, type: change.type))
                    let changed = try await subject.volume(volume.id)
                    let what = "of \(change.from.type!) as \(change.type)"
                    try expect("the type \(what)", changed.type, is: change.type)
                    try expect("the IOPS \(what)", changed.iops, is: change.iops)
                    try expect("the throughput \(what)", changed.throughputMiBps, is: change.throughputMiBps)
                }
            }
        },
        ConformanceCase("one modification runs at a time", needs: [.modifyVolumes]) { subject in
            try await subject.withVolume { volume in
                _ = try await subject.driver.modifyVolume(ModifyVolumeRequest(volumeID: volume.id, sizeGiB: 2))
                try await expectRefusal(
                    .incorrectModificationState,
                    saying: ["Volume \(volume.id) cannot be modified in modification state"]
                ) { try await subject.driver.modifyVolume(ModifyVolumeRequest(volumeID: volume.id, sizeGiB: 3)) }
            }
        },
        ConformanceCase("what does not exist is not modified", needs: [.modifyVolumes]) { subject in
            let unknown: VolumeID = "vol-00000000000000000"
            try await expectRefusal(.volumeNotFound, saying: [unknown.rawValue]) {
                try await subject.driver.modifyVolume(ModifyVolumeRequest(volumeID: unknown, sizeGiB: 2))
            }
            try await expectRefusal(.volumeNotFound, saying: [unknown.rawValue]) {
                try await subject.latestModification(unknown)
            }
        },
        ConformanceCase("modifications are listed by volume, by state and in pages", needs: [.modifyVolumes]) {
            subject in
            try await subject.withVolume { first in
                try await subject.withVolume { second in
                    for volume in [first, second] {
                        _ = try await subject.modify(ModifyVolumeRequest(volumeID: volume.id, sizeGiB: 2))
                    }
                    let both = VolumeModificationQuery(volumeIDs: [second.id, first.id])
                    let found = try await subject.driver.describeVolumeModifications(both).modifications
                    try expect("the volumes", Set(found.map(\.volumeID)), is: [first.id, second.id])
                    var listed: [VolumeID] = []
                    var query = VolumeModificationQuery(maxResults: 1)
                    repeat {
                        let page = try await subject.driver.describeVolumeModifications(query)
                        listed += page.modifications.map(\.volumeID)
                        query.nextToken = page.nextToken
                    } while query.nextToken != nil
                    try expect("each volume once", listed.filter { $0 == first.id || $0 == second.id }.count, is: 2)
                    let failed = VolumeModificationQuery(volumeIDs: [first.id], states: [.failed])
                    try expect(
                        "none that failed", try await subject.driver.describeVolumeModifications(failed).modifications,
                        is: [])
                }
            }
        },
        ConformanceCase(
            "only io2's Multi-Attach can be changed, and only while it is not attached",
            needs: [.modifyVolumes, .multiAttach]
        ) { subject in
            let io1 = CreateVolumeRequest(zone: subject.zone, sizeGiB: 4, type: .io1, iops: 100)
            try await subject.withVolume(io1) { volume in
                try await expectRefusal(.invalidParameterCombination, saying: ["multi-attach-enabled", "io1"]) {
                    try await subject.driver.modifyVolume(
                        ModifyVolumeRequest(volumeID: volume.id, isMultiAttachEnabled: true))
                }
            }
            let io2 = CreateVolumeRequest(zone: subject.zone, sizeGiB: 4, type: .io2, iops: 100)
            try await subject.withVolume(io2) { volume in
                let request = ModifyVolumeRequest(volumeID: volume.id, isMultiAttachEnabled: true)
                _ = try await subject.attach(volume, to: subject.first)
                try await expectRefusal(.incorrectState) { try await subject.driver.modifyVolume(request) }
                try await subject.detach(volume)
                _ = try await subject.modify(request)
                try expect("Multi-Attach", try await subject.volume(volume.id).isMultiAttachEnabled, is: true)
            }
        },
    ]
}
