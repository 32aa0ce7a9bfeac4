public import AWSWire

/// How a store is reached that speaks S3's protocol.
public struct S3Access: Sendable {
    /// `nil` for AWS' own in the region.
    public var endpoint: Endpoint?
    public var region: String
    /// `nil` to ask as anybody, for what is public.
    public var credentials: AWSCredentials?
    /// The path of a PEM file with the authorities that are trusted; `nil` for the system's.
    public var certificateAuthorities: String?
    /// Through whom a server is asked that is not on this machine.
    public var proxies = ProxySettings.none
    public var limits = WireLimits()

    public init(
        endpoint: Endpoint? = nil, region: String = "us-east-1", credentials: AWSCredentials?,
        certificateAuthorities: String? = nil
    ) {
        self.endpoint = endpoint
        self.region = region
        self.credentials = credentials
        self.certificateAuthorities = certificateAuthorities
    }
}
