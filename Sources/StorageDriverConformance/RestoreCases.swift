// Volumes that are made from snapshots and from other volumes, and fast snapshot restore.
import Driver

extension ConformanceSubject {
    fileprivate func request(from snapshot: Snapshot, sizeGiB: Int? = nil) -> CreateVolumeRequest {
        CreateVolumeRequest(zone: zone, sizeGiB: sizeGiB, type: .gp3, snapshotID: snapshot.id)
    }

    /// The volume once all its blocks are there.
    fileprivate func initialized(_ id: VolumeID) async throws -> Volume {
        for _ in 0..<1_500 {
            let volume = try await volume(id)
            if volume.initialization?.state == .completed { return volume }
            try await Task.sleep(for: .milliseconds(20))
        }
        throw ConformanceFailure(expected: "\(id) to be initialized", found: "it is not", line: #line)
    }
}

extension ConformanceCase {
    static let restoring = snapshotVolumes + volumeCopies + fastRestores

    private static let snapshotVolumes: [ConformanceCase] = [
        ConformanceCase("a volume of a snapshot has its size, and tells what it was made from", needs: [.snapshots]) {
            subject in
            try await subject.withSnapshot(sizeGiB: 3) { _, snapshot in
                try await subject.withVolume(subject.request(from: snapshot)) { volume in
                    try expect("the state", volume.state, is: .available)
                    try expect("the size", volume.sizeGiB, is: 3)
                    try expect("the snapshot", volume.snapshotID, is: snapshot.id)
                    try expect("no credit of fast restore", volume.isFastRestored, is: false)
                    try expect("how its blocks come", volume.initialization?.kind, is: .onTouch)
                    let described = try await subject.volume(volume.id)
                    try expect("the described snapshot", described.snapshotID, is: snapshot.id)
                }
            }
        },
        ConformanceCase("a larger volume than the snapshot is allowed, a smaller one refused", needs: [.snapshots]) {
            subject in
            try await subject.withSnapshot(sizeGiB: 3) { _, snapshot in
                try await subject.withVolume(subject.request(from: snapshot, sizeGiB: 4)) { volume in
                    try expect("the size", volume.sizeGiB, is: 4)
                }
                let text = "Volume of size 2GB is smaller than snapshot '\(snapshot.id)', expect size >= 3GB"
                try await expectRefusal(.invalidParameterValue, saying: [text]) {
                    try await subject.driver.createVolume(subject.request(from: snapshot, sizeGiB: 2))
                }
            }
        },
        ConformanceCase("a volume outlives the snapshot that it was made from", needs: [.snapshots]) { subject in
            try await subject.withSnapshot { _, snapshot in
                try await subject.withVolume(subject.request(from: snapshot)) { volume in
                    try await subject.driver.deleteSnapshot(snapshot.id)
                    let found = try await subject.volume(volume.id)
                    try expect("the state", found.state, is: .available)
                    try expect("the snapshot", found.snapshotID, is: snapshot.id)
                    _ = try await subject.attach(volume, to: subject.first)
                    try await expectRefusal(.snapshotNotFound, saying: [snapshot.id.rawValue]) {
                        try await subject.driver.createVolume(subject.request(from: snapshot))
                    }
                }
            }
        },
        ConformanceCase("with an initialization rate a volume is initialized in the background", needs: [.snapshots]) {
            subject in
            try await subject.withSnapshot { _, snapshot in
                var request = subject.request(from: snapshot)
                request.volumeInitializationRateMiBps = 300
                try await subject.withVolume(request) { volume in
                    try expect("the rate", volume.volumeInitializationRateMiBps, is: 300)
                    try expect("how its blocks come", volume.initialization?.kind, is: .provisionedRate)
                    let done = try await subject.initialized(volume.id)
                    try expect("the progress", done.initialization?.progressPercent, is: 100)
                }
                for rate in [0, 99, 301] {
                    request.volumeInitializationRateMiBps = rate
                    try await expectRefusal(.invalidParameterValue, saying: ["volumeInitializationRate"]) { [request] in
                        try await subject.driver.createVolume(request)
                    }
                }
            }
            var blank = subject.request()
            blank.volumeInitializationRateMiBps = 100
            try await expectRefusal(.invalidParameterCombination) { [blank] in
                try await subject.driver.createVolume(blank)
            }
        },
        ConformanceCase("a repeated request for a volume of a snapshot is answered once more", needs: [.snapshots]) {
            subject in
            try await subject.withSnapshot { _, snapshot in
                var request = subject.request(from: snapshot)
                request.clientToken = subject.unique()
                try await subject.withVolume(request) { [request] volume in
                    let again = try await subject.driver.createVolume(request)
                    try expect("the id", again.id, is: volume.id)
                }
            }
        },
    ]

    private static let volumeCopies: [ConformanceCase] = [
        ConformanceCase("a copy of a volume is a volume of its own", needs: [.copyVolumes]) { subject in
            try await subject.withVolume(subject.request(name: subject.unique())) { original in
                let request = CreateVolumeRequest(zone: subject.zone, type: .gp3, sourceVolumeID: original.id)
                try await subject.withVolume(request) { copy in
                    try expect("the size", copy.sizeGiB, is: original.sizeGiB)
                    try expect("what it is a copy of", copy.sourceVolumeID, is: original.id)
                    try expect("no snapshot", copy.snapshotID, is: nil)
                    try expect("no tags", copy.tags, is: [:])
                    try expect("how its blocks come", copy.initialization?.kind, is: .volumeCopy)
                    try await subject.driver.deleteVolume(original.id)
                    try expect("the state", try await subject.volume(copy.id).state, is: .available)
                }
            }
        },
        ConformanceCase("a copy of a volume is answered at once, once more, and made soon", needs: [.copyVolumes]) {
            subject in
            try await subject.withVolume { original in
                let request = CreateVolumeRequest(
                    clientToken: subject.unique(), zone: subject.zone, type: .gp3, sourceVolumeID: original.id)
                let first = try await subject.driver.createVolume(request)
                try await subject.discarding(first.id) {
                    try expect("the state", first.state, is: .creating)
                    try expect("its content", first.initialization?.state, is: .initializing)
                    try expect("the id", try await subject.driver.createVolume(request).id, is: first.id)
                    let made = try await subject.made(first.id)
                    try expect("the state", made.state, is: .available)
                    try expect("no reason", made.stateMessage, is: nil)
                    try expect("again", try await subject.driver.createVolume(request).state, is: .available)
                }
            }
        },
        ConformanceCase("a copy of what is not there, in another zone, or smaller is refused", needs: [.copyVolumes]) {
            subject in
            try await expectRefusal(.volumeNotFound, saying: ["vol-00000000000000000"]) {
                try await subject.driver.createVolume(
                    CreateVolumeRequest(zone: subject.zone, sourceVolumeID: "vol-00000000000000000"))
            }
            var large = subject.request()
            large.sizeGiB = 3
            try await subject.withVolume(large) { original in
                try await expectRefusal(.zoneMismatch, saying: [original.id.rawValue]) {
                    try await subject.driver.createVolume(
                        CreateVolumeRequest(zone: subject.elsewhere.zone, sourceVolumeID: original.id))
                }
                try await expectRefusal(.invalidParameterValue, saying: [original.id.rawValue]) {
                    try await subject.driver.createVolume(
                        CreateVolumeRequest(zone: subject.zone, sizeGiB: 2, sourceVolumeID: original.id))
                }
            }
        },
    ]

    private static let fastRestores: [ConformanceCase] = [
        ConformanceCase(
            "fast snapshot restore is enabled, seen and disabled, zone by zone", needs: [.fastSnapshotRestores]
        ) { subject in
            try await subject.withSnapshot { _, snapshot in
                let zones = [subject.zone, subject.elsewhere.zone].sorted()
                let wish = FastSnapshotRestoreRequest(snapshotIDs: [snapshot.id], zones: zones)
                let enabled = try await subject.driver.enableFastSnapshotRestores(wish)
                try expect("the zones", enabled.map(\.zone), is: zones)
                try expect("the snapshot", Set(enabled.map(\.snapshotID)), is: [snapshot.id])
                for restore in enabled {
                    try expect(
                        "on its way", [.enabling, .optimizing, .enabled].contains(restore.state), found: restore.state)
                    try expect("the bucket", restore.creditsCapacity, is: 10)
                }
                let here = FastSnapshotRestoreRequest(snapshotIDs: [snapshot.id], zones: [subject.zone])
                let disabled = try await subject.driver.disableFastSnapshotRestores(here)
                try expect("one", disabled.map(\.zone), is: [subject.zone])
                try expect("off", [.disabling, .disabled].contains(disabled[0].state), found: disabled[0].state)
                let found = try await subject.driver.describeFastSnapshotRestores(
                    .init(snapshotIDs: [snapshot.id], zones: [subject.elsewhere.zone]))
                try expect("the other zone's", found.map(\.zone), is: [subject.elsewhere.zone])
            }
        },
        ConformanceCase("fast snapshot restore of what is not there is refused", needs: [.fastSnapshotRestores]) {
            subject in
            try await expectRefusal(.snapshotNotFound) {
                try await subject.driver.enableFastSnapshotRestores(
                    .init(snapshotIDs: ["snap-00000000000000000"], zones: [subject.zone]))
            }
            try await subject.withSnapshot { _, snapshot in
                try await expectRefusal(.zoneNotFound) {
                    try await subject.driver.enableFastSnapshotRestores(
                        .init(snapshotIDs: [snapshot.id], zones: ["mars-1a"]))
                }
            }
        },
    ]
}
