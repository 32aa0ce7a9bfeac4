// The region's answers to questions.
import Driver
import SystemPackage

extension Region {
    func zones() -> [Zone] {
        configuration.zones.sorted().map { Zone(name: $0, region: configuration.name) }
    }

    func instances() -> [Instance] {
        state.instances.values.sorted { $0.id < $1.id }.map(report)
    }

    func volumes(_ query: VolumeQuery) throws -> VolumePage {
        try checkPaging(maxResults: query.maxResults, ids: query.ids, set: "volumesSet")
        let page = ListingPage(try candidates(of: query), limit: query.maxResults, place: \.place)
        return VolumePage(volumes: page.items.map(report), nextToken: page.nextToken)
    }

    /// What matches, in the listing's order, from the page's start on.
    private func candidates(of query: VolumeQuery) throws -> [VolumeRecord] {
        let start = try query.nextToken.map(ListingPlace<Volume>.init(token:))
        guard !query.ids.isEmpty || !query.names.isEmpty || query.instanceID != nil else {
            return state.listed(after: start)
        }
        return try narrowed(by: query)
            .filter { volume in start.map { $0 < volume.place } ?? true }
            .sorted { $0.place < $1.place }
    }

    /// Begins with the smallest set that an index gives, and checks the other fields on it.
    private func narrowed(by query: VolumeQuery) throws -> [VolumeRecord] {
        var found: [VolumeRecord]
        if !query.ids.isEmpty {
            found = try Set(query.ids).map { try state.volume($0) }
        } else if !query.names.isEmpty {
            found = Set(query.names).compactMap { state.volume(named: $0) }
        } else {
            found = query.instanceID.map(state.volumes(on:)) ?? []
        }
        if !query.ids.isEmpty, !query.names.isEmpty {
            let names = Set(query.names)
            found = found.filter { names.contains($0.name) }
        }
        if let instance = query.instanceID {
            found = found.filter { $0.attachments.contains { $0.instance == instance } }
        }
        return found
    }

    // MARK: Values of the protocol

    func report(_ volume: VolumeRecord) -> Volume {
        let specification = volume.specification
        return Volume(
            id: volume.id, zone: volume.zone, state: volume.reportedState, stateMessage: volume.failure,
            type: specification.type,
            sizeGiB: specification.sizeGiB, iops: specification.iops,
            throughputMiBps: specification.throughputMiBps, snapshotID: volume.origin?.snapshotID,
            sourceVolumeID: volume.origin?.volumeID,
            volumeInitializationRateMiBps: volume.origin?.initializationRateMiBps,
            isFastRestored: volume.origin.flatMap { $0.snapshotID == nil ? nil : $0.isFastRestored },
            initialization: initialization(of: volume), isMultiAttachEnabled: volume.isMultiAttachEnabled,
            createTime: volume.createTime, attachments: volume.attachments.map { report($0, of: volume) },
            tags: volume.tags)
    }

    func report(_ attachment: AttachmentRecord, of volume: VolumeRecord) -> Attachment {
        Attachment(
            volumeID: volume.id, instanceID: attachment.instance, device: attachment.device,
            state: attachment.state.reported, attachTime: attachment.attachTime,
            location: attachment.state == .attached ? location(of: attachment, zone: volume.zone) : nil)
    }

    private func location(of attachment: AttachmentRecord, zone: ZoneName) -> BlockLocation {
        let path = configuration.mountPoint.appending(zone.rawValue).appending(attachment.instance.rawValue)
            .appending(attachment.device.leaf)
        return .file(path: path.string)
    }

    func report(_ instance: InstanceRecord) -> Instance {
        Instance(
            id: instance.id, zone: instance.zone, region: configuration.name, name: instance.name,
            type: instance.type?.name, state: .running, providerName: EmulatorDriver.name)
    }
}
