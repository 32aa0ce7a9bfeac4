import Driver
import Host

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

extension Tag {
    /// What `--opt size` said, when it was not whole GiB; so that it can be said for as long as the volume lives.
    static let requestedSize = "ebb:requestedSize"
    /// That Docker drew the volume's name, since nobody gave it one.
    static let anonymous = "ebb:anonymous"
}

extension PluginVolume {
    /// A volume as `docker volume ls` lists it.
    init(listing volume: HostVolume) {
        name = volume.volume.name
        mountpoint = volume.mountPath
        createdAt = Date.ISO8601FormatStyle().format(volume.volume.createTime)
    }

    /// A volume as `docker volume inspect` shows it.
    ///
    /// - Parameters:
    ///   - name: what Docker asked for, which may be an id.
    ///   - service: the name of the plugin that was asked.
    init(inspecting volume: HostVolume, name: String, service: String) {
        self.init(listing: volume)
        self.name = name
        status = volumeStatus(volume, service: service)
    }
}

/// REX-Ray's fields (name, size, iops, type, availabilityZone, service, server), and what users ask next.
///
/// `size` is in GiB.
func volumeStatus(_ host: HostVolume, service: String) -> [String: StatusValue] {
    let volume = host.volume
    var status: [String: StatusValue] = [
        "name": .text(volume.name), "id": .text(volume.id.rawValue), "size": .number(volume.sizeGiB),
        "type": .text(volume.type.name), "availabilityZone": .text(volume.zone.rawValue),
        "state": .text(volume.state.rawValue), "encrypted": .flag(volume.isEncrypted),
        "service": .text(service), "server": "ebb",
    ]
    status["iops"] = volume.iops.map(StatusValue.number)
    status["throughput"] = volume.throughputMiBps.map(StatusValue.number)
    status["snapshotID"] = volume.snapshotID.map { .text($0.rawValue) }
    status["device"] = host.device.map { .text($0.path) }
    status["fsType"] = volume.tags[Tag.fsType].map(StatusValue.text)
    status["mountOptions"] = volume.tags[Tag.mountOptions].map(StatusValue.text)
    status["requestedSize"] = volume.tags[Tag.requestedSize].map {
        .text("\($0), rounded up to \(volume.sizeGiB) GiB")
    }
    if !volume.attachments.isEmpty {
        let holders = volume.attachments.map(\.instanceID.rawValue).sorted()
        status["attachedTo"] = .text(holders.joined(separator: " "))
    }
    if VolumeName.isAnonymous(volume.name) { status["anonymous"] = true }
    return status
}
