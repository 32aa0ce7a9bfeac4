// A region in memory that several hosts share, with the answers of a real one; on request with real sparse files.

import Driver
import FoundationEssentials
import Synchronization
import SystemPackage

final class FakeRegion: StorageDriver {
    struct State {
        var volumes: [VolumeID: Volume] = [:]
        /// How many there have been: ids are not used twice.
        var volumeCount = 0
        var contents: [VolumeID: Content] = [:]
        var snapshots: [Snapshot] = []
        var snapshotContents: [SnapshotID: Content] = [:]
        /// What has become of a snapshot when it is described.
        var snapshotFate = Snapshot.State.pending
        /// What becomes of a copy of a volume; `creating` for as long as it is that.
        var copyFate = Volume.State.available
        /// Whether the next deletion stops when the volume has lost its bytes, and is listed still.
        var deletionStops = false
        /// What was asked for.
        var created: [CreateVolumeRequest] = []
        /// Counts up with each attachment, as the emulator's inode numbers do.
        var nextAttachment = 1
        var attachmentNumbers: [String: Int] = [:]
        var calls: [String] = []
        /// By call: what its next one fails with.
        var failures: [String: StorageError] = [:]
        /// Whether everything fails, as for a process that has died.
        var isDead = false
        /// How many calls and operations of the machine succeed before that.
        var lifetime: Int?
    }

    /// What a volume's bytes are.
    enum Content: Hashable, Sendable {
        case blank
        case fileSystem(String, uuid: String)
        case other(String)
    }

    let state = Mutex(State())
    let zone: ZoneName = "us-east-1b"
    let otherZone: ZoneName = "us-east-1c"
    let thirdZone: ZoneName = "us-east-1d"
    /// Where the volumes' files are, if they are real: one by id, and a link for the attachment.
    let files: String?

    init(files: String? = nil) {
        self.files = files
    }

    func addVolume(
        _ name: String, content: Content = .blank, tags: [String: String] = [:], sizeGiB: Int = 1
    ) -> VolumeID {
        let id = addRecord(name, content, tags, sizeGiB)
        if let files { Self.makeSparseFile(files + "/" + id.rawValue, sizeGiB: sizeGiB) }
        return id
    }

    private static func makeSparseFile(_ path: String, sizeGiB: Int) {
        do {
            let file = try FileDescriptor.open(
                FilePath(path), .writeOnly, options: .create, permissions: [.ownerReadWrite])
            try file.closeAfter { try file.resize(to: Int64(sizeGiB) << 30) }
        } catch {
            preconditionFailure("\(path) could not be made: \(error)")
        }
    }

    private func addRecord(
        _ name: String, _ content: Content, _ tags: [String: String], _ sizeGiB: Int
    ) -> VolumeID {
        state.withLock { state in
            state.volumeCount += 1
            let digits = String(state.volumeCount, radix: 16)
            let id = VolumeID("vol-" + String(repeating: "0", count: 17 - digits.count) + digits)
            var tags = tags
            if !name.isEmpty { tags[Tag.name] = name }
            state.volumes[id] = Volume(
                id: id, zone: zone, state: .available, type: .gp2, sizeGiB: sizeGiB,
                createTime: Date(timeIntervalSince1970: 0), tags: tags)
            state.contents[id] = content
            return id
        }
    }

    func content(_ id: VolumeID) -> Content? { state.withLock { $0.contents[id] } }
    func attachments(_ id: VolumeID) -> [Attachment] { state.withLock { $0.volumes[id]?.attachments ?? [] } }
    var snapshots: [Snapshot] { state.withLock { $0.snapshots } }
    func tags(_ id: VolumeID) -> [String: String] { state.withLock { $0.volumes[id]?.tags ?? [:] } }

    func sizeBytes(_ id: VolumeID) -> Int64 { state.withLock { Int64($0.volumes[id]?.sizeGiB ?? 0) << 30 } }

    /// The volume behind an attachment's file now, and the attachment's number.
    func file(_ path: String) -> (volume: VolumeID, attachment: Int)? {
        state.withLock { state in
            for volume in state.volumes.values {
                for attachment in volume.attachments where attachment.location == .file(path: path) {
                    return (volume.id, state.attachmentNumbers[path] ?? 0)
                }
            }
            return nil
        }
    }

    /// Makes the next call of this name fail.
    func fail(_ call: String, _ error: StorageError) { state.withLock { $0.failures[call] = error } }

    /// One step of the daemon's life.
    func spendLife() throws {
        try state.withLock { state in
            if state.lifetime == 0 { state.isDead = true }
            if state.isDead { throw StorageError(.unavailable, "The process is dead") }
            state.lifetime = state.lifetime.map { $0 - 1 }
        }
    }

    private func enter(_ call: String) throws {
        try spendLife()
        try state.withLock { state in
            state.calls.append(call)
            if let error = state.failures.removeValue(forKey: call) { throw error }
        }
    }

    func describeDriver() async throws -> DriverDescription {
        DriverDescription(name: "fake", region: "us-east-1", capabilities: [], volumeTypes: [.gp2])
    }

    func describeZones() async throws -> [Zone] {
        [zone, otherZone, thirdZone].map { Zone(name: $0, region: "us-east-1") }
    }
    func describeInstances() async throws -> [Instance] { [] }

    func registerInstance(_ request: RegisterInstanceRequest) async throws -> Instance {
        throw StorageError(.unsupportedOperation, "Instances are not registered here")
    }

    func describeVolumes(_ query: VolumeQuery) async throws -> VolumePage {
        try enter("describe")
        return try state.withLock { state in
            for volume in state.volumes.values where volume.state == .creating {
                state.volumes[volume.id]?.state = state.copyFate
                if state.copyFate == .error { state.volumes[volume.id]?.stateMessage = "no space left" }
            }
            for id in query.ids where state.volumes[id] == nil {
                throw StorageError(.volumeNotFound, "The volume '\(id)' does not exist")
            }
            let found = state.volumes.values.filter { volume in
                (query.ids.isEmpty || query.ids.contains(volume.id))
                    && (query.names.isEmpty || query.names.contains(volume.name))
                    && (query.instanceID == nil
                        || volume.attachments.contains { $0.instanceID == query.instanceID })
            }
            return VolumePage(volumes: found.sorted { $0.id < $1.id })
        }
    }

    func createVolume(_ request: CreateVolumeRequest) async throws -> Volume {
        try enter("create")
        let content = state.withLock { state in request.snapshotID.flatMap { state.snapshotContents[$0] } ?? .blank }
        let id = addVolume(
            request.tags[Tag.name] ?? "", content: content, tags: request.tags, sizeGiB: request.sizeGiB ?? 1)
        return state.withLock { state in
            state.volumes[id]?.zone = request.zone
            state.created.append(request)
            state.volumes[id]?.type = request.type ?? .gp2
            if request.sourceVolumeID != nil { state.volumes[id]?.state = .creating }
            return state.volumes[id]!
        }
    }

    func deleteVolume(_ id: VolumeID) async throws {
        try enter("delete")
        try state.withLock { state in
            guard let volume = state.volumes[id] else { throw StorageError(.volumeNotFound, "'\(id)'") }
            guard volume.attachments.isEmpty else {
                throw StorageError(
                    .volumeInUse, "Volume '\(id)' is attached to '\(volume.attachments[0].instanceID)'")
            }
            if state.deletionStops {
                state.deletionStops = false
                state.volumes[id]?.state = .deleting
                state.contents[id] = nil
                throw StorageError(.deadlineExceeded, "'\(id)' is not deleted yet")
            }
            state.volumes[id] = nil
        }
    }

    func attachVolume(_ request: AttachVolumeRequest) async throws -> Attachment {
        try enter("attach")
        return try state.withLock { state in
            guard var volume = state.volumes[request.volumeID] else {
                throw StorageError(.volumeNotFound, "'\(request.volumeID)'")
            }
            if let holder = volume.attachments.first {
                guard request.preempt, holder.instanceID != request.instanceID else {
                    throw StorageError(.volumeInUse, "'\(volume.id)' is attached to '\(holder.instanceID)'")
                }
                try unlink(volume.attachments)
                volume.attachments = []
                state.volumes[volume.id] = volume
            }
            let taken = state.volumes.values.flatMap(\.attachments)
                .filter { $0.instanceID == request.instanceID }.map(\.device)
            let letters = "bcdefghijklmnopqrstuvwxyz".map { DeviceName("xvd\($0)") }
            let device = request.device ?? letters.first { !taken.contains($0) }!
            let path = (files ?? "/region") + "/\(request.instanceID)-\(device.leaf)"
            if let files {
                try FileManager.default.linkItem(atPath: files + "/" + volume.id.rawValue, toPath: path)
            }
            state.attachmentNumbers[path] = state.nextAttachment
            state.nextAttachment += 1
            let attachment = Attachment(
                volumeID: volume.id, instanceID: request.instanceID, device: device, state: .attached,
                attachTime: volume.createTime, location: .file(path: path))
            state.volumes[volume.id]?.attachments = [attachment]
            state.volumes[volume.id]?.state = .inUse
            return attachment
        }
    }

    func detachVolume(_ request: DetachVolumeRequest) async throws {
        try enter("detach")
        try state.withLock { state in
            guard let volume = state.volumes[request.volumeID] else {
                throw StorageError(.volumeNotFound, "'\(request.volumeID)'")
            }
            guard !volume.attachments.isEmpty else {
                throw StorageError(.incorrectState, "'\(volume.id)' is not attached")
            }
            try unlink(volume.attachments)
            state.volumes[volume.id]?.attachments = []
            state.volumes[volume.id]?.state = .available
        }
    }

    func createSnapshots(_ request: CreateSnapshotsRequest) async throws -> [Snapshot] {
        try enter("snapshot")
        return state.withLock { state in
            let made = request.sources.enumerated().map { index, source in
                Snapshot(
                    id: SnapshotID("snap-\(state.snapshots.count + index)"), volumeID: source.volumeID,
                    volumeSizeGiB: state.volumes[source.volumeID]?.sizeGiB ?? 0, state: .pending, progressPercent: 0,
                    startTime: Date(timeIntervalSince1970: 0), description: request.description, tags: source.tags,
                    region: "us-east-1")
            }
            state.snapshots += made
            for snapshot in made { state.snapshotContents[snapshot.id] = state.contents[snapshot.volumeID] }
            return made
        }
    }

    func describeSnapshots(_ query: SnapshotQuery) async throws -> SnapshotPage {
        try enter("describe snapshots")
        return try state.withLock { state in
            for id in query.ids where !state.snapshots.contains(where: { $0.id == id }) {
                throw StorageError(.snapshotNotFound, "The snapshot '\(id)' does not exist.")
            }
            for index in state.snapshots.indices { state.snapshots[index].state = state.snapshotFate }
            return SnapshotPage(
                snapshots: state.snapshots.filter { snapshot in
                    (query.ids.isEmpty || query.ids.contains(snapshot.id))
                        && (query.names.isEmpty || query.names.contains(snapshot.name))
                        && query.tags.allSatisfy { snapshot.tags[$0] == $1 }
                })
        }
    }

    func deleteSnapshot(_ id: SnapshotID) async throws {
        try enter("delete snapshot")
        state.withLock { $0.snapshots.removeAll { $0.id == id } }
    }

    private func unlink(_ attachments: [Attachment]) throws {
        for case .file(let path)? in attachments.map(\.location) where files != nil {
            try FileManager.default.removeItem(atPath: path)
        }
    }

    /// In effect at once, the file as well.
    func modifyVolume(_ request: ModifyVolumeRequest) async throws -> VolumeModification {
        try enter("modify")
        let modification = try state.withLock { state in
            guard var volume = state.volumes[request.volumeID] else {
                throw StorageError(.volumeNotFound, "'\(request.volumeID)'")
            }
            let original = VolumeModification.Configuration(sizeGiB: volume.sizeGiB, type: volume.type)
            volume.sizeGiB = request.sizeGiB ?? volume.sizeGiB
            volume.type = request.type ?? volume.type
            state.volumes[volume.id] = volume
            return VolumeModification(
                volumeID: volume.id, state: .optimizing, original: original,
                target: .init(sizeGiB: volume.sizeGiB, type: volume.type), progress: 0, startTime: volume.createTime)
        }
        if let files {
            Self.makeSparseFile(files + "/" + request.volumeID.rawValue, sizeGiB: modification.target.sizeGiB)
        }
        return modification
    }

    func modifyTags(_ request: ModifyTagsRequest) async throws -> Volume {
        try enter("tags")
        return try state.withLock { state in
            guard var volume = state.volumes[request.volumeID] else {
                throw StorageError(.volumeNotFound, "'\(request.volumeID)'")
            }
            for key in request.remove { volume.tags[key] = nil }
            volume.tags.merge(request.set) { $1 }
            state.volumes[volume.id] = volume
            return volume
        }
    }
}
