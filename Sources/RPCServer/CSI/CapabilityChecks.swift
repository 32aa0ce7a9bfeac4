import Driver
import RPC

extension CSI.VolumeCapability {
    /// The fields that CSI requires of a capability.
    func requireFields(_ name: String) throws(RPCError) {
        if block == nil, mount == nil { throw .invalidArgument("'\(name)' must contain 'block' or 'mount'") }
        if (accessMode?.mode?.value ?? .unknown) == .unknown {
            throw .invalidArgument("'\(name)' must contain 'accessMode.mode'")
        }
    }

    /// Why volumes cannot be used in this way; `nil` if they can.
    var objection: String? {
        if mount == nil { return "Volumes are published as filesystems, not as block devices" }
        if let group = mount?.volumeMountGroup, !group.isEmpty { return "Volumes are not given to groups at mounting" }
        switch accessMode?.mode?.value ?? .unknown {
        case .singleNodeWriter, .singleNodeReaderOnly: return nil
        default: return "Volumes are published on one node at a time: SINGLE_NODE_WRITER or SINGLE_NODE_READER_ONLY"
        }
    }

    /// The fields, and that volumes can be used in this way.
    func requireSupport(_ name: String) throws(RPCError) {
        try requireFields(name)
        if let objection { throw .invalidArgument(objection) }
    }

    var isReadOnly: Bool { accessMode?.mode?.value == .singleNodeReaderOnly }

    /// `nil` when the capability leaves it open.
    var fsType: String? { mount?.fsType.flatMap { $0.isEmpty ? nil : $0 } }

    var mountOptions: MountOptions {
        let flags = (mount?.mountFlags ?? []).filter { !$0.isEmpty }
        return MountOptions(fsType: fsType, mountOptions: flags.isEmpty ? nil : flags.joined(separator: ","))
    }
}

extension [CSI.VolumeCapability]? {
    func requireFields() throws(RPCError) -> [CSI.VolumeCapability] {
        let capabilities = try required(self, "volumeCapabilities")
        for capability in capabilities { try capability.requireFields("volumeCapabilities") }
        return capabilities
    }
}
