// Making, describing, tagging and deleting snapshots. How their bytes come into the store is the work of
// Region+SnapshotCopying.
//
// A snapshot is cut from its volume, then it has a row, then the answer goes out: exactly the writes that were
// acknowledged before the call are in it. A process that dies before the row leaves a cut that nobody was told of, and
// start-up gives it back.
import BlockStore
import Driver

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

extension Region {
    // MARK: Create

    /// Checks what is wanted, the token, the volumes, their limits, the names.
    func createSnapshots(_ request: CreateSnapshotsRequest) async throws -> [Snapshot] {
        try request.checkSources()
        try SnapshotLimits.checkDescription(request.description)
        for source in request.sources { try TagRules.check(source.tags) }
        return try await once(request) { region, token in
            let volumes = request.sources.map(\.volumeID).sorted().map { KeyedQueue.Key.volume($0) }
            return try await region.exclusively(volumes) { try await $0.cutAlone(request, token) }
        }
    }

    /// Nothing else happens to the volumes meanwhile.
    private func cutAlone(
        _ request: CreateSnapshotsRequest, _ token: SnapshotToken?
    ) async throws -> [SnapshotRecord] {
        let time = currentTime()
        try checkCount(adding: request.sources.count, in: configuration.name)
        var volumes: [VolumeRecord] = []
        for source in request.sources {
            let volume = try state.volume(source.volumeID)
            guard volume.state == .available else { throw StorageError.wrongState(volume.id, volume.reportedState) }
            try SnapshotLimits.check(
                oneMoreOf: volume, earlier: state.snapshots.snapshots(of: volume.id), at: time, configuration.snapshots)
            volumes.append(volume)
        }
        let names = try Self.nameKeys(request.sources.map(\.tags), in: configuration.name)
        let bases = volumes.map(likelyBase)
        let pinned = try Set(bases.compactMap { $0?.holder }).map { try state.snapshots.snapshot($0) }
        let keys = pinned.sorted { $0.number < $1.number }.map { KeyedQueue.Key.snapshot($0.id) }
        return try await exclusively(keys) { region in
            // What a snapshot counts from must be there until its row is.
            let usable = zip(volumes, bases).map { volume, base in region.likelyBase(volume) == base ? base : nil }
            return try await region.exclusively(names) {
                try await $0.cut(volumes, from: usable, request, at: time, token)
            }
        }
    }

    private func cut(
        _ volumes: [VolumeRecord], from bases: [CutBase?], _ request: CreateSnapshotsRequest, at time: Date,
        _ token: SnapshotToken?
    ) async throws -> [SnapshotRecord] {
        for source in request.sources {
            try state.snapshots.checkName(source.tags[Tag.name] ?? "", in: configuration.name)
        }
        let snapshots = zip(volumes, request.sources).map { volume, source in
            SnapshotRecord(
                number: nextSnapshotNumber(), id: newSnapshotID(), region: configuration.name,
                origin: .volume(volume.id), sizeGiB: volume.specification.sizeGiB, startTime: time,
                text: request.description, tags: source.tags, inheritedLineage: volume.origin?.lineage)
        }
        let cuts = try await effects.cut(
            zip(volumes, zip(snapshots, bases)).map { volume, cut in
                TrackedVolumes.CutRequest(volume: volume.fileName, cut: cut.0.id.rawValue, base: cut.1?.name)
            })
        do {
            try await keepNew(snapshots, token)
        } catch {
            for cut in cuts { await giveBack(cut) }
            throw error
        }
        for (snapshot, cut) in zip(snapshots, cuts) { beginCopying(.snapshot(snapshot.id), cut) }
        return snapshots
    }

    /// Commits the rows of new snapshots, and what refers to what else with them.
    func keepNew(
        _ snapshots: [SnapshotRecord], _ token: SnapshotToken?, with references: [CatalogChange] = []
    ) async throws {
        let answer = token.map { token in
            SnapshotTokenRecord(
                token: token.text, snapshots: snapshots.map(\.id), parameters: token.parameters, time: currentTime())
        }
        try await effects.commit(
            forgetExpiredTokens() + snapshots.map { .putSnapshot($0) } + references
                + (answer.map { [.putSnapshotToken($0)] } ?? []))
        for snapshot in snapshots { state.snapshots.put(snapshot) }
        if let answer { state.snapshotTokens[answer.token] = answer }
    }

    // MARK: What a cut counts from

    /// What a volume's changes are counted from, if everything is as usual, and its blocks are in the store, or will be.
    struct CutBase: Hashable, Sendable {
        /// As `TrackedVolumes` calls it.
        let name: String
        /// Who must not go meanwhile; nobody when the volume itself holds the base.
        let holder: SnapshotID?
    }

    /// The volume's last snapshot, or before its first one what it was made from. When changes are counted from
    /// something else, as after that snapshot's deletion, the cut finds out, and takes in everything.
    func likelyBase(_ volume: VolumeRecord) -> CutBase? {
        if let last = state.snapshots.snapshots(of: volume.id).max(by: { $0.number < $1.number }) {
            let isUsable = last.content != nil || last.state == .pending && !last.isDeletionWanted
            return isUsable ? CutBase(name: last.id.rawValue, holder: last.id) : nil
        }
        guard let origin = volume.origin, let manifest = origin.manifest else { return nil }
        if !origin.isRestored { return CutBase(name: manifest.hex, holder: nil) }
        guard case .snapshot(let source) = origin.source, state.snapshots.snapshots[source]?.content != nil else {
            return nil
        }
        return CutBase(name: manifest.hex, holder: source)
    }

    // MARK: Describe and tag

    func snapshots(_ query: SnapshotQuery) throws -> SnapshotPage {
        let page = try state.snapshots.page(query, in: configuration.name)
        return SnapshotPage(snapshots: page.items.map(report), nextToken: page.nextToken)
    }

    func report(_ snapshot: SnapshotRecord) -> Snapshot {
        snapshot.report(copiedPercent: work.cuts[.snapshot(snapshot.id)]?.progress.percent ?? 0)
    }

    func modifySnapshotTags(_ request: ModifySnapshotTagsRequest) async throws -> Snapshot {
        try TagRules.check(request.set)
        _ = try state.snapshots.snapshot(request.snapshotID)
        return try await exclusively(.snapshot(request.snapshotID)) { region in
            let snapshot = try region.state.snapshots.snapshot(request.snapshotID)
            let names = try Self.nameKeys([request.set], in: snapshot.region)
            return try await region.exclusively(names) { try await $0.setTags(request) }
        }
    }

    private func setTags(_ request: ModifySnapshotTagsRequest) async throws -> Snapshot {
        var snapshot = try state.snapshots.snapshot(request.snapshotID)
        for key in request.remove { snapshot.tags[key] = nil }
        snapshot.tags.merge(request.set) { _, new in new }
        try TagRules.checkCount(snapshot.tags.count)
        try state.snapshots.checkName(snapshot.name, in: snapshot.region, for: snapshot.id)
        try await effects.commit([.putSnapshot(snapshot)])
        state.snapshots.put(snapshot)
        return report(snapshot)
    }

    // MARK: Delete

    /// A `pending` one goes when its blocks are in the store or given up, any other at once. What it shares with
    /// nothing else is removed in the background.
    func deleteSnapshot(_ id: SnapshotID) async throws {
        if try state.snapshots.snapshot(id).state == .pending, try await wishGone(id) {
            await giveUpIfIdle(id)
            return
        }
        try await exclusively(.references) { region in
            try await region.exclusively(.snapshot(id)) { try await $0.deleteAlone(id) }
        }
        removeLitter()
    }

    /// One that nothing in the background will end ends now.
    private func giveUpIfIdle(_ id: SnapshotID) async {
        let reason = "It was deleted."
        if let upload = work.uploads.removeValue(forKey: id) {
            await giveUp(id, upload, reason)
        } else if work.jobs[.snapshot(id)] == nil {
            await giveUp(.snapshot(id), reason)
        }
    }

    /// False when it is not `pending` any more.
    private func wishGone(_ id: SnapshotID) async throws -> Bool {
        try await exclusively(.snapshot(id)) { region in
            var snapshot = try region.state.snapshots.snapshot(id)
            guard snapshot.state == .pending else { return false }
            _ = try snapshot.apply(.deletionBegan)
            try await region.effects.commit([.putSnapshot(snapshot)])
            region.state.snapshots.put(snapshot)
            region.stopCopyingUnlessNeeded(snapshot)
            return true
        }
    }

    private func deleteAlone(_ id: SnapshotID) async throws {
        var snapshot = try state.snapshots.snapshot(id)
        guard case .goes = try snapshot.apply(.deletionBegan) else {
            throw StorageError.wrongSnapshotState(snapshot.state)
        }
        try await takeAway(snapshot, holding: snapshot.content?.manifest)
    }

    // MARK: What is new

    /// An id that nothing in the region has.
    func newSnapshotID() -> SnapshotID {
        while true {
            let id = SnapshotID("snap-" + random.hexDigits(17))
            if state.snapshots.snapshots[id] == nil { return id }
        }
    }

    func checkCount(adding count: Int, in region: String) throws(StorageError) {
        let limit = SnapshotLimits.maximumPerRegion - count
        guard state.snapshots.snapshots.count > limit else { return }
        guard state.snapshots.snapshots.values.count(where: { $0.region == region }) <= limit else {
            throw .tooManySnapshots
        }
    }

    /// While these are held, nobody else can take the names that are among the tags of snapshots.
    static func nameKeys(
        _ tags: [[String: String]], in region: String
    ) throws(StorageError) -> [KeyedQueue.Key] {
        let names = tags.compactMap { $0[Tag.name] }.filter { !$0.isEmpty }.sorted()
        for (name, next) in zip(names, names.dropFirst()) where name == next { throw .snapshotNameTwice(name) }
        return names.map { .snapshotName($0, region: region) }
    }

    // MARK: Client tokens

    /// A request's token, and the request without it.
    struct SnapshotToken: Sendable {
        let text: String
        let parameters: String
    }

    /// Makes snapshots, or gives what the same request made before.
    func once(
        _ request: some ClientTokenRequest & Encodable & Sendable,
        _ make: @Sendable (isolated Region, SnapshotToken?) async throws -> [SnapshotRecord]
    ) async throws -> [Snapshot] {
        guard let text = request.clientToken, !text.isEmpty else { return try await make(self, nil).map(report) }
        try Self.checkLength(ofToken: text)
        let token = SnapshotToken(text: text, parameters: try Self.parameters(of: request))
        return try await exclusively(.token(text)) { region in
            if let answered = try region.earlierAnswer(token) { return answered }
            return try await make(region, token).map(region.report)
        }
    }

    private func earlierAnswer(_ token: SnapshotToken) throws(StorageError) -> [Snapshot]? {
        guard let record = state.snapshotTokens[token.text], !hasExpired(record.time) else { return nil }
        guard record.parameters == token.parameters else { throw .tokenMismatch }
        var snapshots: [Snapshot] = []
        for id in record.snapshots {
            guard let snapshot = state.snapshots.snapshots[id] else { throw .tokenOfDeleted(token.text, id) }
            snapshots.append(report(snapshot))
        }
        return snapshots
    }
}
