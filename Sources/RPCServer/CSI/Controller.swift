import Driver
import RPC

/// CSI's controller: what happens to volumes in the region.
struct Controller: Sendable {
    let driver: any StorageDriver
    let host: any HostOperations
    let instance: Instance
    /// The bytes that are left for volumes; `nil` when nobody knows.
    let freeBytes: RPCService.FreeBytes?

    func capabilities() async throws -> CSI.Capabilities {
        var types = [
            "CREATE_DELETE_VOLUME", "PUBLISH_UNPUBLISH_VOLUME", "LIST_VOLUMES", "LIST_VOLUMES_PUBLISHED_NODES",
            "GET_VOLUME",
        ]
        if freeBytes != nil { types.append("GET_CAPACITY") }
        let abilities = try await driver.describeDriver().capabilities
        if abilities.contains(.snapshots) { types += ["CREATE_DELETE_SNAPSHOT", "LIST_SNAPSHOTS"] }
        if abilities.contains(.copyVolumes) { types.append("CLONE_VOLUME") }
        if abilities.contains(.modifyVolumes) { types += ["EXPAND_VOLUME", "MODIFY_VOLUME"] }
        return CSI.Capabilities(capabilities: types.map { .rpc($0) })
    }

    // MARK: Making and deleting

    /// By name: the same wish gives the same volume.
    func create(_ request: CSI.CreateVolume.Parameters) async throws -> CSI.CreateVolume.Result {
        let wish = try VolumeWish(request)
        if let volume = try await existing(wish) { return try await answer(volume) }
        do {
            let request = try wish.request(of: try await content(of: wish), defaultZone: instance.zone)
            return try await answer(try await host.create(request).volume)
        } catch let error as StorageError where error.code == .volumeDuplicate {
            // Somebody was faster.
            guard let volume = try await existing(wish) else { throw error }
            return try await answer(volume)
        } catch let error as StorageError where error.code == .zoneNotFound {
            throw RPCError(error, status: .invalidArgument)
        } catch let error as StorageError where error.code == .invalidParameterValue && isAboutSize(error) {
            throw RPCError(error, status: .outOfRange)
        }
    }

    /// When it can be used. Until then the operation is pending, and who asked asks again.
    private func answer(_ volume: Volume) async throws -> CSI.CreateVolume.Result {
        do {
            return .init(volume: .init(try await host.sound(volume)))
        } catch let error as StorageError where error.code == .deadlineExceeded {
            throw RPCError(error, status: .aborted)
        }
    }

    /// The snapshot or volume that is wished for.
    private func content(of wish: VolumeWish) async throws -> VolumeContent? {
        switch wish.source {
        case .snapshot(let id): .snapshot(try await snapshot(id.rawValue))
        case .volume(let id): .volume(try await volume(id.rawValue))
        case nil: nil
        }
    }

    private func existing(_ wish: VolumeWish) async throws -> Volume? {
        guard let volume = try await driver.describeVolumes(VolumeQuery(names: [wish.name])).volumes.first else {
            return nil
        }
        if let difference = wish.difference(volume) {
            throw RPCError.refusal(
                .alreadyExists, .volumeDuplicate,
                "There is a volume '\(wish.name)' already, '\(volume.id)', but \(difference)")
        }
        return volume
    }

    /// EC2 has one code for all bad values, so its texts must tell.
    func isAboutSize(_ error: StorageError) -> Bool {
        error.message.hasPrefix("Volume of ") || error.message.hasPrefix("The volume size ")
    }

    func delete(_ request: CSI.VolumeID) async throws -> Empty {
        let id = try required(request.volumeId, "volumeId")
        do {
            try await driver.deleteVolume(VolumeID(id))
        } catch let error as StorageError where isUnknown(error) {
            // Deleted is deleted.
        } catch let error as StorageError where error.code == .incorrectState {
            // It is being made, or deleted.
            throw RPCError(error, status: .aborted)
        }
        return Empty()
    }

    // MARK: Publishing

    func publish(
        _ request: CSI.ControllerPublishVolume.Parameters
    ) async throws -> CSI.ControllerPublishVolume.Result {
        let id = try required(request.volumeId, "volumeId")
        let node = InstanceID(try required(request.nodeId, "nodeId"))
        try required(request.volumeCapability, "volumeCapability").requireSupport("volumeCapability")
        if request.readonly ?? false {
            throw RPCError.invalidArgument("'readonly' is for plugins with the capability PUBLISH_READONLY")
        }
        let volume = try await volume(id)
        if let attachment = volume.attachments.first(where: { $0.instanceID == node }) {
            return .init(publishContext: context(attachment))
        }
        try await requireNode(node)
        return .init(publishContext: context(try await attach(volume.id, to: node)))
    }

    private func attach(_ id: VolumeID, to node: InstanceID) async throws -> Attachment {
        do {
            return try await driver.attachVolume(AttachVolumeRequest(volumeID: id, instanceID: node))
        } catch let error as StorageError where error.code == .volumeInUse {
            // Two calls at a time: the other one may have published it on this very node.
            let now = try await volume(id.rawValue)
            guard let attachment = now.attachments.first(where: { $0.instanceID == node }) else { throw error }
            return attachment
        }
    }

    /// Where the node finds the volume's bytes.
    private func context(_ attachment: Attachment) -> [String: String] {
        var context = ["device": attachment.device.path]
        switch attachment.location {
        case .file(let path): context["file"] = path
        case .blockDevice(let path): context["blockDevice"] = path
        case nil: break
        }
        return context
    }

    private func requireNode(_ id: InstanceID) async throws {
        if try await driver.describeInstances().contains(where: { $0.id == id }) { return }
        throw StorageError(.instanceNotFound, "The instance ID '\(id)' does not exist")
    }

    func unpublish(_ request: CSI.ControllerUnpublishVolume.Parameters) async throws -> Empty {
        let id = VolumeID(try required(request.volumeId, "volumeId"))
        let node = request.nodeId.flatMap { $0.isEmpty ? nil : InstanceID($0) }
        do {
            for attachment in try await volume(id.rawValue).attachments
            where node == nil || attachment.instanceID == node {
                try await detach(id, from: attachment.instanceID)
            }
        } catch let error as StorageError where isUnknown(error) || error.code == .attachmentNotFound {
            // What is gone is published nowhere.
        }
        return Empty()
    }

    /// From this machine only what is not in use there any more.
    private func detach(_ id: VolumeID, from node: InstanceID) async throws {
        if node == instance.id {
            try await host.detach(.id(id), force: false)
        } else {
            try await driver.detachVolume(DetachVolumeRequest(volumeID: id, instanceID: node))
        }
    }

    // MARK: Looking

    func validate(
        _ request: CSI.ValidateVolumeCapabilities.Parameters
    ) async throws -> CSI.ValidateVolumeCapabilities.Result {
        let id = try required(request.volumeId, "volumeId")
        let capabilities = try request.volumeCapabilities.requireFields()
        _ = try await volume(id)
        if let objection = capabilities.compactMap(\.objection).first { return .init(message: objection) }
        return .init(
            confirmed: .init(
                volumeContext: request.volumeContext, volumeCapabilities: capabilities,
                parameters: request.parameters))
    }

    func list(_ request: CSI.ListVolumes.Parameters) async throws -> CSI.ListVolumes.Result {
        let maxEntries = request.maxEntries ?? 0
        if maxEntries < 0 { throw RPCError.invalidArgument("'maxEntries' is not negative") }
        let token = request.startingToken.flatMap { $0.isEmpty ? nil : $0 }
        do {
            let page = try await driver.describeVolumes(
                VolumeQuery(maxResults: maxEntries == 0 ? nil : Int(maxEntries), nextToken: token))
            return .init(
                entries: page.volumes.map { .init(volume: .init($0), status: .init($0)) }, nextToken: page.nextToken)
        } catch let error as StorageError where token != nil && StatusCode(error.code) != .unavailable {
            throw RPCError(error, status: .aborted)
        }
    }

    func get(_ request: CSI.VolumeID) async throws -> CSI.ListVolumes.Entry {
        let volume = try await volume(try required(request.volumeId, "volumeId"))
        return .init(volume: .init(volume), status: .init(volume))
    }

    func capacity(
        _ request: CSI.GetCapacity.Parameters, _ freeBytes: RPCService.FreeBytes
    ) async throws -> CSI.GetCapacity.Result {
        let isPossible = (request.volumeCapabilities ?? []).allSatisfy { $0.objection == nil }
        var isKnown = true
        if let segments = request.accessibleTopology?.segments {
            let zones = Set(try await driver.describeZones().map(\.name.rawValue))
            isKnown = segments.allSatisfy { $0.key == CSI.zoneKey && zones.contains($0.value) }
        }
        return .init(availableCapacity: ProtoInt64(isPossible && isKnown ? try freeBytes() : 0))
    }

    /// - Throws: `InvalidVolume.NotFound`, also for what cannot be an id.
    func volume(_ id: String) async throws -> Volume {
        do {
            if let volume = try await driver.describeVolumes(VolumeQuery(ids: [VolumeID(id)])).volumes.first {
                return volume
            }
        } catch let error as StorageError where isUnknown(error) {}
        throw StorageError(.volumeNotFound, "The volume '\(id)' does not exist.")
    }

    /// Whether it says that the volume is not there; a malformed id names nothing.
    private func isUnknown(_ error: StorageError) -> Bool {
        let isMalformed = error.message.contains("malformed") || error.message.contains("Expected: 'vol-")
        return error.code == .volumeNotFound || (error.code == .invalidParameterValue && isMalformed)
            || error.code.name.hasSuffix(".Malformed")
    }
}

extension MethodTable {
    mutating func addController(_ controller: Controller) {
        add(CSI.CreateVolume.self, controller.create)
        add(CSI.DeleteVolume.self, controller.delete)
        add(CSI.ControllerPublishVolume.self, controller.publish)
        add(CSI.ControllerUnpublishVolume.self, controller.unpublish)
        add(CSI.ValidateVolumeCapabilities.self, controller.validate)
        add(CSI.ListVolumes.self, controller.list)
        add(CSI.ControllerGetVolume.self, controller.get)
        add(CSI.ControllerGetCapabilities.self) { _ in try await controller.capabilities() }
        add(CSI.ControllerExpandVolume.self, controller.expand)
        add(CSI.ControllerModifyVolume.self, controller.modify)
        if let freeBytes = controller.freeBytes {
            add(CSI.GetCapacity.self) { try await controller.capacity($0, freeBytes) }
        }
    }
}
