public import Platform
public import SystemPackage

extension VolumeBlocks {
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
