// Exports: a snapshot as one file.
//
// The snapshot may be deleted meanwhile: the task holds its objects, so their files stay until it has ended. A file that
// is the beginning of the same snapshot's is gone on with, one that is something else is refused. A process that dies
// leaves a file without an end, which no import takes, and with which the next export goes on.
import BlockStore
import Driver
import SystemPackage

/// A snapshot on its way out of the region. Its objects stay until the writer's end, also when it is deleted.
struct DepartingSnapshot: Sendable {
    let id: SnapshotID
    let manifest: Digest
    let description: String
    let writer: SnapshotWriter
}

extension Region {
    func startExport(_ request: SnapshotTaskRequest) async throws -> SnapshotTask {
        try await depart(request) { region, snapshot in
            let file = try await region.effects.openExport(of: snapshot.manifest, at: try Self.path(of: request))
            return try await region.closingIfRefused(file) { region in
                try region.begin(.export, of: snapshot.id, at: file.path.string) { region, progress in
                    try await region.closing(file) { try await $0.carryOutExport(snapshot, to: file, progress) }
                }
            }
        }
    }

    /// Uses a file, which is closed afterwards.
    func closing<Result: Sendable>(
        _ file: ArchiveFile, _ body: (isolated Region) async throws -> Result
    ) async throws -> Result {
        let result = try await closingIfRefused(file, body)
        await effects.close(file)
        return result
    }

    /// Lets a file go to whatever `body` begins; unless it begins, the file is closed.
    func closingIfRefused<Result: Sendable>(
        _ file: ArchiveFile, _ body: (isolated Region) async throws -> Result
    ) async throws -> Result {
        do {
            return try await body(self)
        } catch {
            await effects.close(file)
            throw error
        }
    }

    /// Begins a task that carries a snapshot away; unless it begins, the snapshot is let go of.
    func depart(
        _ request: SnapshotTaskRequest,
        _ begin: (isolated Region, DepartingSnapshot) async throws -> SnapshotTask
    ) async throws -> SnapshotTask {
        guard let id = request.snapshotID else { throw StorageError.missing("snapshotID") }
        // Until then what nobody needs is removed, which holding everything would save from it.
        try await work.preparation?.value
        let snapshot = try state.snapshots.snapshot(id)
        let manifest = try snapshot.usableContent().manifest
        // From here on, since the row is there now.
        let writer = effects.snapshots.beginWriting()
        writer.holdAll()
        do {
            let description = try SnapshotDescription(snapshot).json
            guard description.utf8.count <= SnapshotArchive.maximumDescriptionBytes else {
                throw StorageError.longDescription(id)
            }
            return try await begin(
                self, DepartingSnapshot(id: id, manifest: manifest, description: description, writer: writer))
        } catch {
            end(writer)
            throw error
        }
    }

    static func path(of request: SnapshotTaskRequest) throws(StorageError) -> FilePath {
        guard let location = request.location, !location.isEmpty else { throw .missing("location") }
        guard location.hasPrefix("/"), !location.utf8.contains(0) else { throw .relativePath(location) }
        return FilePath(location)
    }

    private func carryOutExport(
        _ snapshot: DepartingSnapshot, to file: ArchiveFile, _ progress: SnapshotTaskProgress
    ) async throws -> SnapshotTaskResult {
        defer { end(snapshot.writer) }
        do {
            let blockCount = try await effects.hold(snapshot, progress)
            removeLitter()
            try await effects.export(snapshot, blockCount: blockCount, to: file, progress)
        } catch let part as UnreadableSnapshotPart {
            throw StorageError.unreadable(snapshot.id, part)
        } catch let error as Errno {
            throw StorageError.notWritten(file.path, error)
        }
        return SnapshotTaskResult()
    }

    /// What a writer held may be removed again.
    func end(_ writer: SnapshotWriter) {
        writer.end()
        removeLitter()
    }
}
