import Driver
import Host
import Synchronization

@testable import DockerPlugin

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Volumes that exist on paper: records what Docker's plugin asks of the host side, and fails on demand.
final class RecordingVolumes: DockerVolumes {
    private struct State {
        var calls: [String] = []
        var volumes: [String: HostVolume] = [:]
        var failures: [String: [any Error & Sendable]] = [:]
        var incarnations: [Incarnation] = []
        var holders: [MountHolder] = []
        var requests: [CreateVolumeRequest] = []
        var isHanging = false
    }

    private let state = Mutex(State())

    var calls: [String] { state.withLock { $0.calls } }
    var incarnations: [Incarnation] { state.withLock { $0.incarnations } }
    var holders: [MountHolder] { state.withLock { $0.holders } }
    var requests: [CreateVolumeRequest] { state.withLock { $0.requests } }

    func add(_ volume: HostVolume) {
        state.withLock { $0.volumes[volume.volume.name] = volume }
    }

    /// The next calls of this name fail, one with each error.
    func fail(_ call: String, with errors: (any Error & Sendable)...) {
        state.withLock { $0.failures[call] = errors }
    }

    /// Every mount waits until it is released or cancelled, and then succeeds all the same.
    func hangMounts() {
        state.withLock { $0.isHanging = true }
    }

    func releaseMounts() {
        state.withLock { $0.isHanging = false }
    }

    private func begin(_ call: String, _ detail: String) throws {
        try state.withLock { state in
            state.calls.append(detail.isEmpty ? call : "\(call) \(detail)")
            if var errors = state.failures[call], !errors.isEmpty {
                let error = errors.removeFirst()
                state.failures[call] = errors
                throw error
            }
        }
    }

    private func find(_ reference: VolumeReference) throws -> HostVolume {
        let volume = state.withLock { state in
            switch reference {
            case .name(let name): state.volumes[name]
            case .id(let id): state.volumes.values.first { $0.volume.id == id }
            }
        }
        guard let volume else { throw StorageError(.volumeNotFound, "The volume '\(reference)' does not exist.") }
        return volume
    }

    func volumes() async throws -> [HostVolume] {
        try begin("list", "")
        return state.withLock { $0.volumes.values.sorted { $0.volume.id < $1.volume.id } }
    }

    func volume(_ reference: VolumeReference) async throws -> HostVolume {
        try begin("get", "\(reference)")
        return try find(reference)
    }

    func snapshotID(named name: String) async throws -> SnapshotID {
        try begin("snapshot", name)
        return SnapshotID("snap-of-\(name)")
    }

    func sound(_ volume: Volume) async throws -> Volume {
        if volume.state == .creating { try begin("sound", volume.name) }
        var volume = volume
        volume.state = .available
        return volume
    }

    func create(_ request: CreateVolumeRequest) async throws -> HostVolume {
        let name = request.tags[Tag.name] ?? ""
        state.withLock { $0.requests.append(request) }
        try begin("create", name)
        if state.withLock({ $0.volumes[name] }) != nil {
            throw StorageError(.volumeDuplicate, "The volume '\(name)' already exists.")
        }
        var volume = HostVolume(
            volume: .sample(
                name, sizeGiB: request.sizeGiB ?? 16, type: request.type ?? .standard, iops: request.iops,
                snapshotID: request.snapshotID, sourceVolumeID: request.sourceVolumeID, tags: request.tags))
        if request.sourceVolumeID != nil { volume.volume.state = .creating }
        add(volume)
        return volume
    }

    func remove(_ reference: VolumeReference, force: Bool, engine: Incarnation?) async throws {
        try begin("remove", "\(reference)")
        let volume = try find(reference)
        state.withLock { $0.volumes[volume.volume.name] = nil }
    }

    func mount(
        _ reference: VolumeReference, holder: MountHolder, options: MountOptions
    ) async throws -> MountedVolume {
        state.withLock { $0.holders.append(holder) }
        try begin("mount", "\(reference) \(holder.id)")
        let volume = try find(reference)
        while state.withLock({ $0.isHanging }) && !Task.isCancelled { await Task.yield() }
        let path = "/mounts/\(volume.volume.name)"
        state.withLock { $0.volumes[volume.volume.name]?.mountPath = path }
        return MountedVolume(volume: volume.volume, path: path, device: DeviceName("xvdb"))
    }

    func unmount(_ reference: VolumeReference, holder: MountHolder) async throws {
        try begin("unmount", "\(reference) \(holder.id)")
        let volume = try find(reference)
        state.withLock { $0.volumes[volume.volume.name]?.mountPath = nil }
    }

    func incarnationBegan(_ incarnation: Incarnation) async {
        state.withLock {
            $0.calls.append("incarnation")
            $0.incarnations.append(incarnation)
        }
    }
}

extension Volume {
    static func sample(
        _ name: String, sizeGiB: Int = 16, type: VolumeType = .standard, iops: Int? = nil,
        snapshotID: SnapshotID? = nil, sourceVolumeID: VolumeID? = nil, tags: [String: String] = [:]
    ) -> Volume {
        let digits = name.utf8.reduce(into: UInt64(0xEBB)) { $0 = $0 &* 31 &+ UInt64($1) }
        let hex = String(digits, radix: 16)
        return Volume(
            id: VolumeID("vol-0" + String(repeating: "0", count: 16 - hex.count) + hex), zone: "us-east-1b",
            state: .available, type: type, sizeGiB: sizeGiB, iops: iops,
            snapshotID: snapshotID, sourceVolumeID: sourceVolumeID,
            createTime: Date(timeIntervalSince1970: 1_700_000_000),
            tags: tags.merging([Tag.name: name]) { first, _ in first })
    }
}
