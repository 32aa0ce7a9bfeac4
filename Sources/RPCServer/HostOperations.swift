import Driver
import Host

/// What the server needs of the host side: `VolumeManager`, or a stand-in where there is no machine to change.
public protocol HostOperations: Sendable {
    func volumes() async throws -> [HostVolume]
    func volume(_ reference: VolumeReference) async throws -> HostVolume
    func create(_ request: CreateVolumeRequest) async throws -> HostVolume
    /// The volume when it can be used; `DeadlineExceeded` if it is `creating` for too long.
    func sound(_ volume: Volume) async throws -> Volume
    func remove(_ reference: VolumeReference, force: Bool) async throws
    func migrate(_ reference: VolumeReference, to zone: ZoneName) async throws -> HostVolume
    func attach(_ reference: VolumeReference, device: DeviceName?, preempt: Bool) async throws -> Attachment
    func detach(_ reference: VolumeReference, force: Bool) async throws
    func mount(_ reference: VolumeReference, holder: MountHolder, options: MountOptions) async throws -> MountedVolume
    func unmount(_ reference: VolumeReference, holder: MountHolder) async throws
    /// Returns when the change is in effect.
    func modify(_ request: ModifyVolumeRequest) async throws -> VolumeModification
    /// Lets device and filesystem on this machine have the volume's size.
    func grow(_ reference: VolumeReference) async throws
    /// - Parameter freeze: whether filesystems that are mounted on this machine hold still meanwhile.
    func createSnapshots(_ request: CreateSnapshotsRequest, freeze: Bool) async throws -> [Snapshot]
    func references() async -> [String: [String: Int]]

    func mounts() throws -> [MountInfo]
    func mountDevice(_ device: String, at path: String, options: String?, label: String?) async throws
    func unmountDevice(at path: String) async throws
    func formatDevice(_ device: String, fsType: String?, overwrite: Bool) async throws

    func stage(_ id: VolumeID, at stagingPath: String, options: MountOptions) async throws
    func unstage(_ id: VolumeID, at stagingPath: String) async throws
    func publish(_ id: VolumeID, from stagingPath: String, at targetPath: String, readOnly: Bool) async throws
    func unpublish(_ id: VolumeID, at targetPath: String) async throws
    func usage(of id: VolumeID, at path: String) async throws -> FileSystemUsage
}

extension VolumeManager: HostOperations {
    public func remove(_ reference: VolumeReference, force: Bool) async throws {
        try await remove(reference, force: force, engine: nil)
    }
}
