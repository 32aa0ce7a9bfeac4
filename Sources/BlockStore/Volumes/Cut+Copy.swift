// How a cut's blocks come into the store: the copier's side.
import Platform
import Synchronization
import SystemPackage

extension Cut {
    /// Copies what is not copied yet, on threads of its own that leave precedence to others. The calling one, which should
    /// be one that may block for long, waits for them. Done again, or by the next process, it goes on. One call at a time.
    ///
    /// Blocks are begun in their order, and each is copied by one thread: all that writers and copiers tell each other
    /// is about one block, so it does not matter which thread has which.
    ///
    /// - Parameter workers: how many blocks are copied at a time, each through memory of its own.
    /// - Throws: why the cut has failed; also when a writer's saving failed.
    public func copy(into sink: any BlockSink, workers: Int = 1) throws(CutFailure) {
        precondition(workers > 0, "somebody copies")
        do {
            if !trusts(sink.epoch) { throw CutFailure.storeFailed }
            state.setWord(1, to: sink.epoch)
            try count()
            try CutCopy(of: self, into: sink).run(workers: workers)
            if let failure { throw failure }
        } catch {
            let failure = CutFailure(error)
            if failure == .cancelled { throw failure }
            fail(failure)
            throw self.failure ?? failure
        }
    }

    private func count() throws(Errno) {
        var counted = CutProgress(doneBlocks: 0, totalBlocks: 0)
        var position = 0
        while let block = try nextCandidate(from: position) {
            counted.totalBlocks = (counted.totalBlocks ?? 0) + 1
            if done.isSet(block) { counted.doneBlocks += 1 }
            position = block + 1
        }
        progressState.withLock { [counted] in $0 = counted }
    }

    fileprivate func copy(_ block: Int, _ buffer: borrowing BlockBuffer, into sink: any BlockSink) throws {
        let range = VolumeBlock.range(block, sizeBytes: volumeSizeBytes)
        try read(block, range, buffer)
        // A writer found zeros here, which is all that there is to know.
        if done.isSet(block) { return }
        buffer.zero(from: range.count)
        let name = try buffer.withBytes(0..<Int(VolumeBlock.bytes)) { (bytes) throws in try sink.put(bytes) }
        if let name { try names.set(block, to: name) }
        done.set(block)
        if saved.isSet(block) {
            try old.punchHole(at: range.lowerBound, length: Int64(range.count))
        }
    }

    private func read(_ block: Int, _ range: Range<Int64>, _ buffer: borrowing BlockBuffer) throws(Errno) {
        try read(block, range, buffer) { (span) throws(Errno) in
            try parts.read(into: &span, count: range.count, at: range.lowerBound)
        }
    }

    /// - Parameter readVolume: reads the block from the volume, perhaps while it is written.
    func read(
        _ block: Int, _ range: Range<Int64>, _ buffer: borrowing BlockBuffer,
        readVolume: (inout MutableRawSpan) throws(Errno) -> Void
    ) throws(Errno) {
        try buffer.fill(readVolume)
        // Only now: see above.
        atomicMemoryFence(ordering: .sequentiallyConsistent)
        if !saved.isSet(block) { return }
        for chunk in CutChunk.range(block) where chunks.isSet(chunk) {
            let chunk = CutChunk.bytes(chunk..<chunk + 1, sizeBytes: volumeSizeBytes)
            let place = Int(chunk.lowerBound - range.lowerBound)
            try buffer.fill(place..<place + chunk.count) { (span) throws(Errno) in
                try old.read(into: &span, count: chunk.count, at: chunk.lowerBound)
            }
        }
    }

    /// The next block that has to be copied and is not.
    fileprivate func nextUncopied(from position: Int) throws(Errno) -> Int? {
        var position = position
        while let block = try nextCandidate(from: position) {
            if !done.isSet(block) { return block }
            position = block + 1
        }
        return nil
    }

    /// The next needed block that holds data, or did.
    ///
    /// The hole is looked for before `saved` is looked at: what has been punched since was saved before that.
    private func nextCandidate(from position: Int) throws(Errno) -> Int? {
        var position = position
        while let block = needed.firstSet(in: position..<blockCount) {
            let data = try nextData(from: block) ?? blockCount
            if data <= block { return block }
            // Only needed blocks are saved.
            if let candidate = saved.firstSet(in: block..<min(data, blockCount)) { return candidate }
            position = min(data, blockCount)
        }
        return nil
    }
}

/// One going over a cut, by several threads.
private final class CutCopy: Sendable {
    private let cut: Cut
    private let sink: any BlockSink
    /// The blocks before it are copied, are being copied, or need not be.
    private let position = Atomic(0)
    private let firstError = Mutex<(any Error)?>(nil)

    init(of cut: Cut, into sink: any BlockSink) {
        self.cut = cut
        self.sink = sink
    }

    func run(workers: Int) throws {
        let threads = (0..<workers).map { _ in
            KernelThread(name: "ebb-copier") { [self] in
                KernelThread.becomeBackground()
                copy()
            }
        }
        for thread in threads { thread.start() }
        for thread in threads { thread.join() }
        if let error = firstError.withLock({ $0 }) { throw error }
    }

    private func copy() {
        do {
            let buffer = BlockBuffer()
            while let block = try takeNext() {
                try cut.copy(block, buffer, into: sink)
                cut.progressState.withLock { $0.doneBlocks += 1 }
            }
        } catch {
            firstError.withLock { $0 = $0 ?? error }
        }
    }

    /// A block that nobody else takes; `nil` when there is none, or another thread has failed.
    private func takeNext() throws -> Int? {
        while firstError.withLock({ $0 == nil }) {
            if cut.isCancelled { throw CutFailure.cancelled }
            if let failure = cut.failure { throw failure }
            let start = position.load(ordering: .relaxed)
            guard let block = try cut.nextUncopied(from: start) else { return nil }
            // Somebody who looked from there at the same time may have been faster.
            if position.compareExchange(expected: start, desired: block + 1, ordering: .relaxed).exchanged {
                return block
            }
        }
        return nil
    }
}

/// How far the copy is.
public struct CutProgress: Hashable, Sendable {
    public var doneBlocks: Int
    /// `nil` until copying has begun.
    public var totalBlocks: Int?

    /// From 0 to 100; 100 only when all is done.
    public var percent: Int {
        guard let totalBlocks else { return 0 }
        return totalBlocks == 0 ? 100 : min(100, doneBlocks * 100 / totalBlocks)
    }
}
