import Driver
import RPC

extension CSI {
    enum NodeStageVolume: RPCMethod {
        static let name = "Node.NodeStageVolume"
        struct Parameters: Hashable, Sendable, Codable {
            var volumeId: String?
            var stagingTargetPath: String?
            var volumeCapability: VolumeCapability?
        }
        typealias Result = Empty
    }

    enum NodeUnstageVolume: RPCMethod {
        static let name = "Node.NodeUnstageVolume"
        struct Parameters: Hashable, Sendable, Codable {
            var volumeId: String?
            var stagingTargetPath: String?
        }
        typealias Result = Empty
    }

    enum NodePublishVolume: RPCMethod {
        static let name = "Node.NodePublishVolume"
        struct Parameters: Hashable, Sendable, Codable {
            var volumeId: String?
            var stagingTargetPath: String?
            var targetPath: String?
            var volumeCapability: VolumeCapability?
            var readonly: Bool?
        }
        typealias Result = Empty
    }

    enum NodeUnpublishVolume: RPCMethod {
        static let name = "Node.NodeUnpublishVolume"
        struct Parameters: Hashable, Sendable, Codable {
            var volumeId: String?
            var targetPath: String?
        }
        typealias Result = Empty
    }

    enum NodeGetVolumeStats: RPCMethod {
        static let name = "Node.NodeGetVolumeStats"
        struct Parameters: Hashable, Sendable, Codable {
            var volumeId: String?
            var volumePath: String?
        }
        struct Usage: Hashable, Sendable, Codable {
            var available: ProtoInt64
            var total: ProtoInt64
            var used: ProtoInt64
            var unit: String
        }
        struct Result: Hashable, Sendable, Codable { var usage: [Usage] }
    }

    enum NodeExpandVolume: RPCMethod {
        static let name = "Node.NodeExpandVolume"
        struct Parameters: Hashable, Sendable, Codable {
            var volumeId: String?
            var volumePath: String?
        }
        struct Result: Hashable, Sendable, Codable { var capacityBytes: ProtoInt64 }
    }

    enum NodeGetCapabilities: RPCMethod {
        static let name = "Node.NodeGetCapabilities"
        typealias Parameters = Empty
        typealias Result = Capabilities
    }

    enum NodeGetInfo: RPCMethod {
        static let name = "Node.NodeGetInfo"
        typealias Parameters = Empty
        struct Result: Hashable, Sendable, Codable {
            var nodeId: String
            var maxVolumesPerNode: ProtoInt64
            var accessibleTopology: Topology
        }
    }
}

/// CSI's node: what happens to volumes on this machine.
struct Node: Sendable {
    /// The device names `/dev/xvdb` to `/dev/xvdz`.
    private static let slots: Int64 = 25

    let host: any HostOperations
    let instance: Instance

    func stage(_ request: CSI.NodeStageVolume.Parameters) async throws -> Empty {
        let id = try required(request.volumeId, "volumeId")
        let path = try required(request.stagingTargetPath, "stagingTargetPath")
        let capability = try required(request.volumeCapability, "volumeCapability")
        try capability.requireSupport("volumeCapability")
        try await host.stage(VolumeID(id), at: path, options: capability.mountOptions)
        return Empty()
    }

    func unstage(_ request: CSI.NodeUnstageVolume.Parameters) async throws -> Empty {
        let id = try required(request.volumeId, "volumeId")
        let path = try required(request.stagingTargetPath, "stagingTargetPath")
        try await host.unstage(VolumeID(id), at: path)
        return Empty()
    }

    func publish(_ request: CSI.NodePublishVolume.Parameters) async throws -> Empty {
        let id = try required(request.volumeId, "volumeId")
        let target = try required(request.targetPath, "targetPath")
        let capability = try required(request.volumeCapability, "volumeCapability")
        try capability.requireSupport("volumeCapability")
        guard let staging = request.stagingTargetPath, !staging.isEmpty else {
            throw RPCError.refusal(.failedPrecondition, .missingParameter, "The volume has no 'stagingTargetPath'")
        }
        let isReadOnly = (request.readonly ?? false) || capability.isReadOnly
        try await host.publish(VolumeID(id), from: staging, at: target, readOnly: isReadOnly)
        return Empty()
    }

    func unpublish(_ request: CSI.NodeUnpublishVolume.Parameters) async throws -> Empty {
        let id = try required(request.volumeId, "volumeId")
        let target = try required(request.targetPath, "targetPath")
        try await host.unpublish(VolumeID(id), at: target)
        return Empty()
    }

    func statistics(
        _ request: CSI.NodeGetVolumeStats.Parameters
    ) async throws -> CSI.NodeGetVolumeStats.Result {
        let id = try required(request.volumeId, "volumeId")
        let path = try required(request.volumePath, "volumePath")
        let usage = try await host.usage(of: VolumeID(id), at: path)
        return .init(usage: [
            .init(
                available: ProtoInt64(usage.availableBytes), total: ProtoInt64(usage.totalBytes),
                used: ProtoInt64(usage.usedBytes), unit: "BYTES"),
            .init(
                available: ProtoInt64(usage.availableInodes), total: ProtoInt64(usage.totalInodes),
                used: ProtoInt64(usage.usedInodes), unit: "INODES"),
        ])
    }

    /// The device and the filesystem that is mounted from it take the volume's size.
    func expand(_ request: CSI.NodeExpandVolume.Parameters) async throws -> CSI.NodeExpandVolume.Result {
        let id = VolumeID(try required(request.volumeId, "volumeId"))
        let path = try required(request.volumePath, "volumePath")
        // Also tells whether the volume is there.
        _ = try await host.usage(of: id, at: path)
        try await host.grow(.id(id))
        return .init(capacityBytes: ProtoInt64(Int64(try await host.volume(.id(id)).volume.sizeGiB) << 30))
    }

    var info: CSI.NodeGetInfo.Result {
        .init(
            nodeId: instance.id.rawValue, maxVolumesPerNode: ProtoInt64(Self.slots),
            accessibleTopology: .zone(instance.zone))
    }
}

extension MethodTable {
    mutating func addNode(_ node: Node) {
        add(CSI.NodeStageVolume.self, node.stage)
        add(CSI.NodeUnstageVolume.self, node.unstage)
        add(CSI.NodePublishVolume.self, node.publish)
        add(CSI.NodeUnpublishVolume.self, node.unpublish)
        add(CSI.NodeGetVolumeStats.self, node.statistics)
        add(CSI.NodeExpandVolume.self, node.expand)
        add(CSI.NodeGetCapabilities.self) { _ in
            .init(capabilities: [.rpc("STAGE_UNSTAGE_VOLUME"), .rpc("GET_VOLUME_STATS"), .rpc("EXPAND_VOLUME")])
        }
        add(CSI.NodeGetInfo.self) { _ in node.info }
    }
}
