public import Platform

/// Who asks AWS, and from where: what the program is told itself, then what AWS' tools go by.
///
/// Source: AWS SDKs and Tools Reference Guide, "Standardized credential providers", "AWS Region", "Service-specific
/// endpoints".
public struct AWSIdentity: Sendable {
    /// What comes before all else.
    public struct Explicit: Sendable {
        public var credentials: AWSCredentials?
        /// Keys of a profile that is named here come before those of the environment.
        public var profile: String?
        public var region: String?
        public var endpoint: Endpoint?

        public init(
            credentials: AWSCredentials? = nil, profile: String? = nil, region: String? = nil,
            endpoint: Endpoint? = nil
        ) {
            self.credentials = credentials
            self.profile = profile
            self.region = region
            self.endpoint = endpoint
        }
    }

    /// From the configuration, the environment, a profile, the container's service, or the instance's role; kept until
    /// shortly before they end.
    public let credentials: CredentialsCache
    private let explicit: Explicit
    private let variables: GuardedValues
    private let profile: ProfileChoice
    private let metadata: InstanceMetadata?

    /// Asks nobody yet.
    ///
    /// - Parameters:
    ///   - home: the directory that has `.aws`.
    ///   - transport: to the services of the machine, which lie behind no proxy.
    /// - Throws: `IdentityError` for a variable that cannot be understood.
    public init(
        _ explicit: Explicit = Explicit(), environment: [String: String], home: String,
        transport: any WireTransport = HTTPTransport(), clock: any Clock, random: any RandomSource
    ) throws(IdentityError) {
        let variables = GuardedValues(environment)
        self.explicit = explicit
        self.variables = variables
        profile = ProfileChoice(
            name: explicit.profile ?? variables["AWS_PROFILE"], paths: SharedFilePaths(variables, home: home))
        metadata = try InstanceMetadata(variables, transport: transport, clock: clock, random: random)
        var places: [any CredentialsPlace] = [ExplicitCredentials(credentials: explicit.credentials)]
        if explicit.profile == nil { places.append(EnvironmentCredentials(variables: variables)) }
        places += [
            ProfileCredentials(variables: variables, profile: profile),
            ContainerCredentials(variables: variables, transport: transport, clock: clock, random: random),
            InstanceCredentials(metadata: metadata),
        ]
        credentials = CredentialsCache(CredentialsChain(places: places), clock: clock)
    }

    /// The region that is asked: what is told, the environment's, the profile's, the one that this machine is in.
    ///
    /// - Throws: `IdentityError`, `CancellationError`.
    public func region() async throws -> String {
        if let region = explicit.region { return try Self.checked(region, from: "the configuration") }
        for name in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
            if let region = variables[name] { return try Self.checked(region, from: name) }
        }
        let profile = try profile.read()
        if let region = profile["region"] { return try Self.checked(region, from: profile.place) }
        return try await regionOfMachine(otherwise: profile)
    }

    private func regionOfMachine(otherwise profile: SharedConfiguration) async throws -> String {
        var reason = "AWS_EC2_METADATA_DISABLED is set"
        if let metadata {
            do {
                return try Self.checked(try await metadata.identity().region, from: "the instance's identity document")
            } catch let error as IdentityError where error.code == .refused {
                reason = error.message
            }
        }
        throw IdentityError(
            .notFound,
            "no AWS region is named by the configuration, AWS_REGION, AWS_DEFAULT_REGION or \(profile.place), and "
                + "the machine tells none (\(reason)): set AWS_REGION")
    }

    /// It becomes part of a host's name.
    private static func checked(_ region: String, from place: String) throws(IdentityError) -> String {
        let isName = region.utf8.allSatisfy { byte in
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: "-")
        }
        guard isName, (1...63).contains(region.utf8.count) else {
            throw IdentityError(.malformed, "\(place) names no region as it should be: write it as us-east-1")
        }
        return region
    }

    /// Where a service is to be asked instead of at AWS; `nil` for AWS' own place.
    ///
    /// - Parameter service: as AWS' tools write it in their files: `ec2`, `s3`.
    /// - Throws: `IdentityError`.
    public func endpoint(of service: String) throws(IdentityError) -> Endpoint? {
        if let endpoint = explicit.endpoint { return endpoint }
        if variables.isTrue("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") { return nil }
        for name in ["AWS_ENDPOINT_URL_\(service.uppercased())", "AWS_ENDPOINT_URL"] {
            if let text = variables[name] { return try Self.endpoint(text, from: name) }
        }
        let profile = try profile.read()
        if profile["ignore_configured_endpoint_urls"]?.lowercased() == "true" { return nil }
        guard let text = try profile.endpoint(of: service) ?? profile["endpoint_url"] else { return nil }
        return try Self.endpoint(text, from: "endpoint_url for \(service) of \(profile.place)")
    }

    private static func endpoint(_ text: String, from place: String) throws(IdentityError) -> Endpoint {
        do throws(WireError) {
            return try Endpoint(text)
        } catch {
            // It may hold a password.
            throw IdentityError(.malformed, "\(place) is no endpoint: give a URL such as https://ec2.example.org")
        }
    }

    /// Which instance this machine is, as EC2 tells it.
    ///
    /// - Throws: `IdentityError`, `CancellationError`.
    public func machineIdentity() async throws -> MachineIdentity {
        guard let metadata else {
            throw IdentityError(
                .refused,
                "the instance metadata service must not be asked which instance this is: "
                    + "AWS_EC2_METADATA_DISABLED is set")
        }
        return try await metadata.identity()
    }
}
