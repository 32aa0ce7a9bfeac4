/// Requests as others write them: a field that is left out has the value that the initializer gives it.
#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

extension VolumeQuery {
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            ids: try fields.decodeIfPresent([VolumeID].self, forKey: .ids) ?? [],
            names: try fields.decodeIfPresent([String].self, forKey: .names) ?? [],
            instanceID: try fields.decodeIfPresent(InstanceID.self, forKey: .instanceID),
            maxResults: try fields.decodeIfPresent(Int.self, forKey: .maxResults),
            nextToken: try fields.decodeIfPresent(String.self, forKey: .nextToken))
    }

    enum CodingKeys: String, CodingKey { case ids, names, instanceID, maxResults, nextToken }
}

extension CreateVolumeRequest {
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            clientToken: try fields.decodeIfPresent(String.self, forKey: .clientToken),
            zone: try fields.decode(ZoneName.self, forKey: .zone),
            sizeGiB: try fields.decodeIfPresent(Int.self, forKey: .sizeGiB),
            type: try fields.decodeIfPresent(VolumeType.self, forKey: .type),
            iops: try fields.decodeIfPresent(Int.self, forKey: .iops),
            throughputMiBps: try fields.decodeIfPresent(Int.self, forKey: .throughputMiBps),
            snapshotID: try fields.decodeIfPresent(SnapshotID.self, forKey: .snapshotID),
            sourceVolumeID: try fields.decodeIfPresent(VolumeID.self, forKey: .sourceVolumeID),
            volumeInitializationRateMiBps: try fields.decodeIfPresent(
                Int.self, forKey: .volumeInitializationRateMiBps),
            isEncrypted: try fields.decodeIfPresent(Bool.self, forKey: .isEncrypted) ?? false,
            isMultiAttachEnabled: try fields.decodeIfPresent(Bool.self, forKey: .isMultiAttachEnabled) ?? false,
            tags: try fields.decodeIfPresent([String: String].self, forKey: .tags) ?? [:])
    }

    enum CodingKeys: String, CodingKey {
        case clientToken, zone, sizeGiB, type, iops, throughputMiBps, snapshotID, sourceVolumeID,
            volumeInitializationRateMiBps, isEncrypted, isMultiAttachEnabled, tags
    }
}

extension AttachVolumeRequest {
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            volumeID: try fields.decode(VolumeID.self, forKey: .volumeID),
            instanceID: try fields.decode(InstanceID.self, forKey: .instanceID),
            device: try fields.decodeIfPresent(DeviceName.self, forKey: .device),
            preempt: try fields.decodeIfPresent(Bool.self, forKey: .preempt) ?? false)
    }

    enum CodingKeys: String, CodingKey { case volumeID, instanceID, device, preempt }
}

extension DetachVolumeRequest {
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            volumeID: try fields.decode(VolumeID.self, forKey: .volumeID),
            instanceID: try fields.decodeIfPresent(InstanceID.self, forKey: .instanceID),
            force: try fields.decodeIfPresent(Bool.self, forKey: .force) ?? false)
    }

    enum CodingKeys: String, CodingKey { case volumeID, instanceID, force }
}

extension ModifyTagsRequest {
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            volumeID: try fields.decode(VolumeID.self, forKey: .volumeID),
            set: try fields.decodeIfPresent([String: String].self, forKey: .set) ?? [:],
            remove: try fields.decodeIfPresent(Set<String>.self, forKey: .remove) ?? [])
    }

    enum CodingKeys: String, CodingKey { case volumeID, set, remove }
}

extension MetricDataQuery {
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            volumeIDs: try fields.decodeIfPresent([VolumeID].self, forKey: .volumeIDs) ?? [],
            metrics: try fields.decodeIfPresent([VolumeMetric].self, forKey: .metrics) ?? [],
            startTime: try fields.decodeIfPresent(Date.self, forKey: .startTime),
            endTime: try fields.decodeIfPresent(Date.self, forKey: .endTime))
    }

    enum CodingKeys: String, CodingKey { case volumeIDs, metrics, startTime, endTime }
}

extension MountOptions {
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            fsType: try fields.decodeIfPresent(String.self, forKey: .fsType),
            mountOptions: try fields.decodeIfPresent(String.self, forKey: .mountOptions),
            overwriteFileSystem: try fields.decodeIfPresent(Bool.self, forKey: .overwriteFileSystem) ?? false,
            preempt: try fields.decodeIfPresent(Bool.self, forKey: .preempt) ?? false)
    }

    enum CodingKeys: String, CodingKey { case fsType, mountOptions, overwriteFileSystem, preempt }
}

extension VolumeModificationQuery {
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            volumeIDs: try fields.decodeIfPresent([VolumeID].self, forKey: .volumeIDs) ?? [],
            states: try fields.decodeIfPresent(Set<VolumeModification.State>.self, forKey: .states) ?? [],
            maxResults: try fields.decodeIfPresent(Int.self, forKey: .maxResults),
            nextToken: try fields.decodeIfPresent(String.self, forKey: .nextToken))
    }

    enum CodingKeys: String, CodingKey { case volumeIDs, states, maxResults, nextToken }
}
