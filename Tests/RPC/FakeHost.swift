// A host side that changes no machine: mounts and devices are remembered only.
import Driver
import Platform
import RPCServer
import Synchronization

final class FakeHost: HostOperations {
    private struct State {
        var references: [String: [String: Int]] = [:]
        var staged: [VolumeID: String] = [:]
        var published: [VolumeID: String] = [:]
        var grown: [VolumeID: Int] = [:]
        var frozen: [VolumeID] = []
    }

    static let rootMount = MountInfo(
        id: 21, parent: 1, major: 254, minor: 1, root: "/", mountPoint: "/", options: "rw,relatime",
        optionalFields: "shared:1", fsType: "ext4", source: "/dev/vda1", superOptions: "rw")

    private let driver: any StorageDriver
    private let instance: Instance
    private let clock: VirtualClock
    private let state = Mutex(State())

    /// To how many GiB the volume's filesystem was asked to grow.
    func grown(_ id: VolumeID) -> Int? { state.withLock { $0.grown[id] } }

    /// The volumes that the last snapshots were frozen for.
    var frozen: [VolumeID] { state.withLock { $0.frozen } }

    /// - Parameter clock: the region's.
    init(driver: any StorageDriver, instance: Instance, clock: VirtualClock = VirtualClock()) {
        self.clock = clock
        self.driver = driver
        self.instance = instance
    }

    func volumes() async throws -> [HostVolume] {
        try await driver.describeVolumes(.all).volumes.map(hostVolume)
    }

    func volume(_ reference: VolumeReference) async throws -> HostVolume { hostVolume(try await find(reference)) }

    func create(_ request: CreateVolumeRequest) async throws -> HostVolume {
        var request = request
        if request.snapshotID == nil, request.sourceVolumeID == nil { request.sizeGiB = request.sizeGiB ?? 8 }
        request.tags[Tag.fsType] = request.tags[Tag.fsType] ?? "ext4"
        return hostVolume(try await driver.createVolume(request))
    }

    func sound(_ volume: Volume) async throws -> Volume {
        var now = try await find(.id(volume.id))
        // What is no copy is there in a moment.
        while now.state == .creating, now.sourceVolumeID == nil {
            try await Task.sleep(for: .milliseconds(1))
            now = try await find(.id(volume.id))
        }
        if now.state == .creating { throw StorageError(.deadlineExceeded, "'\(volume.id)' is being made") }
        try now.requireSound()
        return now
    }

    func remove(_ reference: VolumeReference, force: Bool) async throws {
        let volume = try await find(reference)
        if force, !volume.attachments.isEmpty { try await detach(reference, force: true) }
        try await driver.deleteVolume(volume.id)
    }

    func attach(_ reference: VolumeReference, device: DeviceName?, preempt: Bool) async throws -> Driver.Attachment {
        try await driver.attachVolume(
            AttachVolumeRequest(
                volumeID: try await find(reference).id, instanceID: instance.id, device: device, preempt: preempt))
    }

    func detach(_ reference: VolumeReference, force: Bool) async throws {
        try await driver.detachVolume(DetachVolumeRequest(volumeID: try await find(reference).id, force: force))
    }

    func mount(
        _ reference: VolumeReference, holder: MountHolder, options: MountOptions
    ) async throws -> MountedVolume {
        var volume = try await find(reference)
        if volume.attachments.isEmpty { _ = try await attach(.id(volume.id), device: nil, preempt: options.preempt) }
        volume = try await find(.id(volume.id))
        state.withLock { [volume] in $0.references[volume.id.rawValue, default: [:]][holder.id, default: 0] += 1 }
        let mounted = hostVolume(volume)
        return MountedVolume(volume: volume, path: mounted.mountPath!, device: mounted.device!)
    }

    func unmount(_ reference: VolumeReference, holder: MountHolder) async throws {
        let volume = try await find(reference)
        state.withLock { $0.references[volume.id.rawValue] = nil }
        try await detach(.id(volume.id), force: false)
    }

    func migrate(_ reference: VolumeReference, to zone: ZoneName) async throws -> HostVolume {
        let volume = try await find(reference)
        if volume.zone == zone { throw StorageError(.invalidParameterValue, "'\(volume.id)' is in \(zone) already") }
        try await driver.deleteVolume(volume.id)
        return hostVolume(
            try await driver.createVolume(
                CreateVolumeRequest(zone: zone, sizeGiB: volume.sizeGiB, type: volume.type, tags: volume.tags)))
    }

    /// Time passes until it is in effect, and then until it is completed.
    func modify(_ request: ModifyVolumeRequest) async throws -> VolumeModification {
        let begun = try await driver.modifyVolume(request)
        clock.advance(by: .seconds(1))
        let query = VolumeModificationQuery(volumeIDs: [request.volumeID])
        defer { clock.advance(by: .seconds(5)) }
        return try await driver.describeVolumeModifications(query).modifications.first ?? begun
    }

    func grow(_ reference: VolumeReference) async throws {
        let volume = try await find(reference)
        state.withLock { $0.grown[volume.id] = volume.sizeGiB }
    }

    func createSnapshots(_ request: CreateSnapshotsRequest, freeze: Bool) async throws -> [Snapshot] {
        state.withLock { $0.frozen = freeze ? request.sources.map(\.volumeID) : [] }
        return try await driver.createSnapshots(request)
    }

    func references() async -> [String: [String: Int]] { state.withLock { $0.references } }

    func mounts() throws -> [MountInfo] { [Self.rootMount] }

    func mountDevice(_ device: String, at path: String, options: String?, label: String?) async throws {
        if !path.hasPrefix("/") { throw StorageError(.invalidParameterValue, "'\(path)' is not an absolute path") }
    }

    func unmountDevice(at path: String) async throws {
        if path == "/" { throw StorageError(.deviceBusy, "'/' is busy") }
    }

    func formatDevice(_ device: String, fsType: String?, overwrite: Bool) async throws {
        if !overwrite { throw StorageError(.deviceNotBlank, "'\(device)' holds an ext4 filesystem") }
    }

    func stage(_ id: VolumeID, at stagingPath: String, options: MountOptions) async throws {
        let volume = try await find(.id(id))
        guard volume.attachments.contains(where: { $0.instanceID == instance.id }) else {
            throw StorageError(.incorrectState, "Volume '\(id)' is not attached to '\(instance.id)'")
        }
        state.withLock { $0.staged[id] = stagingPath }
    }

    func unstage(_ id: VolumeID, at stagingPath: String) async throws {
        _ = try await find(.id(id))
        state.withLock { $0.staged[id] = nil }
    }

    func publish(_ id: VolumeID, from stagingPath: String, at targetPath: String, readOnly: Bool) async throws {
        _ = try await find(.id(id))
        try state.withLock { state in
            guard state.staged[id] == stagingPath else {
                throw StorageError(.incorrectState, "Volume '\(id)' is not staged at '\(stagingPath)'")
            }
            state.published[id] = targetPath
        }
    }

    func unpublish(_ id: VolumeID, at targetPath: String) async throws {
        _ = try await find(.id(id))
        state.withLock { $0.published[id] = nil }
    }

    func usage(of id: VolumeID, at path: String) async throws -> FileSystemUsage {
        guard state.withLock({ $0.published[id] == path }) else {
            throw StorageError(.volumeNotFound, "Volume '\(id)' is not mounted at '\(path)'")
        }
        return FileSystemUsage(
            totalBytes: 2_040_373_248, usedBytes: 24_576, availableBytes: 1_918_373_888, totalInodes: 131_072,
            usedInodes: 10, availableInodes: 131_062)
    }

    private func find(_ reference: VolumeReference) async throws -> Volume {
        let query =
            switch reference {
            case .id(let id): VolumeQuery(ids: [id])
            case .name(let name): VolumeQuery(names: [name])
            }
        guard let volume = try await driver.describeVolumes(query).volumes.first else {
            throw StorageError(.volumeNotFound, "The volume '\(reference)' does not exist.")
        }
        return volume
    }

    private func hostVolume(_ volume: Volume) -> HostVolume {
        guard let attachment = volume.attachments.first(where: { $0.instanceID == instance.id }) else {
            return HostVolume(volume: volume)
        }
        let isMounted = state.withLock { $0.references[volume.id.rawValue] != nil }
        return HostVolume(
            volume: volume, mountPath: isMounted ? "/var/lib/ebb/mounts/\(volume.name)" : nil,
            device: attachment.device)
    }
}
