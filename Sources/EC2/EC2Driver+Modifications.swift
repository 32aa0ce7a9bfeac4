// Volumes that change their size, type and performance.
import Driver

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

extension EC2Driver {
    public func modifyVolume(_ request: ModifyVolumeRequest) async throws -> VolumeModification {
        let before = try await modifiable(request.volumeID)
        let earlier = try await latestModification(of: before.volumeId)
        let action = ModifyVolume(
            iops: request.iops, multiAttachEnabled: request.isMultiAttachEnabled, size: request.sizeGiB,
            throughput: request.throughputMiBps, volumeId: request.volumeID.rawValue, volumeType: request.type?.name)
        let item: ModificationItem
        do {
            item = try await client.send(action).volumeModification
        } catch let lost as UncertainCall {
            // A repeated one would be a further one.
            let advice = "volume '\(before.volumeId)' may have been modified; look before you repeat it"
            item = try await patience.resolve(lost, advice: advice) {
                let latest = try await latestModification(of: before.volumeId)
                return latest?.startTime != earlier?.startTime && latest?.asksFor(action) == true ? latest : nil
            }
        }
        // Whoever asks how far it is shall not be told of the one before.
        try await patience.waitUntilSeen {
            try await latestModification(of: before.volumeId)?.startTime == item.startTime
        }
        return translator.modification(item, of: before)
    }

    private func modifiable(_ id: VolumeID) async throws -> VolumeItem {
        let volume = try await volume(id)
        guard let item = try await volumeBatches.item(volume.id.rawValue) else { throw StorageError.volumeNotFound(id) }
        return item
    }

    public func describeVolumeModifications(
        _ query: VolumeModificationQuery
    ) async throws -> VolumeModificationPage {
        try checkPaging(maxResults: query.maxResults, ids: query.volumeIDs, set: "volumesSet")
        let start = try query.nextToken.map(ListingPlace<Volume>.init(token:))
        let latest = try await latestModifications(query.volumeIDs.map(\.rawValue))
        let volumes = try await volumeBatches.items(latest.map(\.volumeId))
        try requireAll(query.volumeIDs, in: latest)
        let found = Self.paired(latest, volumes.filter { translator.isInScope($0.tagSet) })
            .map { (place: translator.volume($0.volume).place, item: translator.modification($0.item, of: $0.volume)) }
            .filter { query.states.isEmpty || query.states.contains($0.item.state) }
        let page = ListingPage(found, limit: query.maxResults, after: start, place: \.place)
        return VolumeModificationPage(modifications: page.items.map(\.item), nextToken: page.nextToken)
    }

    private func requireAll(_ ids: [VolumeID], in latest: [ModificationItem]) throws {
        guard let missing = Set(ids.map(\.rawValue)).subtracting(latest.map(\.volumeId)).min() else { return }
        throw StorageError.modificationNotFound(VolumeID(missing))
    }

    private static func paired(
        _ latest: [ModificationItem], _ volumes: [VolumeItem]
    ) -> [(item: ModificationItem, volume: VolumeItem)] {
        let byID = Dictionary(volumes.map { ($0.volumeId, $0) }) { $1 }
        return latest.compactMap { item in byID[item.volumeId].map { (item, $0) } }
    }

    /// `nil` for a volume that was never modified.
    private func latestModification(of volume: String) async throws -> ModificationItem? {
        do {
            return try await latestModifications([volume]).first
        } catch let error as StorageError where error.code == .volumeModificationNotFound {
            return nil
        }
    }

    /// The latest of each volume; for no ids, of all.
    private func latestModifications(_ ids: [String]) async throws -> [ModificationItem] {
        let items = try await allPages { token in
            let limit = ids.isEmpty ? client.limits.idsPerCall : nil
            let answer = try await client.send(
                DescribeVolumesModifications(volumeId: ids, maxResults: limit, nextToken: token))
            return (answer.volumeModificationSet, answer.nextToken)
        }
        let latest = Dictionary(items.map { ($0.volumeId, $0) }) { first, second in
            (first.startTime ?? .distantPast) > (second.startTime ?? .distantPast) ? first : second
        }
        return Array(latest.values)
    }
}

extension ModificationItem {
    fileprivate func asksFor(_ action: ModifyVolume) -> Bool {
        (action.size == nil || action.size == targetSize) && (action.iops == nil || action.iops == targetIops)
            && (action.volumeType == nil || action.volumeType == targetVolumeType)
            && (action.throughput == nil || action.throughput == targetThroughput)
    }
}
