import Platform
import Synchronization
import SystemPackage

/// One volume at one instant, until its blocks have been copied.
///
/// A block that is `needed` and neither `saved` nor `done` is still in the volume as it was. Before it is written over
/// it is saved to `old`, so that at each moment its bytes are in one known place:
///
/// ```
/// writer:  old ← the volume's block · saved := 1 · writes          (a hole: done := 1 · writes)
/// copier:  reads the volume's block · saved? then reads old instead · put · name · done := 1
/// ```
///
/// A copier takes no lock: if it read anything of a later write, `saved` had been set before that write began, so
/// looking at it afterwards finds it. Killed between any two steps, the next process does the step again: a bit is
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
    let done: MappedBits
    let state: MappedBits
    let old: VolumeFile
    let names: BlockNames
    let blockCount: Int
    private let claims = BlockClaims()
    private let buffers: BlockBufferPool
    private let hasFailed = Atomic(false)
    private let hasBeenCancelled = Atomic(false)
    private let refusal = Mutex<CutFailure?>(nil)
    /// The volume that saves blocks for it: it must be the one that is written as long as the cut is there.
    private let owner = Mutex<VolumeBlocks?>(nil)
    let progressState = Mutex(CutProgress(doneBlocks: 0, totalBlocks: nil))

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
        parts = try store.openParts(sizeBytes: record.sizeBytes, .readOnly) { directory.part($0) }
        needed = try MappedBits(directory.needed, capacity: VolumeBlock.capacity)
        saved = try MappedBits(directory.saved, capacity: VolumeBlock.capacity)
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

    /// The first block that must be saved before it is written over.
    @inline(__always)
    func firstOwed(in blocks: Range<Int>) -> Int? {
        if hasFailed.load(ordering: .relaxed) { return nil }
        return needed.firstSet(in: blocks.clamped(to: 0..<blockCount), without: saved, done)
    }

    /// Saves what a write is about to change. If that fails, the cut does; the write goes on.
    func save(_ blocks: Range<Int>) {
        let end = min(blocks.upperBound, blockCount)
        var position = blocks.lowerBound
        do throws(Errno) {
            while position < end, let next = firstOwed(in: position..<end) {
                let block = try skipHole(from: next, to: end)
                if block < end { try saveOne(block) }
                position = block + 1
            }
        } catch {
            fail(CutFailure(error))
        }
    }

    private func saveOne(_ block: Int) throws(Errno) {
        try claims.with(block..<block + 1) { () throws(Errno) in
            if firstOwed(in: block..<block + 1) == nil { return }
            let buffer = buffers.take()
            let range = VolumeBlock.range(block, sizeBytes: volumeSizeBytes)
            try buffer.fill { (span) throws(Errno) in
                try parts.read(into: &span, count: range.count, at: range.lowerBound)
            }
            try buffer.withBytes(0..<range.count) { (bytes) throws(Errno) in
                try old.write(bytes, at: range.lowerBound)
            }
            saved.set(block)
        }
    }

    /// Notes that the blocks from `start` up to the next data were zeros, unless they have been saved: who punches a
    /// block that held something saves it first. Gives the block with that data, or `end`.
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
