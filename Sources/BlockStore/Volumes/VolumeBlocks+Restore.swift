public import Platform
public import SystemPackage

/// A block that was read before it is in the volume's file, and that nobody else reads or writes meanwhile. When this
/// one's life ends it is there; or is still missing, and is fetched again, if the file could not take it.
public struct UnwrittenBlock: ~Copyable {
    private let volume: VolumeBlocks
    private let restore: VolumeRestore
    private let fetched: FetchedBlock

    fileprivate init(_ fetched: consuming FetchedBlock, of volume: VolumeBlocks, _ restore: VolumeRestore) {
        self.volume = volume
        self.restore = restore
        self.fetched = fetched
    }

    deinit {
        // Who read it has the right bytes, and who needs it in the file is told why it is not.
        do { try restore.put(fetched, into: volume.file) } catch {}
        restore.release(fetched.number)
    }

    fileprivate func copy(_ range: Range<Int>, into buffer: inout MutableRawSpan) {
        if !fetched.hasBytes { fetched.buffer.zero(from: 0) }
        fetched.buffer.copy(range, into: &buffer, at: 0)
    }
}

extension VolumeBlocks {
    /// Reads from a missing block, if all of the bytes lie in one, before that is in the file: to put it there takes longer
    /// than to get it. Whoever passes the bytes on keeps what this returns until that is done.
    ///
    /// - Returns: `nil` when nothing was read.
    public func readMissing(
        into buffer: inout MutableRawSpan, count: Int, at offset: Int64
    ) throws(Errno) -> UnwrittenBlock? {
        guard let restore, !restore.isComplete else { return nil }
        let block = Int(offset / VolumeBlock.bytes)
        let place = Int(offset % VolumeBlock.bytes)
        guard place + count <= Int(VolumeBlock.bytes), restore.isMissing(block) else { return nil }
        do throws(RestoreFailure) {
            guard let fetched = try restore.claim(block) else { return nil }
            let unwritten = UnwrittenBlock(fetched, of: self, restore)
            unwritten.copy(place..<place + count, into: &buffer)
            return unwritten
        } catch {
            if case .unreadable(let cause) = error { tell(block, cause, restore) }
            throw errno(of: error)
        }
    }

    /// Nil for a volume that needs no snapshot any more.
    public var restoreProgress: RestoreProgress? {
        restore.flatMap { restore in
            restore.concernsFlushes
                ? RestoreProgress(missingBlocks: restore.leftCount, totalBlocks: restore.total) : nil
        }
    }

    /// Gets what is missing, in order, on the calling thread, which should be one that may block for long.
    ///
    /// - Parameters:
    ///   - bytesPerSecond: how fast; `nil` for as fast as it goes.
    ///   - isCancelled: asked before each block; true ends it early.
    /// - Throws: `.ioError` at a block that cannot be had, with those after it still missing.
    public func hydrate(
        bytesPerSecond: Int64? = nil, clock: any Clock, isCancelled: () -> Bool = { false }
    ) throws(Errno) {
        guard let restore else { return }
        let start = clock.uptimeNanoseconds()
        var fetched: Int64 = 0
        var position = 0
        while let block = restore.firstMissing(in: position..<VolumeBlock.capacity) {
            if isCancelled() { return }
            try bring(block)
            fetched += VolumeBlock.bytes
            position = block + 1
            if let bytesPerSecond {
                let due = Double(fetched) / Double(bytesPerSecond) * 1e9
                waitInThisThread(untilUptimeNanoseconds: start + Int64(due))
            }
        }
    }

    /// Once nothing is missing: makes that durable, so that the snapshot may go. False when something is missing.
    public func endRestore() throws(Errno) -> Bool {
        guard let restore else { return true }
        return try controlling { () throws(Errno) in
            try restore.end { () throws(Errno) in try file.synchronize() }
        }
    }
}
