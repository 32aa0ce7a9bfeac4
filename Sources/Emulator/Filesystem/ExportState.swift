import Driver

/// A volume as the tree shows it.
struct ExportedVolume: Sendable {
    var number: VolumeNumber
    var id: VolumeID
    var zone: ZoneName
    var sizeBytes: Int64
    var xattrs: [String: String]
    /// The same for as long as the volume is here.
    var performance: VolumePerformance
    /// All volumes', or none.
    var firstTouch: FirstTouchLatency
}

/// An attachment as the tree shows it.
struct ExportedAttachment: Sendable {
    var number: AttachmentNumber
    var volume: VolumeNumber
    var zone: ZoneName
    var instance: InstanceID
    var device: DeviceName
    var door: VolumeDoor
}

/// The tree's names and numbers; pure.
///
/// Invariants: every volume's and instance's zone is there; a zone's `volumes` are in rising order.
struct ExportState: Sendable {
    struct Zone: Sendable {
        var name: ZoneName
        var instances: [InstanceID: InodeNumber] = [:]
        var volumeNumbers: [VolumeID: VolumeNumber] = [:]
        var volumes: [VolumeNumber] = []
    }

    struct Instance: Sendable {
        var id: InstanceID
        var zone: ZoneName
        var performance: InstancePerformance
        var attachments: [String: AttachmentNumber] = [:]
    }

    private(set) var zones: [InodeNumber: Zone] = [:]
    private(set) var instances: [InodeNumber: Instance] = [:]
    private(set) var volumes: [VolumeNumber: ExportedVolume] = [:]
    private(set) var attachments: [AttachmentNumber: ExportedAttachment] = [:]

    mutating func addZone(_ zone: ZoneName) {
        let inode = InodeNumber.zone(zone)
        if zones[inode] == nil { zones[inode] = Zone(name: zone) }
    }

    /// Gives the instance's performance, which is the one given here if the instance is new.
    @discardableResult
    mutating func addInstance(
        _ instance: InstanceID, in zone: ZoneName, _ performance: InstancePerformance
    ) -> InstancePerformance {
        addZone(zone)
        let inode = InodeNumber.instance(instance, in: zone)
        zones[.zone(zone)]?.instances[instance] = inode
        if let known = instances[inode] { return known.performance }
        instances[inode] = Instance(id: instance, zone: zone, performance: performance)
        return performance
    }

    mutating func addVolume(_ volume: ExportedVolume) {
        if let former = volumes[volume.number] {
            volumes[volume.number] = volume
            volumes[volume.number]?.performance = former.performance
            return
        }
        volumes[volume.number] = volume
        addZone(volume.zone)
        zones[.zone(volume.zone)]?.add(volume)
    }

    mutating func grow(_ number: VolumeNumber, to sizeBytes: Int64) {
        volumes[number]?.sizeBytes = sizeBytes
    }

    mutating func removeVolume(_ number: VolumeNumber) {
        guard let volume = volumes.removeValue(forKey: number) else { return }
        zones[.zone(volume.zone)]?.remove(volume)
    }

    mutating func attach(_ attachment: ExportedAttachment) {
        addInstance(attachment.instance, in: attachment.zone, attachment.door.instance)
        attachments[attachment.number] = attachment
        instances[.instance(attachment.instance, in: attachment.zone)]?
            .attachments[attachment.device.leaf] = attachment.number
    }

    mutating func detach(_ number: AttachmentNumber) -> ExportedAttachment? {
        guard let attachment = attachments.removeValue(forKey: number) else { return nil }
        let instance = InodeNumber.instance(attachment.instance, in: attachment.zone)
        let leaf = attachment.device.leaf
        if instances[instance]?.attachments[leaf] == number {
            instances[instance]?.attachments[leaf] = nil
        }
        return attachment
    }
}

extension ExportState.Zone {
    fileprivate mutating func add(_ volume: ExportedVolume) {
        volumeNumbers[volume.id] = volume.number
        volumes.insert(volume.number, at: position(of: volume.number))
    }

    fileprivate mutating func remove(_ volume: ExportedVolume) {
        volumeNumbers[volume.id] = nil
        let position = position(of: volume.number)
        if position < volumes.count, volumes[position] == volume.number { volumes.remove(at: position) }
    }

    /// The index of the first volume whose number is not below the given one.
    func position(of number: VolumeNumber) -> Int {
        var low = 0
        var high = volumes.count
        while low < high {
            let middle = (low + high) / 2
            if volumes[middle] < number { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
