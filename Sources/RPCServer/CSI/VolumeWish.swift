import Driver
import RPC

/// What a `CreateVolume` asks for, in Ebb's terms.
struct VolumeWish {
    /// When only a limit is given for a blank volume: this much, or the limit if that is less.
    private static let sizeGiBWithoutRequirement = 8

    var name: String
    var requiredGiB: Int?
    var limitBytes: Int64?
    /// Empty for anywhere; the first is the best.
    var zones: [ZoneName]
    var parameters: CSIParameters
    var fsType: String?
    /// `nil` for a blank volume.
    var source: Source?

    enum Source: Hashable, Sendable, CustomStringConvertible {
        case snapshot(SnapshotID)
        case volume(VolumeID)

        init(_ source: CSI.VolumeContentSource) throws(RPCError) {
            switch (source.snapshot, source.volume) {
            case (let snapshot?, nil): self = .snapshot(SnapshotID(try required(snapshot.snapshotId, "snapshotId")))
            case (nil, let volume?): self = .volume(VolumeID(try required(volume.volumeId, "volumeId")))
            default: throw .invalidArgument("'volumeContentSource' must contain 'snapshot' or 'volume'")
            }
        }

        /// `nil` for one that began blank.
        init?(of volume: Volume) {
            // A copy may tell what its source was made from too.
            if let id = volume.sourceVolumeID {
                self = .volume(id)
            } else if let id = volume.snapshotID {
                self = .snapshot(id)
            } else {
                return nil
            }
        }

        var description: String {
            switch self {
            case .snapshot(let id): "'\(id)'"
            case .volume(let id): "'\(id)'"
            }
        }
    }

    init(_ request: CSI.CreateVolume.Parameters) throws {
        name = try required(request.name, "name")
        let capabilities = try request.volumeCapabilities.requireFields()
        for capability in capabilities { try capability.requireSupport("volumeCapabilities") }
        source = try request.volumeContentSource.map(Source.init)
        // What can be modified later is the better word, as CSI has it.
        parameters = try CSIParameters(
            (request.parameters ?? [:]).merging(request.mutableParameters ?? [:]) { _, mutable in mutable })
        fsType = parameters.fsType ?? capabilities.compactMap(\.fsType).first
        (requiredGiB, limitBytes) = try Self.size(request.capacityRange)
        // A limit alone asks for nothing of what has a size already.
        if source != nil, (request.capacityRange?.requiredBytes?.value ?? 0) == 0 { requiredGiB = nil }
        zones = try Self.zones(request.accessibilityRequirements)
    }

    static func size(_ range: CSI.CapacityRange?) throws(RPCError) -> (requiredGiB: Int?, limitBytes: Int64?) {
        let required = range?.requiredBytes?.value ?? 0
        let limit = range?.limitBytes?.value ?? 0
        if required < 0 || limit < 0 { throw .invalidArgument("'capacityRange' is not negative") }
        let requiredGiB = Int(required >> 30) + (required & (1 << 30 - 1) == 0 ? 0 : 1)
        if limit > 0, limit >> 30 < max(requiredGiB, 1) {
            throw .refusal(
                .outOfRange, .invalidParameterValue,
                "No whole number of GiB lies between \(required) and \(limit) bytes")
        }
        if requiredGiB > 0 { return (requiredGiB, limit > 0 ? limit : nil) }
        if limit > 0 { return (min(Int(limit >> 30), sizeGiBWithoutRequirement), limit) }
        return (nil, nil)
    }

    private static func zones(_ requirement: CSI.TopologyRequirement?) throws(RPCError) -> [ZoneName] {
        var zones: [ZoneName] = []
        for topology in (requirement?.preferred ?? []) + (requirement?.requisite ?? []) {
            for (key, value) in topology.segments ?? [:] {
                guard key == CSI.zoneKey else {
                    throw .invalidArgument("There is no topology '\(key)'; only '\(CSI.zoneKey)'")
                }
                if !zones.contains(ZoneName(value)) { zones.append(ZoneName(value)) }
            }
        }
        return zones
    }

    /// - Parameters:
    ///   - content: what the source is.
    ///   - defaultZone: where the volume goes if that is left open.
    func request(of content: VolumeContent?, defaultZone: ZoneName) throws(RPCError) -> CreateVolumeRequest {
        var tags = [Tag.name: name]
        tags[Tag.fsType] = fsType
        tags[Tag.mountOptions] = parameters.mountOptions
        var request = CreateVolumeRequest(
            zone: zones.first ?? defaultZone, sizeGiB: requiredGiB, type: parameters.type, iops: parameters.iops,
            throughputMiBps: parameters.throughputMiBps,
            volumeInitializationRateMiBps: parameters.initializationRateMiBps,
            isEncrypted: parameters.isEncrypted ?? false, tags: tags)
        guard let content else { return request }
        request.sizeGiB = try sizeGiB(of: content)
        switch content {
        case .snapshot(let snapshot): request.snapshotID = snapshot.id
        case .volume(let volume):
            request.sourceVolumeID = volume.id
            request.zone = volume.zone
            guard zones.isEmpty || zones.contains(volume.zone) else {
                throw .refusal(
                    .resourceExhausted, .zoneMismatch,
                    "A copy of '\(volume.id)' can only be made in its own zone, \(volume.zone)")
            }
        }
        return request
    }

    /// The content's own size unless more is required.
    private func sizeGiB(of content: VolumeContent) throws(RPCError) -> Int {
        let size = requiredGiB ?? content.sizeGiB
        if let limitBytes, Int64(size) > limitBytes >> 30 {
            throw .refusal(
                .outOfRange, .invalidParameterValue, "The source has \(size) GiB, which is over the limit")
        }
        return size
    }

    /// In what an existing volume of the name differs from the wish; `nil` if it is what was wished for.
    func difference(_ volume: Volume) -> String? {
        if source != Source(of: volume) { return "it was made from \(Source(of: volume)?.description ?? "nothing")" }
        if let requiredGiB, limitBytes == nil, volume.sizeGiB != requiredGiB {
            return "its size is \(volume.sizeGiB) GiB"
        }
        if let requiredGiB, volume.sizeGiB < requiredGiB { return "its size is \(volume.sizeGiB) GiB" }
        if let limitBytes, Int64(volume.sizeGiB) > limitBytes >> 30 { return "its size is \(volume.sizeGiB) GiB" }
        if let type = parameters.type, volume.type != type { return "its type is \(volume.type)" }
        if let iops = parameters.iops, volume.iops != iops { return "it has \(volume.iops ?? 0) IOPS" }
        if let throughput = parameters.throughputMiBps, volume.throughputMiBps != throughput {
            return "its throughput is \(volume.throughputMiBps ?? 0) MiB/s"
        }
        if let isEncrypted = parameters.isEncrypted, volume.isEncrypted != isEncrypted {
            return "it is \(volume.isEncrypted ? "" : "not ")encrypted"
        }
        if let rate = parameters.initializationRateMiBps, volume.volumeInitializationRateMiBps != rate {
            return "its initialization rate is \(volume.volumeInitializationRateMiBps ?? 0) MiB/s"
        }
        if let fsType, let other = volume.tags[Tag.fsType], other != fsType { return "its filesystem is \(other)" }
        if !zones.isEmpty, !zones.contains(volume.zone) { return "it is in \(volume.zone)" }
        return nil
    }
}

/// What a volume is made from, as it is.
enum VolumeContent {
    case snapshot(Snapshot)
    case volume(Volume)

    var sizeGiB: Int {
        switch self {
        case .snapshot(let snapshot): snapshot.volumeSizeGiB
        case .volume(let volume): volume.sizeGiB
        }
    }
}

/// CSI's opaque `parameters`. Keys are not case-sensitive; unknown ones are refused.
struct CSIParameters {
    static let keys = [
        "type", "iops", "throughput", "fsType", "mountOptions", "encrypted", "volumeInitializationRate",
    ]

    var type: VolumeType?
    var iops: Int?
    var throughputMiBps: Int?
    var initializationRateMiBps: Int?
    var fsType: String?
    var mountOptions: String?
    var isEncrypted: Bool?

    init(_ parameters: [String: String]) throws(RPCError) {
        for (key, value) in parameters {
            switch key.lowercased() {
            case "type": type = VolumeType(value)
            case "iops": iops = try Self.integer(key, value)
            case "throughput": throughputMiBps = try Self.integer(key, value)
            case "volumeinitializationrate": initializationRateMiBps = try Self.integer(key, value)
            case "fstype", "csi.storage.k8s.io/fstype": fsType = value
            case "mountoptions": mountOptions = value
            case "encrypted": isEncrypted = try Self.bool(key, value)
            // What Kubernetes' provisioner adds says nothing about the volume.
            case let key where key.hasPrefix("csi.storage.k8s.io/"): break
            default:
                throw .invalidArgument("There is no parameter '\(key)'; there are \(Self.keys.joined(separator: ", "))")
            }
        }
    }

    private static func integer(_ key: String, _ value: String) throws(RPCError) -> Int {
        guard let number = Int(value) else { throw .invalidArgument("Parameter '\(key)' is a number, not '\(value)'") }
        return number
    }

    static func bool(_ key: String, _ value: String) throws(RPCError) -> Bool {
        guard let bool = Bool(value.lowercased()) else {
            throw .invalidArgument("Parameter '\(key)' is true or false, not '\(value)'")
        }
        return bool
    }
}
