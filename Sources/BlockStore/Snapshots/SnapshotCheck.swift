// The pieces of a check of the store. Nothing is repaired. How they are put together while snapshots come and go is
// the work of whoever keeps the catalog.
import SystemPackage

/// Where an object is needed: these blocks of a snapshot, or, for a manifest, all.
public struct ObjectUse: Hashable, Sendable, CustomStringConvertible {
    /// What refers to the manifest.
    public let holder: String
    /// `nil`: all of it.
    public let blocks: Range<Int>?

    public var description: String { blocks.map { "\($0.blockText) of \(holder)" } ?? "all of \(holder)" }
}

/// Where objects are needed: the first places, and how many more there are.
public struct ObjectUses: Sendable {
    public private(set) var listed: [Digest: [ObjectUse]] = [:]
    public private(set) var omittedCount = 0
    private var room: Int

    /// - Parameter limit: how many are listed. One object may be needed at millions of places.
    public init(limit: Int) { room = limit }

    mutating func add(_ use: @autoclosure () -> ObjectUse, of name: Digest) {
        if room == 0 {
            omittedCount += 1
        } else {
            room -= 1
            listed[name, default: []].append(use())
        }
    }
}

extension SnapshotStore {
    /// Reads and verifies every object that is counted.
    ///
    /// - Parameters:
    ///   - failed: told of each one that cannot be had.
    ///   - progress: called with the bytes of each object that was looked at.
    public func verify(
        _ count: ReferenceCount, failed: (Digest, SnapshotStoreError) throws -> Void,
        progress: (ObjectKind, Int64) throws -> Void
    ) throws {
        let buffer = BlockBuffer()
        try count.forEachObject { name, kind in
            var bytes: Int64 = 0
            do throws(SnapshotStoreError) {
                bytes = try verify(name, kind, buffer)
            } catch {
                try failed(name, error)
            }
            try progress(kind, bytes)
        }
    }

    /// Whether an object is still as `verify` said.
    public func failure(of name: Digest, _ kind: ObjectKind) -> SnapshotStoreError? {
        do throws(SnapshotStoreError) {
            _ = try verify(name, kind, BlockBuffer())
            return nil
        } catch {
            return error
        }
    }

    private func verify(
        _ name: Digest, _ kind: ObjectKind, _ buffer: borrowing BlockBuffer
    ) throws(SnapshotStoreError) -> Int64 {
        switch kind {
        case .block:
            try buffer.fill { (span) throws(SnapshotStoreError) in try readBlock(name, into: &span) }
            return VolumeBlock.bytes
        case .segment: return Int64(try segment(name).encoded.count)
        case .manifest: return Int64(try manifest(name).encoded.count)
        }
    }

    /// Where objects are needed. Walks over everything, each segment once: only for what is broken.
    ///
    /// - Parameter holders: every reference to a manifest that there is.
    public func uses(
        of names: Set<Digest>, by holders: [(id: String, manifest: Digest)], limit: Int, check: () throws -> Void
    ) throws -> ObjectUses {
        var uses = ObjectUses(limit: limit)
        var places: [Digest: [(place: Int, name: Digest)]] = [:]
        for (id, manifest) in holders {
            if names.contains(manifest) { uses.add(ObjectUse(holder: id, blocks: nil), of: manifest) }
            guard let whole = readable({ () throws(SnapshotStoreError) in try self.manifest(manifest) }) else {
                continue
            }
            for entry in whole.segments {
                try check()
                let blocks = whole.blocks(of: entry)
                if names.contains(entry.name) { uses.add(ObjectUse(holder: id, blocks: blocks), of: entry.name) }
                if places[entry.name] == nil { places[entry.name] = self.places(of: names, in: entry.name) }
                for (place, name) in places[entry.name] ?? [] {
                    let block = blocks.lowerBound + place
                    uses.add(ObjectUse(holder: id, blocks: block..<block + 1), of: name)
                }
            }
        }
        return uses
    }

    private func places(of names: Set<Digest>, in segment: Digest) -> [(place: Int, name: Digest)] {
        guard let segment = readable({ () throws(SnapshotStoreError) in try self.segment(segment) }) else { return [] }
        return segment.names.enumerated().compactMap { place, name in
            name.flatMap { names.contains($0) ? (place, $0) : nil }
        }
    }

    /// Nil for what cannot be read, which is found by itself.
    private func readable<Value>(_ read: () throws(SnapshotStoreError) -> Value) -> Value? {
        do throws(SnapshotStoreError) { return try read() } catch { return nil }
    }
}
