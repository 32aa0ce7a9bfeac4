import Platform

/// Memory for one block.
@safe struct BlockBuffer: ~Copyable {
    private let memory: UnsafeMutableRawBufferPointer
    /// Where it comes from and goes back to.
    private let pool: BlockBufferPool?

    /// All zeros. For work that lasts, away from the data's way.
    init() {
        unsafe memory = .allocate(byteCount: Int(VolumeBlock.bytes), alignment: 4096)
        pool = nil
        zero(from: 0)
    }

    /// - Parameter memory: a block's length, which holds anything.
    fileprivate init(_ memory: UnsafeMutableRawBufferPointer, from pool: BlockBufferPool) {
        unsafe self.memory = memory
        self.pool = pool
    }

    deinit {
        if let pool { unsafe pool.giveBack(memory) } else { unsafe memory.deallocate() }
    }

    func withBytes<Result, Failure>(
        _ range: Range<Int>, _ body: (RawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(unsafe RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: memory[range])))
    }

    /// Lets `body` fill the memory.
    func fill<Result, Failure>(
        _ body: (inout MutableRawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try fill(0..<Int(VolumeBlock.bytes), body)
    }

    /// Lets `body` fill a range of the memory.
    func fill<Result, Failure>(
        _ range: Range<Int>, _ body: (inout MutableRawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        var span = unsafe MutableRawSpan(_unsafeBytes: UnsafeMutableRawBufferPointer(rebasing: memory[range]))
        return try body(&span)
    }

    /// Makes the rest of the memory zeros.
    func zero(from start: Int) {
        unsafe UnsafeMutableRawBufferPointer(rebasing: memory[start...])
            .initializeMemory(as: UInt8.self, repeating: 0)
    }

    /// Copies a range of the memory to a place in a buffer.
    func copy(_ range: Range<Int>, into buffer: inout MutableRawSpan, at place: Int) {
        unsafe buffer.withUnsafeMutableBytes { bytes in
            let target = unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[place..<place + range.count])
            unsafe target.copyMemory(from: UnsafeRawBufferPointer(rebasing: memory[range]))
        }
    }
}

/// The buffers through which blocks are saved and fetched between a request and its answer: made once, so that none of
/// that allocates, however many do it at a time.
///
/// Who finds all of them taken waits. A thread takes one at a time, after what it has claimed, and waits with it for
/// disks alone: so nobody waits in a circle.
@safe final class BlockBufferPool: Sendable {
    // A buffer belongs to whoever took its number. Memory that was never used takes no space.
    nonisolated(unsafe) private let memory: UnsafeMutableRawPointer
    /// The numbers of those that nobody has; the last is taken next.
    private let free: Monitor<[Int]>

    init(count: Int) {
        unsafe memory = .allocate(byteCount: count * Int(VolumeBlock.bytes), alignment: 4096)
        free = Monitor(Array((0..<count).reversed()))
    }

    deinit { unsafe memory.deallocate() }

    /// Blocks the thread until one is free. It holds anything, and goes back when its life ends.
    func take() -> BlockBuffer {
        let number = free.wait { $0.popLast() }
        let length = Int(VolumeBlock.bytes)
        return unsafe BlockBuffer(
            UnsafeMutableRawBufferPointer(start: memory + number * length, count: length), from: self)
    }

    fileprivate func giveBack(_ buffer: UnsafeMutableRawBufferPointer) {
        let number = unsafe (UnsafeMutableRawPointer(buffer.baseAddress!) - memory) / Int(VolumeBlock.bytes)
        free.withLock { $0.append(number) }
    }
}
