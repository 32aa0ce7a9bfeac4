// What the region does to snapshots' files, and to the store for tasks on snapshots.
import BlockStore
import Driver
import Platform
import SystemPackage

/// An open file of a snapshot. Whoever opens it closes it (`RegionEffects.close`), which may take as long as a disk takes.
struct ArchiveFile: Sendable {
    let path: FilePath
    let descriptor: FileDescriptor
    /// Made by being opened.
    let isNew: Bool

    /// Whether the path still leads to it.
    fileprivate func hasItsName() throws(Errno) -> Bool {
        do throws(Errno) {
            return try FileStatus(of: path).identity == descriptor.fileStatus().identity
        } catch .noSuchFileOrDirectory {
            return false
        }
    }
}

extension RegionEffects {
    // MARK: Files

    /// Opens or makes the file that a snapshot goes into; refuses one that is something else.
    func openExport(of manifest: Digest, at path: FilePath) async throws -> ArchiveFile {
        try beforeStep(.openFile)
        return try await blocking {
            try opened(path, makesIt: true) { file in
                let mayGoOn = try opening(path) { () throws(Errno) in
                    try SnapshotArchive.mayBecome(manifest, file.descriptor)
                }
                if !mayGoOn { throw StorageError.foreignFile(path) }
                return file
            }
        }
    }

    /// Opens a snapshot's file, and reads what it says of itself.
    func openImport(at path: FilePath) async throws -> (ArchiveFile, SnapshotDescription) {
        try beforeStep(.openFile)
        return try await blocking {
            try opened(path) { file in
                do {
                    return (file, try SnapshotDescription(json: SnapshotArchive.description(of: file.descriptor)))
                } catch let error as SnapshotArchiveError {
                    throw StorageError.invalidFile(path, "\(error)")
                } catch let error as MalformedDescription {
                    throw StorageError.invalidFile(path, "\(error)")
                }
            }
        }
    }

    /// Closes a file. One that was made for an export, and that nothing has come into, goes.
    func close(_ file: ArchiveFile) async {
        do {
            try await blocking { try closeNow(file) }
        } catch {
            logger.error("\(file.path), which was made for an export that has not begun, stays: \(error)")
        }
    }

    private func closeNow(_ file: ArchiveFile) throws(Errno) {
        defer { file.descriptor.closeIgnoringErrors() }
        guard file.isNew, try file.descriptor.fileStatus().sizeBytes == 0, try file.hasItsName() else { return }
        try removeFile(at: file.path)
    }

    /// Opens nothing on the region's own volumes, and waits for no pipe.
    ///
    /// - Parameter look: refuses the file by throwing; then it is closed.
    private func opened<Result>(
        _ path: FilePath, makesIt: Bool = false, _ look: (ArchiveFile) throws -> Result
    ) throws -> Result {
        if try isOwn(path) { throw StorageError.ownVolume(path) }
        // Some devices act when they are opened.
        guard try opening(path, { () throws(Errno) in try Self.mayBeOpened(path) }) else {
            throw StorageError.notRegular(path)
        }
        let file = try opening(path) { () throws(Errno) in try makesIt ? Self.make(path) : Self.open(path, .readOnly) }
        do {
            let status = try opening(path) { () throws(Errno) in try file.descriptor.fileStatus() }
            guard status.isRegular else { throw StorageError.notRegular(path) }
            return try look(file)
        } catch {
            // The first error tells more.
            do { try closeNow(file) } catch {}
            throw error
        }
    }

    /// Opens a file to be written by nobody else, which is made if it is not there.
    private static func make(_ path: FilePath) throws(Errno) -> ArchiveFile {
        for _ in 0..<attempts {
            let file = try openOrMake(path)
            do throws(Errno) {
                try file.descriptor.lockAlone()
                // Another export, which made it and did not begin, may have removed it just now.
                if try file.hasItsName() { return file }
            } catch {
                file.descriptor.closeIgnoringErrors()
                throw error
            }
            file.descriptor.closeIgnoringErrors()
        }
        // There, one file has another number each time.
        throw .resourceTemporarilyUnavailable
    }

    private static var attempts: Int { 16 }

    private static func openOrMake(_ path: FilePath) throws(Errno) -> ArchiveFile {
        do throws(Errno) {
            return try open(path, .readWrite, options: [.create, .exclusiveCreate])
        } catch .fileExists {
            return try open(path, .readWrite, options: .create)
        }
    }

    private static func open(
        _ path: FilePath, _ mode: FileDescriptor.AccessMode, options: FileDescriptor.OpenOptions = []
    ) throws(Errno) -> ArchiveFile {
        let descriptor = try FileDescriptor.openFile(
            path, mode, options: options.union(.nonBlocking), permissions: .ownerReadWrite)
        return ArchiveFile(path: path, descriptor: descriptor, isNew: options.contains(.exclusiveCreate))
    }

    /// Whether a path leads onto the region's own volumes.
    func isOwn(_ path: FilePath) throws(StorageError) -> Bool {
        try opening(path) { () throws(Errno) in try OwnVolumes(tree: tree).hold(path) }
    }

    private static func mayBeOpened(_ path: FilePath) throws(Errno) -> Bool {
        do throws(Errno) {
            return try FileStatus(of: path).isRegular
        } catch .noSuchFileOrDirectory {
            return true
        }
    }

    private func opening<Result>(
        _ path: FilePath, _ body: () throws(Errno) -> Result
    ) throws(StorageError) -> Result {
        do throws(Errno) { return try body() } catch { throw .fileNotOpened(path, error) }
    }

    // MARK: Export

    /// Keeps what a snapshot needs from being removed, and nothing else any more. Waits for no other task: until then
    /// nothing at all is removed.
    ///
    /// - Returns: how many blocks it has.
    func hold(_ snapshot: DepartingSnapshot, _ progress: SnapshotTaskProgress) async throws -> Int {
        try await blocking { try snapshot.writer.holdOnly(snapshot.manifest, check: progress.check) }
    }

    /// The file is whole, and durable, when this returns.
    func export(
        _ snapshot: DepartingSnapshot, blockCount: Int, to file: ArchiveFile, _ progress: SnapshotTaskProgress
    ) async throws {
        try await carriers.run {
            let totalBytes = try snapshots.archiveBytes(
                of: snapshot.manifest, blockCount: blockCount, description: snapshot.description)
            try progress.update { $0.totalBytes = totalBytes }
            try snapshots.export(
                snapshot.manifest, description: snapshot.description, to: file.descriptor
            ) { done in
                try beforeStep(.exportRecord)
                try progress.update { ($0.doneBytes, $0.presentBytes) = (done.doneBytes, done.presentBytes) }
            }
            try Directory.synchronize(file.path.removingLastComponent())
        }
    }

    // MARK: Import

    /// Takes a file's objects into the store; all of them are durable when this returns.
    func bringIn(
        _ file: ArchiveFile, _ wish: ImportWish, _ writer: SnapshotWriter, _ progress: SnapshotTaskProgress
    ) async throws -> SnapshotContent {
        do {
            let (manifest, totalBytes) = try await carriers.run {
                let totalBytes = try file.descriptor.fileStatus().sizeBytes
                try progress.update { $0.totalBytes = totalBytes }
                let archive = try writer.importArchive(from: file.descriptor) { done in
                    try beforeStep(.importRecord)
                    try progress.update { ($0.doneBytes, $0.presentBytes) = (done.doneBytes, done.presentBytes) }
                }
                return (archive.manifest, totalBytes)
            }
            let content = try await keep(manifest, as: wish.description)
            try progress.update { $0.doneBytes = totalBytes }
            return content
        } catch let error as SnapshotArchiveError {
            throw StorageError.invalidFile(file.path, "\(error)")
        } catch let error as MalformedDescription {
            throw StorageError.invalidFile(file.path, "\(error)")
        } catch let error as Errno {
            throw StorageError.notStored(file.path, error)
        }
    }

    /// What came into the store is durable when this returns.
    ///
    /// - Throws: `MalformedDescription` when it is not what it was said to be.
    func keep(_ manifest: Manifest, as description: SnapshotDescription) async throws -> SnapshotContent {
        guard manifest.volumeSizeBytes == Int64(description.volumeSizeGiB) << 30 else {
            throw MalformedDescription(reason: "its description tells of another size than it has")
        }
        try beforeStep(.synchronizeStore)
        try await carriers.run { try snapshots.synchronize() }
        return try await content(of: manifest.name)
    }

    /// Removes every object that neither the catalog refers to nor anybody holds.
    ///
    /// - Returns: how many.
    func removeUnreferenced(check: @escaping @Sendable () throws -> Void) async throws -> Int {
        try beforeStep(.sweep)
        return try await carriers.run {
            var count = 0
            try forEachUnreferenced { name in
                try check()
                let kept = try snapshots.remove([name]) { try catalog.referenceCount(of: $0) > 0 }
                if kept.isEmpty { count += 1 }
            }
            return count
        }
    }

    /// Calls `body` with what the catalog did not refer to a moment ago.
    func forEachUnreferenced(_ body: (Digest) throws -> Void) throws {
        var known = KnownObjects(catalog: catalog)
        try snapshots.forEachName { name in
            if try !known.contains(name) { try body(name) }
        }
    }
}

/// The objects that the catalog refers to, for who asks in the order of the names: a 256th is in memory at a time.
struct KnownObjects {
    private let catalog: Catalog
    private var shard: (byte: UInt8, counts: [Digest: Int])?
    /// Called before more is read.
    private let check: () throws -> Void

    init(catalog: Catalog, check: @escaping () throws -> Void = {}) {
        self.catalog = catalog
        self.check = check
    }

    mutating func contains(_ name: Digest) throws -> Bool {
        let byte = name.bytes[0]
        if shard?.byte != byte {
            try check()
            shard = (byte, try catalog.referenceCounts(beginningWith: byte))
        }
        return shard?.counts[name] != nil
    }
}
