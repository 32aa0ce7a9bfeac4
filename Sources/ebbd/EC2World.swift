import AWSWire
import Driver
import EC2
import Glibc
import Platform
import Settings

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Amazon's EC2 as the world of the volumes: who asks, where, and which instance this machine is there.
struct EC2World {
    let settings: Settings
    let clock: any Clock
    let random: any RandomSource
    private let environment = ProcessInfo.processInfo.environment

    init(settings: Settings, clock: any Clock, random: any RandomSource) {
        self.settings = settings
        self.clock = clock
        self.random = random
    }

    /// - Throws: `StorageError`.
    func open() async throws -> Services.World {
        do {
            let identity = try AWSIdentity(
                try explicit(), environment: environment, home: homeDirectory, clock: clock, random: random)
            let region = try await identity.region()
            var access = EC2Access(
                region: region, endpoint: try identity.endpoint(of: "ec2"), credentials: identity.credentials)
            access.limits = access.limits.within(settings.attachTimeout)
            let driver = try EC2Driver(
                access, scope: settings.ec2Tag.map { EC2Scope(key: $0.key, value: $0.value) },
                volumeKey: settings.ec2KmsKey,
                transport: HTTPTransport(proxies: try ProxySettings(environment: environment)), clock: clock,
                random: random)
            let instance = try await instanceID(identity)
            return Services.World(
                driver: driver,
                instance: RegisterInstanceRequest(id: InstanceID(instance), name: instance, zone: "")
            ) {}
        } catch let error as IdentityError {
            throw StorageError(.unavailable, "EC2 cannot be used", cause: "\(error)")
        } catch let error as WireError {
            throw StorageError(.invalidParameterValue, "EC2 cannot be used", cause: "\(error)")
        }
    }

    /// What this program's own settings say; those that are as they were made say nothing.
    private func explicit() throws(WireError) -> AWSIdentity.Explicit {
        var endpoint: Endpoint?
        if let text = settings.ec2Endpoint { endpoint = try Endpoint(text) }
        return AWSIdentity.Explicit(
            credentials: settings.awsAccessKey.map { AWSCredentials(accessKeyID: $0.id, secretAccessKey: $0.secret) },
            profile: settings.ec2Profile, region: isSet(.region) ? settings.region : nil, endpoint: endpoint)
    }

    private func isSet(_ setting: Setting) -> Bool { settings[setting].origin != .builtIn }

    /// Asked of the machine only if the settings do not say it.
    private func instanceID(_ identity: AWSIdentity) async throws -> String {
        if isSet(.instance) { return settings.instance }
        do {
            return try await identity.machineIdentity().instanceID
        } catch let error as IdentityError {
            throw StorageError(
                .unavailable, "It is not known which instance this machine is", cause: "\(error)",
                advice: "set 'instance' to its id, such as i-0123456789abcdef0")
        }
    }

    private var homeDirectory: String { environment["HOME"] ?? "/root" }
}
