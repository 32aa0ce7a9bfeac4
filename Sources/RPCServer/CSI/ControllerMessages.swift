import RPC

extension CSI {
    enum CreateVolume: RPCMethod {
        static let name = "Controller.CreateVolume"
        struct Parameters: Hashable, Sendable, Codable {
            var name: String?
            var capacityRange: CapacityRange?
            var volumeCapabilities: [VolumeCapability]?
            var parameters: [String: String]?
            var mutableParameters: [String: String]?
            var volumeContentSource: VolumeContentSource?
            var accessibilityRequirements: TopologyRequirement?
        }
        struct Result: Hashable, Sendable, Codable { var volume: Volume }
    }

    enum DeleteVolume: RPCMethod {
        static let name = "Controller.DeleteVolume"
        typealias Parameters = VolumeID
        typealias Result = Empty
    }

    struct VolumeID: Hashable, Sendable, Codable { var volumeId: String? }

    enum ControllerPublishVolume: RPCMethod {
        static let name = "Controller.ControllerPublishVolume"
        struct Parameters: Hashable, Sendable, Codable {
            var volumeId: String?
            var nodeId: String?
            var volumeCapability: VolumeCapability?
            var readonly: Bool?
        }
        struct Result: Hashable, Sendable, Codable { var publishContext: [String: String] }
    }

    enum ControllerUnpublishVolume: RPCMethod {
        static let name = "Controller.ControllerUnpublishVolume"
        struct Parameters: Hashable, Sendable, Codable {
            var volumeId: String?
            /// Empty for all nodes.
            var nodeId: String?
        }
        typealias Result = Empty
    }

    enum ValidateVolumeCapabilities: RPCMethod {
        static let name = "Controller.ValidateVolumeCapabilities"
        struct Parameters: Hashable, Sendable, Codable {
            var volumeId: String?
            var volumeContext: [String: String]?
            var volumeCapabilities: [VolumeCapability]?
            var parameters: [String: String]?
        }
        struct Confirmed: Hashable, Sendable, Codable {
            var volumeContext: [String: String]?
            var volumeCapabilities: [VolumeCapability]
            var parameters: [String: String]?
        }
        struct Result: Hashable, Sendable, Codable {
            var confirmed: Confirmed?
            var message: String?
        }
    }

    enum ListVolumes: RPCMethod {
        static let name = "Controller.ListVolumes"
        struct Parameters: Hashable, Sendable, Codable {
            /// 0 for all.
            var maxEntries: Int32?
            var startingToken: String?
        }
        struct Entry: Hashable, Sendable, Codable {
            var volume: Volume
            var status: VolumeStatus
        }
        struct Result: Hashable, Sendable, Codable {
            var entries: [Entry]
            var nextToken: String?
        }
    }

    enum ControllerGetVolume: RPCMethod {
        static let name = "Controller.ControllerGetVolume"
        typealias Parameters = VolumeID
        typealias Result = ListVolumes.Entry
    }

    enum ControllerExpandVolume: RPCMethod {
        static let name = "Controller.ControllerExpandVolume"
        struct Parameters: Hashable, Sendable, Codable {
            var volumeId: String?
            var capacityRange: CapacityRange?
        }
        struct Result: Hashable, Sendable, Codable {
            var capacityBytes: ProtoInt64
            var nodeExpansionRequired: Bool
        }
    }

    enum ControllerModifyVolume: RPCMethod {
        static let name = "Controller.ControllerModifyVolume"
        struct Parameters: Hashable, Sendable, Codable {
            var volumeId: String?
            var mutableParameters: [String: String]?
        }
        typealias Result = Empty
    }

    enum ControllerGetCapabilities: RPCMethod {
        static let name = "Controller.ControllerGetCapabilities"
        typealias Parameters = Empty
        typealias Result = Capabilities
    }

    enum GetCapacity: RPCMethod {
        static let name = "Controller.GetCapacity"
        struct Parameters: Hashable, Sendable, Codable {
            var volumeCapabilities: [VolumeCapability]?
            var parameters: [String: String]?
            var accessibleTopology: Topology?
        }
        struct Result: Hashable, Sendable, Codable { var availableCapacity: ProtoInt64 }
    }
}
