import Driver
import RPC

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

extension CSI {
    /// What a volume is made from: one of the two.
    struct VolumeContentSource: Hashable, Sendable, Codable {
        struct SnapshotSource: Hashable, Sendable, Codable { var snapshotId: String? }
        struct VolumeSource: Hashable, Sendable, Codable { var volumeId: String? }

        var snapshot: SnapshotSource?
        var volume: VolumeSource?

        /// `nil` for a volume that began blank.
        init?(of volume: Driver.Volume) {
            switch VolumeWish.Source(of: volume) {
            case .snapshot(let id): snapshot = SnapshotSource(snapshotId: id.rawValue)
            case .volume(let id): self.volume = VolumeSource(volumeId: id.rawValue)
            case nil: return nil
            }
        }
    }

    struct Snapshot: Hashable, Sendable, Codable {
        /// The least size of a volume that is made from it.
        var sizeBytes: ProtoInt64
        var snapshotId: String
        var sourceVolumeId: String
        var creationTime: Date
        var readyToUse: Bool
        /// Present for one that goes only with its group.
        var groupSnapshotId: String?

        init(_ snapshot: Driver.Snapshot) {
            sizeBytes = ProtoInt64(Int64(snapshot.volumeSizeGiB) << 30)
            snapshotId = snapshot.id.rawValue
            sourceVolumeId = snapshot.volumeID.rawValue
            creationTime = snapshot.startTime
            readyToUse = snapshot.state == .completed
            groupSnapshotId = snapshot.tags[Tag.snapshotGroup]
        }
    }

    enum CreateSnapshot: RPCMethod {
        static let name = "Controller.CreateSnapshot"
        struct Parameters: Hashable, Sendable, Codable {
            var sourceVolumeId: String?
            var name: String?
            var parameters: [String: String]?
        }
        struct Result: Hashable, Sendable, Codable { var snapshot: Snapshot }
    }

    enum DeleteSnapshot: RPCMethod {
        static let name = "Controller.DeleteSnapshot"
        struct Parameters: Hashable, Sendable, Codable { var snapshotId: String? }
        typealias Result = Empty
    }

    enum ListSnapshots: RPCMethod {
        static let name = "Controller.ListSnapshots"
        struct Parameters: Hashable, Sendable, Codable {
            /// 0 for all.
            var maxEntries: Int32?
            var startingToken: String?
            var sourceVolumeId: String?
            var snapshotId: String?
        }
        struct Entry: Hashable, Sendable, Codable { var snapshot: Snapshot }
        struct Result: Hashable, Sendable, Codable {
            var entries: [Entry]
            var nextToken: String?
        }
    }
}

extension CSI {
    struct VolumeGroupSnapshot: Hashable, Sendable, Codable {
        var groupSnapshotId: String
        var snapshots: [Snapshot]
        var creationTime: Date
        var readyToUse: Bool

        /// - Parameter snapshots: at least one.
        init(id: String, _ snapshots: [Driver.Snapshot]) {
            groupSnapshotId = id
            self.snapshots = snapshots.map(Snapshot.init)
            creationTime = snapshots.map(\.startTime).min() ?? .distantPast
            readyToUse = self.snapshots.allSatisfy(\.readyToUse)
        }
    }

    struct VolumeGroupSnapshotResult: Hashable, Sendable, Codable { var groupSnapshot: VolumeGroupSnapshot }

    struct VolumeGroupSnapshotParameters: Hashable, Sendable, Codable {
        var groupSnapshotId: String?
        var snapshotIds: [String]?
    }

    enum CreateVolumeGroupSnapshot: RPCMethod {
        static let name = "GroupController.CreateVolumeGroupSnapshot"
        struct Parameters: Hashable, Sendable, Codable {
            var name: String?
            var sourceVolumeIds: [String]?
            var parameters: [String: String]?
        }
        typealias Result = VolumeGroupSnapshotResult
    }

    enum DeleteVolumeGroupSnapshot: RPCMethod {
        static let name = "GroupController.DeleteVolumeGroupSnapshot"
        typealias Parameters = VolumeGroupSnapshotParameters
        typealias Result = Empty
    }

    enum GetVolumeGroupSnapshot: RPCMethod {
        static let name = "GroupController.GetVolumeGroupSnapshot"
        typealias Parameters = VolumeGroupSnapshotParameters
        typealias Result = VolumeGroupSnapshotResult
    }

    enum GroupControllerGetCapabilities: RPCMethod {
        static let name = "GroupController.GroupControllerGetCapabilities"
        typealias Parameters = Empty
        typealias Result = Capabilities
    }
}
