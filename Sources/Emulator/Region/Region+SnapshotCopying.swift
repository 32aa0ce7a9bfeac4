// How the bytes of a snapshot, or of a copy of a volume, come into the store, and how a snapshot ends.
//
// Each has a task. For one that was cut: the snapshot that it counts from ends first, then the blocks are copied on a
// thread for that, then the manifest is written, all of it made durable, its references are counted in batches, and one
// transaction completes the snapshot, or the volume, with the rest of them. Only then is the cut given back, and what
// was written may be removed again.
// When it cannot be completed, one transaction says so, and the volume that was cut goes on.
//
// What a pending snapshot counts from may be deleted meanwhile: the deletion hands its reference of the manifest to
// those that need it, in its own transaction.
import BlockStore
import Driver

extension Region {
    /// - Parameters:
    ///   - cut: nothing for a copy of another snapshot.
    ///   - writer: one that holds what an earlier process has copied.
    func beginCopying(_ target: CopyTarget, _ cut: Cut?, _ writer: SnapshotWriter? = nil) {
        let writer = writer ?? effects.snapshots.beginWriting()
        work.cuts[target] = cut
        work.jobs[target] = Task { await carryOut(target, cut, writer) }
    }

    private func carryOut(_ target: CopyTarget, _ cut: Cut?, _ writer: SnapshotWriter) async {
        do {
            let content = try await bringIn(target, cut, writer)
            switch target {
            case .snapshot(let id): try await complete(id, content)
            case .volume(let id): try await complete(id, content)
            }
            if let cut { await giveBack(cut) }
        } catch {
            // What is not done by then, the next process takes up.
            if work.end.isHere { return }
            logger.error("\(target) could not be completed: \(error)")
            await giveUp(target, "\(error)", cut)
        }
        work.cuts[target] = nil
        work.jobs[target] = nil
        end(writer, of: target)
    }

    /// If it is not at its end, that could not be written down, and the next start goes on with it: until then what it
    /// has stored is held.
    private func end(_ writer: SnapshotWriter, of target: CopyTarget) {
        if isUnended(target) { work.unended.append(writer) } else { end(writer) }
    }

    func isUnended(_ target: CopyTarget) -> Bool {
        switch target {
        case .snapshot(let id): state.snapshots.snapshots[id]?.state == .pending
        case .volume(let id): state.volumes[id]?.isBeingCopied ?? false
        }
    }

    private func bringIn(
        _ target: CopyTarget, _ cut: Cut?, _ writer: SnapshotWriter
    ) async throws -> SnapshotContent {
        guard let cut else {
            guard let manifest = try base(of: target) else { throw CutFailure.baseFailed }
            return try await effects.content(of: manifest)
        }
        if let base = cut.base { await work.jobs[.snapshot(SnapshotID(base))]?.value }
        try await work.preparation?.value
        let parent = try parent(of: target, cut)
        try await effects.copy(cut, into: writer)
        return try await effects.writeManifest(of: cut, over: parent, writer)
    }

    /// Whose blocks a cut has where its volume did not change.
    private func parent(of target: CopyTarget, _ cut: Cut) throws -> SnapshotParent? {
        guard let base = cut.base else { return nil }
        if let content = state.snapshots.snapshots[SnapshotID(base)]?.content {
            return SnapshotParent(manifest: content.manifest, fullSizeBytes: content.fullSizeBytes)
        }
        guard let manifest = try self.base(of: target) ?? Digest(hex: base) else { throw CutFailure.baseFailed }
        return SnapshotParent(manifest: manifest, fullSizeBytes: nil)
    }

    /// The manifest of which it counts as one reference meanwhile.
    private func base(of target: CopyTarget) throws -> Digest? {
        switch target {
        case .snapshot(let id): try state.snapshots.snapshot(id).base
        case .volume(let id): try state.volume(id).neededManifest
        }
    }

    // MARK: How it ends

    /// All blocks are in the store, durable.
    func complete(_ id: SnapshotID, _ content: SnapshotContent) async throws {
        try await countTree(of: content.manifest, check: work.end.check)
        try await exclusively(.references) { region in
            try await region.exclusively(.snapshot(id)) { try await $0.completeAlone(id, content) }
        }
        removeLitter()
    }

    private func completeAlone(_ id: SnapshotID, _ content: SnapshotContent) async throws {
        let former = try state.snapshots.snapshot(id)
        var snapshot = former
        guard case .stays = try snapshot.apply(.copied(content, at: currentTime())) else {
            // All that it brought is counted, and taken back like that of any snapshot.
            return try await takeAway(former, holding: content.manifest, coming: [content.manifest])
        }
        let references = try await effects.referenceChanges(
            coming: [content.manifest], going: [former.base].compactMap { $0 })
        try await effects.commit([.putSnapshot(snapshot)] + references)
        state.snapshots.put(snapshot)
    }

    /// It will never be completed. If even that cannot be written down, the next start finds out.
    func giveUp(_ target: CopyTarget, _ reason: String, _ cut: Cut? = nil) async {
        do {
            switch target {
            case .snapshot(let id): try await fail(id, reason)
            case .volume(let id): try await fail(id, reason)
            }
            guard let cut else { return }
            // Those that count from it must not go on, unless it was given up because there are none.
            if !cut.isCancelled { cut.fail(.refused(reason)) }
            let names = await names(in: cut)
            work.litter += names
            await giveBack(cut)
        } catch {
            logger.error("that \(target) failed could not be written down: \(error)")
        }
    }

    /// What it has put into the store. What cannot be told, the next start removes.
    private func names(in cut: Cut) async -> [Digest] {
        do {
            return try await effects.names(in: cut)
        } catch {
            logger.error("what was copied for \(cut.name) stays in the snapshot store until the next start: \(error)")
            return []
        }
    }

    private func fail(_ id: SnapshotID, _ reason: String) async throws {
        try await exclusively(.references) { region in
            try await region.exclusively(.snapshot(id)) { try await $0.failAlone(id, reason) }
        }
        removeLitter()
    }

    /// A cut that cannot be given back now is given back at the next start.
    func giveBack(_ cut: Cut) async {
        do {
            try await effects.finish(cut)
        } catch {
            logger.error("the space of the cut for \(cut.name) could not be given back: \(error)")
        }
    }

    private func failAlone(_ id: SnapshotID, _ reason: String) async throws {
        let former = try state.snapshots.snapshot(id)
        var snapshot = former
        guard case .stays = try snapshot.apply(.failed(at: currentTime(), reason: reason)) else {
            return try await takeAway(former)
        }
        let references = try await effects.referenceChanges(going: [former.base].compactMap { $0 })
        try await effects.commit([.putSnapshot(snapshot)] + references)
        state.snapshots.put(snapshot)
    }

    /// Removes a snapshot; those that count from it get a reference of its manifest each. The caller has the keys of
    /// the references and of the snapshot.
    ///
    /// - Parameters:
    ///   - manifest: what it refers to, besides its base.
    ///   - coming: that, if it does so only from now on.
    func takeAway(
        _ snapshot: SnapshotRecord, holding manifest: Digest? = nil, coming: [Digest] = []
    ) async throws {
        try await handOver(
            manifest, of: [snapshot.id.rawValue] + [manifest?.hex].compactMap { $0 }, coming: coming,
            going: [manifest, snapshot.base].compactMap { $0 }, with: [.deleteSnapshot(snapshot.number)])
        state.snapshots.remove(snapshot.id)
        state.fastRestores.removeAll { $0.snapshot == snapshot.id }
    }

    /// Gives references back, in one transaction with other changes. The pending snapshots that count from a manifest,
    /// and have no reference of their own, get one each. The caller has the key of the references.
    ///
    /// - Parameters:
    ///   - names: what the manifest is called as the base of a cut.
    ///   - coming: the manifests of which a reference comes before.
    ///   - going: the manifests of which a reference goes.
    func handOver(
        _ manifest: Digest?, of names: [String], coming: [Digest] = [], going: [Digest], with changes: [CatalogChange]
    ) async throws {
        let dependents = pending { names.contains($0) }
        try await exclusively(dependents.map { .snapshot($0) }) { region in
            var heirs: [SnapshotRecord] = []
            for id in dependents {
                // One that has ended meanwhile needs nothing any more.
                guard var heir = region.state.snapshots.snapshots[id], heir.state == .pending else { continue }
                heir.base = manifest
                heirs.append(heir)
            }
            let references = try await region.effects.referenceChanges(
                coming: coming + heirs.compactMap(\.base), going: going)
            try await region.effects.commit(changes + heirs.map { .putSnapshot($0) } + references)
            for heir in heirs { region.state.snapshots.put(heir) }
        }
    }

    /// The pending snapshots that count from what is called so, and have no reference of it; the oldest first.
    private func pending(countingFrom isBase: (String) -> Bool) -> [SnapshotID] {
        let found = work.cuts.compactMap { target, cut -> SnapshotRecord? in
            guard case .snapshot(let id) = target, let base = cut.base, isBase(base) else { return nil }
            return state.snapshots.snapshots[id].flatMap { $0.base == nil ? $0 : nil }
        }
        return found.sorted { $0.number < $1.number }.map(\.id)
    }

    /// Ends the copying for a snapshot that nobody wants any more, unless another one counts from it.
    func stopCopyingUnlessNeeded(_ snapshot: SnapshotRecord) {
        if pending(countingFrom: { $0 == snapshot.id.rawValue }).isEmpty {
            work.cuts[.snapshot(snapshot.id)]?.cancel()
        }
    }
}
