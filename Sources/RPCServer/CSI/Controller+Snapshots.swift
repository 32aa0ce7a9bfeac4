import Driver
import RPC

/// Snapshots of single volumes. A name is unique in the region, so it makes creating repeatable.
extension Controller {
    /// By name: the same wish gives the same snapshot, and tells each time how far it is.
    func createSnapshot(_ request: CSI.CreateSnapshot.Parameters) async throws -> CSI.CreateSnapshot.Result {
        let source = try required(request.sourceVolumeId, "sourceVolumeId")
        let name = try required(request.name, "name")
        let wish = try SnapshotParameters(request.parameters ?? [:])
        if let snapshot = try await existingSnapshot(name, of: source) { return .init(snapshot: .init(snapshot)) }
        let volume = try await volume(source)
        do {
            let request = CreateSnapshotsRequest(
                sources: [.init(volumeID: volume.id, tags: [Tag.name: name])], description: wish.description ?? "")
            let snapshots = try await host.createSnapshots(request, freeze: wish.freezes)
            guard let snapshot = snapshots.first else {
                throw StorageError(.internalError, "The region made no snapshot of '\(source)'")
            }
            return .init(snapshot: .init(snapshot))
        } catch let error as StorageError where error.code == .snapshotDuplicate {
            // Somebody was faster.
            guard let snapshot = try await existingSnapshot(name, of: source) else { throw error }
            return .init(snapshot: .init(snapshot))
        }
    }

    private func existingSnapshot(_ name: String, of source: String) async throws -> Snapshot? {
        let page = try await driver.describeSnapshots(SnapshotQuery(names: [name]))
        guard let snapshot = page.snapshots.first else { return nil }
        guard snapshot.volumeID.rawValue == source else {
            throw RPCError.refusal(
                .alreadyExists, .snapshotDuplicate,
                "There is a snapshot '\(name)' already, '\(snapshot.id)', but it is of '\(snapshot.volumeID)'")
        }
        try requireNoFailure(snapshot)
        return snapshot
    }

    /// What went wrong after the cut is told to who asks how far it is.
    func requireNoFailure(_ snapshot: Snapshot) throws(RPCError) {
        guard snapshot.state == .error else { return }
        throw RPCError(
            StorageError(
                .incorrectState, "The snapshot '\(snapshot.id)' is in state error", cause: snapshot.stateMessage,
                advice: "delete it, and make another one"), status: .internalError)
    }

    func deleteSnapshot(_ request: CSI.DeleteSnapshot.Parameters) async throws -> Empty {
        let id = try required(request.snapshotId, "snapshotId")
        do {
            let snapshot = try await snapshot(id)
            if let group = snapshot.tags[Tag.snapshotGroup] {
                throw RPCError.invalidArgument("The snapshot '\(id)' is part of '\(group)' and is deleted with it")
            }
            try await driver.deleteSnapshot(snapshot.id)
        } catch let error as StorageError where error.code == .snapshotNotFound {
            // Deleted is deleted.
        }
        return Empty()
    }

    func listSnapshots(_ request: CSI.ListSnapshots.Parameters) async throws -> CSI.ListSnapshots.Result {
        let maxEntries = request.maxEntries ?? 0
        if maxEntries < 0 { throw RPCError.invalidArgument("'maxEntries' is not negative") }
        let source = request.sourceVolumeId.flatMap { $0.isEmpty ? nil : VolumeID($0) }
        if let id = request.snapshotId, !id.isEmpty { return try await listOne(id, of: source) }
        let token = request.startingToken.flatMap { $0.isEmpty ? nil : $0 }
        do {
            let page = try await driver.describeSnapshots(
                SnapshotQuery(
                    volumeIDs: source.map { [$0] } ?? [], maxResults: maxEntries == 0 ? nil : Int(maxEntries),
                    nextToken: token))
            return .init(entries: page.snapshots.map { .init(snapshot: .init($0)) }, nextToken: page.nextToken)
        } catch let error as StorageError where token != nil && StatusCode(error.code) != .unavailable {
            throw RPCError(error, status: .aborted)
        }
    }

    /// What is not there is an empty list.
    private func listOne(_ id: String, of source: VolumeID?) async throws -> CSI.ListSnapshots.Result {
        do {
            let snapshot = try await snapshot(id)
            let isMeant = source.map { $0 == snapshot.volumeID } ?? true
            return .init(entries: isMeant ? [.init(snapshot: .init(snapshot))] : [])
        } catch let error as StorageError where error.code == .snapshotNotFound {
            return .init(entries: [])
        }
    }

    /// - Throws: `InvalidSnapshot.NotFound`, also for what cannot be an id.
    func snapshot(_ id: String) async throws -> Snapshot {
        do {
            let page = try await driver.describeSnapshots(SnapshotQuery(ids: [SnapshotID(id)]))
            if let snapshot = page.snapshots.first { return snapshot }
        } catch let error as StorageError where error.code == .snapshotIDMalformed {}
        throw StorageError(.snapshotNotFound, "The snapshot '\(id)' does not exist.")
    }
}

/// CSI's opaque `parameters` of a snapshot. Keys are not case-sensitive; unknown ones are refused.
struct SnapshotParameters {
    static let keys = ["freeze", "description"]

    /// Whether filesystems that are mounted on the controller's machine hold still meanwhile.
    var freezes = false
    var description: String?

    init(_ parameters: [String: String]) throws(RPCError) {
        for (key, value) in parameters {
            switch key.lowercased() {
            case "freeze": freezes = try CSIParameters.bool(key, value)
            case "description": description = value
            // What Kubernetes' snapshotter adds says nothing about the snapshot.
            case let key where key.hasPrefix("csi.storage.k8s.io/"): break
            default:
                throw .invalidArgument("There is no parameter '\(key)'; there are \(Self.keys.joined(separator: ", "))")
            }
        }
    }
}

extension MethodTable {
    mutating func addSnapshots(_ controller: Controller) {
        add(CSI.CreateSnapshot.self, controller.createSnapshot)
        add(CSI.DeleteSnapshot.self, controller.deleteSnapshot)
        add(CSI.ListSnapshots.self, controller.listSnapshots)
    }
}
