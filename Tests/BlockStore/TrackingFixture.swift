import Platform
import Synchronization
import SystemPackage
import Testing
import TestSupport

@testable import BlockStore

/// A store with tracking in a directory of its own, whose process and machine can be replaced by the next.
final class TrackingFixture {
    private(set) var boot = "boot-1"
    let store: VolumeStore
    private(set) var volumes: TrackedVolumes
    private let unreadable = UnreadableLog()
    private var sources: [String: any RestoreSource] = [:]

    init(directory: FilePath, partBytes: Int64) throws {
        store = try VolumeStore(directory: directory, partBytes: partBytes)
        volumes = try TrackedVolumes(store: store, boot: boot) { [unreadable] in unreadable.add($0) }
    }

    static func run(partBytes: Int64 = 8 << 40, _ body: (TrackingFixture) throws -> Void) async throws {
        try await withTemporaryDirectory { directory in
            try body(TrackingFixture(directory: directory.appending("volumes"), partBytes: partBytes))
        }
    }

    var unreadableBlocks: [UnreadableBlock] { unreadable.all }

    func create(_ name: String, sizeBytes: Int64, from source: MemorySnapshot) throws {
        try volumes.create(name, sizeBytes: sizeBytes, restoring: source)
        sources[name] = source
    }

    func pendingCuts() throws -> [Cut] {
        try volumes.pendingCuts { cut, error in Issue.record("\(cut) cannot be opened: \(error)") }
    }

    /// As after `kill -9`: nothing in memory is left, everything in the page cache is.
    func startNextProcess() throws {
        volumes = try TrackedVolumes(store: store, boot: boot) { [unreadable] in unreadable.add($0) }
        for (name, source) in sources { volumes.setSource(source, of: name) }
    }

    /// The kernel is another. What the files hold then is the caller's affair.
    func startNextBoot() throws {
        boot += "x"
        try startNextProcess()
    }
}

final class UnreadableLog: Sendable {
    private let entries = Mutex<[UnreadableBlock]>([])
    func add(_ entry: UnreadableBlock) { entries.withLock { $0.append(entry) } }
    var all: [UnreadableBlock] { entries.withLock { $0 } }
}

private let zeroBlock = [UInt8](repeating: 0, count: Int(VolumeBlock.bytes))

/// Keeps blocks in memory, and can be told to do something at each.
final class MemorySink: BlockSink {
    let epoch: UInt64 = 0
    private let blocks = Mutex<[Digest: [UInt8]]>([:])
    private let puts = Atomic(0)
    private let onPut: @Sendable (Int) throws -> Void

    init(onPut: @escaping @Sendable (Int) throws -> Void = { _ in }) { self.onPut = onPut }

    var putCount: Int { puts.load(ordering: .relaxed) }

    func put(_ block: RawSpan) throws -> Digest? {
        try onPut(puts.add(1, ordering: .relaxed).newValue)
        let bytes = unsafe block.withUnsafeBytes { unsafe Array($0) }
        if bytes == zeroBlock { return nil }
        let name = Digest(of: block)
        blocks.withLock { $0[name] = bytes }
        return name
    }

    func bytes(of name: Digest) -> [UInt8]? { blocks.withLock { $0[name] } }

    /// A cut's contents: those of its base, with what changed.
    func contents(of cut: Cut, on base: MemorySnapshot?) throws -> MemorySnapshot {
        var contents = [UInt8](repeating: 0, count: Int(cut.volumeSizeBytes))
        if cut.base != nil, let base {
            contents.replaceSubrange(0..<base.bytes.count, with: base.bytes)
        }
        try cut.forEachChange { block, name in
            let range = VolumeBlock.range(block, sizeBytes: cut.volumeSizeBytes)
            let whole = name.flatMap { bytes(of: $0) } ?? [UInt8](repeating: 0, count: Int(VolumeBlock.bytes))
            contents.replaceSubrange(Int(range.lowerBound)..<Int(range.upperBound), with: whole.prefix(range.count))
        }
        return MemorySnapshot(name: cut.name, contents)
    }
}

/// A snapshot in memory.
final class MemorySnapshot: RestoreSource {
    let name: String
    let bytes: [UInt8]
    /// Blocks that cannot be had.
    private let damaged = Mutex<Set<Int>>([])

    init(name: String, _ bytes: [UInt8]) {
        self.name = name
        self.bytes = bytes
    }

    func damage(_ block: Int) { damaged.withLock { _ = $0.insert(block) } }

    struct Damaged: Error {}

    /// A whole block; beyond the end are zeros.
    private func block(_ index: Int) -> [UInt8] {
        let range = VolumeBlock.range(index, sizeBytes: Int64(bytes.count))
        var block = zeroBlock
        block.replaceSubrange(0..<range.count, with: bytes[Int(range.lowerBound)..<Int(range.upperBound)])
        return block
    }

    /// Coarse, as the real one.
    var writtenBlocks: [Range<Int>] { [0..<VolumeBlock.count(sizeBytes: Int64(bytes.count))] }

    func hasBlock(_ index: Int) throws -> Bool { block(index) != zeroBlock }

    func read(_ index: Int, into buffer: inout MutableRawSpan) throws -> Bool {
        if damaged.withLock({ $0.contains(index) }) { throw Damaged() }
        let block = block(index)
        if block == zeroBlock { return false }
        unsafe buffer.withUnsafeMutableBytes { buffer in
            unsafe block.withUnsafeBytes { unsafe buffer.copyMemory(from: $0) }
        }
        return true
    }
}

extension VolumeBlocks {
    @discardableResult
    func write(_ bytes: [UInt8], at offset: Int64) throws(Errno) -> Int {
        try unsafe write(bytes.span.bytes, at: offset)
    }

    func bytes(at offset: Int64, count: Int) throws(Errno) -> [UInt8] {
        var bytes = [UInt8](repeating: 0xEE, count: count)
        var elements = bytes.mutableSpan
        var span = unsafe elements.mutableBytes
        // As a lane reads.
        if try readMissing(into: &span, count: count, at: offset) == nil {
            try read(into: &span, count: count, at: offset)
        }
        return bytes
    }
}
