import Crypto
import Platform
import Synchronization
import SystemPackage

/// A snapshot that is written block by block, in any order and by several at a time, until it is sealed.
///
/// ```
/// put:   the block into the store · its name · put := 1 · the answer
///        (put before: its former name to `replaced`, then as above)
/// seal:  no more puts · those under way end · they are counted · sealed := 1 · the answer
/// ```
///
/// All of it is in the page cache before an answer, so the next process of the same boot finds it (`SnapshotUploads`).
/// What a put leaves that is killed between two steps is an object that no name leads to, or a name without its bit:
/// the store's sweep and the next put take those away.
///
/// Calls block, for as long as a disk takes. Memory is the same however many blocks there are.
public final class SnapshotUpload: ChangedBlocks {
    /// As it was begun.
    public let name: String
    public let volumeSizeBytes: Int64
    public let blockCount: Int
    /// Holds its blocks in the store, and is to write its manifest.
    public let writer: SnapshotWriter
    let directory: UploadDirectory
    private let isPut: MappedBits
    private let names: BlockNames
    private let replaced: FileDescriptor
    private let state: UploadState
    private let claims = BlockClaims()
    private let phase: Monitor<Phase>
    private let replacedCount: Monitor<Int>
    /// What is in the store and could not be written down. What the next process finds of it, its store's sweep takes.
    private let unnamed = Mutex<[Digest]>([])
    private let unreadable = Mutex<UnreadableUpload?>(nil)

    private enum Phase: Hashable, Sendable {
        case open(putsUnderWay: Int)
        /// Puts that come wait for the outcome.
        case sealing(putsUnderWay: Int)
        case sealed
        case closed

        var putsUnderWay: Int {
            switch self {
            case .open(let count), .sealing(let count): count
            case .sealed, .closed: 0
            }
        }
    }

    /// Opens one that was made.
    init(
        _ directory: UploadDirectory, _ record: UploadRecord, name: String, in store: SnapshotStore
    ) throws(Errno) {
        self.directory = directory
        self.name = name
        volumeSizeBytes = record.sizeBytes
        blockCount = VolumeBlock.count(sizeBytes: record.sizeBytes)
        writer = store.beginWriting()
        isPut = try MappedBits(directory.put, capacity: UploadDirectory.bits(blockCount))
        names = try BlockNames(directory.names, blockCount: blockCount)
        state = try UploadState(directory.state)
        phase = Monitor(state.isSealed ? .sealed : .open(putsUnderWay: 0))
        let replaced = try FileDescriptor.openFile(directory.replaced, .readWrite)
        do throws(Errno) {
            replacedCount = Monitor(Int(try replaced.fileStatus().sizeBytes) / Digest.byteCount)
        } catch {
            replaced.closeIgnoringErrors()
            throw error
        }
        self.replaced = replaced
    }

    deinit { replaced.closeIgnoringErrors() }

    /// Whether the store still has what was put.
    var isTrusted: Bool { state.epoch == writer.epoch }

    /// Holds what the last process put. If that cannot be read, the upload is closed and has a `loss`, the next process
    /// does not go on with it either, and nothing is held. No block may be put meanwhile.
    public func holdBlocks() {
        do {
            try forEachChange { _, name in
                if let name { writer.hold(name) }
            }
        } catch {
            close()
            unreadable.withLock { $0 = UnreadableUpload(cause: error) }
            // Before anything that is not held goes: a later process might be able to read it.
            state.distrust()
            writer.end()
        }
    }

    /// Why it can never be completed; `nil` while it can.
    public var loss: UnreadableUpload? { unreadable.withLock { $0 } }

    // MARK: Writing

    /// Keeps a whole block. The last one of an index counts; of two at the same time, any.
    ///
    /// - Parameters:
    ///   - name: the SHA-256 of its bytes.
    ///   - time: as the caller counts it.
    /// - Throws: `SnapshotUploadRefusal` when it is sealed or closed; `Errno`, and then nothing was put.
    public func put(_ block: Int, _ bytes: RawSpan, named name: Digest, at time: Int64) throws {
        precondition((0..<blockCount).contains(block), "no such block")
        try beginPut()
        defer { endPut() }
        let stored = try writer.put(bytes, named: name)
        do throws(Errno) {
            try claims.with(block..<block + 1) { () throws(Errno) in try note(stored, at: block) }
        } catch {
            if let stored { unnamed.withLock { $0.append(stored) } }
            throw error
        }
        state.notePut(at: time)
    }

    private func note(_ name: Digest?, at block: Int) throws(Errno) {
        if isPut.isSet(block) {
            let former = try names.name(of: block)
            if former == name { return }
            if let former { try noteReplaced(former) }
        }
        // Also for zeros: a put that was killed may have left a name here.
        try names.set(block, to: name)
        isPut.set(block)
    }

    private func noteReplaced(_ name: Digest) throws(Errno) {
        let place = replacedCount.withLock { count in
            count += 1
            return count - 1
        }
        try unsafe replaced.writeAll(name.bytes.span.bytes, at: Int64(place * Digest.byteCount))
    }

    private func beginPut() throws(SnapshotUploadRefusal) {
        let mayPut = phase.wait { phase -> Bool? in
            switch phase {
            case .open(let count):
                phase = .open(putsUnderWay: count + 1)
                return true
            case .sealing: return nil
            case .sealed, .closed: return false
            }
        }
        if !mayPut { throw .ended }
    }

    private func endPut() {
        phase.withLock { phase in
            switch phase {
            case .open(let count): phase = .open(putsUnderWay: count - 1)
            case .sealing(let count): phase = .sealing(putsUnderWay: count - 1)
            case .sealed, .closed: preconditionFailure("an upload ended under a put")
            }
        }
    }

    // MARK: The end

    public var isSealed: Bool { state.isSealed }

    /// No block can be put any more. If it is refused, it is as before.
    ///
    /// - Parameters:
    ///   - count: of the blocks that were put, each index once.
    ///   - checksum: the SHA-256 over the blocks' SHA-256 in the order of their indexes; `nil` for no check.
    public func seal(blockCount count: Int, checksum: [UInt8]?) throws {
        try stopPuts()
        do {
            let found = isPut.count(in: 0..<blockCount)
            guard found == count else { throw SnapshotUploadRefusal.count(found: found) }
            if let checksum, try linearChecksum() != checksum { throw SnapshotUploadRefusal.checksum }
        } catch {
            phase.withLock { $0 = .open(putsUnderWay: 0) }
            throw error
        }
        state.seal()
        phase.withLock { $0 = .sealed }
    }

    /// Waits for those under way. Exactly one caller may seal at a time.
    private func stopPuts() throws(SnapshotUploadRefusal) {
        let mayEnd = phase.withLock { phase in
            guard case .open(let count) = phase else { return false }
            phase = .sealing(putsUnderWay: count)
            return true
        }
        if !mayEnd { throw .ended }
        phase.wait { $0.putsUnderWay == 0 ? () : nil }
    }

    private func linearChecksum() throws -> [UInt8] {
        let zeros = BlockBuffer().withBytes(0..<Int(VolumeBlock.bytes)) { Digest(of: $0) }
        var hash = SHA256()
        try forEachChange { _, name in hash.update(data: (name ?? zeros).bytes) }
        return Array(hash.finalize())
    }

    /// Closes it unless it is sealed, or somebody puts a block or has since a time.
    ///
    /// - Returns: whether it is closed by this.
    public func close(ifIdleSince time: Int64) -> Bool {
        phase.withLock { phase in
            guard phase == .open(putsUnderWay: 0), state.lastPut <= time else { return false }
            phase = .closed
            return true
        }
    }

    /// Nobody changes it any more when this returns.
    func close() {
        phase.wait { phase -> Void? in
            if case .sealing = phase { return nil }
            if phase.putsUnderWay > 0 { return nil }
            phase = .closed
        }
    }

    // MARK: What it holds

    public func forEachChange(_ body: (Int, Digest?) throws -> Void) throws {
        try names.forEach({ isPut.firstSet(in: $0..<blockCount) }, body)
    }

    /// Calls `body` with each object that was put for it, some of them more than once.
    public func forEachObject(_ body: (Digest) throws -> Void) throws {
        try forEachReplaced(body)
        try forEachChange { _, name in
            if let name { try body(name) }
        }
    }

    /// Calls `body` with each object that was put for it and that it does not need any more.
    func forEachReplaced(_ body: (Digest) throws -> Void) throws {
        try unnamed.withLock { $0 }.forEach(body)
        for place in 0..<replacedCount.withLock({ $0 }) {
            let bytes = try replaced.bytes(at: Int64(place * Digest.byteCount), count: Digest.byteCount)
            // Killed, or out of space, at that: the object was not replaced.
            if bytes.count == Digest.byteCount, let name = Digest(stored: bytes[...]) { try body(name) }
        }
    }
}

/// What was put into an upload before a start cannot be read after it.
public struct UnreadableUpload: Error, CustomStringConvertible {
    public let cause: any Error

    public var description: String { "what was put before the last start cannot be read: \(cause)" }
}

/// Why an upload does not do what it was asked for. It is as before.
public enum SnapshotUploadRefusal: Error, Hashable, Sendable {
    /// It is sealed or closed.
    case ended
    /// Another number of blocks was put.
    case count(found: Int)
    /// The blocks are others.
    case checksum
}
