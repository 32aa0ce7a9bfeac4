import Platform

extension SnapshotStore {
    /// Brings a snapshot to a place. What is there already is not sent again; one that was interrupted goes on.
    ///
    /// The place has an object only when it has all that the object names: so a manifest or a segment that is there
    /// tells of all below it, and a snapshot there of what it shares with this one. What comes last makes it a snapshot.
    /// Several may push to a place at a time, also the same.
    ///
    /// The manifest must be referred to, or held, meanwhile. Ends soon after its task was cancelled.
    ///
    /// - Parameters:
    ///   - description: what the puller is to know; JSON, at most 1 MiB. Replaces that of an earlier push.
    ///   - isThorough: asks for each object: mends a place that has lost some.
    ///   - progress: called now and then, one call at a time.
    /// - Throws: `SnapshotStoreError` for what cannot be read here, `TransferError`, `PlaceError`.
    public func push(
        _ snapshot: PlacedSnapshot, description: String, to place: any ObjectPlace, isThorough: Bool = false,
        progress: @escaping @Sendable (TransferProgress) -> Void = { _ in }
    ) async throws {
        let threads = BlockingThreads(limit: Transfer.objectsInFlight)
        let manifest = try await threads.run { try self.manifest(snapshot.manifest) }
        let blockCount = try await threads.run { try self.blockCount(of: manifest) }
        let card = SnapshotCard(
            manifest: manifest.name, fullSizeBytes: Int64(blockCount) * VolumeBlock.bytes, description: description)
        try await place.prepare()
        let placed = try await place.snapshots()
        if placed.contains(where: { $0.id == snapshot.id && $0.manifest != snapshot.manifest }) {
            throw TransferError.otherContent(id: snapshot.id, location: place.location)
        }
        let counter = TransferCounter(totalBytes: card.fullSizeBytes, progress)
        let relatives = isThorough ? [] : try await threads.run { self.relatives(of: manifest, among: placed) }
        try await Push(
            store: self, place: place, threads: threads, relatives: relatives, isThorough: isThorough, counter: counter
        ).push(manifest, blockCount: blockCount)
        if try await !Self.has(place, card, snapshot.key) { try await place.put(card.encoded, snapshot.key) }
    }

    private static func has(_ place: any ObjectPlace, _ card: SnapshotCard, _ key: String) async throws -> Bool {
        do {
            return try await place.get(key, limit: SnapshotCard.maximumBytes) == card.encoded
        } catch let error as PlaceError where error.code == .tooLarge {
            return false
        }
    }

    /// How many blocks hold anything. Follows from the segments' lengths.
    private func blockCount(of manifest: Manifest) throws -> Int {
        try manifest.segments.reduce(0) { count, entry in
            guard let size = try files.sizeBytes(of: entry.name) else {
                throw SnapshotStoreError.missing(.segment, entry.name)
            }
            return count + Segment.blockCount(encodedBytes: size)
        }
    }

    /// Those of the snapshots at the place that are known here too and share most with one; a few, each of which takes
    /// memory.
    private func relatives(of manifest: Manifest, among placed: [PlacedSnapshot]) -> [Manifest] {
        let segments = Set(manifest.segments.map(\.name))
        var best: [(manifest: Manifest, shared: Int)] = []
        // In the order of their names, so that a push can be repeated.
        for name in Set(placed.map(\.manifest)).sorted() {
            // Most are not here at all, or are being removed, and one that is damaged is not what is pushed: whatever
            // cannot be read vouches for nothing, and its blocks are asked for at the place.
            guard let other = try? self.manifest(name) else { continue }
            let shared = other.segments.count { segments.contains($0.name) }
            let place = best.firstIndex { $0.shared < shared } ?? best.count
            best.insert((other, shared), at: place)
            best.removeLast(max(0, best.count - Push.maximumRelatives))
        }
        return best.map(\.manifest)
    }
}

/// One snapshot's way to a place.
private struct Push: Sendable {
    static let maximumRelatives = 4

    let store: SnapshotStore
    let place: any ObjectPlace
    let threads: BlockingThreads
    /// What the place has all of.
    let relatives: [Manifest]
    let isThorough: Bool
    let counter: TransferCounter
    private let slots = Slots(Transfer.objectsInFlight)

    init(
        store: SnapshotStore, place: any ObjectPlace, threads: BlockingThreads, relatives: [Manifest],
        isThorough: Bool, counter: TransferCounter
    ) {
        self.store = store
        self.place = place
        self.threads = threads
        self.relatives = relatives
        self.isThorough = isThorough
        self.counter = counter
    }

    func push(_ manifest: Manifest, blockCount: Int) async throws {
        let encoded = manifest.encoded
        if !isThorough, try await isThere(manifest.name, encoded.count) {
            return counter.add(blocks: blockCount, arePresent: true)
        }
        try await manifest.segments.forEach(atATime: Transfer.objectsInFlight) { try await push($0) }
        try await put(encoded, manifest.name)
    }

    /// The blocks of a segment, then the segment.
    private func push(_ entry: Manifest.Entry) async throws {
        let segment = try await threads.run { try store.segment(entry.name) }
        let names = segment.names.compactMap { $0 }
        let encoded = segment.encoded
        let former = relatives.compactMap { $0.segmentName(Int(entry.index)) }
        if former.contains(entry.name) { return counter.add(blocks: names.count, arePresent: true) }
        if !isThorough, try await isThere(entry.name, encoded.count) {
            return counter.add(blocks: names.count, arePresent: true)
        }
        let known = try await threads.run { blocks(of: former) }
        let unique = Set(names)
        counter.add(blocks: names.count - unique.count, arePresent: true)
        try await unique.forEach(atATime: Transfer.objectsInFlight) { name in
            try await push(block: name, isKnown: known.contains(name))
        }
        try await put(encoded, entry.name)
    }

    private func push(block name: Digest, isKnown: Bool) async throws {
        let size = Int(VolumeBlock.bytes)
        var isPresent = isKnown
        if !isPresent { isPresent = try await isThere(name, size) }
        if !isPresent {
            try await slots.withSlot {
                let bytes = try await threads.run { try store.blockBytes(name) }
                try await place.put(bytes, ObjectKey.object(name))
            }
        }
        counter.add(blocks: 1, arePresent: isPresent)
    }

    /// What relatives have at a segment's place.
    private func blocks(of segments: [Digest]) -> Set<Digest> {
        // Nobody holds a relative: it may be removed meanwhile. As above, what cannot be read vouches for nothing.
        Set(segments.compactMap { try? store.segment($0) }.flatMap { $0.names.compactMap { $0 } })
    }

    /// An object of another length is none: it is replaced.
    private func isThere(_ name: Digest, _ size: Int) async throws -> Bool {
        try await slots.withSlot { try await place.sizeBytes(ObjectKey.object(name)) == Int64(size) }
    }

    private func put(_ bytes: [UInt8], _ name: Digest) async throws {
        try await slots.withSlot { try await place.put(bytes, ObjectKey.object(name)) }
    }
}

extension SnapshotStore {
    fileprivate func blockBytes(_ name: Digest) throws(SnapshotStoreError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Int(VolumeBlock.bytes))
        var elements = bytes.mutableSpan
        var span = unsafe elements.mutableBytes
        try readBlock(name, into: &span)
        return bytes
    }
}
