// Volumes: found, made, named, deleted.
import Driver

extension EC2Driver {
    public func describeVolumes(_ query: VolumeQuery) async throws -> VolumePage {
        try checkPaging(maxResults: query.maxResults, ids: query.ids, set: "volumesSet")
        let start = try query.nextToken.map(ListingPlace<Volume>.init(token:))
        let page = ListingPage(try await volumes(query), limit: query.maxResults, after: start, place: \.place)
        return VolumePage(volumes: try await withInitialization(Array(page.items)), nextToken: page.nextToken)
    }

    /// All that match, in any order.
    private func volumes(_ query: VolumeQuery) async throws -> [Volume] {
        guard query.ids.isEmpty else {
            let found = try await known(query.ids)
            return found.filter { volume in
                (query.names.isEmpty || query.names.contains(volume.name))
                    && (query.instanceID.map { volume.attachments.map(\.instanceID).contains($0) } ?? true)
            }
        }
        var filters = translator.scopeFilters
        if !query.names.isEmpty { filters.append(Filter("tag:\(Tag.name)", exactly: query.names)) }
        if let instance = query.instanceID {
            filters.append(Filter("attachment.instance-id", exactly: [instance.rawValue]))
        }
        return try await volumes(filters)
    }

    func volumes(_ filters: [Filter]) async throws -> [Volume] {
        let items = try await allPages { token in
            let answer = try await client.send(
                DescribeVolumes(filter: filters, maxResults: client.limits.idsPerCall, nextToken: token))
            return (answer.volumeSet, answer.nextToken)
        }
        return items.filter(\.isThere).map(translator.volume)
    }

    private func known(_ ids: [VolumeID]) async throws -> [Volume] {
        for id in ids where !id.isWellFormedVolumeID { throw StorageError.malformedVolumeID(id) }
        let found = try await volumeBatches.items(ids.map(\.rawValue))
            .filter { $0.isThere && translator.isInScope($0.tagSet) }
        if let missing = Set(ids.map(\.rawValue)).subtracting(found.map(\.volumeId)).min() {
            throw StorageError.volumeNotFound(VolumeID(missing))
        }
        return found.map(translator.volume)
    }

    /// The caller's, or one that nobody has.
    func token(of request: some ClientTokenRequest) -> String {
        if request.hasClientToken, let token = request.clientToken { return token }
        return "ebb-" + client.random.hexDigits(32)
    }

    /// Refuses what belongs to others of the account, where that is shared.
    func requireInScope(_ ids: [VolumeID]) async throws {
        if translator.scope != nil { _ = try await known(ids) }
    }

    /// As EC2 knows it now; `nil` for what it does not know, or not yet.
    func look(at id: VolumeID) async throws -> Volume? {
        try await volumeBatches.item(id.rawValue).flatMap { $0.isThere ? translator.volume($0) : nil }
    }

    /// - Throws: `InvalidVolume.NotFound`.
    func volume(_ id: VolumeID) async throws -> Volume {
        guard let volume = try await known([id]).first else { throw StorageError.volumeNotFound(id) }
        return volume
    }

    /// Refuses a snapshot that belongs to others of the account, where that is shared.
    func requireInScope(_ id: SnapshotID, _ client: EC2Client) async throws {
        guard translator.scope != nil else { return }
        let found = try await client.send(DescribeSnapshots(snapshotId: [id.rawValue]), on: id).snapshotSet
        guard found.contains(where: { translator.isInScope($0.tagSet) }) else {
            throw StorageError.snapshotNotFound(id)
        }
    }

    /// Whoever changed these would lose what they belong to.
    func refuseOwnTags(_ keys: Set<String>) throws {
        let own = Set([OwnTag.clientToken, translator.scope?.key].compactMap { $0 })
        guard let key = own.intersection(keys).min() else { return }
        throw StorageError(
            .invalidParameterValue, "The tag '\(key)' is the driver's own.", advice: "choose another key")
    }

    // MARK: Making

    public func createVolume(_ request: CreateVolumeRequest) async throws -> Volume {
        let name = request.tags[Tag.name] ?? ""
        guard !name.isEmpty else { return try await make(request) }
        return try await locks.withLock(.volume(name)) {
            let holder = try await self.holder(of: name, unlessMadeWith: request.clientToken)
            if let holder { throw StorageError.volumeNameTaken(name, by: holder.id, in: holder.zone) }
            let volume = try await self.make(request)
            try await self.concede(name, volume)
            return volume
        }
    }

    /// Who has the name, unless it is the volume that an earlier call with this token made.
    private func holder(of name: String, unlessMadeWith token: String?) async throws -> Volume? {
        let filters = [Filter("tag:\(Tag.name)", exactly: [name])] + translator.scopeFilters
        let answer = try await client.send(DescribeVolumes(filter: filters))
        let others = answer.volumeSet.filter { item in
            let own = item.tagSet.byKey[OwnTag.clientToken]
            return item.isThere && (own == nil || own != token)
        }
        return others.map(translator.volume).min { $0.place < $1.place }
    }

    private func make(_ request: CreateVolumeRequest) async throws -> Volume {
        try refuseOwnTags(Set(request.tags.keys))
        if let snapshot = request.snapshotID { try await requireInScope(snapshot, client) }
        let token = token(of: request)
        let tags = translator.allTags(request.tags, token: request.hasClientToken ? token : nil)
        let specification = TagSpecification.all("volume", tags)
        let item =
            if let source = request.sourceVolumeID {
                try await copy(source, request, token, specification)
            } else {
                try await client.send(
                    CreateVolume(request, token: token, key: volumeKey, specification), on: request.snapshotID)
            }
        // A copy may take long, and its maker need not wait.
        let volume =
            request.sourceVolumeID == nil ? try await whenMade(VolumeID(item.volumeId)) : translator.volume(item)
        return try await withInitialization([volume])[0]
    }

    private func copy(
        _ source: VolumeID, _ request: CreateVolumeRequest, _ token: String, _ tags: [TagSpecification]
    ) async throws -> VolumeItem {
        let original = try await volume(source)
        guard original.zone == request.zone else {
            throw StorageError(
                .zoneMismatch, "The volume '\(source)' is in \(original.zone), its copy cannot be in \(request.zone)")
        }
        let answer = try await client.send(
            CopyVolumes(
                clientToken: token, iops: request.iops, multiAttachEnabled: request.isMultiAttachEnabled ? true : nil,
                size: request.sizeGiB, sourceVolumeId: source.rawValue, tagSpecification: tags,
                throughput: request.throughputMiBps, volumeType: request.type?.name))
        guard let item = answer.volumeSet.first else {
            throw StorageError(.internalError, "\(client.endpoint) does not say what volume the copy is")
        }
        return item
    }

    private func whenMade(_ id: VolumeID) async throws -> Volume {
        let volume = try await patience.wait(
            for: "volume '\(id)' to be made", atMost: client.limits.waitTime, advice: "look at it before you repeat it"
        ) {
            let volume = try await look(at: id)
            return volume?.state == .creating ? nil : volume
        }
        try volume.requireSound()
        return volume
    }

    /// Of two that took one name at once, by two daemons, the first keeps it.
    private func concede(_ name: String, _ volume: Volume) async throws {
        let holders = try await volumes([Filter("tag:\(Tag.name)", exactly: [name])] + translator.scopeFilters)
        guard let first = holders.filter({ $0.place < volume.place }).min(by: { $0.place < $1.place }) else { return }
        try await deleteVolume(volume.id)
        throw StorageError.volumeNameTaken(name, by: first.id, in: first.zone)
    }

    // MARK: Changing and deleting

    public func modifyTags(_ request: ModifyTagsRequest) async throws -> Volume {
        let id = request.volumeID
        try refuseOwnTags(Set(request.set.keys).union(request.remove))
        let volume = try await volume(id)
        guard let name = request.set[Tag.name], !name.isEmpty, name != volume.name else {
            return try await setTags(of: volume, request)
        }
        return try await locks.withLock(.volume(name)) {
            if let holder = try await self.holder(of: name, unlessMadeWith: nil), holder.id != id {
                throw StorageError.volumeNameTaken(name, by: holder.id, in: holder.zone)
            }
            return try await self.setTags(of: volume, request)
        }
    }

    private func setTags(of volume: Volume, _ request: ModifyTagsRequest) async throws -> Volume {
        try await client.setTags(of: volume.id.rawValue, request.set, remove: request.remove)
        let tags = volume.tags.changed(setting: request.set, removing: request.remove)
        let seen = try await patience.seen { try await look(at: volume.id).flatMap { $0.tags == tags ? $0 : nil } }
        if let seen { return seen }
        return try await self.volume(volume.id)
    }

    public func deleteVolume(_ id: VolumeID) async throws {
        let volume = try await volumeToDelete(id)
        do {
            try await client.sendUntilDone(DeleteVolume(volumeId: id.rawValue)) { $0.code == .volumeNotFound }
        } catch let error as StorageError where error.code == .volumeInUse {
            throw inUse(error, volume)
        }
        try await patience.waitUntilSeen { try await look(at: id) == nil }
    }

    private func volumeToDelete(_ id: VolumeID) async throws -> Volume {
        guard id.isWellFormedVolumeID else {
            throw StorageError.malformedVolumeIDToDelete(id)
        }
        return try await volume(id)
    }

    /// EC2's text, and what it leaves out.
    func inUse(_ error: StorageError, _ volume: Volume?) -> StorageError {
        guard let volume, !volume.attachments.isEmpty else { return error }
        return StorageError(
            error.code, error.message, cause: "it is attached to \(volume.holders)", advice: "detach it first")
    }
}

extension EC2Client {
    func setTags(of id: String, _ set: [String: String], remove: Set<String>) async throws {
        if !set.isEmpty { _ = try await send(CreateTags(resourceId: [id], tag: .sorted(set))) }
        if !remove.isEmpty {
            _ = try await send(DeleteTags(resourceId: [id], tag: remove.sorted().map { .init(key: $0) }))
        }
    }
}

extension VolumeItem {
    /// One that is being deleted is listed for a while.
    var isThere: Bool { status != "deleting" && status != "deleted" }
}

extension Volume {
    /// To whom it is attached, for people.
    var holders: String { attachments.map { "\($0.instanceID) as \($0.device)" }.joined(separator: ", ") }

    var place: ListingPlace<Volume> { ListingPlace(time: createTime, id: id) }
}

extension CreateVolume {
    init(_ request: CreateVolumeRequest, token: String, key: String? = nil, _ tags: [TagSpecification]) {
        self.init(
            availabilityZone: request.zone.rawValue, clientToken: token,
            encrypted: request.isEncrypted ? true : nil, iops: request.iops, kmsKeyId: request.isEncrypted ? key : nil,
            multiAttachEnabled: request.isMultiAttachEnabled ? true : nil, size: request.sizeGiB,
            snapshotId: request.snapshotID?.rawValue, tagSpecification: tags, throughput: request.throughputMiBps,
            volumeInitializationRate: request.volumeInitializationRateMiBps, volumeType: request.type?.name)
    }
}
