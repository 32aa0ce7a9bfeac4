/// Requests about snapshots as others write them: a field that is left out has the value that the initializer gives it.
#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

extension CreateSnapshotsRequest {
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            clientToken: try fields.decodeIfPresent(String.self, forKey: .clientToken),
            sources: try fields.decode([Source].self, forKey: .sources),
            description: try fields.decodeIfPresent(String.self, forKey: .description) ?? "")
    }

    enum CodingKeys: String, CodingKey { case clientToken, sources, description }
}

extension CreateSnapshotsRequest.Source {
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            volumeID: try fields.decode(VolumeID.self, forKey: .volumeID),
            tags: try fields.decodeIfPresent([String: String].self, forKey: .tags) ?? [:])
    }

    enum CodingKeys: String, CodingKey { case volumeID, tags }
}

extension SnapshotQuery {
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            ids: try fields.decodeIfPresent([SnapshotID].self, forKey: .ids) ?? [],
            names: try fields.decodeIfPresent([String].self, forKey: .names) ?? [],
            volumeIDs: try fields.decodeIfPresent([VolumeID].self, forKey: .volumeIDs) ?? [],
            states: try fields.decodeIfPresent(Set<Snapshot.State>.self, forKey: .states) ?? [],
            tags: try fields.decodeIfPresent([String: String].self, forKey: .tags) ?? [:],
            region: try fields.decodeIfPresent(String.self, forKey: .region),
            maxResults: try fields.decodeIfPresent(Int.self, forKey: .maxResults),
            nextToken: try fields.decodeIfPresent(String.self, forKey: .nextToken))
    }

    enum CodingKeys: String, CodingKey { case ids, names, volumeIDs, states, tags, region, maxResults, nextToken }
}

extension CopySnapshotRequest {
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            clientToken: try fields.decodeIfPresent(String.self, forKey: .clientToken),
            sourceSnapshotID: try fields.decode(SnapshotID.self, forKey: .sourceSnapshotID),
            sourceRegion: try fields.decodeIfPresent(String.self, forKey: .sourceRegion),
            destinationRegion: try fields.decodeIfPresent(String.self, forKey: .destinationRegion),
            description: try fields.decodeIfPresent(String.self, forKey: .description),
            tags: try fields.decodeIfPresent([String: String].self, forKey: .tags) ?? [:])
    }

    enum CodingKeys: String, CodingKey {
        case clientToken, sourceSnapshotID, sourceRegion
        case destinationRegion, description, tags
    }
}

extension ModifySnapshotTagsRequest {
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            snapshotID: try fields.decode(SnapshotID.self, forKey: .snapshotID),
            set: try fields.decodeIfPresent([String: String].self, forKey: .set) ?? [:],
            remove: try fields.decodeIfPresent(Set<String>.self, forKey: .remove) ?? [])
    }

    enum CodingKeys: String, CodingKey { case snapshotID, set, remove }
}

extension FastSnapshotRestoreQuery {
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            snapshotIDs: try fields.decodeIfPresent([SnapshotID].self, forKey: .snapshotIDs) ?? [],
            zones: try fields.decodeIfPresent([ZoneName].self, forKey: .zones) ?? [],
            states: try fields.decodeIfPresent(Set<FastSnapshotRestore.State>.self, forKey: .states) ?? [])
    }

    enum CodingKeys: String, CodingKey { case snapshotIDs, zones, states }
}

extension StartSnapshotRequest {
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            clientToken: try fields.decodeIfPresent(String.self, forKey: .clientToken),
            volumeSizeGiB: try fields.decode(Int.self, forKey: .volumeSizeGiB),
            parentSnapshotID: try fields.decodeIfPresent(SnapshotID.self, forKey: .parentSnapshotID),
            description: try fields.decodeIfPresent(String.self, forKey: .description) ?? "",
            tags: try fields.decodeIfPresent([String: String].self, forKey: .tags) ?? [:],
            timeoutMinutes: try fields.decodeIfPresent(Int.self, forKey: .timeoutMinutes)
                ?? StartSnapshotRequest.defaultTimeoutMinutes)
    }

    enum CodingKeys: String, CodingKey {
        case clientToken, volumeSizeGiB, parentSnapshotID
        case description, tags, timeoutMinutes
    }
}
