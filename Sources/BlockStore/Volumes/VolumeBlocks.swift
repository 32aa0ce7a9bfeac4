import Platform
import Synchronization
public import SystemPackage

/// The bytes of one volume for all who have it open: what is done around reads and writes for its snapshots.
///
/// Three things are kept true, each with an order that `kill -9` and loss of power cannot break:
/// - a block that changed is marked in `changes` before it is written (`change`);
/// - a block that a cut needs is saved before it is written (`Cut`);
/// - a block that is missing is fetched before it is read or written in part (`VolumeRestore`).
///
/// Where none of that is wanted a read costs one load more, and a write that and the gate, two additions.
///
/// Concurrency: `tracking` is read inside of the gate, and replaced while the gate is closed and nobody is inside, by
/// whoever has `control`. What takes long (fetching, saving) is done outside of the gate, so that a cut does not wait
/// for it. No lock is held over a system call.
public final class VolumeBlocks: Sendable {
    /// What a write has to look at.
    final class Tracking: Sendable {
        let record: TrackingRecord
        /// Nothing when changes are not counted.
        let changes: MappedBits?
        let cuts: [Cut]
        /// Those for which blocks have to be saved.
        let owing: [Cut]

        init(_ record: TrackingRecord, _ changes: MappedBits?, _ cuts: [Cut]) {
            self.record = record
            self.changes = changes
            self.cuts = cuts
            owing = cuts.filter { !$0.isClone }
        }
    }

    public let name: String
    /// Nothing when the volume was made empty, or is restored.
    let restore: VolumeRestore?
    let file: VolumeFile
    let directory: TrackingDirectory
    let store: VolumeStore
    let boot: String
    /// All volumes'.
    let buffers: BlockBufferPool
    let gate = WriterGate()
    /// Whether somebody makes or finishes a cut, or grows the volume.
    let control = Monitor(false)
    nonisolated(unsafe) var tracking: Tracking
    private let report: @Sendable (UnreadableBlock) -> Void

    init(
        _ name: String, in store: VolumeStore, boot: String, source: (any RestoreSource)?, buffers: BlockBufferPool,
        report: @escaping @Sendable (UnreadableBlock) -> Void
    ) throws(Errno) {
        self.name = name
        self.store = store
        self.boot = boot
        self.buffers = buffers
        self.report = report
        directory = TrackingDirectory(store: store.directory, volume: name)
        file = try store.open(name, .readWrite)
        let blocks = VolumeBlock.count(sizeBytes: file.sizeBytes)
        guard blocks <= VolumeBlock.capacity else { throw .fileTooLarge }
        let former = try directory.readRecord()
        restore = try Self.openRestore(
            directory, source, blocks: blocks, isSameBoot: former.boot == boot, buffers)
        unsafe tracking = try Self.openTracking(former, directory, store, boot: boot, blocks: blocks, buffers)
        for cut in unsafe tracking.cuts { cut.keep(self) }
    }

    private static func openRestore(
        _ directory: TrackingDirectory, _ source: (any RestoreSource)?, blocks: Int, isSameBoot: Bool,
        _ buffers: BlockBufferPool
    ) throws(Errno) -> VolumeRestore? {
        guard let name = try directory.readSource() else { return nil }
        guard let source, source.name == name else { throw .ioError }
        return try VolumeRestore(source, in: directory, blocks: blocks, isSameBoot: isSameBoot, buffers: buffers)
    }

    /// What the last process left, as far as it holds, and the record that says that it is in use.
    private static func openTracking(
        _ former: TrackingRecord, _ directory: TrackingDirectory, _ store: VolumeStore, boot: String, blocks: Int,
        _ buffers: BlockBufferPool
    ) throws(Errno) -> Tracking {
        guard former.boot != nil else { return Tracking(former, nil, []) }
        var record = former
        var cuts: [Cut] = []
        for name in former.cuts {
            let place = CutDirectory(store: store.directory, cut: name, volume: directory.volume)
            if let cut = try openCut(place, store, boot: boot, buffers) { cuts.append(cut) }
        }
        record.cuts = cuts.map(\.name)
        let isLost = former.cuts.contains { $0 == record.base && !record.cuts.contains($0) }
        if isLost || former.boot != boot && !former.isClean { record.base = nil }
        record.boot = boot
        record.isClean = false
        if record != former { try directory.writeRecord(record) }
        guard record.base != nil else { return Tracking(record, nil, cuts) }
        let changes = try MappedBits(directory.changes(record.generation), capacity: VolumeBlock.capacity)
        try changes.reserve(blocks)
        return Tracking(record, changes, cuts)
    }

    /// `nil` for a cut that is lost: of another boot, or with files that cannot be read, which is not to cost the volume.
    private static func openCut(
        _ place: CutDirectory, _ store: VolumeStore, boot: String, _ buffers: BlockBufferPool
    ) throws(Errno) -> Cut? {
        do throws(Errno) {
            return try Cut.open(at: place, boot: boot, store: store, buffers: buffers)
        } catch {
            if error.isOfProcess { throw error }
            return nil
        }
    }

    /// What may be read and written now.
    public var sizeBytes: Int64 { file.sizeBytes }

    /// Whether a read or write may have to get a block first. Never true again once it is false.
    @inline(__always)
    public var isRestoring: Bool { restore.map { !$0.isComplete } ?? false }

    // MARK: Reading

    /// Fills the buffer's first `count` bytes, with what the snapshot has where blocks are missing.
    ///
    /// - Returns: how many blocks had to be fetched.
    @discardableResult
    public func read(into buffer: inout MutableRawSpan, count: Int, at offset: Int64) throws(Errno) -> Int {
        guard let restore, !restore.isComplete else {
            try file.read(into: &buffer, count: count, at: offset)
            return 0
        }
        let span = BlockSpan(offset: offset, length: Int64(count), sizeBytes: sizeBytes)
        let fetched: Int
        do throws(RestoreFailure) {
            fetched = try fetch(span.touched, restore)
        } catch {
            guard case .unwritable(.noSpace) = error else { throw errno(of: error) }
            try readThrough(into: &buffer, count: count, at: offset, restore)
            return span.touched.count
        }
        try file.read(into: &buffer, count: count, at: offset)
        return fetched
    }

    private func fetch(_ blocks: Range<Int>, _ restore: VolumeRestore) throws(RestoreFailure) -> Int {
        var fetched = 0
        while let block = restore.firstMissing(in: blocks) {
            fetched += try restore.claiming(block..<block + 1) { () throws(RestoreFailure) in
                try fetchClaimed(block..<block + 1, restore)
            }
        }
        return fetched
    }

    private func fetchClaimed(_ blocks: Range<Int>, _ restore: VolumeRestore) throws(RestoreFailure) -> Int {
        var fetched = 0
        for block in blocks {
            do throws(RestoreFailure) {
                if try restore.fetch(block, into: file) { fetched += 1 }
            } catch {
                if case .unreadable(let cause) = error { tell(block, cause, restore) }
                throw error
            }
        }
        return fetched
    }

    /// On a full disk what is missing can still be read.
    private func readThrough(
        into buffer: inout MutableRawSpan, count: Int, at offset: Int64, _ restore: VolumeRestore
    ) throws(Errno) {
        let piece = buffers.take()
        var done = 0
        while done < count {
            let position = offset + Int64(done)
            let block = Int(position / VolumeBlock.bytes)
            let inBlock = Int(position % VolumeBlock.bytes)
            let length = min(count - done, Int(VolumeBlock.bytes) - inBlock)
            // Who has been told of a later write began it before this looked.
            if restore.isMissing(block) {
                try readSource(block, restore, into: piece)
                piece.copy(inBlock..<inBlock + length, into: &buffer, at: done)
            } else {
                try piece.fill { (span) throws(Errno) in try file.read(into: &span, count: length, at: position) }
                piece.copy(0..<length, into: &buffer, at: done)
            }
            done += length
        }
    }

    private func readSource(
        _ block: Int, _ restore: VolumeRestore, into piece: borrowing BlockBuffer
    ) throws(Errno) {
        do {
            let hasBytes = try piece.fill { (span) throws in try restore.source.read(block, into: &span) }
            if !hasBytes { piece.zero(from: 0) }
        } catch {
            tell(block, error, restore)
            throw .ioError
        }
    }

    /// Restores one block, if it is missing.
    func bring(_ block: Int) throws(Errno) {
        guard let restore else { return }
        do throws(RestoreFailure) {
            _ = try fetch(block..<block + 1, restore)
        } catch {
            throw errno(of: error)
        }
    }

    func tell(_ block: Int, _ error: any Error, _ restore: VolumeRestore) {
        report(UnreadableBlock(volume: name, source: restore.source.title, block: block, error: error))
    }

    func errno(of failure: RestoreFailure) -> Errno {
        switch failure {
        case .unreadable: .ioError
        case .unwritable(let error): error
        }
    }

    // MARK: Writing

    /// Writes all bytes; durable after `synchronize`.
    ///
    /// - Returns: how many blocks had to be fetched first.
    @discardableResult
    public func write(_ bytes: RawSpan, at offset: Int64) throws(Errno) -> Int {
        try change(offset, Int64(bytes.byteCount)) { () throws(Errno) in try file.write(bytes, at: offset) }
    }

    /// Gives the range's space back; it reads as zeros, for good. A long range is done in pieces.
    @discardableResult
    public func punchHole(at offset: Int64, length: Int64) throws(Errno) -> Int {
        try changeInPieces(offset, length) { (offset, length) throws(Errno) in
            try file.punchHole(at: offset, length: length)
        }
    }

    /// Makes the range read as zeros and keeps, or takes, its space. A long range is done in pieces.
    @discardableResult
    public func zero(at offset: Int64, length: Int64) throws(Errno) -> Int {
        try changeInPieces(offset, length) { (offset, length) throws(Errno) in
            try file.zero(at: offset, length: length)
        }
    }

    /// Longer than any write, and whole blocks.
    static let pieceBytes: Int64 = 64 << 20

    /// A range may be all of a volume, and a cut may need all that is in it. In pieces, what is saved of one takes
    /// space that the one before has given back, and a cut that is made meanwhile waits for one piece at most.
    private func changeInPieces(
        _ offset: Int64, _ length: Int64, _ body: (Int64, Int64) throws(Errno) -> Void
    ) throws(Errno) -> Int {
        var fetched = 0
        var position = offset
        while position < offset + length {
            let end = min(offset + length, (position / Self.pieceBytes + 1) * Self.pieceBytes)
            fetched += try change(position, end - position) { () throws(Errno) in try body(position, end - position) }
            position = end
        }
        return fetched
    }

    /// Reserves the range's space; what it reads as stays.
    public func allocate(at offset: Int64, length: Int64) throws(Errno) {
        try file.allocate(at: offset, length: length)
    }

    @inline(__always)
    private func change(
        _ offset: Int64, _ length: Int64, _ write: () throws(Errno) -> Void
    ) throws(Errno) -> Int {
        do throws(Errno) {
            return try changeOnce(offset, length, write)
        } catch {
            guard error == .noSpace, try giveUpClones(for: offset, length) else { throw error }
            return try changeOnce(offset, length, write)
        }
    }

    /// What is there already can be written over on the fullest disk, unless a cut shares its space: then that fails.
    ///
    /// - Returns: whether the space may be the volume's own now.
    private func giveUpClones(for offset: Int64, _ length: Int64) throws(Errno) -> Bool {
        gate.enter()
        let cuts = unsafe tracking.cuts
        gate.leave()
        guard cuts.contains(where: \.isClone), try file.next(.hole, from: offset) >= offset + length else {
            return false
        }
        for cut in cuts where cut.isClone { try cut.giveUpClone() }
        return true
    }

    @inline(__always)
    private func changeOnce(
        _ offset: Int64, _ length: Int64, _ write: () throws(Errno) -> Void
    ) throws(Errno) -> Int {
        let span = BlockSpan(offset: offset, length: length, sizeBytes: sizeBytes)
        guard let restore, restore.firstMissing(in: span.touched) != nil else {
            try changePresent(span, write)
            return 0
        }
        return try changeMissing(span, restore, write)
    }

    /// Blocks that are written in part are fetched first; those that are written as a whole are not missing any more
    /// once that has succeeded. All of them are claimed, so that nobody fetches over what is written.
    private func changeMissing(
        _ span: BlockSpan, _ restore: VolumeRestore, _ write: () throws(Errno) -> Void
    ) throws(Errno) -> Int {
        try restore.claiming(span.touched) { () throws(Errno) in
            let fetched: Int
            do throws(RestoreFailure) {
                fetched = try fetchClaimed(span.head, restore) + fetchClaimed(span.tail, restore)
            } catch {
                throw errno(of: error)
            }
            try changePresent(span) { () throws(Errno) in
                try write()
                // Inside of the gate, so that a cut finds the bytes and the bit, or neither.
                restore.clear(span.covered)
            }
            return fetched
        }
    }

    @inline(__always)
    private func changePresent(_ span: BlockSpan, _ write: () throws(Errno) -> Void) throws(Errno) {
        let tracking = enter(span.chunks)
        defer { gate.leave() }
        if let changes = tracking.changes { changes.set(span.touched) }
        try write()
    }

    /// Enters the gate when nothing is owed for these chunks.
    @inline(__always)
    private func enter(_ chunks: Range<Int>) -> Tracking {
        while true {
            gate.enter()
            let tracking = unsafe tracking
            if tracking.owing.isEmpty { return tracking }
            if !tracking.owing.contains(where: { cut in cut.firstOwed(in: chunks) != nil }) { return tracking }
            gate.leave()
            for cut in tracking.owing { cut.save(chunks) }
        }
    }

    // MARK: The rest

    /// Returns when everything written before is durable, and stays what it is if power is lost.
    public func synchronize() throws(Errno) {
        guard let restore, restore.concernsFlushes else { return try file.synchronize() }
        try restore.flush { () throws(Errno) in try file.synchronize() }
    }

    /// The first offset from `offset` on that holds data or a hole; what is missing is data, where the snapshot has any.
    public func next(_ content: FileDescriptor.Content, from offset: Int64) throws(Errno) -> Int64 {
        guard let restore, !restore.isComplete else { return try file.next(content, from: offset) }
        return content == .data
            ? try nextData(from: offset, restore) : try nextHole(from: offset, restore)
    }

    /// What is missing is looked for first: if it is restored meanwhile, the file has it by then.
    private func nextData(from offset: Int64, _ restore: VolumeRestore) throws(Errno) -> Int64 {
        let size = sizeBytes
        guard offset >= 0, offset < size else { throw .noSuchAddressOrDevice }
        let missing = firstMissingData(
            in: Int(offset / VolumeBlock.bytes)..<VolumeBlock.count(sizeBytes: size), restore
        )
        .map { max(offset, Int64($0) * VolumeBlock.bytes) }
        do throws(Errno) {
            return min(try file.next(.data, from: offset), missing ?? .max)
        } catch .noSuchAddressOrDevice {
            guard let missing else { throw .noSuchAddressOrDevice }
            return missing
        }
    }

    private func firstMissingData(in blocks: Range<Int>, _ restore: VolumeRestore) -> Int? {
        var position = blocks.lowerBound
        while let block = restore.firstMissing(in: position..<blocks.upperBound) {
            if restore.holdsData(block) { return block }
            position = block + 1
        }
        return nil
    }

    private func nextHole(from offset: Int64, _ restore: VolumeRestore) throws(Errno) -> Int64 {
        let size = sizeBytes
        var position = offset
        while true {
            let hole = try file.next(.hole, from: position)
            let block = Int(hole / VolumeBlock.bytes)
            if hole >= size || !restore.isMissing(block) || !restore.holdsData(block) {
                // A block that was restored between the two looks is no hole now.
                if hole >= size { return hole }
                if try file.next(.hole, from: hole) == hole { return hole }
                position = hole
                continue
            }
            position = Int64(block + 1) * VolumeBlock.bytes
            if position >= size { return size }
        }
    }

    /// Size, space and times.
    public func status() throws(Errno) -> FileStatus { try file.status() }

    /// Lets the bytes up to `sizeBytes` be read and written, once the store has grown the volume to it.
    public func grow(to sizeBytes: Int64) throws(Errno) {
        try controlling { () throws(Errno) in
            let blocks = VolumeBlock.count(sizeBytes: sizeBytes)
            guard blocks <= VolumeBlock.capacity else { throw .fileTooLarge }
            try unsafe tracking.changes?.reserve(blocks)
            try file.grow(to: sizeBytes)
        }
    }

    /// One thread at a time; no thread of the data's way.
    func controlling<Result>(_ body: () throws(Errno) -> Result) throws(Errno) -> Result {
        beginControl()
        defer { endControl() }
        return try body()
    }

    func beginControl() { control.wait { $0 ? nil : ($0 = true) } }

    func endControl() { control.withLock { $0 = false } }
}

/// How much of a volume is still in the snapshot that it was made from.
public struct RestoreProgress: Hashable, Sendable {
    public var missingBlocks: Int
    /// How many may have been missing at first.
    public var totalBlocks: Int

    public init(missingBlocks: Int, totalBlocks: Int) {
        self.missingBlocks = missingBlocks
        self.totalBlocks = totalBlocks
    }
}
