// What the region does with places of snapshots.
import BlockStore
import Driver
import Platform

/// Finds the place that a text means: an absolute path, `s3://BUCKET/PREFIX`; and the URL of the bucket's server, if it is
/// not the usual one.
public typealias SnapshotPlaceFinder =
    @Sendable (_ location: String, _ endpoint: String?) throws(PlaceError) -> any ObjectPlace

/// For a region that reaches no buckets.
func directoryPlaces(_ clock: any Clock) -> SnapshotPlaceFinder {
    { (location, _) throws(PlaceError) in
        guard case .directory(let path) = try PlaceLocation(location) else {
            throw PlaceError(.invalidLocation, "\(location) is a bucket, and this region reaches directories alone")
        }
        return DirectoryPlace(path, clock: clock)
    }
}

/// A snapshot in a place.
struct FoundSnapshot: Sendable {
    let id: String
    let description: SnapshotDescription
}

extension RegionEffects {
    /// Where a snapshot is pushed to or pulled from; refuses a directory on the region's own volumes.
    func place(of request: SnapshotTaskRequest) async throws -> any ObjectPlace {
        guard let text = request.location, !text.isEmpty else { throw StorageError.missing("location") }
        let (place, location) = try place(at: text, request.endpoint)
        if case .directory(let path) = location, try await blocking({ try isOwn(path) }) {
            throw StorageError.ownVolume(path)
        }
        return place
    }

    private func place(
        at text: String, _ endpoint: String?
    ) throws(StorageError) -> (any ObjectPlace, PlaceLocation) {
        do throws(PlaceError) {
            return (try places(text, endpoint), try PlaceLocation(text))
        } catch {
            throw .ofPlace(error)
        }
    }

    func push(
        _ snapshot: DepartingSnapshot, to place: any ObjectPlace, isThorough: Bool, _ progress: SnapshotTaskProgress
    ) async throws {
        let placed = PlacedSnapshot(id: snapshot.id.rawValue, manifest: snapshot.manifest)
        try await progress.untilCancelled { [snapshots] in
            try await snapshots.push(
                placed, description: snapshot.description, to: place, isThorough: isThorough,
                progress: progress.note)
        }
    }

    /// - Parameter wanted: an id in the place, or a name; `nil` for the only one there.
    func find(
        _ wanted: String?, in place: any ObjectPlace, _ progress: SnapshotTaskProgress
    ) async throws -> FoundSnapshot {
        try await progress.untilCancelled {
            let all = try await place.snapshots()
            if let wanted, all.contains(where: { $0.id == wanted }) { return try await place.description(of: wanted) }
            if wanted == nil, all.count == 1 { return try await place.description(of: all[0]) }
            let (known, unreadableCount) = try await descriptions(of: all, in: place)
            let found = known.filter { wanted == nil || $0.description.tags[Tag.name] == wanted }
            guard let only = found.first, found.count == 1, wanted != nil else {
                throw StorageError.notOne(found, named: wanted, unreadableCount: unreadableCount, in: place.location)
            }
            return only
        }
    }

    /// What can be read of what a place tells; one card that cannot keeps nobody from the other snapshots.
    private func descriptions(
        of snapshots: [PlacedSnapshot], in place: any ObjectPlace
    ) async throws -> (known: [FoundSnapshot], unreadableCount: Int) {
        var known: [FoundSnapshot] = []
        var unreadableCount = 0
        for snapshot in snapshots {
            do {
                known.append(try await place.description(of: snapshot))
            } catch  where error.isOfOneCard {
                logger.warning("\(snapshot.id) in \(place.location) is passed over: \(error)")
                unreadableCount += 1
            }
        }
        return (known, unreadableCount)
    }

    /// Takes a snapshot's objects into the store; all of them are durable when this returns.
    func pull(
        _ id: String, _ wish: ImportWish, from place: any ObjectPlace, _ writer: SnapshotWriter,
        _ progress: SnapshotTaskProgress
    ) async throws -> SnapshotContent {
        let manifest = try await progress.untilCancelled {
            try await writer.pull(id, from: place, progress: progress.note).manifest
        }
        return try await keep(manifest, as: wish.description)
    }
}

extension ObjectPlace {
    fileprivate func description(of id: String) async throws -> FoundSnapshot {
        let (snapshot, card) = try await card(of: id)
        return try found(snapshot, card)
    }

    fileprivate func description(of snapshot: PlacedSnapshot) async throws -> FoundSnapshot {
        try found(snapshot, await card(of: snapshot))
    }

    private func found(_ snapshot: PlacedSnapshot, _ card: SnapshotCard) throws -> FoundSnapshot {
        do {
            return FoundSnapshot(id: snapshot.id, description: try SnapshotDescription(json: card.description))
        } catch let error as MalformedDescription {
            throw StorageError.notPulled("the snapshot \(snapshot.id) in \(location): \(error)")
        }
    }
}

extension Error {
    /// Whether a card could not be read, and others may.
    fileprivate var isOfOneCard: Bool {
        switch self {
        case is TransferError, is StorageError: true
        case let error as PlaceError: [.accessDenied, .tooLarge, .failed].contains(error.code)
        default: false
        }
    }
}

extension SnapshotTaskProgress {
    /// Takes what a push or a pull tells.
    fileprivate func note(_ transfer: TransferProgress) {
        set(
            Figures(
                doneBytes: transfer.doneBytes, totalBytes: transfer.totalBytes, presentBytes: transfer.presentBytes))
    }
}
