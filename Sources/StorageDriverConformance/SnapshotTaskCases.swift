// Tasks on snapshots: snapshots as files, and the check of the store.
//
// The driver under test reads and writes files of this machine.
import Driver

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

extension ConformanceSubject {
    /// The task once it has ended.
    fileprivate func ended(_ request: SnapshotTaskRequest) async throws -> SnapshotTask {
        let begun = try await driver.startSnapshotTask(request)
        for _ in 0..<1_500 {
            let found = try await driver.describeSnapshotTasks(ids: [begun.id])
            guard found.count == 1 else {
                throw ConformanceFailure(expected: "one task \(begun.id)", found: "\(found.count)", line: #line)
            }
            if found[0].state != .active { return found[0] }
            try await Task.sleep(for: .milliseconds(20))
        }
        throw ConformanceFailure(expected: "\(begun.id) to end", found: "active", line: #line)
    }

    /// The path of a file that is not there; it is removed afterwards.
    fileprivate func withFile<Result: Sendable>(_ body: (String) async throws -> Result) async throws -> Result {
        let path = "\(directory)/\(unique())"
        return try await ending({ try Self.remove(path) }, after: { try await body(path) })
    }

    /// The snapshot that a task has made; it is deleted afterwards, however `body` ends.
    fileprivate func withMade(by task: SnapshotTask, _ body: (Snapshot) async throws -> Void) async throws {
        try expect("the state", task.state, is: .completed)
        guard let id = task.snapshotID,
            let made = try await driver.describeSnapshots(SnapshotQuery(ids: [id])).snapshots.first
        else { throw ConformanceFailure(expected: "a snapshot", found: "\(task)", line: #line) }
        try await ending({ try await discard(made) }, after: { try await body(made) })
    }

    private static func remove(_ path: String) throws {
        if FileManager.default.fileExists(atPath: path) { try FileManager.default.removeItem(atPath: path) }
    }
}

extension ConformanceCase {
    static let snapshotTasks: [ConformanceCase] = [
        ConformanceCase("a snapshot is exported, and imported under another name", needs: [.snapshotTasks]) { subject in
            let name = subject.unique()
            try await subject.withSnapshot(name: name) { volume, snapshot in
                try await subject.withFile { file in
                    let export = try await subject.ended(
                        SnapshotTaskRequest(action: .export, snapshotID: snapshot.id, location: file))
                    try expect("the export", export.state, is: .completed)
                    try expect("its snapshot", export.snapshotID, is: snapshot.id)
                    try expect("a size", export.totalBytes > 0, found: export)
                    try expect("all of it", export.doneBytes, is: export.totalBytes)
                    try expect("an end", export.endTime != nil, found: export)
                    try await expectRefusal(.snapshotDuplicate, saying: [name]) {
                        try await subject.driver.startSnapshotTask(
                            SnapshotTaskRequest(action: .import, location: file))
                    }
                    let copy = subject.unique()
                    let `import` = try await subject.ended(
                        SnapshotTaskRequest(action: .import, location: file, name: copy, description: "fetched"))
                    try await subject.withMade(by: `import`) { found in
                        try expect("another snapshot", found.id != snapshot.id, found: found.id)
                        try expect("the state", found.state, is: .completed)
                        try expect("the name", found.name, is: copy)
                        try expect("the description", found.description, is: "fetched")
                        try expect("the volume", found.volumeID, is: volume.id)
                        try expect("the size", found.volumeSizeGiB, is: volume.sizeGiB)
                        try expect("the instant", found.startTime, is: snapshot.startTime)
                    }
                }
            }
        },
        ConformanceCase("a snapshot is pushed, and pulled under another name", needs: [.snapshotTasks]) {
            subject in
            try await subject.withSnapshot(name: subject.unique()) { volume, snapshot in
                try await subject.withFile { place in
                    try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: false)
                    let push = SnapshotTaskRequest(action: .push, snapshotID: snapshot.id, location: place)
                    try expect("the push", try await subject.ended(push).state, is: .completed)
                    let name = subject.unique()
                    let pull = try await subject.ended(
                        SnapshotTaskRequest(action: .pull, snapshotID: snapshot.id, location: place, name: name))
                    try await subject.withMade(by: pull) { found in
                        try expect("the name", found.name, is: name)
                        try expect("the volume", found.volumeID, is: volume.id)
                        try expect("the instant", found.startTime, is: snapshot.startTime)
                    }
                    let missing = try await subject.ended(
                        SnapshotTaskRequest(action: .pull, snapshotID: "nobody", location: place))
                    try expect("another one is not there", missing.error?.code, is: .snapshotNotFound)
                }
            }
        },
        ConformanceCase("a snapshot's blocks are sent once", needs: [.snapshotTasks, .snapshotBlocks]) { subject in
            let blocks = [0: SampleBlock.ones, 700: SampleBlock.twos]
            try await subject.withBlocks(blocks.map { ($0.key, $0.value) }) { snapshot in
                try await subject.withFile { place in
                    try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: false)
                    let push = SnapshotTaskRequest(action: .push, snapshotID: snapshot.id, location: place)
                    let first = try await subject.ended(push)
                    try expect("all blocks", first.totalBytes, is: Int64(2 * SnapshotBlock.bytes))
                    try expect("none was there", first.presentBytes, is: 0)
                    let again = try await subject.ended(push)
                    try expect("all were there", again.presentBytes, is: first.totalBytes)
                    let pull = try await subject.ended(
                        SnapshotTaskRequest(
                            action: .pull, snapshotID: snapshot.id, location: place, name: subject.unique()))
                    try await subject.withMade(by: pull) { found in
                        try expect("its blocks", try await subject.blocks(of: found), is: blocks)
                    }
                }
            }
        },
        ConformanceCase("an export goes nowhere but into a file of its own", needs: [.snapshotTasks]) { subject in
            try await subject.withSnapshot { _, snapshot in
                let missing = "\(subject.directory)/\(subject.unique())/file"
                for location in [nil, "", "a/relative/path", subject.directory, missing] {
                    let code: StorageError.Code =
                        location?.isEmpty == false ? .invalidParameterValue : .missingParameter
                    try await expectRefusal(code, saying: [location ?? ""].filter { !$0.isEmpty }) {
                        try await subject.driver.startSnapshotTask(
                            SnapshotTaskRequest(action: .export, snapshotID: snapshot.id, location: location))
                    }
                }
                try await subject.withFile { file in
                    let others = Data("something else".utf8)
                    try expect("a file", FileManager.default.createFile(atPath: file, contents: others), is: true)
                    try await expectRefusal(.invalidParameterValue, saying: [file]) {
                        try await subject.driver.startSnapshotTask(
                            SnapshotTaskRequest(action: .export, snapshotID: snapshot.id, location: file))
                    }
                    try expect("the file as it was", FileManager.default.contents(atPath: file), is: others)
                    try await expectRefusal(.snapshotFileInvalid, saying: [file]) {
                        try await subject.driver.startSnapshotTask(
                            SnapshotTaskRequest(action: .import, location: file))
                    }
                }
            }
        },
        ConformanceCase("what is not there is not exported", needs: [.snapshotTasks]) { subject in
            try await expectRefusal(.snapshotNotFound, saying: ["snap-00000000000000000"]) {
                try await subject.driver.startSnapshotTask(
                    SnapshotTaskRequest(action: .export, snapshotID: "snap-00000000000000000", location: "/tmp/x"))
            }
            try await expectRefusal(.snapshotIDMalformed) {
                try await subject.driver.startSnapshotTask(
                    SnapshotTaskRequest(action: .export, snapshotID: "snap-1", location: "/tmp/x"))
            }
            try await expectRefusal(.missingParameter) {
                try await subject.driver.startSnapshotTask(SnapshotTaskRequest(action: .export, location: "/tmp/x"))
            }
        },
        ConformanceCase("a check of a store in order finds nothing", needs: [.snapshotTasks]) { subject in
            try await subject.withSnapshot { _, _ in
                let check = try await subject.ended(SnapshotTaskRequest(action: .check))
                try expect("the state", check.state, is: .completed)
                try expect("the findings", check.report?.findings, is: [])
                try expect("snapshots", (check.report?.snapshotCount ?? 0) >= 1, found: check)
            }
        },
        ConformanceCase("tasks are listed, and one that has ended is not stopped any more", needs: [.snapshotTasks]) {
            subject in
            let first = try await subject.ended(SnapshotTaskRequest(action: .check))
            let second = try await subject.ended(SnapshotTaskRequest(action: .check))
            try await subject.driver.cancelSnapshotTask(first.id)
            let both = try await subject.driver.describeSnapshotTasks(ids: [second.id, first.id])
            try expect("the order", both.map(\.id), is: [second.id, first.id])
            try expect("the state", both[1].state, is: .completed)
            let all = try await subject.driver.describeSnapshotTasks(ids: []).map(\.id)
            try expect("both among all", all.contains(first.id) && all.contains(second.id), found: all)
            for id: SnapshotTaskID in ["task-00000000000000000", "nothing"] {
                try await expectRefusal(.invalidParameterValue, saying: [id.rawValue]) {
                    try await subject.driver.describeSnapshotTasks(ids: [id])
                }
                try await expectRefusal(.invalidParameterValue, saying: [id.rawValue]) {
                    try await subject.driver.cancelSnapshotTask(id)
                }
            }
        },
    ]
}
