import Driver
import RPC

/// CSI's messages that several of its calls share, in proto3's JSON: fields in lowerCamelCase, what has its default
/// value may be left out, unknown fields are passed over, and 64-bit integers are strings.
///
/// Source: csi.proto of the Container Storage Interface, version 1.11.
enum CSI {
    /// The key of a topology segment that names an availability zone.
    static let zoneKey = "topology.ebb/zone"

    struct Topology: Hashable, Sendable, Codable {
        var segments: [String: String]?

        static func zone(_ zone: ZoneName) -> Topology { Topology(segments: [zoneKey: zone.rawValue]) }
    }

    struct TopologyRequirement: Hashable, Sendable, Codable {
        var requisite: [Topology]?
        var preferred: [Topology]?
    }

    struct CapacityRange: Hashable, Sendable, Codable {
        var requiredBytes: ProtoInt64?
        var limitBytes: ProtoInt64?
    }

    struct VolumeCapability: Hashable, Sendable, Codable {
        struct Mount: Hashable, Sendable, Codable {
            var fsType: String?
            var mountFlags: [String]?
            var volumeMountGroup: String?
        }

        struct AccessMode: Hashable, Sendable, Codable {
            var mode: ProtoEnum<Mode>?
        }

        enum Mode: Int, Sendable, ProtoEnumeration {
            case unknown, singleNodeWriter, singleNodeReaderOnly, multiNodeReaderOnly, multiNodeSingleWriter
            case multiNodeMultiWriter, singleNodeSingleWriter, singleNodeMultiWriter

            static let names = [
                "UNKNOWN", "SINGLE_NODE_WRITER", "SINGLE_NODE_READER_ONLY", "MULTI_NODE_READER_ONLY",
                "MULTI_NODE_SINGLE_WRITER", "MULTI_NODE_MULTI_WRITER", "SINGLE_NODE_SINGLE_WRITER",
                "SINGLE_NODE_MULTI_WRITER",
            ]
        }

        var block: Empty?
        var mount: Mount?
        var accessMode: AccessMode?
    }

    struct Volume: Hashable, Sendable, Codable {
        var capacityBytes: ProtoInt64
        var volumeId: String
        var contentSource: VolumeContentSource?
        var accessibleTopology: [Topology]

        init(_ volume: Driver.Volume) {
            capacityBytes = ProtoInt64(Int64(volume.sizeGiB) << 30)
            volumeId = volume.id.rawValue
            contentSource = VolumeContentSource(of: volume)
            accessibleTopology = [.zone(volume.zone)]
        }
    }

    struct VolumeStatus: Hashable, Sendable, Codable {
        var publishedNodeIds: [String]

        init(_ volume: Driver.Volume) {
            publishedNodeIds = volume.attachments.map(\.instanceID.rawValue)
        }
    }

    struct Capability: Hashable, Sendable, Codable {
        struct Kind: Hashable, Sendable, Codable { var type: String }
        var rpc: Kind?
        var service: Kind?
        var volumeExpansion: Kind?

        static func rpc(_ type: String) -> Capability { Capability(rpc: Kind(type: type)) }
        static func service(_ type: String) -> Capability { Capability(service: Kind(type: type)) }
    }

    struct Capabilities: Hashable, Sendable, Codable { var capabilities: [Capability] }
}

/// An `int64`: a string in what is sent, a string or a number in what comes.
struct ProtoInt64: Hashable, Sendable, Codable {
    var value: Int64

    init(_ value: Int64) { self.value = value }

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        // No text is no error: proto3 writes either form, and what is neither fails as a number below.
        if let text = try? container.decode(String.self) {
            guard let value = Int64(text) else {
                throw DecodingError.dataCorruptedError(
                    in: container, debugDescription: "'\(text.prefix(40))' is not a 64-bit integer")
            }
            self.value = value
        } else {
            value = try container.decode(Int64.self)
        }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(String(value))
    }
}

/// The values of a proto3 enumeration, numbered from 0.
protocol ProtoEnumeration: RawRepresentable<Int>, Hashable, Sendable {
    static var names: [String] { get }
}

/// A proto3 enumeration: its name in what is sent, its name or number in what comes.
struct ProtoEnum<Value: ProtoEnumeration>: Hashable, Sendable, Codable {
    var value: Value

    init(_ value: Value) { self.value = value }

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let number: Int?
        // As above: by name or by number.
        if let name = try? container.decode(String.self) {
            number = Value.names.firstIndex(of: name)
        } else {
            number = try container.decode(Int.self)
        }
        guard let value = number.flatMap({ Value(rawValue: $0) }) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "one of \(Value.names.joined(separator: ", ")) is expected")
        }
        self.value = value
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(Value.names[value.rawValue])
    }
}

/// A required field's value.
///
/// - Throws: `INVALID_ARGUMENT` when it was left out, or is empty, which is the same in proto3.
func required<Value>(_ value: Value?, _ name: String) throws(RPCError) -> Value {
    guard let value else { throw missing(name) }
    return value
}

func required<Value: Collection>(_ value: Value?, _ name: String) throws(RPCError) -> Value {
    guard let value, !value.isEmpty else { throw missing(name) }
    return value
}

private func missing(_ name: String) -> RPCError {
    RPCError(StorageError(.missingParameter, "The request must contain the parameter '\(name)'"))
}

extension RPCError {
    static func refusal(_ status: StatusCode, _ code: StorageError.Code, _ message: String) -> RPCError {
        RPCError(StorageError(code, message), status: status)
    }

    static func invalidArgument(_ message: String) -> RPCError {
        .refusal(.invalidArgument, .invalidParameterValue, message)
    }
}
