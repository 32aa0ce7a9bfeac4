// Imports: a snapshot out of a file.
//
// Objects come first, each verified; then, when the file has been seen to its end and all is durable, one transaction
// makes the snapshot and counts its references. Until then nobody can see anything of it. An import that ends early
// leaves what it has stored for an hour, so that the next one is quick; a start removes it, and so does a full disk.
import BlockStore
import Driver

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

extension Region {
    /// How long what unfinished imports have stored stays.
    private static let leftoverTime = SnapshotTasks.retention

    func startImport(_ request: SnapshotTaskRequest) async throws -> SnapshotTask {
        let (file, description) = try await effects.openImport(at: try Self.path(of: request))
        return try await closingIfRefused(file) { try $0.beginImport(request, file, description) }
    }

    private func beginImport(
        _ request: SnapshotTaskRequest, _ file: ArchiveFile, _ description: SnapshotDescription
    ) throws -> SnapshotTask {
        let wish: ImportWish
        do {
            wish = try ImportWish(request, description)
        } catch let error as MalformedDescription {
            throw StorageError.invalidFile(file.path, "\(error)")
        }
        try checkImport(wish)
        return try begin(.import, at: file.path.string) { region, progress in
            try await region.closing(file) { region in
                try await region.takeIn(progress) { region, writer in
                    (wish, try await region.effects.bringIn(file, wish, writer, progress))
                }
            }
        }
    }

    func checkImport(_ wish: ImportWish) throws(StorageError) {
        try checkCount(adding: 1, in: configuration.name)
        try state.snapshots.checkName(wish.tags[Tag.name] ?? "", in: configuration.name)
    }

    /// Brings a snapshot's objects into the store, then makes it.
    func takeIn(
        _ progress: SnapshotTaskProgress,
        _ bringIn: (isolated Region, SnapshotWriter) async throws -> (ImportWish, SnapshotContent)
    ) async throws -> SnapshotTaskResult {
        let writer = effects.snapshots.beginWriting()
        defer { end(writer) }
        do {
            try await work.preparation?.value
            let (wish, content) = try await bringIn(self, writer)
            try await countTree(of: content.manifest, check: progress.check)
            let names = try Self.nameKeys([wish.tags], in: configuration.name)
            let id = try await exclusively([.references] + names) { try await $0.keep(wish, content) }
            return SnapshotTaskResult(snapshotID: id)
        } catch {
            leave(until: (error as? StorageError)?.code == .insufficientCapacity ? nil : Self.leftoverTime)
            if let error = error as? SnapshotStoreError { throw StorageError.notStored(error) }
            throw error
        }
    }

    private func keep(_ wish: ImportWish, _ content: SnapshotContent) async throws -> SnapshotID {
        try checkImport(wish)
        var snapshot = SnapshotRecord(
            number: nextSnapshotNumber(), id: newSnapshotID(), region: configuration.name,
            origin: .imported(wish.description.volumeID), sizeGiB: wish.description.volumeSizeGiB,
            startTime: wish.description.startTime, text: wish.text, tags: wish.tags)
        _ = try snapshot.apply(.copied(content, at: currentTime()))
        let references = try await effects.referenceChanges(coming: [content.manifest])
        try await effects.commit([.putSnapshot(snapshot)] + references)
        state.snapshots.put(snapshot)
        return snapshot.id
    }

    // MARK: What was left

    /// - Parameter time: `nil`: not at all.
    private func leave(until time: Duration?) {
        if let time {
            work.leftoverEnd = work.leftoverEnd ?? currentTime().adding(milliseconds: time.wholeMilliseconds)
        } else {
            work.leftoverEnd = nil
            sweepStore()
        }
    }

    /// Removes what unfinished imports have left, when its time has come.
    func endLeftovers() {
        guard let end = work.leftoverEnd, end <= currentTime() else { return }
        work.leftoverEnd = nil
        sweepStore()
    }

    /// Removes what nothing refers to, in the background.
    private func sweepStore() {
        work.sweep = Task { [earlier = work.sweep] in
            await earlier?.value
            do {
                try await work.preparation?.value
                let count = try await effects.removeUnreferenced(check: work.end.check)
                logger.notice("\(count) objects that imports had left are removed from the snapshot store")
            } catch {
                if !work.end.isHere { logger.error("what imports had left could not be removed: \(error)") }
            }
        }
    }
}

/// What an import or a pull is to become.
struct ImportWish: Sendable {
    let description: SnapshotDescription
    let text: String
    let tags: [String: String]

    /// - Throws: `MalformedDescription` for one that no snapshot may have; the request's own faults as `StorageError`.
    init(_ request: SnapshotTaskRequest, _ description: SnapshotDescription) throws {
        self.description = description
        do {
            try SnapshotLimits.checkDescription(description.description)
            try TagRules.check(description.tags)
        } catch {
            throw MalformedDescription(reason: error.message)
        }
        text = request.description ?? description.description
        var tags = description.tags
        if let name = request.name { tags[Tag.name] = name.isEmpty ? nil : name }
        self.tags = tags
        try SnapshotLimits.checkDescription(text)
        try TagRules.check(tags)
    }
}
