import Driver
import Host
import Platform
import RPC

extension MethodTable {
    /// One method for each call of the driver.
    mutating func addDriver(_ driver: any StorageDriver) {
        add(Ebb.DescribeDriver.self) { _ in try await driver.describeDriver() }
        add(Ebb.DescribeZones.self) { _ in .init(zones: try await driver.describeZones()) }
        add(Ebb.DescribeInstances.self) { _ in .init(instances: try await driver.describeInstances()) }
        add(Ebb.RegisterInstance.self) { try await driver.registerInstance($0) }
        add(Ebb.DescribeVolumes.self) { try await driver.describeVolumes($0) }
        add(Ebb.CreateVolume.self) { try await driver.createVolume($0) }
        add(Ebb.DeleteVolume.self) {
            try await driver.deleteVolume($0.volumeID)
            return Empty()
        }
        add(Ebb.AttachVolume.self) { try await driver.attachVolume($0) }
        add(Ebb.DetachVolume.self) {
            try await driver.detachVolume($0)
            return Empty()
        }
        add(Ebb.ModifyTags.self) { try await driver.modifyTags($0) }
        add(Ebb.GetMetricData.self) { .init(series: try await driver.getMetricData($0)) }
        add(Ebb.GetVolumeStatistics.self) {
            .init(volumes: try await driver.describeVolumeStatistics(ids: $0.ids ?? []))
        }
        add(Ebb.ModifyVolume.self) { try await driver.modifyVolume($0) }
        add(Ebb.DescribeVolumeModifications.self) { try await driver.describeVolumeModifications($0) }
    }

    /// This machine's volumes.
    mutating func addHost(
        _ host: any HostOperations, driver: any StorageDriver, instance: Instance, version: String
    ) {
        add(Ebb.DescribeHost.self) { _ in
            .init(
                instance: instance, driver: try await driver.describeDriver(), version: version,
                pid: currentProcessID())
        }
        add(Ebb.ListHostVolumes.self) { _ in .init(volumes: try await host.volumes()) }
        add(Ebb.GetHostVolume.self) { try await host.volume($0.volume) }
        add(Ebb.CreateHostVolume.self) { try await host.create($0.request(defaultZone: instance.zone)) }
        add(Ebb.RemoveHostVolume.self) {
            try await host.remove($0.volume, force: $0.force ?? false)
            return Empty()
        }
        add(Ebb.MigrateHostVolume.self) { try await host.migrate($0.volume, to: $0.zone) }
        add(Ebb.ModifyHostVolume.self) {
            let id = try await host.volume($0.volume).volume.id
            let modification = try await host.modify(
                ModifyVolumeRequest(
                    volumeID: id, sizeGiB: $0.sizeGiB, type: $0.type, iops: $0.iops,
                    throughputMiBps: $0.throughputMiBps))
            if $0.sizeGiB != nil { try await host.grow(.id(id)) }
            return modification
        }
        add(Ebb.CreateHostSnapshots.self) { request in
            var sources: [CreateSnapshotsRequest.Source] = []
            for source in request.sources {
                let id = try await host.volume(source.volume).volume.id
                sources.append(.init(volumeID: id, tags: source.tags ?? [:]))
            }
            let snapshots = CreateSnapshotsRequest(
                clientToken: request.clientToken, sources: sources, description: request.description ?? "")
            return .init(snapshots: try await host.createSnapshots(snapshots, freeze: request.freeze ?? false))
        }
        add(Ebb.AttachHostVolume.self) {
            try await host.attach($0.volume, device: $0.device, preempt: $0.preempt ?? false)
        }
        add(Ebb.DetachHostVolume.self) {
            try await host.detach($0.volume, force: $0.force ?? false)
            return Empty()
        }
        add(Ebb.MountVolume.self) {
            try await host.mount($0.volume, holder: $0.holder ?? .commandLine, options: $0.options ?? MountOptions())
        }
        add(Ebb.UnmountVolume.self) {
            try await host.unmount($0.volume, holder: $0.holder ?? .commandLine)
            return Empty()
        }
        add(Ebb.ListReferences.self) { _ in .init(references: await host.references()) }
    }

    /// This machine's mounts and devices.
    mutating func addDevices(_ host: any HostOperations) {
        add(Ebb.ListMounts.self) { _ in .init(mounts: try host.mounts()) }
        add(Ebb.MountDevice.self) {
            try await host.mountDevice($0.device, at: $0.mountPoint, options: $0.options, label: $0.label)
            return Empty()
        }
        add(Ebb.UnmountDevice.self) {
            try await host.unmountDevice(at: $0.mountPoint)
            return Empty()
        }
        add(Ebb.FormatDevice.self) {
            try await host.formatDevice($0.device, fsType: $0.fsType, overwrite: $0.overwrite ?? false)
            return Empty()
        }
    }
}

extension HostVolumeRequest {
    fileprivate func request(defaultZone: ZoneName) -> CreateVolumeRequest {
        var tags = self.tags ?? [:]
        if let name { tags[Tag.name] = name }
        if let fsType { tags[Tag.fsType] = fsType }
        if let mountOptions { tags[Tag.mountOptions] = mountOptions }
        return CreateVolumeRequest(
            clientToken: clientToken, zone: zone ?? defaultZone, sizeGiB: sizeGiB, type: type, iops: iops,
            throughputMiBps: throughputMiBps, snapshotID: snapshotID, sourceVolumeID: sourceVolumeID,
            volumeInitializationRateMiBps: volumeInitializationRateMiBps, isEncrypted: isEncrypted ?? false,
            isMultiAttachEnabled: false, tags: tags)
    }
}
