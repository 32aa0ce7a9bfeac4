// Pushes and pulls: snapshots on their way to a directory or a bucket that others use too, and from there.
//
// A push holds the snapshot's objects as an export does. A pull is an import whose objects come one by one: nothing can be
// seen of it before one transaction makes the snapshot. What is where it is going to is not carried again.
import BlockStore
import Driver
import SystemPackage

extension Region {
    func startPush(_ request: SnapshotTaskRequest) async throws -> SnapshotTask {
        let place = try await effects.place(of: request)
        return try await depart(request) { region, snapshot in
            try region.begin(.push, of: snapshot.id, at: place.location) { region, progress in
                try await region.carryOutPush(snapshot, to: place, isThorough: request.isThorough ?? false, progress)
            }
        }
    }

    private func carryOutPush(
        _ snapshot: DepartingSnapshot, to place: any ObjectPlace, isThorough: Bool, _ progress: SnapshotTaskProgress
    ) async throws -> SnapshotTaskResult {
        defer { end(snapshot.writer) }
        do {
            _ = try await effects.hold(snapshot, progress)
            removeLitter()
            try await effects.push(snapshot, to: place, isThorough: isThorough, progress)
        } catch  where error is UnreadableSnapshotPart || error is SnapshotStoreError || error is Errno {
            throw StorageError.unreadable(snapshot.id, error)
        } catch {
            throw StorageError.ofPlace(error)
        }
        return SnapshotTaskResult()
    }

    func startPull(_ request: SnapshotTaskRequest) async throws -> SnapshotTask {
        let place = try await effects.place(of: request)
        return try begin(.pull, at: place.location) { region, progress in
            try await region.takeIn(progress) { region, writer in
                do {
                    return try await region.pull(request, from: place, writer, progress)
                } catch {
                    throw StorageError.ofPlace(error)
                }
            }
        }
    }

    private func pull(
        _ request: SnapshotTaskRequest, from place: any ObjectPlace, _ writer: SnapshotWriter,
        _ progress: SnapshotTaskProgress
    ) async throws -> (ImportWish, SnapshotContent) {
        let found = try await effects.find(request.snapshotID?.rawValue, in: place, progress)
        let wish = try ImportWish(request, found.description)
        try checkImport(wish)
        return (wish, try await effects.pull(found.id, wish, from: place, writer, progress))
    }
}
