import Platform

/// What a read found, until its answer is due: a buffer of a `HeldBytesPool`, which it goes back to.
@safe struct HeldBytes: ~Copyable, @unchecked Sendable {
    // Unchecked: the memory has one owner, and so one thread at a time.
    private let memory: UnsafeMutableRawBufferPointer
    private let shelf: BufferShelf

    fileprivate init(_ memory: UnsafeMutableRawBufferPointer, from shelf: BufferShelf) {
        unsafe self.memory = memory
        self.shelf = shelf
    }

    deinit {
        unsafe shelf.giveBack(memory.baseAddress!)
    }

    var bytes: UnsafeRawBufferPointer { unsafe UnsafeRawBufferPointer(memory) }

    /// Lets `body` fill the memory.
    func fill<Result: ~Copyable, Failure>(
        _ body: (inout MutableRawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        var span = unsafe MutableRawSpan(_unsafeBytes: memory)
        return try body(&span)
    }
}

/// The memory of all answers that wait: buffers of a few sizes, made once, so that no answer allocates and all
/// together take no more than that. Beyond it a lane keeps its answer, and waits.
///
/// Memory that was never used takes no space, and what was used last is used next, so that what is resident is the
/// most that ever waited at a time.
final class HeldBytesPool: Sendable {
    /// The smallest buffers first: 224 MiB.
    private let shelves = [
        BufferShelf(count: 2_048, bytesEach: 32 << 10),
        BufferShelf(count: 256, bytesEach: 256 << 10),
        BufferShelf(count: 96, bytesEach: Lane.maximumTransferBytes),
    ]

    /// Nothing when every buffer that is long enough is taken.
    func take(_ count: Int) -> HeldBytes? {
        for shelf in shelves where count <= shelf.bytesEach {
            guard let memory = unsafe shelf.take() else { continue }
            return unsafe HeldBytes(UnsafeMutableRawBufferPointer(start: memory, count: count), from: shelf)
        }
        return nil
    }
}

/// Buffers of one size.
@safe private final class BufferShelf: @unchecked Sendable {
    // Unchecked: a buffer belongs to whoever took its number.
    let bytesEach: Int
    private let memory: UnsafeMutableRawPointer
    /// The numbers of those that nobody has; the last is taken next.
    private let free: BargingMutex<[Int]>

    init(count: Int, bytesEach: Int) {
        self.bytesEach = bytesEach
        unsafe memory = .allocate(byteCount: count * bytesEach, alignment: 4096)
        free = BargingMutex(Array((0..<count).reversed()))
    }

    deinit {
        unsafe memory.deallocate()
    }

    func take() -> UnsafeMutableRawPointer? {
        guard let number = free.withLock({ $0.popLast() }) else { return nil }
        return unsafe memory + number * bytesEach
    }

    func giveBack(_ buffer: UnsafeMutableRawPointer) {
        let number = unsafe (buffer - memory) / bytesEach
        free.withLock { $0.append(number) }
    }
}
