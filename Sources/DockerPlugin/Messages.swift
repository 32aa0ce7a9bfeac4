/// The bodies of Docker's volume-plugin protocol, version 1.2, with its own field names.
#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// `VolumeDriver.Create`. dockerd sends `"Opts": null` when there are none.
struct CreateMessage: Decodable, Sendable {
    var name: String
    var options: [String: String]?

    enum CodingKeys: String, CodingKey {
        case name = "Name"
        case options = "Opts"
    }
}

/// `VolumeDriver.Mount` and `VolumeDriver.Unmount`.
struct MountMessage: Decodable, Sendable {
    var name: String
    /// Drawn by dockerd for one use of the volume by one container; it repeats (docker cp). Podman's is constant.
    var id: String

    enum CodingKeys: String, CodingKey {
        case name = "Name"
        case id = "ID"
    }
}

/// `VolumeDriver.Get`, `Path` and `Remove`.
struct NameMessage: Decodable, Sendable {
    var name: String

    enum CodingKeys: String, CodingKey {
        case name = "Name"
    }
}

struct ActivateAnswer: Encodable {
    let implements = ["VolumeDriver"]

    enum CodingKeys: String, CodingKey {
        case implements = "Implements"
    }
}

struct CapabilitiesAnswer: Encodable {
    /// `global`: the same volumes are seen by every machine of the region.
    let capabilities = ["Scope": "global"]
    let error = ""

    enum CodingKeys: String, CodingKey {
        case capabilities = "Capabilities"
        case error = "Err"
    }
}

/// The answer to Create, Remove and Unmount, and, with a text, to every call that failed.
struct ErrorAnswer: Encodable {
    var error = ""

    enum CodingKeys: String, CodingKey {
        case error = "Err"
    }
}

struct MountpointAnswer: Encodable {
    var mountpoint: String
    let error = ""

    enum CodingKeys: String, CodingKey {
        case mountpoint = "Mountpoint"
        case error = "Err"
    }
}

struct VolumeAnswer: Encodable {
    var volume: PluginVolume
    let error = ""

    enum CodingKeys: String, CodingKey {
        case volume = "Volume"
        case error = "Err"
    }
}

struct ListAnswer: Encodable {
    var volumes: [PluginVolume]
    let error = ""

    enum CodingKeys: String, CodingKey {
        case volumes = "Volumes"
        case error = "Err"
    }
}

/// A volume as Docker is told of it. Absent fields are left out: dockerd takes `"CreatedAt": ""` for a failure.
struct PluginVolume: Encodable {
    var name: String
    var mountpoint: String?
    var createdAt: String
    var status: [String: StatusValue]?

    enum CodingKeys: String, CodingKey {
        case name = "Name"
        case mountpoint = "Mountpoint"
        case createdAt = "CreatedAt"
        case status = "Status"
    }
}

/// A value of the Status map, which `docker volume inspect` shows as it is.
enum StatusValue: Encodable, Hashable, Sendable, ExpressibleByStringLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByBooleanLiteral
{
    case text(String)
    case number(Int)
    case flag(Bool)

    init(stringLiteral value: String) { self = .text(value) }
    init(integerLiteral value: Int) { self = .number(value) }
    init(booleanLiteral value: Bool) { self = .flag(value) }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .text(let text): try container.encode(text)
        case .number(let number): try container.encode(number)
        case .flag(let flag): try container.encode(flag)
        }
    }
}

/// Decodes a body, or says in one line what is wrong with it.
func decodeMessage<Message: Decodable>(_ type: Message.Type, from body: Data) throws(ProtocolError) -> Message {
    do {
        return try JSONDecoder().decode(type, from: body)
    } catch DecodingError.keyNotFound(let key, _) {
        throw ProtocolError("the request has no field \(key.stringValue)")
    } catch DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context) {
        let path = context.codingPath.map(\.stringValue).joined(separator: ".")
        throw ProtocolError(path.isEmpty ? "the request is not a JSON object" : "field \(path) has the wrong type")
    } catch {
        throw ProtocolError("the request is not JSON")
    }
}

/// A request that no dockerd sends, or that arrived broken.
struct ProtocolError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}
