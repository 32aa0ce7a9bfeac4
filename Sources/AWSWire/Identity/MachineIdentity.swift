#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Which instance this machine is. Source: EC2 User Guide, "Instance identity documents".
public struct MachineIdentity: Hashable, Sendable, Decodable {
    public let instanceID: String
    public let instanceType: String
    public let availabilityZone: String
    public let region: String
    public let accountID: String
    public let imageID: String

    private enum CodingKeys: String, CodingKey {
        case instanceID = "instanceId"
        case instanceType, availabilityZone, region
        case accountID = "accountId"
        case imageID = "imageId"
    }

    /// - Parameter document: the JSON that the instance metadata service gives.
    /// - Throws: `IdentityError`.
    init(document bytes: [UInt8]) throws(IdentityError) {
        do {
            self = try JSONDecoder().decode(MachineIdentity.self, from: Data(bytes))
        } catch {
            throw IdentityError(.malformed, "the instance metadata service gives no instance's identity document")
        }
    }
}

extension InstanceMetadata {
    /// - Throws: `IdentityError`, `CancellationError`.
    func identity() async throws -> MachineIdentity {
        do {
            if let document = try await get("/latest/dynamic/instance-identity/document") {
                return try MachineIdentity(document: document)
            }
            throw Silence(reason: "it has no identity document")
        } catch let silence as Silence {
            throw IdentityError(
                .refused,
                "the instance metadata service at \(endpoint) does not tell which instance this is: \(silence.reason)")
        }
    }
}
