// Snapshots that are written block by block, as the EBS direct APIs take them.
//
// What is put lies in the store, under names that a `SnapshotUpload` keeps; the catalog knows the snapshot from its
// beginning, with one reference of its parent's manifest, so the parent may be deleted at once. The upload is made
// before the row, and goes after the row says how it ended. Sealing it makes it a job like any other (see
// `Region+SnapshotCopying`): manifest, durability, one transaction. A process that dies leaves what the next one of
// the same boot goes on with; after a loss of power the snapshot is in `error`.
//
// A put touches neither the catalog nor the snapshot's key: the upload itself lets puts end before it is sealed.
// Whoever takes an upload out of `work.uploads` ends it.
import BlockStore
import Driver

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

extension Region {
    // MARK: Put

    /// Kept against the end of the process when it returns. Takes no more of the catalog than a look at memory.
    func putSnapshotBlock(_ request: PutSnapshotBlockRequest) async throws {
        await expireIfIdle(request.snapshotID)
        let upload = try writableUpload(request.snapshotID)
        guard (0..<upload.blockCount).contains(request.index.rawValue) else {
            throw StorageError.noSuchBlock(request.index, of: request.snapshotID, count: upload.blockCount)
        }
        guard request.block.data.count == SnapshotBlock.bytes else {
            throw StorageError.blockLength(request.block.data.count)
        }
        do {
            // Before that, what is put might be taken for litter.
            try await work.preparation?.value
            try await effects.put(request.block, at: request.index, into: upload, time: currentTime())
        } catch let error as StorageError {
            throw error
        } catch is SnapshotUploadRefusal {
            throw StorageError.notWritable(try blockSnapshot(request.snapshotID))
        } catch {
            throw StorageError.notPut(request.index, of: request.snapshotID, error)
        }
    }

    private func writableUpload(_ id: SnapshotID) throws(StorageError) -> SnapshotUpload {
        let snapshot = try blockSnapshot(id)
        guard let upload = work.uploads[id], !snapshot.isDeletionWanted else { throw .notWritable(snapshot) }
        return upload
    }

    // MARK: Complete

    /// No block can be put any more; the rest happens in the background.
    func completeSnapshot(_ request: CompleteSnapshotRequest) async throws -> Snapshot {
        let id = request.snapshotID
        _ = try blockSnapshot(id)
        await expireIfIdle(id)
        return try await exclusively(.snapshot(id)) { region in
            let upload = try region.writableUpload(id)
            try await region.seal(upload, request)
            region.work.uploads[id] = nil
            region.beginCompleting(id, upload)
            return region.report(try region.state.snapshots.snapshot(id))
        }
    }

    private func seal(_ upload: SnapshotUpload, _ request: CompleteSnapshotRequest) async throws {
        let checksum = try request.checksum.map { text throws(StorageError) in
            guard let data = Data(base64Encoded: text) else { throw .snapshotChecksum(request.snapshotID) }
            return Array(data)
        }
        do {
            try await effects.seal(upload, blockCount: request.changedBlocksCount, checksum: checksum)
        } catch SnapshotUploadRefusal.ended {
            throw StorageError.notWritable(try blockSnapshot(request.snapshotID))
        } catch SnapshotUploadRefusal.count(let found) {
            throw StorageError.changedBlocks(request.changedBlocksCount, found: found, request.snapshotID)
        } catch SnapshotUploadRefusal.checksum {
            throw StorageError.snapshotChecksum(request.snapshotID)
        } catch {
            throw StorageError.notSealed(request.snapshotID, error)
        }
    }

    private func beginCompleting(_ id: SnapshotID, _ upload: SnapshotUpload) {
        work.jobs[.snapshot(id)] = Task {
            do {
                try await work.preparation?.value
                if let loss = upload.loss { throw loss }
                let content = try await effects.writeManifest(of: upload, over: parent(of: id), upload.writer)
                try await complete(id, content)
                await end(upload, isComplete: state.snapshots.snapshots[id] != nil)
            } catch {
                // What is not done by then, the next process takes up.
                if work.end.isHere { return }
                logger.error("\(id) could not be completed: \(error)")
                await giveUp(.snapshot(id), "\(error)")
                await endGivenUp(id, upload)
            }
            work.jobs[.snapshot(id)] = nil
        }
    }

    private func parent(of id: SnapshotID) -> SnapshotParent? {
        guard let snapshot = state.snapshots.snapshots[id], let manifest = snapshot.base else { return nil }
        guard case .blocks(let parent?, _) = snapshot.origin,
            let content = state.snapshots.snapshots[parent]?.content, content.manifest == manifest
        else { return SnapshotParent(manifest: manifest, fullSizeBytes: nil) }
        return SnapshotParent(manifest: manifest, fullSizeBytes: content.fullSizeBytes)
    }

    // MARK: The end without completion

    /// Ends those into which nobody has put a block for as long as they may wait.
    func expireUploads() async {
        for id in work.uploads.keys.sorted() where !work.end.isHere { await expireIfIdle(id) }
    }

    private func expireIfIdle(_ id: SnapshotID) async {
        guard let upload = work.uploads[id], case .blocks(_, let minutes)? = state.snapshots.snapshots[id]?.origin,
            upload.close(ifIdleSince: currentTime().adding(milliseconds: -Int64(minutes) * 60_000).milliseconds)
        else { return }
        work.uploads[id] = nil
        await giveUp(id, upload, "No block was written for \(minutes) minutes.")
    }

    /// The snapshot fails, or goes if somebody wants it gone; then the upload ends in the background. The caller has taken
    /// it out of those that are written.
    func giveUp(_ id: SnapshotID, _ upload: SnapshotUpload, _ reason: String) async {
        let failing = Task { await giveUp(.snapshot(id), reason) }
        work.jobs[.snapshot(id)] = Task {
            await failing.value
            await endGivenUp(id, upload)
            work.jobs[.snapshot(id)] = nil
        }
        await failing.value
    }

    /// If it is `pending` still, that could not be written down, and the next start finds both: until then its blocks
    /// are held.
    private func endGivenUp(_ id: SnapshotID, _ upload: SnapshotUpload) async {
        if isUnended(.snapshot(id)) {
            work.unended.append(upload.writer)
        } else {
            await end(upload, isComplete: false)
        }
    }

    /// Gives an upload's space back. What stays of it then, the next start removes.
    func end(_ upload: SnapshotUpload, isComplete: Bool) async {
        do {
            try await work.preparation?.value
            let kept = try await effects.end(upload, isComplete: isComplete, check: work.end.check)
            remove(kept)
        } catch {
            if work.end.isHere { return }
            logger.error("what was put into \(upload.name) could not be removed, and is at the next start: \(error)")
        }
    }

    // MARK: Start-up

    /// Those that can go on.
    func findUploads() throws -> [SnapshotID: SnapshotUpload] {
        let uploads = try effects.uploads.pending { name, error in
            logger.error("what was put into \(name) cannot be opened, and is given up: \(error)")
        }
        return Dictionary(uniqueKeysWithValues: uploads.map { (SnapshotID($0.name), $0) })
    }

    /// Goes on with those of pending snapshots, and takes the others away.
    func keep(_ uploads: [SnapshotID: SnapshotUpload]) async {
        work.uploads = uploads.filter { state.snapshots.snapshots[$0.key]?.state == .pending }
        do {
            for name in try effects.uploads.names() where work.uploads[SnapshotID(name)] == nil {
                try await effects.removeUpload(name)
            }
        } catch {
            logger.error("what was put into snapshots that have ended could not be removed: \(error)")
        }
    }

    /// Those whose blocks could not be held, but for those that are sealed, which have a job.
    func giveUpUnreadable() async {
        for id in work.uploads.keys {
            // While one was given up, another may have been ended by somebody else.
            guard let upload = work.uploads[id], let loss = upload.loss else { continue }
            work.uploads[id] = nil
            logger.error("\(id) is given up: \(loss)")
            await giveUp(id, upload, "\(loss)")
        }
    }

    /// Completes what the last process was asked to complete.
    func takeUpSealed() {
        for (id, upload) in work.uploads where upload.isSealed {
            work.uploads[id] = nil
            beginCompleting(id, upload)
        }
    }
}
