public import Platform
import Synchronization
public import SystemPackage

/// The bytes of one volume, open. Every range given lies within the volume: that is the caller's promise.
///
/// May be used from several threads at once; the kernel orders what overlaps. It may grow meanwhile, and never
/// shrinks. `close` is called once, after the last use.
public final class VolumeFile: Sendable {
    public enum Mode: Sendable, Hashable {
        case readOnly
        case readWrite
    }

    /// What may be read and written now.
    public var sizeBytes: Int64 { size.load(ordering: .acquiring) }

    private let layout: VolumeLayout
    private let parts = PartTable()
    private let size = Atomic<Int64>(0)
    private let openPart: @Sendable (Int) throws(Errno) -> FileDescriptor
    private let reserve: SpaceReserve
    private let isClosed = Atomic(false)

    /// - Parameter openPart: opens one of the volume's parts.
    init(
        sizeBytes: Int64, layout: VolumeLayout, reserve: SpaceReserve,
        openPart: @escaping @Sendable (Int) throws(Errno) -> FileDescriptor
    ) throws(Errno) {
        self.layout = layout
        self.reserve = reserve
        self.openPart = openPart
        try grow(to: sizeBytes)
    }

    deinit { close() }

    /// Lets the bytes up to `sizeBytes` be read and written, once the store has grown the volume to it. No change
    /// when the volume is as large already; after an error it is as it was. One thread at a time.
    public func grow(to sizeBytes: Int64) throws(Errno) {
        let count = layout.partCount(sizeBytes: sizeBytes)
        guard count <= PartTable.capacity else { throw .fileTooLarge }
        for part in 0..<count where !parts.isOpen(part) { parts.set(part, try openPart(part)) }
        if sizeBytes > size.load(ordering: .relaxed) { size.store(sizeBytes, ordering: .releasing) }
    }

    /// Fills the buffer's first `count` bytes; holes read as zeros.
    public func read(into buffer: inout MutableRawSpan, count: Int, at offset: Int64) throws(Errno) {
        checkRange(offset, Int64(count))
        var done = 0
        while done < count {
            let rest = Int64(count - done)
            let piece = layout.firstPiece(offset: offset + Int64(done), length: rest)
            let range = done..<(done + Int(piece.length))
            let got = try parts[piece.part].readAll(into: &buffer, range: range, at: piece.offset)
            // A part that has lost its end: damage, not a hole.
            if got < range.count { throw .ioError }
            done += got
        }
    }

    /// Writes all bytes; durable after `synchronize`. `.noSpace` also when only the disk's reserve is left and the
    /// write is long.
    public func write(_ bytes: RawSpan, at offset: Int64) throws(Errno) {
        checkRange(offset, Int64(bytes.byteCount))
        try requireSpace(at: offset, length: Int64(bytes.byteCount))
        var done = 0
        while done < bytes.byteCount {
            let rest = Int64(bytes.byteCount - done)
            let piece = layout.firstPiece(offset: offset + Int64(done), length: rest)
            let share = bytes.extracting(done..<(done + Int(piece.length)))
            try parts[piece.part].writeAll(share, at: piece.offset)
            done += Int(piece.length)
        }
    }

    /// Returns when everything written before is durable.
    public func synchronize() throws(Errno) {
        // Who made the volume larger has made that durable, so the attributes that matter are in fdatasync.
        for part in 0..<partCount { try parts[part].synchronize(withAttributes: false) }
    }

    /// Gives the range's space back; it reads as zeros.
    public func punchHole(at offset: Int64, length: Int64) throws(Errno) {
        try forEachPiece(offset, length) { (file, piece) throws(Errno) in
            try file.changeSpace(.punchHole, offset: piece.offset, length: piece.length)
        }
    }

    /// Makes the range read as zeros and keeps, or takes, its space.
    public func zero(at offset: Int64, length: Int64) throws(Errno) {
        checkRange(offset, length)
        try requireSpace(at: offset, length: length)
        try forEachPiece(offset, length) { (file, piece) throws(Errno) in
            do throws(Errno) {
                try file.changeSpace(.zero, offset: piece.offset, length: piece.length)
            } catch .notSupported {
                // tmpfs has no zero-range; a hole that is then filled is the same thing in two steps.
                try file.changeSpace(.punchHole, offset: piece.offset, length: piece.length)
                try file.changeSpace(.allocate, offset: piece.offset, length: piece.length)
            }
        }
    }

    /// Reserves the range's space; what it reads as stays.
    public func allocate(at offset: Int64, length: Int64) throws(Errno) {
        checkRange(offset, length)
        try requireSpace(at: offset, length: length)
        try forEachPiece(offset, length) { (file, piece) throws(Errno) in
            try file.changeSpace(.allocate, offset: piece.offset, length: piece.length)
        }
    }

    /// The first offset from `offset` on that holds data or a hole; the volume's end counts as a hole.
    ///
    /// `.noSuchAddressOrDevice` (ENXIO) when there is none, and at or beyond the end.
    public func next(_ content: FileDescriptor.Content, from offset: Int64) throws(Errno) -> Int64 {
        let size = sizeBytes
        guard offset >= 0, offset < size else { throw .noSuchAddressOrDevice }
        for part in Int(offset / layout.partBytes)..<layout.partCount(sizeBytes: size) {
            let base = Int64(part) * layout.partBytes
            let end = min(base + layout.partBytes, size)
            do throws(Errno) {
                let found = base + (try parts[part].next(content, from: max(0, offset - base)))
                if found < end { return found }
                // A part's end looks like a hole, but is one only at the volume's end; a file that is growing may
                // already reach further.
                if content == .hole, end == size { return size }
            } catch .noSuchAddressOrDevice {
                continue
            }
        }
        throw .noSuchAddressOrDevice
    }

    /// Size, space and times.
    public func status() throws(Errno) -> FileStatus {
        let size = sizeBytes
        var total = try parts[0].fileStatus()
        for part in 1..<max(1, layout.partCount(sizeBytes: size)) { total.add(try parts[part].fileStatus()) }
        // A file that is growing is ahead of what may be read and written.
        total.sizeBytes = min(total.sizeBytes, size)
        return total
    }

    /// Nothing may be in use, and nothing used afterwards.
    public func close() {
        if isClosed.exchange(true, ordering: .relaxed) { return }
        parts.close()
    }

    var partCount: Int { layout.partCount(sizeBytes: sizeBytes) }

    /// What is there already can be written over on the fullest disk.
    @inline(__always)
    private func requireSpace(at offset: Int64, length: Int64) throws(Errno) {
        let isAdmitted = try reserve.admits(length) { () throws(Errno) in try parts[0].filesystemStatus() }
        if !isAdmitted, try next(.hole, from: offset) < offset + length { throw .noSpace }
    }

    private func forEachPiece(
        _ offset: Int64, _ length: Int64, _ body: (FileDescriptor, VolumeLayout.Piece) throws(Errno) -> Void
    ) throws(Errno) {
        checkRange(offset, length)
        var done: Int64 = 0
        while done < length {
            let piece = layout.firstPiece(offset: offset + done, length: length - done)
            try body(parts[piece.part], piece)
            done += piece.length
        }
    }

    @inline(__always)
    private func checkRange(_ offset: Int64, _ length: Int64) {
        precondition(offset >= 0 && length >= 0 && length <= sizeBytes - offset, "a range lies within its volume")
    }
}
