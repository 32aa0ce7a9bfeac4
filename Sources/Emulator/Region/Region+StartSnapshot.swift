// Beginning snapshots that are written block by block; see `Region+SnapshotUploads`.
import BlockStore
import Driver

extension Region {
    func startSnapshot(_ request: StartSnapshotRequest) async throws -> Snapshot {
        try Self.check(request)
        do {
            let snapshots = try await once(request) { try await [$0.start(request, $1)] }
            return snapshots[0]
        } catch let error as StorageError {
            throw error.asBlockAccess
        }
    }

    private static func check(_ request: StartSnapshotRequest) throws {
        let sizes = SnapshotLimits.uploadSizesGiB
        guard sizes.contains(request.volumeSizeGiB) else {
            throw StorageError.snapshotSize(request.volumeSizeGiB, sizes)
        }
        let timeouts = SnapshotLimits.timeoutMinutes
        guard timeouts.contains(request.timeoutMinutes) else {
            throw StorageError.timeoutMinutes(request.timeoutMinutes, timeouts)
        }
        do {
            try SnapshotLimits.checkDescription(request.description)
        } catch {
            throw error.asBlockAccess
        }
        do {
            try TagRules.check(request.tags)
        } catch {
            throw StorageError.invalidTags(error)
        }
    }

    private func start(_ request: StartSnapshotRequest, _ token: SnapshotToken?) async throws -> SnapshotRecord {
        if let parent = request.parentSnapshotID { _ = try parentContent(parent, of: request) }
        let names = try Self.nameKeys([request.tags], in: configuration.name)
        let parent = request.parentSnapshotID.map { KeyedQueue.Key.snapshot($0) }
        // A parent must be there until the new row has a reference of its manifest.
        return try await exclusively([parent].compactMap { $0 } + [.uploads] + names) { region in
            let snapshot = try region.newUpload(request)
            let upload = try await region.effects.beginUpload(of: snapshot)
            do {
                let references = ObjectReferences(kind: .manifest, changes: snapshot.base.map { [$0: 1] } ?? [:])
                try await region.keepNew([snapshot], token, with: [.addReferences(references)])
            } catch {
                await region.end(upload, isComplete: false)
                throw error
            }
            region.work.uploads[snapshot.id] = upload
            return snapshot
        }
    }

    private func newUpload(_ request: StartSnapshotRequest) throws -> SnapshotRecord {
        let parent = try request.parentSnapshotID.map { try parentContent($0, of: request) }
        try checkCount(adding: 1, in: configuration.name)
        try checkUploadCount()
        try state.snapshots.checkName(request.tags[Tag.name] ?? "", in: configuration.name)
        return SnapshotRecord(
            number: nextSnapshotNumber(), id: newSnapshotID(), region: configuration.name,
            origin: .blocks(parent: request.parentSnapshotID, timeoutMinutes: request.timeoutMinutes),
            sizeGiB: request.volumeSizeGiB, startTime: currentTime(), text: request.description, tags: request.tags,
            base: parent?.content.manifest, inheritedLineage: parent?.lineage)
    }

    private func parentContent(
        _ id: SnapshotID, of request: StartSnapshotRequest
    ) throws(StorageError) -> (content: SnapshotContent, lineage: String) {
        let parent = try blockSnapshot(id)
        guard let content = parent.content else { throw .notCompleted(parent) }
        guard parent.sizeGiB <= request.volumeSizeGiB else { throw .smallerThanParent(request.volumeSizeGiB, parent) }
        return (content, parent.lineage)
    }

    private func checkUploadCount() throws(StorageError) {
        let pending = state.snapshots.snapshots.values.count { snapshot in
            if case .blocks = snapshot.origin { snapshot.state == .pending } else { false }
        }
        guard pending < SnapshotLimits.maximumUploads else { throw .tooManyUploads }
    }
}
