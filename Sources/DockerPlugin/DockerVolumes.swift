import Driver
import Host

/// The part of the host side that Docker uses. `VolumeManager` is the one that is; tests record the calls.
protocol DockerVolumes: Sendable {
    func volumes() async throws -> [HostVolume]
    func volume(_ reference: VolumeReference) async throws -> HostVolume
    /// The snapshot of that name; `InvalidSnapshot.NotFound` if there is none.
    func snapshotID(named name: String) async throws -> SnapshotID
    func create(_ request: CreateVolumeRequest) async throws -> HostVolume
    /// The volume when it can be used: a copy of another one is `creating` at first.
    func sound(_ volume: Volume) async throws -> Volume
    func remove(_ reference: VolumeReference, force: Bool, engine: Incarnation?) async throws
    func mount(
        _ reference: VolumeReference, holder: MountHolder, options: MountOptions
    ) async throws -> MountedVolume
    func unmount(_ reference: VolumeReference, holder: MountHolder) async throws
    func incarnationBegan(_ incarnation: Incarnation) async
}

extension VolumeManager: DockerVolumes {}
