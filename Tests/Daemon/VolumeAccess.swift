import Glibc
import Platform
import Synchronization
import SystemPackage

/// A volume's bytes through the filesystem, in pages.
enum VolumeAccess {
    static func read(_ path: FilePath) throws -> Pages {
        let file = try FileDescriptor.openFile(path, .readOnly)
        defer { file.closeIgnoringErrors() }
        var pages = Pages()
        for block in Pages.blocks {
            var bytes = [UInt8](repeating: 0xEE, count: Pages.blockBytes)
            var span = bytes.mutableSpan
            var raw = unsafe span.mutableBytes
            _ = try file.readAll(into: &raw, range: 0..<Pages.blockBytes, at: Int64(block) * Int64(Pages.blockBytes))
            unsafe bytes.withUnsafeBytes { memory in
                for start in stride(from: 0, to: memory.count, by: Pages.pageBytes) {
                    pages.append(
                        unsafe stamp(of: UnsafeRawBufferPointer(rebasing: memory[start..<start + Pages.pageBytes])))
                }
            }
        }
        return pages
    }

    private static func stamp(of page: UnsafeRawBufferPointer) -> UInt64 {
        guard let start = page.baseAddress else { return Pages.torn }
        // Each word is as the one before it.
        let isWhole = unsafe memcmp(start, start + 8, page.count - 8) == 0
        return isWhole ? UInt64(littleEndian: unsafe page.load(as: UInt64.self)) : Pages.torn
    }

    /// - Parameter pages: those of blocks that follow one another.
    static func write(_ stamp: UInt64, to pages: Range<Int>, of file: FileDescriptor) throws(Errno) {
        let offset = Pages.offset(of: pages.lowerBound)
        if stamp == 0 {
            return try file.changeSpace(.punchHole, offset: offset, length: Int64(pages.count * Pages.pageBytes))
        }
        // Whole pages of memory, for the kernel cuts what is not into two requests.
        let memory = UnsafeMutableRawBufferPointer.allocate(
            byteCount: pages.count * Pages.pageBytes, alignment: Pages.pageBytes)
        defer { unsafe memory.deallocate() }
        unsafe memory.withMemoryRebound(to: UInt64.self) { unsafe $0.update(repeating: stamp.littleEndian) }
        try unsafe file.writeAll(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(memory)), at: offset)
    }

    /// Some pages, a block, or two that follow one another; and whether they are discarded.
    static func randomChange(_ random: some RandomSource) -> (pages: Range<Int>, isDiscard: Bool) {
        let place = Int(random.next() % UInt64(Pages.blocks.count))
        let start = place * Pages.pagesPerBlock
        let block = start..<start + Pages.pagesPerBlock
        switch random.next() % 10 {
        case 0...3:
            let first = Int(random.next() % UInt64(block.count))
            let count = min(1 + Int(random.next() % 16), block.count - first)
            return (start + first..<start + first + count, false)
        case 4, 5:
            let isFollowed = place + 1 < Pages.blocks.count && Pages.blocks[place + 1] == Pages.blocks[place] + 1
            return (isFollowed ? start..<block.upperBound + Pages.pagesPerBlock : block, false)
        case 6: return (block, true)
        default: return (block, false)
        }
    }
}

/// Writes to volumes until it is stopped, and goes on with the next daemon when one has died: the write that nobody
/// acknowledged is done again.
final class VolumeWriter: Sendable {
    let log: WriteLog
    private let paths: [FilePath]
    private let random: SeededRandom
    private let isStopped = Atomic(false)
    private let isAbandoned = Atomic(false)
    private let hasEnded = Monitor(false)
    private let failure = Mutex<Errno?>(nil)

    /// - Parameter paths: the attached volumes.
    init(_ paths: [FilePath], mark: UInt8, seed: UInt64) {
        log = WriteLog(volumes: paths.count, mark: mark)
        self.paths = paths
        random = SeededRandom(seed: seed)
    }

    func start() {
        startThread { [self] in
            while !isStopped.load(ordering: .acquiring) {
                writeOnce()
                usleep(useconds_t(random.next() % 4_000))
            }
            hasEnded.withLock { $0 = true }
        }
    }

    /// Returns when the last write has ended.
    ///
    /// - Throws: the last error, when there was still nobody to take it.
    func stop() async throws {
        isStopped.store(true, ordering: .releasing)
        try await BlockingThreads(limit: 1).run { [self] in hasEnded.wait { $0 ? () : nil } }
        if let failure = failure.withLock({ $0 }) { throw failure }
    }

    /// Lets it end by itself soon, whether its last write succeeds or not.
    func abandon() {
        isAbandoned.store(true, ordering: .releasing)
        isStopped.store(true, ordering: .releasing)
    }

    private func writeOnce() {
        let volume = Int(random.next() % UInt64(paths.count))
        let (pages, isDiscard) = VolumeAccess.randomChange(random)
        let write = log.begin(volume: volume, pages: pages, isDiscard: isDiscard)
        let deadline = ContinuousClock.now + .seconds(60)
        while true {
            do throws(Errno) {
                try perform(write)
                return log.end()
            } catch {
                if ContinuousClock.now > deadline || isAbandoned.load(ordering: .acquiring) {
                    return failure.withLock { $0 = error }
                }
                usleep(5_000)
            }
        }
    }

    private func perform(_ write: WriteLog.Write) throws(Errno) {
        let file = try FileDescriptor.openFile(paths[write.volume], .readWrite)
        defer { file.closeIgnoringErrors() }
        try VolumeAccess.write(write.stamp, to: write.pages, of: file)
        if random.next() % 8 == 0 { try file.synchronize() }
    }
}
