// What EC2 says, in the words of the driver protocol; pure.
import Driver

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Tags that serve the driver itself, and are not shown.
enum OwnTag {
    /// By which what was asked for is found again when its answer was lost.
    static let clientToken = "ebb:clientToken"
}

/// The tag that everything has which this driver may see, so that an account can be shared.
public struct EC2Scope: Hashable, Sendable {
    public var key: String
    public var value: String

    public init(key: String, value: String) {
        self.key = key
        self.value = value
    }

    var filter: Filter { Filter("tag:\(key)", exactly: [value]) }
}

/// Reads EC2's items for one driver.
struct Translator: Sendable {
    let region: String
    let scope: EC2Scope?

    func volume(_ item: VolumeItem) -> Volume {
        let state = Volume.State(rawValue: item.status)
        return Volume(
            id: VolumeID(item.volumeId), zone: ZoneName(item.availabilityZone), state: state ?? .error,
            stateMessage: state == nil ? "EC2 calls its state '\(item.status)'" : nil,
            type: VolumeType(item.volumeType), sizeGiB: item.size, iops: item.iops,
            throughputMiBps: item.throughput, snapshotID: item.snapshotId.map { SnapshotID($0) },
            sourceVolumeID: item.sourceVolumeId.map { VolumeID($0) },
            volumeInitializationRateMiBps: item.volumeInitializationRate,
            isFastRestored: item.snapshotId == nil ? nil : item.fastRestored ?? false,
            isEncrypted: item.encrypted ?? false, isMultiAttachEnabled: item.multiAttachEnabled ?? false,
            createTime: item.createTime,
            attachments: item.attachmentSet.compactMap { attachment($0, of: item.volumeId) }
                .sorted { $0.instanceID < $1.instanceID },
            tags: shownTags(item.tagSet))
    }

    /// `nil` for one that is over.
    func attachment(_ item: AttachmentItem, of volume: String) -> Attachment? {
        guard let instance = item.instanceId, let device = item.device, item.status != "detached" else { return nil }
        let state = item.status.flatMap(Attachment.State.init(rawValue:)) ?? .busy
        return Attachment(
            volumeID: VolumeID(volume), instanceID: InstanceID(instance), device: DeviceName(device), state: state,
            attachTime: item.attachTime ?? .distantPast, deleteOnTermination: item.deleteOnTermination ?? false,
            location: state == .attached ? .blockDevice(path: DeviceName(device).path) : nil)
    }

    func modification(_ item: ModificationItem, of volume: VolumeItem) -> VolumeModification {
        // What is not said did not change.
        let isMultiAttach = volume.multiAttachEnabled ?? false
        let target = VolumeModification.Configuration(
            sizeGiB: item.targetSize ?? volume.size, type: VolumeType(item.targetVolumeType ?? volume.volumeType),
            iops: item.targetIops, throughputMiBps: item.targetThroughput,
            isMultiAttachEnabled: item.targetMultiAttachEnabled ?? isMultiAttach)
        let original = VolumeModification.Configuration(
            sizeGiB: item.originalSize ?? volume.size,
            type: VolumeType(item.originalVolumeType ?? volume.volumeType),
            iops: item.originalIops, throughputMiBps: item.originalThroughput,
            isMultiAttachEnabled: item.originalMultiAttachEnabled ?? isMultiAttach)
        return VolumeModification(
            volumeID: VolumeID(item.volumeId),
            state: item.modificationState.flatMap(VolumeModification.State.init(rawValue:)) ?? .modifying,
            statusMessage: item.statusMessage, original: original, target: target, progress: item.progress ?? 0,
            startTime: item.startTime ?? .distantPast, endTime: item.endTime)
    }

    func snapshot(_ item: SnapshotItem, in region: String? = nil) -> Snapshot {
        let state = (item.status ?? item.state).flatMap(Snapshot.State.init(rawValue:)) ?? .pending
        return Snapshot(
            id: SnapshotID(item.snapshotId), volumeID: item.volumeId.map { VolumeID($0) } ?? .ofNoVolume,
            volumeSizeGiB: item.volumeSize ?? 0, state: state,
            progressPercent: item.progress.flatMap { Int($0.filter(\.isNumber)) } ?? (state == .completed ? 100 : 0),
            stateMessage: item.statusMessage, startTime: item.startTime, completionTime: item.completionTime,
            description: item.description ?? "", isEncrypted: item.encrypted ?? false, tags: shownTags(item.tagSet),
            fullSizeBytes: state == .completed ? item.fullSnapshotSizeInBytes : nil, region: region ?? self.region)
    }

    /// `nil` for one that is gone.
    func instance(_ item: InstanceItem) -> Instance? {
        let state: Instance.State? =
            switch item.instanceState.name {
            case "running": .running
            case "pending", "stopping", "stopped": .stopped
            default: nil
            }
        guard let state, let zone = item.placement?.availabilityZone else { return nil }
        return Instance(
            id: InstanceID(item.instanceId), zone: ZoneName(zone), region: region,
            name: item.tagSet.byKey[Tag.name] ?? item.privateDnsName ?? item.instanceId, type: item.instanceType,
            state: state, providerName: EC2Driver.name)
    }

    /// The attachment points that EC2 lists, among them the root device's.
    static func takenSlots(_ item: InstanceItem) -> Set<String> {
        let names = item.blockDeviceMapping.compactMap(\.deviceName) + [item.rootDeviceName].compactMap { $0 }
        return Set(names.map { DeviceSlots.slot(DeviceName($0)) }).union([DeviceSlots.root])
    }

    func shownTags(_ tags: [TagItem]) -> [String: String] {
        tags.byKey.filter { $0.key != OwnTag.clientToken && ($0.key != scope?.key || scope?.value != $0.value) }
    }

    /// What is put on something new.
    func allTags(_ tags: [String: String], token: String?) -> [String: String] {
        var all = tags
        if let token { all[OwnTag.clientToken] = token }
        if let scope { all[scope.key] = scope.value }
        return all
    }

    var scopeFilters: [Filter] { scope.map { [$0.filter] } ?? [] }

    func isInScope(_ tags: [TagItem]) -> Bool { scope.map { tags.byKey[$0.key] == $0.value } ?? true }
}

extension [String: String] {
    func changed(setting tags: [String: String], removing keys: Set<String>) -> [String: String] {
        merging(tags) { $1 }.filter { !keys.contains($0.key) }
    }
}
