import Platform
import Synchronization
import SystemPackage

/// The blocks of a volume that are still in the snapshot that it was made from.
///
/// A bit in `missing` says that the block's bytes are the source's, whatever the file holds. It is cleared once, never
/// set, after the file has the bytes: those of the source, or those that a write has put in their place.
///
/// Two maps, since the kernel writes mapped pages when it likes. `missing` is right for as long as the kernel runs:
/// after `kill -9` it goes on to be. `durablyMissing` is right after a loss of power: a bit is cleared in it only
/// when the file's bytes are durable, and is made durable itself before a flush is answered. So
/// - bytes first, then the bit: a block that is not missing has its bytes, after either end;
/// - a flush that was answered has both: what was overwritten or discarded before it does not come back;
/// - what was not flushed is the source's again after a loss of power, whole: as if it had not been written.
final class VolumeRestore: Sendable {
    let source: any RestoreSource
    let missing: MappedBits
    private let durablyMissing: MappedBits
    private let directory: TrackingDirectory
    private let claims = BlockClaims()
    private let buffers: BlockBufferPool
    private let left: Atomic<Int>
    /// How many blocks may have been missing when the volume was made.
    let total: Int
    /// Whether `durablyMissing` may be behind. Raised after a bit was cleared, lowered before the maps are compared.
    private let isBehind = Atomic(true)
    private let isFlushing = Monitor(false)
    private let hasEnded = Atomic(false)

    /// - Parameter isSameBoot: whether `missing` is still what the last process left.
    init(
        _ source: any RestoreSource, in directory: TrackingDirectory, blocks: Int, isSameBoot: Bool,
        buffers: BlockBufferPool
    ) throws(Errno) {
        self.source = source
        self.buffers = buffers
        self.directory = directory
        missing = try MappedBits(directory.missing, capacity: VolumeBlock.capacity)
        durablyMissing = try MappedBits(directory.durablyMissing, capacity: VolumeBlock.capacity)
        if !isSameBoot { try Self.copy(durablyMissing, to: missing, blocks: blocks) }
        total = source.writtenBlocks.reduce(0) { $0 + $1.clamped(to: 0..<blocks).count }
        left = Atomic(missing.count(in: 0..<blocks))
        restored = Mutex([UInt64](repeating: 0, count: (blocks + 63) / 64))
    }

    /// What is restored and not durably so, as whoever flushes has found it. Made once, for it is needed between a
    /// flush and its answer; as many as may have bits, since a volume that grows has no more to restore.
    private let restored: Mutex<[UInt64]>

    /// Writes down durably that everything is missing, but for the names in the directory.
    static func begin(
        _ source: any RestoreSource, in directory: TrackingDirectory, blocks: Int
    ) throws(Errno) {
        let maps = [
            try MappedBits(directory.durablyMissing, capacity: VolumeBlock.capacity),
            try MappedBits(directory.missing, capacity: VolumeBlock.capacity),
        ]
        let written = source.writtenBlocks
        for map in maps {
            try map.reserve(blocks)
            for range in written { map.set(range.clamped(to: 0..<blocks)) }
        }
        try writeFile(directory.source, Array(source.name.utf8), isDurable: true)
        try maps[0].synchronize()
    }

    private static func copy(_ map: MappedBits, to other: MappedBits, blocks: Int) throws(Errno) {
        try other.reserve(blocks)
        for word in 0..<(blocks + 63) / 64 { other.setWord(word, to: map.word(word)) }
    }

    /// Whether nothing is missing. Never false again once it is true.
    @inline(__always)
    var isComplete: Bool { left.load(ordering: .acquiring) == 0 }

    var leftCount: Int { left.load(ordering: .acquiring) }

    @inline(__always)
    func isMissing(_ block: Int) -> Bool { missing.isSet(block) }

    func firstMissing(in blocks: Range<Int>) -> Int? {
        isComplete ? nil : missing.firstSet(in: blocks.clamped(to: 0..<VolumeBlock.capacity))
    }

    /// Whether a missing block is more than zeros. When that cannot be told, it is.
    func holdsData(_ block: Int) -> Bool {
        do {
            return try source.hasBlock(block)
        } catch {
            return true
        }
    }

    /// Nobody else restores or overwrites these blocks while `body` runs.
    func claiming<Result, Failure>(
        _ blocks: Range<Int>, _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try claims.with(blocks, body)
    }

    /// Gets a block if it is still missing. The caller has claimed it.
    ///
    /// - Returns: whether it was missing.
    func fetch(_ block: Int, into file: VolumeFile) throws(RestoreFailure) -> Bool {
        guard let fetched = try get(block) else { return false }
        do throws(Errno) {
            try put(fetched, into: file)
        } catch {
            throw .unwritable(error)
        }
        return true
    }

    /// Claims a block and gets it, if it is still missing; who has it gives the claim back (`release`).
    func claim(_ block: Int) throws(RestoreFailure) -> FetchedBlock? {
        claims.take(block..<block + 1)
        do throws(RestoreFailure) {
            if let fetched = try get(block) { return fetched }
        } catch {
            release(block)
            throw error
        }
        release(block)
        return nil
    }

    func release(_ block: Int) { claims.release(block..<block + 1) }

    private func get(_ block: Int) throws(RestoreFailure) -> FetchedBlock? {
        if !isMissing(block) { return nil }
        let buffer = buffers.take()
        do {
            let hasBytes = try buffer.fill { (span) throws in try source.read(block, into: &span) }
            return FetchedBlock(number: block, hasBytes: hasBytes, buffer: buffer)
        } catch {
            throw .unreadable(error)
        }
    }

    /// Lets the volume's file have a block, which is not missing any more then.
    func put(_ fetched: borrowing FetchedBlock, into file: VolumeFile) throws(Errno) {
        let range = VolumeBlock.range(fetched.number, sizeBytes: file.sizeBytes)
        if fetched.hasBytes {
            try fetched.buffer.withBytes(0..<range.count) { (bytes) throws(Errno) in
                try file.write(bytes, at: range.lowerBound)
            }
        } else {
            // A write that failed half way may have left something behind.
            try file.punchHole(at: range.lowerBound, length: Int64(range.count))
        }
        clear(fetched.number..<fetched.number + 1)
    }

    /// Blocks have their bytes.
    func clear(_ blocks: Range<Int>) {
        let cleared = missing.clear(blocks)
        if cleared == 0 { return }
        isBehind.store(true, ordering: .releasing)
        left.subtract(cleared, ordering: .releasing)
    }

    /// Makes durable what `synchronize` makes durable, and that it need not be restored.
    func flush(_ synchronize: () throws(Errno) -> Void) throws(Errno) {
        // Whoever finds nothing to do must still not be answered before another one's flush that has it.
        isFlushing.wait { $0 ? nil : ($0 = true) }
        defer { isFlushing.withLock { $0 = false } }
        guard isBehind.exchange(false, ordering: .acquiringAndReleasing) else { return try synchronize() }
        do throws(Errno) {
            let hasRestored = noteRestored()
            try synchronize()
            guard hasRestored else { return }
            clearRestored()
            try durablyMissing.synchronize()
        } catch {
            isBehind.store(true, ordering: .releasing)
            throw error
        }
    }

    /// Whether a flush has to pass here.
    @inline(__always)
    var concernsFlushes: Bool { !hasEnded.load(ordering: .relaxed) }

    /// - Returns: whether there is anything.
    private func noteRestored() -> Bool {
        restored.withLock { restored in
            var all: UInt64 = 0
            for word in restored.indices {
                restored[word] = durablyMissing.word(word) & ~missing.word(word)
                all |= restored[word]
            }
            return all != 0
        }
    }

    private func clearRestored() {
        restored.withLock { restored in
            for (word, bits) in restored.enumerated() where bits != 0 {
                durablyMissing.setWord(word, to: durablyMissing.word(word) & ~bits)
            }
        }
    }

    /// Once nothing is missing: makes that durable, and needs the source no more. False when something is missing.
    func end(_ synchronize: () throws(Errno) -> Void) throws(Errno) -> Bool {
        guard isComplete else { return false }
        if hasEnded.load(ordering: .acquiring) { return true }
        try flush(synchronize)
        if try Directory.unlink(directory.source) { try Directory.synchronize(directory.path) }
        hasEnded.store(true, ordering: .releasing)
        _ = try Directory.unlink(directory.missing)
        _ = try Directory.unlink(directory.durablyMissing)
        return true
    }
}

/// A missing block, out of its source and not yet in the volume's file.
struct FetchedBlock: ~Copyable {
    let number: Int
    /// False when it reads as zeros; the buffer holds anything then.
    let hasBytes: Bool
    let buffer: BlockBuffer
}

/// Why a missing block did not come.
enum RestoreFailure: Error {
    /// The source does not have it, or not its right bytes.
    case unreadable(any Error)
    /// The volume could not take it.
    case unwritable(Errno)
}
