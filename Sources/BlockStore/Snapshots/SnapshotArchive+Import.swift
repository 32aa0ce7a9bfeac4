import Platform
public import SystemPackage

extension SnapshotWriter {
    /// Takes a snapshot file's objects into the store; those that are there already are not written again, so an
    /// interrupted import goes on quickly. Nothing refers to them until the caller commits the manifest.
    ///
    /// - Parameter progress: called after each record.
    /// - Throws: `SnapshotArchiveError` of the file; `Errno` and `SnapshotStoreError` of the store.
    public func importArchive(
        from file: FileDescriptor, progress: (SnapshotArchive.Progress) throws -> Void = { _ in }
    ) throws -> (manifest: Manifest, description: String) {
        let reader = ArchiveReader(file)
        let (head, start) = try reader.head()
        var done = SnapshotArchive.Progress(doneBytes: start)
        while let record = try reader.record(at: done.doneBytes, of: head.manifest) {
            let isNew = unsafe try putObject(record.bytes.span.bytes, named: record.name)
            if !isNew { done.presentBytes += record.end - done.doneBytes }
            done.doneBytes = record.end
            try progress(done)
        }
        let position = done.doneBytes + Int64(SnapshotArchive.recordHeadBytes)
        if try !reader.isEnd(position) { throw SnapshotArchiveError.trailing(atByte: position) }
        do throws(SnapshotStoreError) {
            return (try wholeManifest(head.manifest), head.description)
        } catch {
            throw error.isOfWhoBroughtIt ? SnapshotArchiveError.incomplete(error) : error
        }
    }

    /// A manifest all of whose objects are there, and held.
    private func wholeManifest(_ name: Digest) throws(SnapshotStoreError) -> Manifest {
        hold(name)
        let manifest = try store.manifest(name)
        for entry in manifest.segments {
            hold(entry.name)
            let segment = try store.segment(entry.name)
            for case (let place, let block?) in segment.names.enumerated() {
                guard Int(entry.index) * Segment.blockCount + place < manifest.blockCount else {
                    throw .malformed(.segment, entry.name, reason: "a block lies beyond the volume's end")
                }
                hold(block)
                try expectBlock(block)
            }
        }
        return manifest
    }

    private func expectBlock(_ name: Digest) throws(SnapshotStoreError) {
        let size: Int64?
        do throws(Errno) {
            size = try store.files.sizeBytes(of: name)
        } catch {
            throw .failed(.block, name, error)
        }
        if size == nil { throw .missing(.block, name) }
        if size != VolumeBlock.bytes { throw .damaged(.block, name) }
    }
}
