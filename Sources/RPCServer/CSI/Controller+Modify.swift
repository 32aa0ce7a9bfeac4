import Driver
import RPC

/// Volumes that become larger, or other: both calls may be repeated, and then do nothing more.
extension Controller {
    /// At least as large as required; the node's filesystem follows with `NodeExpandVolume`.
    func expand(
        _ request: CSI.ControllerExpandVolume.Parameters
    ) async throws -> CSI.ControllerExpandVolume.Result {
        let id = try required(request.volumeId, "volumeId")
        let range = try required(request.capacityRange, "capacityRange")
        let (roundedGiB, limitBytes) = try VolumeWish.size(range)
        // A limit alone asks for nothing.
        let requiredGiB = (range.requiredBytes?.value ?? 0) > 0 ? roundedGiB : nil
        var volume = try await volume(id)
        if let requiredGiB, volume.sizeGiB < requiredGiB {
            volume = try await modified(ModifyVolumeRequest(volumeID: volume.id, sizeGiB: requiredGiB))
        }
        if let limitBytes, Int64(volume.sizeGiB) > limitBytes >> 30 {
            throw RPCError.refusal(
                .outOfRange, .invalidParameterValue, "Volume '\(id)' has \(volume.sizeGiB) GiB, which is over the limit"
            )
        }
        return .init(capacityBytes: ProtoInt64(Int64(volume.sizeGiB) << 30), nodeExpansionRequired: true)
    }

    /// Type, IOPS and throughput.
    func modify(_ request: CSI.ControllerModifyVolume.Parameters) async throws -> Empty {
        let id = try required(request.volumeId, "volumeId")
        let wish = try CSIParameters(mutable: try required(request.mutableParameters, "mutableParameters"))
        let volume = try await volume(id)
        guard wish.changes(volume) else { return Empty() }
        _ = try await modified(
            ModifyVolumeRequest(
                volumeID: volume.id, type: wish.type, iops: wish.iops, throughputMiBps: wish.throughputMiBps))
        return Empty()
    }

    /// The volume when the change is in effect.
    private func modified(_ request: ModifyVolumeRequest) async throws -> Volume {
        do {
            _ = try await host.modify(request)
        } catch let error as StorageError where error.code == .incorrectModificationState {
            // CSI's word for what has another operation pending.
            throw RPCError(error, status: .aborted)
        } catch let error as StorageError where error.code == .invalidParameterValue && isAboutSize(error) {
            throw RPCError(error, status: .outOfRange)
        }
        return try await volume(request.volumeID.rawValue)
    }
}

extension CSIParameters {
    private static let mutableKeys = ["type", "iops", "throughput"]

    /// Those that a volume can change.
    init(mutable parameters: [String: String]) throws(RPCError) {
        try self.init(parameters)
        if fsType != nil || mountOptions != nil || isEncrypted != nil || initializationRateMiBps != nil {
            throw .invalidArgument("Only \(Self.mutableKeys.joined(separator: ", ")) can be modified")
        }
    }

    /// Whether the volume is not yet so.
    fileprivate func changes(_ volume: Volume) -> Bool {
        type.map { $0 != volume.type } ?? false || iops.map { $0 != volume.iops } ?? false
            || throughputMiBps.map { $0 != volume.throughputMiBps } ?? false
    }
}
