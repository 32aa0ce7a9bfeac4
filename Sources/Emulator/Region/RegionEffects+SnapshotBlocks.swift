// What the region does to read snapshots' blocks one by one, and to write them.
import BlockStore
import Driver
import Synchronization

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// A block that differs between two snapshots, and which of them have it.
struct BlockDifference: Hashable, Sendable {
    let index: Int
    let isInFirst: Bool
    let isInSecond: Bool
}

/// The snapshots whose blocks were asked for last: their manifests need not be read for each block.
final class RecentSources: Sendable {
    private static let limit = 4
    /// The latest one last.
    private let sources = Mutex<[SnapshotSource]>([])

    func source(of manifest: Digest, _ store: SnapshotStore) throws -> SnapshotSource {
        if let known = take(manifest.hex) { return known }
        let source = SnapshotSource(store, try store.manifest(manifest))
        keep(source)
        return source
    }

    private func take(_ name: String) -> SnapshotSource? {
        sources.withLock { sources in
            guard let place = sources.firstIndex(where: { $0.name == name }) else { return nil }
            let source = sources.remove(at: place)
            sources.append(source)
            return source
        }
    }

    private func keep(_ source: SnapshotSource) {
        sources.withLock { sources in
            sources.append(source)
            if sources.count > Self.limit { sources.removeFirst() }
        }
    }
}

extension RegionEffects {
    // MARK: Reading

    /// The first written blocks from an index on.
    func blocks(of manifest: Digest, from start: Int, limit: Int) async throws -> [Int] {
        try await blocking {
            var blocks: [Int] = []
            let whole = try sources.source(of: manifest, snapshots).manifest
            try snapshots.forEachBlock(of: whole, from: start) { block, _ in
                blocks.append(block)
                return blocks.count < limit
            }
            return blocks
        }
    }

    /// The first blocks from an index on that differ.
    func differences(
        from old: Digest, to new: Digest, startingAt start: Int, limit: Int
    ) async throws -> [BlockDifference] {
        try await blocking {
            var found: [BlockDifference] = []
            let first = try sources.source(of: old, snapshots).manifest
            let second = try sources.source(of: new, snapshots).manifest
            try snapshots.forEachDifference(from: first, to: second, startingAt: start) { block, before, after in
                found.append(BlockDifference(index: block, isInFirst: before != nil, isInSecond: after != nil))
                return found.count < limit
            }
            return found
        }
    }

    /// A block's verified bytes; `nil` for one that was never written.
    func block(_ index: Int, of manifest: Digest) async throws -> SnapshotBlock? {
        try await blocking {
            let source = try sources.source(of: manifest, snapshots)
            guard let name = try source.blockName(index) else { return nil }
            return SnapshotBlock(
                data: Data(try snapshots.block(name)), checksum: Data(name.bytes).base64EncodedString())
        }
    }

    // MARK: Writing

    func beginUpload(of snapshot: SnapshotRecord) async throws -> SnapshotUpload {
        try beforeStep(.beginUpload)
        return try await blocking {
            do {
                return try uploads.begin(
                    snapshot.id.rawValue, volumeSizeBytes: snapshot.sizeBytes, at: snapshot.startTime.milliseconds)
            } catch {
                throw StorageError.notBegun(error)
            }
        }
    }

    /// - Throws: `StorageError` for a block that is not what its checksum says; `SnapshotUploadRefusal`; `Errno` when it
    ///   cannot be kept.
    func put(
        _ block: SnapshotBlock, at index: SnapshotBlockIndex, into upload: SnapshotUpload, time: Date
    ) async throws {
        try beforeStep(.putBlock)
        try await blocking {
            let name = Digest(of: block.data.bytes)
            guard block.checksum == Data(name.bytes).base64EncodedString() else { throw StorageError.blockChecksum }
            try upload.put(index.rawValue, block.data.bytes, named: name, at: time.milliseconds)
        }
    }

    /// - Throws: `SnapshotUploadRefusal`, and whatever reading its files does.
    func seal(_ upload: SnapshotUpload, blockCount: Int, checksum: [UInt8]?) async throws {
        try beforeStep(.sealUpload)
        try await blocking { try upload.seal(blockCount: blockCount, checksum: checksum) }
    }

    /// Gives the space back of one that has become a snapshot, or will not.
    ///
    /// - Parameter check: throws to end it early; the next start does the rest.
    /// - Returns: objects that somebody may be about to refer to, and so stay for now.
    func end(
        _ upload: SnapshotUpload, isComplete: Bool, check: @escaping @Sendable () throws -> Void
    ) async throws -> [Digest] {
        try beforeStep(.endUpload)
        return try await copiers.run {
            try uploads.end(
                upload, isComplete: isComplete, unless: { try catalog.referenceCount(of: $0) > 0 }, check: check)
        }
    }

    /// Takes away what belongs to no pending snapshot.
    func removeUpload(_ name: String) async throws {
        try beforeStep(.endUpload)
        try await blocking { try uploads.remove(name) }
    }
}
