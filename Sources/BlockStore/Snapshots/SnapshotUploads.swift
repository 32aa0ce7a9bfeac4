import Platform
public import SystemPackage

/// The snapshots of a store that are being written block by block. They outlive the process, not the boot.
public final class SnapshotUploads: Sendable {
    private let store: SnapshotStore
    private let directory: FilePath
    private let boot: String

    /// - Parameters:
    ///   - directory: made with the first one.
    ///   - boot: `bootID()`; another one stands for a loss of power.
    public init(_ store: SnapshotStore, directory: FilePath, boot: String) {
        self.store = store
        self.directory = directory
        self.boot = boot
    }

    /// - Parameters:
    ///   - name: a path component that no upload has.
    ///   - time: as the caller counts it.
    public func begin(_ name: String, volumeSizeBytes: Int64, at time: Int64) throws(Errno) -> SnapshotUpload {
        let place = UploadDirectory(directory, upload: name)
        let record = UploadRecord(boot: boot, sizeBytes: volumeSizeBytes)
        do throws(Errno) {
            try place.make(record, epoch: store.epoch, time: time)
            return try SnapshotUpload(place, record, name: name, in: store)
        } catch {
            // The first error tells more, and the next start removes what stays.
            do { try place.remove() } catch {}
            throw error
        }
    }

    /// The uploads that go on after a start. Not among them are those of another boot or another epoch of the store,
    /// whose blocks may be lost, and those that had not been made to the end.
    ///
    /// - Parameter unusable: told of each that cannot be opened.
    public func pending(unusable: (_ name: String, Errno) -> Void) throws(Errno) -> [SnapshotUpload] {
        var uploads: [SnapshotUpload] = []
        for name in try names() {
            do throws(Errno) {
                if let upload = try open(name) { uploads.append(upload) }
            } catch {
                unusable(name, error)
            }
        }
        return uploads
    }

    private func open(_ name: String) throws(Errno) -> SnapshotUpload? {
        let place = UploadDirectory(directory, upload: name)
        guard let record = try place.readRecord(), record.boot == boot else { return nil }
        let upload = try SnapshotUpload(place, record, name: name, in: store)
        return upload.isTrusted ? upload : nil
    }

    /// Of all that are there, in whatever state.
    public func names() throws(Errno) -> [String] { try TrackingDirectory.names(in: directory).sorted() }

    /// Takes away what no snapshot belongs to; no error when it is not there.
    public func remove(_ name: String) throws(Errno) { try UploadDirectory(directory, upload: name).remove() }

    /// Ends an upload: it has become a snapshot, or will not. Its objects that nothing needs are removed, a few at a time,
    /// then itself. Those of one with a `loss` are not held, and so went with the sweep.
    ///
    /// - Parameters:
    ///   - isComplete: whether what it holds is in the catalog, so that only what was replaced may be needed by nothing.
    ///   - isNeeded: as for `SnapshotStore.remove`.
    ///   - check: throws to end early; the next start does the rest.
    /// - Returns: objects that stay, since others may be about to refer to them.
    public func end(
        _ upload: SnapshotUpload, isComplete: Bool, unless isNeeded: (Digest) throws -> Bool,
        check: () throws -> Void
    ) throws -> [Digest] {
        upload.close()
        upload.writer.end()
        var kept: [Digest] = []
        func remove(_ name: Digest) throws {
            try check()
            kept += try store.remove([name], unless: isNeeded)
        }
        if upload.loss == nil {
            if isComplete { try upload.forEachReplaced(remove) } else { try upload.forEachObject(remove) }
        }
        try self.remove(upload.name)
        return kept
    }
}
