// Snapshots: made, found, named, copied, deleted.
import Driver

extension ConformanceSubject {
    /// Makes a snapshot of each volume for `body`, and deletes them afterwards, however that ends.
    func withSnapshots<Result: Sendable>(
        _ request: CreateSnapshotsRequest, _ body: ([Snapshot]) async throws -> Result
    ) async throws -> Result {
        let snapshots = try await driver.createSnapshots(request)
        return try await ending {
            for snapshot in snapshots { try await discard(snapshot) }
        } after: {
            try await body(snapshots)
        }
    }

    /// Makes a volume and a snapshot of it that is completed for `body`, and removes both afterwards.
    func withSnapshot<Result: Sendable>(
        name: String? = nil, sizeGiB: Int = 1, _ body: (Volume, Snapshot) async throws -> Result
    ) async throws -> Result {
        var request = self.request()
        request.sizeGiB = sizeGiB
        return try await withVolume(request) { volume in
            try await withSnapshots(
                CreateSnapshotsRequest(
                    sources: [.init(volumeID: volume.id, tags: name.map { [Tag.name: $0] } ?? [:])])
            ) { snapshots in
                try await body(volume, try await completed(snapshots[0]))
            }
        }
    }

    /// The snapshot once it is not pending any more.
    func completed(_ snapshot: Snapshot) async throws -> Snapshot {
        let query = SnapshotQuery(ids: [snapshot.id], region: snapshot.region)
        for _ in 0..<1_500 {
            let found = try await driver.describeSnapshots(query).snapshots
            guard found.count == 1 else {
                throw ConformanceFailure(expected: "one snapshot \(snapshot.id)", found: "\(found.count)", line: #line)
            }
            if found[0].state != .pending { return found[0] }
            try await Task.sleep(for: .milliseconds(20))
        }
        throw ConformanceFailure(expected: "\(snapshot.id) to be completed", found: "pending", line: #line)
    }

    /// Deletes a snapshot that may be gone already, and waits until it is.
    func discard(_ snapshot: Snapshot) async throws {
        do {
            try await driver.deleteSnapshot(snapshot.id)
            for _ in 0..<1_500 {
                _ = try await driver.describeSnapshots(SnapshotQuery(ids: [snapshot.id], region: snapshot.region))
                try await Task.sleep(for: .milliseconds(20))
            }
        } catch let error as StorageError where error.code == .snapshotNotFound {
            return
        }
        throw ConformanceFailure(expected: "\(snapshot.id) to be gone", found: "it is there", line: #line)
    }

    fileprivate func ids(_ query: SnapshotQuery) async throws -> [SnapshotID] {
        try await driver.describeSnapshots(query).snapshots.map(\.id)
    }
}

extension ConformanceCase {
    static let snapshots = snapshotCreation + snapshotListing + snapshotNames + snapshotCopies

    private static let snapshotCreation: [ConformanceCase] = [
        ConformanceCase("a snapshot is pending at once, and completed soon", needs: [.snapshots]) { subject in
            let name = subject.unique()
            try await subject.withVolume { volume in
                let request = CreateSnapshotsRequest(
                    sources: [.init(volumeID: volume.id, tags: [Tag.name: name, "team": "storage"])],
                    description: "before the upgrade")
                try await subject.withSnapshots(request) { snapshots in
                    try expect("the count", snapshots.count, is: 1)
                    let made = snapshots[0]
                    try expect("the state", made.state, is: .pending)
                    try expect("the volume", made.volumeID, is: volume.id)
                    let digits = made.id.rawValue.dropFirst(5)
                    try expect(
                        "an id of EC2's form", made.id.rawValue.hasPrefix("snap-") && digits.count == 17,
                        found: made.id)
                    let completed = try await subject.completed(made)
                    try expect("the state", completed.state, is: .completed)
                    try expect("the progress", completed.progressPercent, is: 100)
                    try expect("the size", completed.volumeSizeGiB, is: volume.sizeGiB)
                    try expect("the description", completed.description, is: "before the upgrade")
                    try expect("the tags", completed.tags, is: [Tag.name: name, "team": "storage"])
                    try expect("the start", completed.startTime, is: made.startTime)
                    let region = try await subject.driver.describeDriver().region
                    try expect("the region", completed.region, is: region)
                }
            }
        },
        ConformanceCase("snapshots of several volumes come in their order, and of one time", needs: [.snapshots]) {
            subject in
            try await subject.withVolume { first in
                try await subject.withVolume { second in
                    // EC2 has one instant for the volumes of one instance.
                    for volume in [first, second] { _ = try await subject.attach(volume, to: subject.first) }
                    let request = CreateSnapshotsRequest(
                        sources: [second, first].map { .init(volumeID: $0.id) })
                    try await subject.withSnapshots(request) { snapshots in
                        try expect("the volumes", snapshots.map(\.volumeID), is: [second.id, first.id])
                        try expect("one start", Set(snapshots.map(\.startTime)).count, is: 1)
                    }
                }
            }
        },
        ConformanceCase("all snapshots of a call are made, or none", needs: [.snapshots]) { subject in
            try await subject.withVolume { volume in
                let request = CreateSnapshotsRequest(
                    sources: [.init(volumeID: volume.id), .init(volumeID: "vol-00000000000000000")])
                try await expectRefusal(.volumeNotFound, saying: ["vol-00000000000000000"]) {
                    try await subject.driver.createSnapshots(request)
                }
                try expect("no snapshot", try await subject.ids(SnapshotQuery(volumeIDs: [volume.id])), is: [])
            }
        },
        ConformanceCase(
            "a request of no volume, of one twice, or with a long description is refused", needs: [.snapshots]
        ) { subject in
            try await expectRefusal(.missingParameter) {
                try await subject.driver.createSnapshots(CreateSnapshotsRequest(sources: []))
            }
            try await subject.withVolume { volume in
                let source = CreateSnapshotsRequest.Source(volumeID: volume.id)
                try await expectRefusal(.invalidParameterValue, saying: [volume.id.rawValue]) {
                    try await subject.driver.createSnapshots(CreateSnapshotsRequest(sources: [source, source]))
                }
                try await expectRefusal(.invalidParameterValue) {
                    try await subject.driver.createSnapshots(
                        CreateSnapshotsRequest(sources: [source], description: String(repeating: "x", count: 256)))
                }
            }
        },
        ConformanceCase("a snapshot outlives its volume", needs: [.snapshots]) { subject in
            try await subject.withSnapshot { volume, snapshot in
                try await subject.driver.deleteVolume(volume.id)
                let found = try await subject.driver.describeSnapshots(SnapshotQuery(volumeIDs: [volume.id]))
                try expect("the snapshot", found.snapshots, is: [snapshot])
            }
        },
        ConformanceCase("a repeated request for snapshots is answered once more, not carried out", needs: [.snapshots])
        {
            subject in
            try await subject.withVolume { volume in
                var request = CreateSnapshotsRequest(
                    clientToken: subject.unique(), sources: [.init(volumeID: volume.id)])
                try await subject.withSnapshots(request) { made in
                    let again = try await subject.driver.createSnapshots(request)
                    try expect("the ids", again.map(\.id), is: made.map(\.id))
                    let all = try await subject.ids(SnapshotQuery(volumeIDs: [volume.id]))
                    try expect("all of the volume", all, is: made.map(\.id))
                    request.description = "another"
                    try await expectRefusal(.idempotentParameterMismatch) { [request] in
                        try await subject.driver.createSnapshots(request)
                    }
                }
            }
        },
    ]

    private static let snapshotListing: [ConformanceCase] = [
        ConformanceCase("snapshots are found by id, name, volume, tag and state", needs: [.snapshots]) { subject in
            let name = subject.unique()
            try await subject.withSnapshot(name: name) { volume, snapshot in
                for query in [
                    SnapshotQuery(ids: [snapshot.id]), SnapshotQuery(names: [name]),
                    SnapshotQuery(volumeIDs: [volume.id]), SnapshotQuery(tags: [Tag.name: name]),
                    SnapshotQuery(volumeIDs: [volume.id], states: [.completed]),
                ] {
                    let found = try await subject.driver.describeSnapshots(query).snapshots
                    try expect("what \(query) finds", found, is: [snapshot])
                }
                for query in [
                    SnapshotQuery(ids: [snapshot.id], names: [subject.unique()]),
                    SnapshotQuery(names: [name], states: [.error]), SnapshotQuery(tags: [Tag.name: ""]),
                ] {
                    try expect("what \(query) finds", try await subject.ids(query), is: [])
                }
            }
        },
        ConformanceCase("an unknown snapshot, and an id that is none, are refused by name", needs: [.snapshots]) {
            subject in
            let unknown: SnapshotID = "snap-00000000000000000"
            let text = "The snapshot 'snap-00000000000000000' does not exist."
            try await expectRefusal(.snapshotNotFound, saying: [text]) {
                try await subject.driver.describeSnapshots(SnapshotQuery(ids: [unknown]))
            }
            try await expectRefusal(.snapshotNotFound, saying: [text]) {
                try await subject.driver.deleteSnapshot(unknown)
            }
            try await expectRefusal(.snapshotNotFound, saying: [text]) {
                try await subject.driver.copySnapshot(CopySnapshotRequest(sourceSnapshotID: unknown))
            }
            try await expectRefusal(.snapshotNotFound, saying: [text]) {
                try await subject.driver.modifySnapshotTags(ModifySnapshotTagsRequest(snapshotID: unknown))
            }
            try await expectRefusal(.snapshotIDMalformed, saying: ["banana"]) {
                try await subject.driver.deleteSnapshot("banana")
            }
        },
        ConformanceCase("snapshots are listed by start time and id, whole and in pages", needs: [.snapshots]) {
            subject in
            try await subject.withVolume { volume in
                var made: [Snapshot] = []
                do {
                    for _ in 0..<4 {
                        let request = CreateSnapshotsRequest(sources: [.init(volumeID: volume.id)])
                        made.append(try await subject.completed(subject.driver.createSnapshots(request)[0]))
                    }
                    let sorted = made.sorted { ($0.startTime, $0.id) < ($1.startTime, $1.id) }.map(\.id)
                    var query = SnapshotQuery(volumeIDs: [volume.id])
                    try expect("the list", try await subject.ids(query), is: sorted)
                    query.maxResults = 3
                    let first = try await subject.driver.describeSnapshots(query)
                    query.nextToken = first.nextToken
                    let second = try await subject.driver.describeSnapshots(query)
                    try expect("the pages", (first.snapshots + second.snapshots).map(\.id), is: sorted)
                    try expect("no third page", second.nextToken, is: nil)
                } catch {
                    for snapshot in made { try await subject.discard(snapshot) }
                    throw error
                }
                for snapshot in made { try await subject.discard(snapshot) }
            }
        },
        ConformanceCase("a deleted snapshot is gone, and deleting it again is refused", needs: [.snapshots]) {
            subject in
            try await subject.withSnapshot { volume, snapshot in
                try await subject.driver.deleteSnapshot(snapshot.id)
                try expect("no snapshot", try await subject.ids(SnapshotQuery(volumeIDs: [volume.id])), is: [])
                try await expectRefusal(.snapshotNotFound, saying: [snapshot.id.rawValue]) {
                    try await subject.driver.deleteSnapshot(snapshot.id)
                }
            }
        },
    ]

    private static let snapshotNames: [ConformanceCase] = [
        ConformanceCase("a name is one snapshot's, and free when that is deleted or renamed", needs: [.snapshots]) {
            subject in
            let (name, renamed) = (subject.unique(), subject.unique())
            try await subject.withSnapshot(name: name) { volume, holder in
                let again = CreateSnapshotsRequest(
                    sources: [.init(volumeID: volume.id, tags: [Tag.name: name])])
                try await expectRefusal(.snapshotDuplicate, saying: [holder.id.rawValue]) {
                    try await subject.driver.createSnapshots(again)
                }
                let tagged = try await subject.driver.modifySnapshotTags(
                    ModifySnapshotTagsRequest(snapshotID: holder.id, set: [Tag.name: renamed]))
                try expect("the name", tagged.name, is: renamed)
                try await subject.withSnapshots(again) { other in
                    try await expectRefusal(.snapshotDuplicate, saying: [holder.id.rawValue]) {
                        try await subject.driver.modifySnapshotTags(
                            ModifySnapshotTagsRequest(snapshotID: other[0].id, set: [Tag.name: renamed]))
                    }
                }
            }
        },
        ConformanceCase(
            "tags of snapshots are set, overwritten and removed, and those against EC2's rules refused",
            needs: [.snapshots]
        ) {
            subject in
            try await subject.withSnapshot { volume, snapshot in
                _ = try await subject.driver.modifySnapshotTags(
                    ModifySnapshotTagsRequest(snapshotID: snapshot.id, set: ["a": "1", "b": "2"]))
                let tagged = try await subject.driver.modifySnapshotTags(
                    ModifySnapshotTagsRequest(snapshotID: snapshot.id, set: ["a": "3"], remove: ["b", "unknown"]))
                try expect("the tags", tagged.tags, is: ["a": "3"])
                try expect("the described tags", try await subject.completed(snapshot).tags, is: ["a": "3"])
                for tags in [["aws:name": "x"], ["": "x"], ["k": String(repeating: "v", count: 256)]] {
                    try await expectRefusal(.invalidParameterValue) {
                        try await subject.driver.modifySnapshotTags(
                            ModifySnapshotTagsRequest(snapshotID: snapshot.id, set: tags))
                    }
                    try await expectRefusal(.invalidParameterValue) {
                        try await subject.driver.createSnapshots(
                            CreateSnapshotsRequest(sources: [.init(volumeID: volume.id, tags: tags)]))
                    }
                }
            }
        },
    ]

    private static let snapshotCopies: [ConformanceCase] = [
        ConformanceCase(
            "a copy has its own name and description, no volume, and outlives its source", needs: [.snapshots]
        ) {
            subject in
            let name = subject.unique()
            try await subject.withSnapshot(name: subject.unique()) { _, source in
                let copy = try await subject.driver.copySnapshot(
                    CopySnapshotRequest(
                        sourceSnapshotID: source.id, description: "for the tests", tags: [Tag.name: name]))
                do {
                    try expect("another id", copy.id != source.id, found: copy.id)
                    try expect("the volume", copy.volumeID, is: .ofNoVolume)
                    try expect("the name", copy.name, is: name)
                    try expect("the description", copy.description, is: "for the tests")
                    let completed = try await subject.completed(copy)
                    try expect("the state", completed.state, is: .completed)
                    try expect("the size", completed.volumeSizeGiB, is: source.volumeSizeGiB)
                    try await subject.driver.deleteSnapshot(source.id)
                    try expect("the copy", try await subject.ids(SnapshotQuery(names: [name])), is: [copy.id])
                } catch {
                    try await subject.discard(copy)
                    throw error
                }
                try await subject.discard(copy)
            }
        },
        ConformanceCase("a copy in another region is there, and only there", needs: [.snapshots]) { subject in
            try await subject.withSnapshot { _, source in
                let copy = try await subject.driver.copySnapshot(
                    CopySnapshotRequest(sourceSnapshotID: source.id, destinationRegion: "eu-north-1"))
                do {
                    try expect("the region", try await subject.completed(copy).region, is: "eu-north-1")
                    try expect(
                        "a description that names the source", copy.description.contains(source.id.rawValue),
                        found: copy)
                    try await expectRefusal(.snapshotNotFound, saying: [copy.id.rawValue]) {
                        try await subject.driver.describeSnapshots(SnapshotQuery(ids: [copy.id]))
                    }
                    try await expectRefusal(.snapshotNotFound, saying: [copy.id.rawValue]) {
                        try await subject.driver.createVolume(
                            CreateVolumeRequest(zone: subject.zone, snapshotID: copy.id))
                    }
                } catch {
                    try await subject.discard(copy)
                    throw error
                }
                try await subject.discard(copy)
            }
        },
    ]
}
