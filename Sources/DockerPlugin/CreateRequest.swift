import Driver
import Host

extension CreateOptions {
    /// The request that these options make of the region. What they leave open, the host's settings fill in.
    ///
    /// - Parameter zone: where the volume goes when the options do not say: the instance's own zone.
    func request(name: String, zone: ZoneName) -> CreateVolumeRequest {
        var tags = [Tag.name: name]
        tags[Tag.fsType] = fsType
        tags[Tag.mountOptions] = mountOptions
        tags[Tag.requestedSize] = size?.roundedFrom
        if VolumeName.isAnonymous(name) { tags[Tag.anonymous] = "true" }
        return CreateVolumeRequest(
            zone: self.zone ?? zone, sizeGiB: size?.gibibytes, type: type, iops: iops,
            throughputMiBps: throughputMiBps, isEncrypted: isEncrypted, tags: tags)
    }
}

extension CreateOptions.Source {
    /// Whether the volume may have been made from this. What had a name at that time, nobody knows any more.
    func mayBeOrigin(of volume: Volume) -> Bool {
        switch self {
        case .snapshot(let id): id == volume.snapshotID
        case .snapshotNamed: volume.snapshotID != nil
        case .volume(.id(let id)): id == volume.sourceVolumeID
        case .volume(.name): volume.sourceVolumeID != nil
        }
    }
}

extension CreateVolumeRequest {
    /// Whether making this request again would make the volume that is there already.
    func describes(_ volume: Volume) -> Bool {
        let sameTags = [Tag.fsType, Tag.mountOptions].allSatisfy { tags[$0] == nil || tags[$0] == volume.tags[$0] }
        return zone == volume.zone && (sizeGiB ?? volume.sizeGiB) == volume.sizeGiB
            && (type ?? volume.type) == volume.type && (iops == nil || iops == volume.iops)
            && (throughputMiBps == nil || throughputMiBps == volume.throughputMiBps)
            && (snapshotID == nil || snapshotID == volume.snapshotID)
            && (sourceVolumeID == nil || sourceVolumeID == volume.sourceVolumeID)
            && (!isEncrypted || volume.isEncrypted) && sameTags
    }
}
