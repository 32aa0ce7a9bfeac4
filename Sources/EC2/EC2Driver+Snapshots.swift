// Snapshots. EC2 has no client tokens for them: what was asked for is found again by a tag that holds the token.
import Driver

extension EC2Driver {
    public func describeSnapshots(_ query: SnapshotQuery) async throws -> SnapshotPage {
        try checkPaging(maxResults: query.maxResults, ids: query.ids, set: "snapshotSet")
        for id in query.ids where !id.isWellFormedSnapshotID { throw StorageError.malformedSnapshotID(id) }
        let start = try query.nextToken.map(ListingPlace<Snapshot>.init(token:))
        let region = query.region ?? translator.region
        let found = try await snapshots(query, in: region).filter { $0.matches(query) }
        let page = ListingPage(found, limit: query.maxResults, after: start, place: \.place)
        return SnapshotPage(snapshots: Array(page.items), nextToken: page.nextToken)
    }

    private func snapshots(_ query: SnapshotQuery, in region: String) async throws -> [Snapshot] {
        let client = try client(of: region)
        guard query.ids.isEmpty else {
            let answer = try await client.send(
                DescribeSnapshots(snapshotId: query.ids.map(\.rawValue)), on: query.ids[0])
            return try inScope(answer.snapshotSet, all: query.ids).map { translator.snapshot($0, in: region) }
        }
        var filters = translator.scopeFilters
        if !query.names.isEmpty { filters.append(Filter("tag:\(Tag.name)", exactly: query.names)) }
        if !query.volumeIDs.isEmpty {
            filters.append(Filter("volume-id", exactly: query.volumeIDs.map(\.rawValue)))
        }
        filters += query.tags.sorted { $0.key < $1.key }.map { Filter("tag:\($0.key)", exactly: [$0.value]) }
        return try await own(filters, of: client)
    }

    private func inScope(_ items: [SnapshotItem], all ids: [SnapshotID]) throws -> [SnapshotItem] {
        let found = items.filter { translator.isInScope($0.tagSet) }
        if let missing = Set(ids.map(\.rawValue)).subtracting(found.map(\.snapshotId)).min() {
            throw StorageError.snapshotNotFound(SnapshotID(missing))
        }
        return found
    }

    /// Of this account, not those that others let it use.
    private func own(_ filters: [Filter], of client: EC2Client) async throws -> [Snapshot] {
        let items = try await allPages { token in
            let answer = try await client.send(
                DescribeSnapshots(
                    owner: ["self"], filter: filters, maxResults: client.limits.idsPerCall, nextToken: token))
            return (answer.snapshotSet, answer.nextToken)
        }
        return items.map { translator.snapshot($0, in: client.region) }
    }

    /// `nil` for what EC2 does not know, or not yet.
    private func look(at id: SnapshotID, _ client: EC2Client) async throws -> Snapshot? {
        do {
            let answer = try await client.send(DescribeSnapshots(snapshotId: [id.rawValue]))
            return answer.snapshotSet.first.map { translator.snapshot($0, in: client.region) }
        } catch let error as StorageError where error.code == .snapshotNotFound {
            return nil
        }
    }

    // MARK: Making

    public func createSnapshots(_ request: CreateSnapshotsRequest) async throws -> [Snapshot] {
        try request.checkSources()
        for source in request.sources { try refuseOwnTags(Set(source.tags.keys)) }
        try await requireInScope(request.sources.map(\.volumeID))
        let names = request.sources.compactMap { $0.tags[Tag.name] }.filter { !$0.isEmpty }
        if let twice = names.first(where: { name in names.count { $0 == name } > 1 }) {
            throw StorageError.snapshotNameTwice(twice)
        }
        let claims = names.sorted().map { Claim.snapshot($0, region: translator.region) }
        let made = try await making(request, claims, client) { token in
            try await self.send(request, token)
        } isSame: { found in
            Set(found.map(\.volumeID)) == Set(request.sources.map(\.volumeID))
                && found.allSatisfy { $0.description == request.description }
        }
        return try await named(made, request.sources).inOrder(of: request.sources.map(\.volumeID))
    }

    public func copySnapshot(_ request: CopySnapshotRequest) async throws -> Snapshot {
        let destination = request.destinationRegion ?? translator.region
        let source = request.sourceRegion ?? translator.region
        let client = try client(of: destination)
        let sourceClient = try self.client(of: source)
        try refuseOwnTags(Set(request.tags.keys))
        try await requireInScope(request.sourceSnapshotID, sourceClient)
        let name = request.tags[Tag.name] ?? ""
        let claims = name.isEmpty ? [] : [Claim.snapshot(name, region: destination)]
        let made = try await making(request, claims, client) { token in
            var copy = CopySnapshot(
                destinationRegion: destination, sourceRegion: source,
                sourceSnapshotId: request.sourceSnapshotID.rawValue)
            copy.presignedUrl = try await sourceClient.presignedURL(of: copy)
            copy.description = request.description ?? "[Copied \(request.sourceSnapshotID) from \(source)]"
            copy.tagSpecification = TagSpecification.all(
                "snapshot", self.translator.allTags(request.tags, token: token))
            let answer = try await client.send(copy, on: request.sourceSnapshotID)
            return [try await self.whenListed(SnapshotID(answer.snapshotId), client)]
        } isSame: {
            $0.count == 1
        }
        if destination != translator.region {
            regionsOfCopies.withLock { regions in for copy in made { regions[copy.id] = destination } }
        }
        return made[0]
    }

    private func whenListed(_ id: SnapshotID, _ client: EC2Client) async throws -> Snapshot {
        try await patience.wait(for: "snapshot '\(id)' to be listed", atMost: client.limits.waitTime) {
            try await look(at: id, client)
        }
    }

    /// Makes snapshots once, while nobody else here can take their names.
    ///
    /// - Parameters:
    ///   - send: asks EC2, with the token that the snapshots are to have.
    ///   - isSame: whether snapshots with this token are what is asked for.
    private func making(
        _ request: some ClientTokenRequest, _ claims: [Claim], _ client: EC2Client,
        send: @escaping @Sendable (String) async throws -> [Snapshot],
        isSame: @escaping @Sendable ([Snapshot]) -> Bool
    ) async throws -> [Snapshot] {
        let token = token(of: request)
        let isRepeated = request.hasClientToken
        return try await holding([.token(token)] + claims) {
            if isRepeated {
                let found = try await self.made(with: token, client)
                guard found.isEmpty || isSame(found) else { throw StorageError.tokenMismatch }
                if !found.isEmpty { return found }
            }
            try await self.requireFree(claims, client)
            let made: [Snapshot]
            do {
                made = try await send(token)
            } catch let lost as UncertainCall {
                let advice = "the snapshot may have been made; look for tag \(OwnTag.clientToken)=\(token)"
                return try await self.patience.resolve(lost, advice: advice) {
                    let found = try await self.made(with: token, client)
                    return isSame(found) ? found : nil
                }
            }
            // Until EC2 lists them by their tags, nobody else is to ask for the same.
            try await self.patience.waitUntilSeen { isSame(try await self.made(with: token, client)) }
            return made
        }
    }

    private func holding<Result: Sendable>(
        _ claims: [Claim], _ body: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        guard let first = claims.first else { return try await body() }
        return try await locks.withLock(first) { try await self.holding(Array(claims.dropFirst()), body) }
    }

    private func made(with token: String, _ client: EC2Client) async throws -> [Snapshot] {
        try await own([Filter("tag:\(OwnTag.clientToken)", exactly: [token])] + translator.scopeFilters, of: client)
    }

    private func requireFree(_ claims: [Claim], _ client: EC2Client) async throws {
        for case .snapshot(let name, _) in claims {
            let filters = [Filter("tag:\(Tag.name)", exactly: [name])] + translator.scopeFilters
            guard let holder = try await own(filters, of: client).first else { continue }
            throw StorageError.snapshotNameTaken(name, by: holder.id, in: holder.region)
        }
    }

    private func send(_ request: CreateSnapshotsRequest, _ token: String) async throws -> [Snapshot] {
        if request.sources.count == 1, let source = request.sources.first {
            let item = try await client.send(
                CreateSnapshot(
                    description: request.description.isEmpty ? nil : request.description,
                    tagSpecification: TagSpecification.all(
                        "snapshot", translator.allTags(source.tags, token: token)),
                    volumeId: source.volumeID.rawValue))
            return [translator.snapshot(item)]
        }
        return try await sendTogether(request, token)
    }

    /// EC2 takes snapshots of all volumes of an instance, but for those that are excluded.
    private func sendTogether(_ request: CreateSnapshotsRequest, _ token: String) async throws -> [Snapshot] {
        let ids = request.sources.map(\.volumeID)
        let instance = try await commonInstance(of: ids)
        let others = Set(instance.blockDeviceMapping.compactMap { $0.ebs?.volumeId }).subtracting(ids.map(\.rawValue))
        let root = instance.blockDeviceMapping.first { $0.deviceName == instance.rootDeviceName }?.ebs?.volumeId
        let answer = try await client.send(
            CreateSnapshots(
                description: request.description.isEmpty ? nil : request.description,
                instanceSpecification: .init(
                    excludeBootVolume: root.map { others.contains($0) },
                    excludeDataVolumeId: others.filter { $0 != root }.sorted(), instanceId: instance.instanceId),
                tagSpecification: TagSpecification.all("snapshot", translator.allTags([:], token: token))))
        return answer.snapshotSet.map { translator.snapshot($0) }
    }

    private func commonInstance(of ids: [VolumeID]) async throws -> InstanceItem {
        let volumes = try await describeVolumes(VolumeQuery(ids: ids)).volumes
        let common = volumes.map { Set($0.attachments.map(\.instanceID)) }.reduce(nil) { common, instances in
            common?.intersection(instances) ?? instances
        }
        guard let id = common?.min(), let instance = try await instanceBatches.item(id.rawValue) else {
            throw StorageError(
                .unsupportedOperation, "EC2 takes snapshots of several volumes at one instant only on one instance.",
                cause: "the volumes \(ids.map(\.rawValue).joined(separator: ", ")) have none in common",
                advice: "attach all of them to one instance")
        }
        return instance
    }

    /// EC2 gives one set of tags to all; each has its own, which come afterwards.
    private func named(
        _ snapshots: [Snapshot], _ sources: [CreateSnapshotsRequest.Source]
    ) async throws -> [Snapshot] {
        var named: [Snapshot] = []
        for var snapshot in snapshots {
            let tags = sources.first { $0.volumeID == snapshot.volumeID }?.tags ?? [:]
            guard tags.contains(where: { snapshot.tags[$0.key] != $0.value }) else {
                named.append(snapshot)
                continue
            }
            try await client.setTags(of: snapshot.id.rawValue, tags, remove: [])
            snapshot.tags.merge(tags) { $1 }
            named.append(snapshot)
        }
        return named
    }

    // MARK: Changing and deleting

    public func modifySnapshotTags(_ request: ModifySnapshotTagsRequest) async throws -> Snapshot {
        let id = request.snapshotID
        try refuseOwnTags(Set(request.set.keys).union(request.remove))
        let query = SnapshotQuery(ids: [id])
        guard let snapshot = try await describeSnapshots(query).snapshots.first else {
            throw StorageError.snapshotNotFound(id)
        }
        let name = request.set[Tag.name] ?? ""
        let claims = name.isEmpty || name == snapshot.name ? [] : [Claim.snapshot(name, region: translator.region)]
        return try await holding(claims) {
            try await self.requireFree(claims, self.client)
            try await self.client.setTags(of: id.rawValue, request.set, remove: request.remove)
            let tags = snapshot.tags.changed(setting: request.set, removing: request.remove)
            let seen = try await self.patience.seen {
                try await self.look(at: id, self.client).flatMap { $0.tags == tags ? $0 : nil }
            }
            if let seen { return seen }
            guard let changed = try await self.look(at: id, self.client) else {
                throw StorageError.snapshotNotFound(id)
            }
            return changed
        }
    }

    public func deleteSnapshot(_ id: SnapshotID) async throws {
        guard id.isWellFormedSnapshotID else { throw StorageError.malformedSnapshotID(id) }
        let client = try client(of: regionsOfCopies.withLock { $0[id] } ?? translator.region)
        let listed = try await client.send(DescribeSnapshots(snapshotId: [id.rawValue]), on: id)
        _ = try inScope(listed.snapshotSet, all: [id])
        try await client.sendUntilDone(DeleteSnapshot(snapshotId: id.rawValue)) { $0.code == .snapshotNotFound }
        regionsOfCopies.withLock { $0[id] = nil }
        try await patience.waitUntilSeen { try await look(at: id, client) == nil }
    }
}

extension Snapshot {
    var place: ListingPlace<Snapshot> { ListingPlace(time: startTime, id: id) }

    /// For what EC2's filters have not decided.
    fileprivate func matches(_ query: SnapshotQuery) -> Bool {
        (query.names.isEmpty || query.names.contains(name))
            && (query.volumeIDs.isEmpty || query.volumeIDs.contains(volumeID))
            && (query.states.isEmpty || query.states.contains(state))
            && query.tags.allSatisfy { tags[$0.key] == $0.value }
    }
}

extension [Snapshot] {
    fileprivate func inOrder(of volumes: [VolumeID]) -> [Snapshot] {
        volumes.compactMap { id in first { $0.volumeID == id } }
    }
}
