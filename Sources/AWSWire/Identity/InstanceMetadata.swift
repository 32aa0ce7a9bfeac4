#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
import Platform

/// What EC2 tells an instance of itself, asked with a token (IMDSv2) and never without.
///
/// Source: EC2 User Guide, "Use the Instance Metadata Service to access instance metadata".
actor InstanceMetadata {
    /// Why it tells nothing.
    struct Silence: Error, Hashable {
        let reason: String
    }

    private struct Token {
        /// Under an empty name.
        let text: GuardedValues
        let lastUse: Duration
    }

    private static let tokenLifetime = Duration.seconds(21_600)
    private static let maximumBytes = 64 << 10

    nonisolated let endpoint: Endpoint
    private let client: WireClient
    private let clock: any Clock
    private var token: Token?

    /// - Parameter transport: without a proxy.
    /// - Returns: `nil` where the environment forbids to ask.
    init?(
        _ variables: GuardedValues, transport: any WireTransport, clock: any Clock, random: any RandomSource
    ) throws(IdentityError) {
        if variables.isTrue("AWS_EC2_METADATA_DISABLED") { return nil }
        endpoint = try Self.endpoint(variables)
        client = WireClient(
            endpoint, signer: nil, limits: .metadata, transport: transport, clock: clock, random: random)
        self.clock = clock
    }

    static func endpoint(_ variables: GuardedValues) throws(IdentityError) -> Endpoint {
        let name = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
        let mode = variables["\(name)_MODE"] ?? "IPv4"
        let usual = ["ipv4": "http://169.254.169.254", "ipv6": "http://[fd00:ec2::254]"]
        guard let usual = usual[mode.lowercased()] else {
            throw IdentityError(.malformed, "\(name)_MODE is neither IPv4 nor IPv6")
        }
        do throws(WireError) {
            return try Endpoint(variables[name] ?? usual)
        } catch {
            throw IdentityError(.malformed, "\(name) is no URL with http or https")
        }
    }

    /// - Returns: `nil` for what this instance does not have.
    /// - Throws: `Silence`, `CancellationError`.
    func get(_ path: String) async throws -> [UInt8]? {
        var answer = try await send(.get, path, [.init("x-aws-ec2-metadata-token", try await validToken())])
        if answer.status == 401 {
            token = nil
            answer = try await send(.get, path, [.init("x-aws-ec2-metadata-token", try await validToken())])
        }
        switch answer.status {
        case 200: return answer.body
        case 404: return nil
        default: throw Silence(reason: "status \(answer.status)")
        }
    }

    private func validToken() async throws -> String {
        if let token, clock.uptime() < token.lastUse, let text = token.text[""] { return text }
        let asked = clock.uptime()
        let lifetime = WireRequest.Field(
            "x-aws-ec2-metadata-token-ttl-seconds", "\(Self.tokenLifetime.components.seconds)")
        let answer = try await send(.put, "/latest/api/token", [lifetime])
        if answer.status == 403 { throw Silence(reason: "it is switched off for this instance") }
        let text = String(decoding: answer.body, as: UTF8.self)
        guard answer.status == 200, !text.isEmpty, text.isHeaderWord else {
            throw Silence(reason: "it gives no token: status \(answer.status)")
        }
        token = Token(text: GuardedValues(["": text]), lastUse: asked + Self.tokenLifetime - .seconds(60))
        return text
    }

    private func send(
        _ method: WireRequest.Method, _ path: String, _ headers: [WireRequest.Field]
    ) async throws -> WireAnswer {
        do {
            return try await client.send(WireRequest(method, path, headers: headers), limit: Self.maximumBytes)
        } catch WireError.unreachable(_, let reason) {
            throw Silence(reason: reason)
        } catch let error as WireError {
            throw Silence(reason: "\(error)")
        }
    }
}

extension WireLimits {
    /// A machine that is no instance is not waited for.
    static let metadata: WireLimits = {
        var limits = WireLimits()
        limits.requestTime = .seconds(1)
        limits.minimumBytesPerSecond = 64 << 20
        limits.attempts = 2
        return limits
    }()
}

/// The credentials of the role that an instance has.
struct InstanceCredentials: CredentialsPlace {
    private static let path = "/latest/meta-data/iam/security-credentials/"

    /// `nil` where it must not be asked.
    let metadata: InstanceMetadata?

    func find() async throws -> CredentialsFinding {
        guard let metadata else {
            return .nothing(place: "the instance metadata service (AWS_EC2_METADATA_DISABLED is set)")
        }
        let place = "the instance metadata service at \(metadata.endpoint)"
        do {
            guard let role = try await role(metadata), let document = try await metadata.get(Self.path + role) else {
                return .nothing(place: "\(place) (this instance has no role)")
            }
            return .found(try CredentialsDocument.credentials(in: document, from: place))
        } catch let silence as InstanceMetadata.Silence {
            return .nothing(place: "\(place) (\(silence.reason))")
        }
    }

    /// The first line; an instance has one role at most.
    private func role(_ metadata: InstanceMetadata) async throws -> String? {
        let bytes = try await metadata.get(Self.path) ?? []
        return String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isWhitespace).first.map(String.init)
    }
}
