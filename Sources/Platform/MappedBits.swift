import Glibc
import Synchronization
public import SystemPackage

/// A long row of bits in a file, mapped: changing one is a store, and outlives the process in the kernel's page cache.
/// It is durable only after `synchronize`; the kernel may write any of it before, in any order.
///
/// Space for the bits in use is reserved beforehand (`reserve`), since a store into a mapped hole on a full disk would
/// end the process; for the same reason the file is written in place, also on btrfs. Bits beyond are zeros and must
/// not be changed. What nobody touched takes no memory.
///
/// Each bit may be read and changed from several threads at once.
@safe public final class MappedBits: @unchecked Sendable {
    // Unchecked: the memory is read and changed by atomic operations alone, and stays mapped until `deinit`.
    private let words: UnsafeMutablePointer<Atomic<UInt64>>
    private let descriptor: FileDescriptor
    /// How many bits there are room for in the address space.
    public let capacity: Int

    /// Makes the file when it is missing, all zeros.
    ///
    /// The corresponding C function is `mmap` with `MAP_SHARED`.
    public init(_ path: FilePath, capacity: Int) throws(Errno) {
        precondition(capacity > 0 && capacity % 64 == 0, "bits come in words")
        self.capacity = capacity
        descriptor = try .openFile(path, .readWrite, options: [.create], permissions: [.ownerReadWrite])
        do throws(Errno) {
            let length = try descriptor.fileStatus().sizeBytes
            if length == 0 { try descriptor.writeInPlace() }
            if length < Int64(capacity / 8) {
                try descriptor.setLength(Int64(capacity / 8))
            }
            let memory = unsafe mmap(nil, capacity / 8, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor.rawValue, 0)
            guard let memory = unsafe memory, unsafe memory != MAP_FAILED else { throw Errno(rawValue: errno) }
            unsafe words = memory.bindMemory(to: Atomic<UInt64>.self, capacity: capacity / 64)
        } catch {
            descriptor.closeIgnoringErrors()
            throw error
        }
    }

    deinit {
        unsafe munmap(words, capacity / 8)
        descriptor.closeIgnoringErrors()
    }

    /// Reserves the space of the first `count` bits, so that changing them cannot fail.
    public func reserve(_ count: Int) throws(Errno) {
        precondition(count <= capacity)
        // Whole pages: the kernel wants space for all of a page that is stored into, and a filesystem's blocks may be
        // smaller.
        let page = Int(getpagesize())
        let used = max(1, (count + 63) / 64 * 8)
        let bytes = Int64(min(capacity / 8, (used + page - 1) / page * page))
        do throws(Errno) {
            try descriptor.changeSpace(.allocate, offset: 0, length: bytes)
        } catch .notSupported {
            try writeOver(bytes)
        } catch .noSpace {
            // A full xfs says that also of what has its space.
            if try !descriptor.hasSpace(bytes) { throw .noSpace }
        }
    }

    /// For filesystems that cannot reserve: every page is written with what it holds.
    private func writeOver(_ byteCount: Int64) throws(Errno) {
        let bytes = unsafe UnsafeRawBufferPointer(start: words, count: Int(byteCount))
        try unsafe descriptor.writeAll(memory: bytes, at: 0)
    }

    /// What was set before another thread cleared or set this bit is seen by whoever sees that here.
    @inline(__always)
    public func isSet(_ bit: Int) -> Bool {
        unsafe words[bit >> 6].load(ordering: .acquiring) & mask(bit) != 0
    }

    /// Sets a bit; says whether it was clear. Stores nothing when it is set already.
    @discardableResult @inline(__always)
    public func set(_ bit: Int) -> Bool {
        if isSet(bit) { return false }
        let former = unsafe words[bit >> 6].bitwiseOr(mask(bit), ordering: .acquiringAndReleasing).oldValue
        return former & mask(bit) == 0
    }

    /// Clears a bit; says whether it was set. Stores nothing when it is clear already.
    @discardableResult @inline(__always)
    public func clear(_ bit: Int) -> Bool {
        if !isSet(bit) { return false }
        let former = unsafe words[bit >> 6].bitwiseAnd(~mask(bit), ordering: .acquiringAndReleasing).oldValue
        return former & mask(bit) != 0
    }

    /// Sets all bits of a range, a word at a time.
    public func set(_ range: Range<Int>) {
        forEachWord(of: range) { index, mask in
            if word(index) & mask != mask { unsafe words[index].bitwiseOr(mask, ordering: .acquiringAndReleasing) }
        }
    }

    /// Clears all bits of a range, a word at a time; gives how many were set.
    @discardableResult
    public func clear(_ range: Range<Int>) -> Int {
        var cleared = 0
        forEachWord(of: range) { index, mask in
            if word(index) & mask == 0 { return }
            let former = unsafe words[index].bitwiseAnd(~mask, ordering: .acquiringAndReleasing).oldValue
            cleared += (former & mask).nonzeroBitCount
        }
        return cleared
    }

    /// The first bit of a range that is set.
    public func firstSet(in range: Range<Int>) -> Int? {
        first(in: range) { word($0) }
    }

    /// The first bit of a range that is set here and not in the other one.
    public func firstSet(in range: Range<Int>, without other: MappedBits) -> Int? {
        first(in: range) { word($0) & ~other.word($0) }
    }

    /// The first bit of a range that is clear.
    public func firstClear(in range: Range<Int>) -> Int? {
        first(in: range) { ~word($0) }
    }

    @inline(__always)
    private func first(in range: Range<Int>, _ bits: (Int) -> UInt64) -> Int? {
        var index = range.lowerBound >> 6
        while index << 6 < range.upperBound {
            let found = bits(index) & Self.mask(of: range, in: index)
            if found != 0 { return index << 6 + found.trailingZeroBitCount }
            index += 1
        }
        return nil
    }

    /// Sets the bits of a range that are set in one other and not in a second one, a word at a time.
    public func set(_ range: Range<Int>, where other: MappedBits, without excluded: MappedBits) {
        forEachWord(of: range) { index, mask in
            let wanted = other.word(index) & ~excluded.word(index) & mask
            if word(index) & wanted != wanted {
                unsafe words[index].bitwiseOr(wanted, ordering: .acquiringAndReleasing)
            }
        }
    }

    /// How many bits of a range are set.
    public func count(in range: Range<Int>) -> Int {
        var count = 0
        forEachWord(of: range) { index, mask in count += (word(index) & mask).nonzeroBitCount }
        return count
    }

    /// The 64 bits from `64 * index` on.
    public func word(_ index: Int) -> UInt64 {
        unsafe words[index].load(ordering: .acquiring)
    }

    public func setWord(_ index: Int, to value: UInt64) {
        unsafe words[index].store(value, ordering: .releasing)
    }

    /// Returns when every bit is durable as it was when this was called, or as it has become since.
    ///
    /// The corresponding C function is `msync` with `MS_SYNC`, which on Linux does what `fdatasync` does.
    public func synchronize() throws(Errno) {
        try systemCall { unsafe msync(words, capacity / 8, MS_SYNC) }
    }

    private func forEachWord(of range: Range<Int>, _ body: (Int, UInt64) -> Void) {
        var index = range.lowerBound >> 6
        while index << 6 < range.upperBound {
            body(index, Self.mask(of: range, in: index))
            index += 1
        }
    }

    /// The bits of a word that lie in a range.
    private static func mask(of range: Range<Int>, in index: Int) -> UInt64 {
        let low = max(0, range.lowerBound - index << 6)
        let high = min(64, range.upperBound - index << 6)
        return (UInt64.max << UInt64(low)) & (UInt64.max >> UInt64(64 - high))
    }

    @inline(__always)
    private func mask(_ bit: Int) -> UInt64 { 1 << UInt64(truncatingIfNeeded: bit & 63) }
}
