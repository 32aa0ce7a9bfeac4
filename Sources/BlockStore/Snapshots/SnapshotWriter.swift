import Glibc
import Synchronization
public import SystemPackage

/// What one snapshot that is being made writes into the store. Until `end` nothing of it is removed, so the snapshot
/// is to be in the catalog, or given up, before that.
public final class SnapshotWriter: BlockSink {
    let store: SnapshotStore
    private let number: Int

    init(_ store: SnapshotStore, number: Int) {
        self.store = store
        self.number = number
    }

    deinit { store.release(number) }

    public var epoch: UInt64 { store.epoch }

    /// Keeps a whole block and gives its name; `nil` for zeros.
    public func put(_ block: RawSpan) throws(Errno) -> Digest? {
        precondition(block.byteCount == Int(VolumeBlock.bytes), "a block is written whole")
        return block.isZeros ? nil : try putObject(block)
    }

    /// - Parameter name: the block's.
    func put(_ block: RawSpan, named name: Digest) throws(Errno) -> Digest? {
        precondition(block.byteCount == Int(VolumeBlock.bytes), "a block is written whole")
        if block.isZeros { return nil }
        try putObject(block, named: name)
        return name
    }

    /// Holds what the last process stored for a cut. If that may be lost, or cannot be told, the cut fails, for the next
    /// process too, and nothing is held.
    public func hold(_ cut: Cut) {
        if !cut.trusts(epoch) { cut.fail(.storeFailed) }
        if cut.failure != nil { return }
        do {
            try cut.forEachChange { _, name in
                if let name { hold(name) }
            }
        } catch {
            cut.fail(.refused("what was copied before the last start cannot be read: \(error)"))
            end()
        }
    }

    /// Lets no object that the catalog refers to now be removed, until `holdOnly` says which ones are meant.
    public func holdAll() { store.holdAll(true, for: number) }

    /// Holds a manifest and all that it needs, and what was put, and nothing else any more.
    ///
    /// - Returns: how many blocks the manifest has, those that are the same counted as often as they are there.
    /// - Throws: `UnreadableSnapshotPart`; what `check` throws.
    public func holdOnly(_ manifest: Digest, check: () throws -> Void = {}) throws -> Int {
        var count = 0
        hold(manifest)
        try store.forEachSegment(of: try store.wholeManifest(manifest)) { entry, segment in
            try check()
            hold(entry.name)
            for case let name? in segment.names {
                hold(name)
                count += 1
            }
        }
        holdNoOthers()
        return count
    }

    /// Ends `holdAll`.
    public func holdNoOthers() { store.holdAll(false, for: number) }

    func hold(_ name: Digest) { store.hold(name, for: number) }

    func putObject(_ bytes: RawSpan) throws(Errno) -> Digest {
        let name = Digest(of: bytes)
        try putObject(bytes, named: name)
        return name
    }

    /// - Parameter name: the SHA-256 of the bytes.
    /// - Returns: whether it had to be written.
    @discardableResult
    func putObject(_ bytes: RawSpan, named name: Digest) throws(Errno) -> Bool {
        // Held before it is looked for: see `remove`.
        hold(name)
        return try store.files.put(bytes, as: name)
    }

    /// The snapshot is in the catalog, or was given up.
    public func end() { store.release(number) }
}

extension RawSpan {
    /// Whether there is nothing but zeros.
    fileprivate var isZeros: Bool {
        unsafe withUnsafeBytes { bytes in
            guard let start = bytes.baseAddress, bytes.count > 0 else { return true }
            // Each byte is as the one before it, and the first is zero.
            return unsafe bytes[0] == 0 && memcmp(start, start + 1, bytes.count - 1) == 0
        }
    }
}
