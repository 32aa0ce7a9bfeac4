import Platform
import Synchronization
import SystemPackage

/// One volume at one instant, until its blocks have been copied.
///
/// What is `needed` and neither saved nor `done` is still in the volume as it was. Before it is written over it is saved
/// to `old`, in chunks of a block, so that at each moment its bytes are in one known place:
///
/// ```
/// writer:  saved := 1 · old ← the volume's chunk · chunks := 1 · writes     (a hole, none of it saved: done := 1 · writes)
/// copier:  reads the volume's block · saved? then reads each of its chunks that are in old from there · put · name ·
///          done := 1
/// ```
///
/// A copier takes no lock: if it read anything of a later write, that chunk's bit had been set before that write began,
/// so looking at it afterwards finds it. Killed between any two steps, the next process does the step again: a bit is
/// set only when what it promises is in the page cache. After a loss of power a cut is given up.
///
/// Where the filesystem shares extents, and quickly, the cut has clones of the volume's files, and writers owe nothing.
public final class Cut: ChangedBlocks {
    /// The snapshot's, as it was given.
    public let name: String
    public let volume: String
    public let volumeSizeBytes: Int64
    /// Whose blocks are the cut's where nothing changed: a cut's name or a restore source's. `nil`: no block but the
    /// changed ones holds anything.
    public let base: String?
    let isClone: Bool
    let directory: CutDirectory
    let parts: VolumeFile
    let needed: MappedBits
    let saved: MappedBits
    let chunks: MappedBits
    let done: MappedBits
    let state: MappedBits
    let old: VolumeFile
    let names: BlockNames
    let blockCount: Int
    let chunkCount: Int
    private let claims = BlockClaims()
    private let buffers: BlockBufferPool
    private let hasFailed = Atomic(false)
    private let hasBeenCancelled = Atomic(false)
    private let refusal = Mutex<CutFailure?>(nil)
    /// The volume that saves blocks for it: it must be the one that is written as long as the cut is there.
    private let owner = Mutex<VolumeBlocks?>(nil)
    let progressState = Mutex(CutProgress(doneBlocks: 0, totalBlocks: nil))

    /// Opens one that another process has made; `nil` for one of another boot, which has lost what was not durable.
    static func open(
        at place: CutDirectory, boot: String, store: VolumeStore, buffers: BlockBufferPool
    ) throws(Errno) -> Cut? {
        guard let record = try place.readRecord(), record.boot == boot else { return nil }
        return try Cut(place, record, store: store, buffers: buffers)
    }

    /// Opens a cut that has been made.
    init(
        _ directory: CutDirectory, _ record: CutRecord, store: VolumeStore, buffers: BlockBufferPool
    ) throws(Errno) {
        self.directory = directory
        self.buffers = buffers
        name = directory.cut
        volume = directory.volume
        volumeSizeBytes = record.sizeBytes
        base = record.base
        isClone = record.isClone
        blockCount = VolumeBlock.count(sizeBytes: record.sizeBytes)
        chunkCount = CutChunk.count(sizeBytes: record.sizeBytes)
        parts = try store.openParts(sizeBytes: record.sizeBytes, .readOnly) { directory.part($0) }
        needed = try MappedBits(directory.needed, capacity: VolumeBlock.capacity)
        saved = try MappedBits(directory.saved, capacity: VolumeBlock.capacity)
        chunks = try MappedBits(directory.chunks, capacity: CutChunk.capacity)
        done = try MappedBits(directory.done, capacity: VolumeBlock.capacity)
        state = try MappedBits(directory.state, capacity: 128)
        old = try store.openParts(sizeBytes: record.sizeBytes, .readWrite) { directory.old($0) }
        names = try BlockNames(directory.names, blockCount: blockCount)
        hasFailed.store(CutFailure(word: state.word(0)) != nil, ordering: .relaxed)
    }

    /// Keeps the volume open; nothing ends that.
    func keep(_ volume: VolumeBlocks?) { owner.withLock { $0 = volume } }

    // MARK: What becomes of it

    /// Why it will not become a snapshot; `nil` while it may.
    public var failure: CutFailure? {
        guard hasFailed.load(ordering: .acquiring) else { return nil }
        return refusal.withLock { $0 } ?? CutFailure(word: state.word(0))
    }

    /// The cut will not become a snapshot, nor will those that count from it. The first failure stays. Written down
    /// before anybody goes on, in space that is there.
    public func fail(_ failure: CutFailure) {
        refusal.withLock { refusal in
            if hasFailed.load(ordering: .relaxed) { return }
            refusal = failure
            state.setWord(0, to: failure.word)
            hasFailed.store(true, ordering: .releasing)
        }
    }

    /// On a full disk: fails, and shares no space with the volume any more, so that this can be written in place.
    func giveUpClone() throws(Errno) {
        fail(.noSpace)
        for part in 0..<parts.partCount {
            let file = try FileDescriptor.openFile(directory.part(part), .writeOnly)
            defer { file.closeIgnoringErrors() }
            try file.setLength(0)
        }
    }

    /// Whether what it has put is still there, in a store that is in this epoch.
    func trusts(_ epoch: UInt64) -> Bool { state.word(1) == 0 || state.word(1) == epoch }

    /// Ends copying, which then throws `.cancelled`. Nothing is given back before `TrackedVolumes.finish`.
    public func cancel() {
        hasBeenCancelled.store(true, ordering: .relaxed)
    }

    /// Whether somebody called `cancel`.
    public var isCancelled: Bool { hasBeenCancelled.load(ordering: .relaxed) }

    public var progress: CutProgress { progressState.withLock { $0 } }

    // MARK: The writer's side

    /// The first chunk that must be saved before it is written over.
    @inline(__always)
    func firstOwed(in chunks: Range<Int>) -> Int? {
        if hasFailed.load(ordering: .relaxed) { return nil }
        // A volume may have grown since.
        let chunks = chunks.clamped(to: 0..<chunkCount)
        if chunks.isEmpty { return nil }
        var blocks = CutChunk.blocks(chunks)
        while let block = needed.firstSet(in: blocks, without: done) {
            let chunks = CutChunk.range(block).clamped(to: chunks)
            if !saved.isSet(block) { return chunks.lowerBound }
            if let chunk = self.chunks.firstClear(in: chunks) { return chunk }
            blocks = block + 1..<blocks.upperBound
        }
        return nil
    }

    /// Saves what a write is about to change. If that fails, the cut does; the write goes on.
    func save(_ chunks: Range<Int>) {
        let end = min(CutChunk.blocks(chunks).upperBound, blockCount)
        do throws(Errno) {
            while let chunk = firstOwed(in: chunks) {
                let block = CutChunk.block(chunk)
                if !saved.isSet(block), try skipHole(from: block, to: end) > block { continue }
                try save(CutChunk.range(block).clamped(to: chunk..<chunks.upperBound), of: block)
            }
        } catch {
            fail(CutFailure(error))
        }
    }

    /// Saves the first of a block's chunks that are owed, and those that follow it.
    private func save(_ chunks: Range<Int>, of block: Int) throws(Errno) {
        try claims.with(chunks) { () throws(Errno) in
            guard let first = firstOwed(in: chunks) else { return }
            // Before its bytes can change, so that whoever finds a hole knows whether it was one.
            saved.set(block)
            let owed = first..<(self.chunks.firstSet(in: first..<chunks.upperBound) ?? chunks.upperBound)
            let range = CutChunk.bytes(owed, sizeBytes: volumeSizeBytes)
            let buffer = buffers.take()
            try buffer.fill { (span) throws(Errno) in
                try parts.read(into: &span, count: range.count, at: range.lowerBound)
            }
            try buffer.withBytes(0..<range.count) { (bytes) throws(Errno) in
                try old.write(bytes, at: range.lowerBound)
            }
            self.chunks.set(owed)
        }
    }

    /// Notes that the blocks from `start` up to the next data were zeros, unless some of them has been saved: who punches
    /// what held something saves it first. Gives the block with that data, or `end`.
    private func skipHole(from start: Int, to end: Int) throws(Errno) -> Int {
        let data = min(end, try nextData(from: start) ?? end)
        done.set(start..<data, where: needed, without: saved)
        return data
    }

    func nextData(from block: Int) throws(Errno) -> Int? {
        let offset = Int64(block) * VolumeBlock.bytes
        if offset >= volumeSizeBytes { return nil }
        do throws(Errno) {
            return Int(try parts.next(.data, from: offset) / VolumeBlock.bytes)
        } catch .noSuchAddressOrDevice {
            return nil
        }
    }

    // MARK: What was copied

    /// Each block that may differ from the base, in order, once `copy` has returned: its name, or `nil` when it reads as
    /// zeros. Without a base, those that hold something.
    public func forEachChange(_ body: (Int, Digest?) throws -> Void) throws {
        try names.forEach(nextChange) { block, name in
            if name != nil || base != nil { try body(block, name) }
        }
    }

    /// Without a base a hole need not be told of.
    private func nextChange(from position: Int) throws(Errno) -> Int? {
        let blocks = position..<blockCount
        return (base == nil ? done : needed).firstSet(in: blocks)
    }
}
