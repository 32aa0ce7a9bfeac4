import Platform

extension ObjectPlace {
    /// What the place tells of a snapshot.
    public func card(of id: String) async throws -> (snapshot: PlacedSnapshot, card: SnapshotCard) {
        let found = try await snapshots().filter { $0.id == id }
        guard let snapshot = found.first else { throw TransferError.noSuchSnapshot(id: id, location: location) }
        if found.count > 1 { throw TransferError.otherContent(id: id, location: location) }
        return (snapshot, try await card(of: snapshot))
    }

    public func card(of snapshot: PlacedSnapshot) async throws -> SnapshotCard {
        guard let bytes = try await get(snapshot.key, limit: SnapshotCard.maximumBytes) else {
            throw TransferError.noSuchSnapshot(id: snapshot.id, location: location)
        }
        do throws(MalformedObject) {
            let card = try SnapshotCard(decoding: bytes)
            if card.manifest != snapshot.manifest { throw MalformedObject(reason: "it is of another snapshot") }
            return card
        } catch {
            throw TransferError.malformed(key: snapshot.key, location: location, reason: error.reason)
        }
    }
}

extension SnapshotWriter {
    /// Takes a snapshot's objects from a place into the store. Those that are there already are not fetched again, so
    /// that what was interrupted goes on. Nothing refers to them until the caller commits the manifest.
    ///
    /// Ends soon after its task was cancelled.
    ///
    /// - Parameter progress: called now and then, one call at a time.
    /// - Throws: `TransferError` for what the place lacks or has altered, `PlaceError`, and what the store says.
    public func pull(
        _ id: String, from place: any ObjectPlace,
        progress: @escaping @Sendable (TransferProgress) -> Void = { _ in }
    ) async throws -> (manifest: Manifest, description: String) {
        let (snapshot, card) = try await place.card(of: id)
        let pull = Pull(
            writer: self, place: place, counter: TransferCounter(totalBytes: card.fullSizeBytes, progress))
        return (try await pull.pull(snapshot.manifest), card.description)
    }
}

/// One snapshot's way from a place.
private struct Pull: Sendable {
    let writer: SnapshotWriter
    let place: any ObjectPlace
    let counter: TransferCounter
    private let threads = BlockingThreads(limit: Transfer.objectsInFlight)
    private let slots = Slots(Transfer.objectsInFlight)

    init(writer: SnapshotWriter, place: any ObjectPlace, counter: TransferCounter) {
        self.writer = writer
        self.place = place
        self.counter = counter
    }

    func pull(_ name: Digest) async throws -> Manifest {
        let manifest = try await had(.manifest, name, limit: Manifest.maximumBytes) {
            store throws(SnapshotStoreError) in
            try store.manifest(name)
        }
        try await manifest.segments.forEach(atATime: Transfer.objectsInFlight) { try await pull($0, of: manifest) }
        return manifest
    }

    private func pull(_ entry: Manifest.Entry, of manifest: Manifest) async throws {
        let segment = try await had(.segment, entry.name, limit: Segment.maximumBytes) {
            store throws(SnapshotStoreError) in try store.segment(entry.name)
        }
        if let last = segment.names.lastIndex(where: { $0 != nil }),
            Int(entry.index) * Segment.blockCount + last >= manifest.blockCount
        {
            let error = SnapshotStoreError.malformed(
                .segment, entry.name, reason: "a block lies beyond the volume's end")
            throw TransferError.object(error, location: place.location)
        }
        let names = segment.names.compactMap { $0 }
        let unique = Set(names)
        try await unique.forEach(atATime: Transfer.objectsInFlight) { try await pull(block: $0) }
        counter.add(blocks: names.count - unique.count, arePresent: true)
    }

    private func pull(block name: Digest) async throws {
        let isPresent = try await slots.withSlot {
            if try await threads.run({ writer.holdBlock(name) }) { return true }
            try await fetch(.block, name, limit: Int(VolumeBlock.bytes))
            return false
        }
        counter.add(blocks: 1, arePresent: isPresent)
    }

    /// An object that the store has, or has got now.
    private func had<Object: Sendable>(
        _ kind: ObjectKind, _ name: Digest, limit: Int,
        _ read: @escaping @Sendable (SnapshotStore) throws(SnapshotStoreError) -> Object
    ) async throws -> Object {
        try await slots.withSlot {
            do {
                return try await threads.run {
                    writer.hold(name)
                    return try read(writer.store)
                }
            } catch let error as SnapshotStoreError where error.isDamage {
                try await fetch(kind, name, limit: limit)
            }
            do {
                return try await threads.run { try read(writer.store) }
            } catch let error as SnapshotStoreError where error.isOfWhoBroughtIt {
                // Its bytes are as its name says, but not as the format does.
                throw TransferError.object(error, location: place.location)
            }
        }
    }

    private func fetch(_ kind: ObjectKind, _ name: Digest, limit: Int) async throws {
        let bytes: [UInt8]?
        do {
            bytes = try await place.get(ObjectKey.object(name), limit: limit)
        } catch let error as PlaceError where error.code == .tooLarge {
            throw TransferError.object(.damaged(kind, name), location: place.location)
        }
        guard let bytes else { throw TransferError.object(.missing(kind, name), location: place.location) }
        try await threads.run {
            guard unsafe Digest(of: bytes.span.bytes) == name, kind != .block || bytes.count == VolumeBlock.bytes else {
                throw TransferError.object(.damaged(kind, name), location: place.location)
            }
            unsafe try writer.putObject(bytes.span.bytes, named: name)
        }
    }
}

extension SnapshotWriter {
    /// Whether the store has a block, undamaged, which then stays.
    fileprivate func holdBlock(_ name: Digest) -> Bool {
        hold(name)
        return store.failure(of: name, .block) == nil
    }
}
