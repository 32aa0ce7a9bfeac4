// Exports: a snapshot as one file.
//
// The snapshot may be deleted meanwhile: the task holds its objects, so their files stay until it has ended. A file that
// is the beginning of the same snapshot's is gone on with, one that is something else is refused. A process that dies
// leaves a file without an end, which no import takes, and with which the next export goes on.
import BlockStore
import Driver
import SystemPackage

extension Region {
    func startExport(_ request: SnapshotTaskRequest) async throws -> SnapshotTask {
        guard let id = request.snapshotID else { throw StorageError.missing("snapshotID") }
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
            let file = try await effects.openExport(of: manifest, at: try Self.path(of: request))
            return try begin(.export, of: id, at: file.path.string) { region, progress in
                try await region.carryOutExport(id, manifest, description, to: file, writer, progress)
            }
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
        _ id: SnapshotID, _ manifest: Digest, _ description: String, to file: ArchiveFile, _ writer: SnapshotWriter,
        _ progress: SnapshotTaskProgress
    ) async throws -> SnapshotTaskResult {
        defer { end(writer) }
        do {
            let totalBytes = try await effects.hold(manifest, description, writer, progress)
            removeLitter()
            try progress.update { $0.totalBytes = totalBytes }
            try await effects.export(manifest, description, to: file, progress)
        } catch let part as UnreadableSnapshotPart {
            throw StorageError.damaged(id, part)
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
