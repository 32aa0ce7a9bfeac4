import Platform
import SystemPackage

/// What blocks of a volume that are to become a snapshot are called in the store, as a file: 32 bytes a block, zeros for
/// none, little memory.
final class BlockNames: Sendable {
    private let file: FileDescriptor
    private let blockCount: Int

    /// So many are read at a time.
    private static let chunk = 4096

    /// - Parameter path: of a file that is there, at first empty.
    init(_ path: FilePath, blockCount: Int) throws(Errno) {
        self.blockCount = blockCount
        file = try .openFile(path, .readWrite)
    }

    deinit { file.closeIgnoringErrors() }

    func set(_ block: Int, to name: Digest?) throws(Errno) {
        let bytes = name?.bytes ?? [UInt8](repeating: 0, count: Digest.byteCount)
        try unsafe file.writeAll(bytes.span.bytes, at: Int64(block * Digest.byteCount))
    }

    func name(of block: Int) throws(Errno) -> Digest? { Digest(stored: try read(from: block, count: 1)[...]) }

    /// Calls `body` with one block after another and its name.
    ///
    /// - Parameter next: gives the first block from a position on that is meant; `nil` at the end.
    func forEach(_ next: (Int) throws -> Int?, _ body: (Int, Digest?) throws -> Void) throws {
        var position = 0
        var chunk: (start: Int, bytes: [UInt8]) = (0, [])
        while let block = try next(position) {
            if !(chunk.start..<chunk.start + chunk.bytes.count / Digest.byteCount).contains(block) {
                chunk = (block, try read(from: block, count: min(Self.chunk, blockCount - block)))
            }
            let place = (block - chunk.start) * Digest.byteCount
            try body(block, Digest(stored: chunk.bytes[place..<place + Digest.byteCount]))
            position = block + 1
        }
    }

    private func read(from block: Int, count: Int) throws(Errno) -> [UInt8] {
        let bytes = try file.bytes(at: Int64(block * Digest.byteCount), count: count * Digest.byteCount)
        // Beyond the file's end there are no names.
        return bytes + [UInt8](repeating: 0, count: count * Digest.byteCount - bytes.count)
    }
}

/// The blocks of a snapshot to be that may differ from those of what it counts from.
public protocol ChangedBlocks: Sendable {
    var volumeSizeBytes: Int64 { get }

    /// Calls `body` with each of them, in order: its name in the store, or `nil` when it reads as zeros.
    func forEachChange(_ body: (Int, Digest?) throws -> Void) throws
}
