import Platform
public import SystemPackage

/// Snapshots as objects that are named by what they hold: blocks, segments of 64 names of blocks, and manifests.
/// Equal ones are kept once, zeros not at all. Every read is verified.
///
/// It counts no references: the catalog does, and says what to remove. What is being written for a snapshot that is
/// not in the catalog yet is held by its `SnapshotWriter`.
///
/// Its calls block: for threads of their own and, for reading blocks, the data path.
public final class SnapshotStore: Sendable {
    let files: ObjectFiles
    /// What was put under another number, in the same boot, may be lost.
    var epoch: UInt64 { files.epoch }
    private let writers = Monitor(Writers())

    private struct Writers: Sendable {
        var held: [Int: HeldNames] = [:]
        var nextNumber = 0
        /// What nobody holds, and is being removed.
        var goingAway: Set<Digest> = []

        func mayHold(_ name: Digest) -> Bool { held.values.contains { $0.mayHold(name) } }
    }

    public init(directory: FilePath) throws(Errno) {
        files = try ObjectFiles(directory: directory)
    }

    // MARK: Writing

    /// Begins a snapshot. What it writes, or finds to be there already, stays until `end`.
    public func beginWriting() -> SnapshotWriter {
        let number = writers.withLock { writers in
            writers.nextNumber += 1
            writers.held[writers.nextNumber] = HeldNames()
            return writers.nextNumber
        }
        return SnapshotWriter(self, number: number)
    }

    /// From now on the object stays. One that is being removed is gone when this returns, and not there to be found.
    func hold(_ name: Digest, for writer: Int) {
        writers.wait { writers -> Void? in
            if writers.goingAway.contains(name) { return nil }
            writers.held[writer]?.insert(name)
        }
    }

    /// From now on nothing is removed, or only what no writer holds by name.
    func holdAll(_ holdsAll: Bool, for writer: Int) {
        writers.withLock { $0.held[writer]?.holdsAll = holdsAll }
    }

    /// Whether somebody may be about to refer to an object.
    public func mayBeHeld(_ name: Digest) -> Bool { writers.withLock { $0.mayHold(name) } }

    func release(_ writer: Int) {
        writers.withLock { _ = $0.held.removeValue(forKey: writer) }
    }

    /// Returns when everything written before is durable. To be called before a manifest gets into the catalog.
    public func synchronize() throws(Errno) { try files.synchronize() }

    // MARK: Reading

    /// Fills the buffer, of a block's length, with a block's verified bytes. After an error it holds anything.
    public func readBlock(_ name: Digest, into buffer: inout MutableRawSpan) throws(SnapshotStoreError) {
        precondition(buffer.byteCount == Int(VolumeBlock.bytes), "a block is read whole")
        let file = try open(name, .block)
        defer { file.closeIgnoringErrors() }
        let count: Int
        do throws(Errno) {
            count = try file.readAll(into: &buffer, range: 0..<buffer.byteCount, at: 0)
        } catch {
            throw .failed(.block, name, error)
        }
        guard count == buffer.byteCount, Digest(of: buffer.bytes) == name else { throw .damaged(.block, name) }
    }

    /// A block's verified bytes.
    public func block(_ name: Digest) throws(SnapshotStoreError) -> [UInt8] {
        let bytes = try read(name, .block)
        guard bytes.count == Int(VolumeBlock.bytes) else { throw .damaged(.block, name) }
        return bytes
    }

    public func manifest(_ name: Digest) throws(SnapshotStoreError) -> Manifest {
        let bytes = try read(name, .manifest)
        do throws(MalformedObject) {
            return try Manifest(decoding: bytes)
        } catch {
            throw .malformed(.manifest, name, reason: error.reason)
        }
    }

    func segment(_ name: Digest) throws(SnapshotStoreError) -> Segment {
        let bytes = try read(name, .segment)
        do throws(MalformedObject) {
            return try Segment(decoding: bytes)
        } catch {
            throw .malformed(.segment, name, reason: error.reason)
        }
    }

    /// Calls `body` with each block from an index on that holds anything, in order, until it gives false.
    public func forEachBlock(
        of manifest: Manifest, from start: Int = 0, _ body: (Int, Digest) throws -> Bool
    ) throws {
        for entry in manifest.segments where (Int(entry.index) + 1) * Segment.blockCount > start {
            let segment = try segment(entry.name)
            for place in 0..<Segment.blockCount {
                let block = Int(entry.index) * Segment.blockCount + place
                guard block >= start, let name = segment[place] else { continue }
                if try !body(block, name) { return }
            }
        }
    }

    /// An object's verified bytes.
    private func read(_ name: Digest, _ kind: ObjectKind) throws(SnapshotStoreError) -> [UInt8] {
        let file = try open(name, kind)
        defer { file.closeIgnoringErrors() }
        let bytes: [UInt8]
        do throws(Errno) {
            bytes = try file.bytes(at: 0, count: Int(try file.fileStatus().sizeBytes))
        } catch {
            throw .failed(kind, name, error)
        }
        guard unsafe Digest(of: bytes.span.bytes) == name else { throw .damaged(kind, name) }
        return bytes
    }

    private func open(_ name: Digest, _ kind: ObjectKind) throws(SnapshotStoreError) -> FileDescriptor {
        do throws(Errno) {
            return try files.open(name)
        } catch .noSuchFileOrDirectory {
            throw .missing(kind, name)
        } catch {
            throw .failed(kind, name, error)
        }
    }

    // MARK: Removing

    /// Removes objects that nothing in the catalog refers to any more. One that is gone already is no error.
    ///
    /// - Parameter isNeeded: whether the catalog refers to an object after all. Asked when no writer can be about to
    ///   refer to it: who held it has ended, and is in the catalog if it will ever be.
    /// - Returns: those that a writer may be about to refer to, and so stay: to be tried again when it has ended.
    public func remove(_ names: [Digest], unless isNeeded: (Digest) throws -> Bool) throws -> [Digest] {
        var kept: [Digest] = []
        for name in names where try !unlessHeld(name, { if try !isNeeded(name) { try files.remove(name) } }) {
            kept.append(name)
        }
        return kept
    }

    /// Runs `body` unless somebody holds the name; who wants to hold it meanwhile waits until `body` has ended.
    ///
    /// A writer holds a name before it looks whether it is there: so it finds what stays, or nothing.
    ///
    /// - Returns: whether it ran.
    func unlessHeld<Failure>(_ name: Digest, _ body: () throws(Failure) -> Void) throws(Failure) -> Bool {
        let mayGo = writers.wait { writers -> Bool? in
            if writers.goingAway.contains(name) { return nil }
            if writers.mayHold(name) { return false }
            writers.goingAway.insert(name)
            return true
        }
        guard mayGo else { return false }
        defer { writers.withLock { _ = $0.goingAway.remove(name) } }
        try body()
        return true
    }

    public func has(_ name: Digest) throws(Errno) -> Bool { try files.sizeBytes(of: name) != nil }

    /// Each object that is there, in the order of the names.
    public func forEachName(_ body: (Digest) throws -> Void) throws { try files.forEachName(body) }

    /// At a start, before anything is written: removes every object that is not kept and that no writer holds, and
    /// what was half written.
    ///
    /// After a loss of power only what the catalog refers to is known to be whole. In the same boot that is also what
    /// pending cuts have stored (`SnapshotWriter.hold`).
    ///
    /// - Parameter isKept: asked in the order of the names.
    /// - Returns: how many objects were removed.
    public func sweep(keeping isKept: (Digest) throws -> Bool) throws -> Int {
        try files.removeIncoming()
        var count = 0
        try files.forEachName { name in
            if try isKept(name) { return }
            if try unlessHeld(name, { () throws(Errno) in try files.remove(name) }) { count += 1 }
        }
        return count
    }
}
