public import AWSWire

/// Where a region's EC2 is, and who asks.
public struct EC2Access: Sendable {
    public var region: String
    /// `nil` for AWS' own of the region.
    public var endpoint: Endpoint?
    /// Asked before each request, for credentials expire.
    public var credentials: CredentialsCache
    public var limits = EC2Limits()

    public init(region: String, endpoint: Endpoint? = nil, credentials: CredentialsCache) {
        self.region = region
        self.endpoint = endpoint
        self.credentials = credentials
    }

    /// Source: AWS General Reference, "Amazon EC2 endpoints and quotas".
    ///
    /// - Throws: `WireError.invalidEndpoint` for a region that makes no name of a host.
    func resolvedEndpoint() throws(WireError) -> Endpoint {
        if let endpoint { return endpoint }
        return try Endpoint("https://ec2.\(region).amazonaws.com" + (region.hasPrefix("cn-") ? ".cn" : ""))
    }
}

/// How long is waited for EC2, and how much is asked at once.
public struct EC2Limits: Hashable, Sendable {
    /// For one request and its answer.
    public var requestTime = Duration.seconds(15)
    /// For a call with all its repetitions.
    public var callTime = Duration.seconds(60)
    /// Between two attempts, and between two looks at what is waited for.
    public var backoff = Backoff(first: .milliseconds(200), longest: .seconds(5))
    /// For a volume or snapshot to be as it was asked for.
    public var waitTime = Duration.seconds(300)
    /// For what was changed to be seen: EC2's descriptions lag behind.
    public var consistencyTime = Duration.seconds(10)
    /// How long a description waits for others that it can be asked for with.
    public var batchWindow = Duration.milliseconds(50)
    /// Between two such batches.
    public var batchInterval = Duration.milliseconds(300)
    /// Of a batch, and of a page.
    public var idsPerCall = 500

    public init() {}

    /// The same for somebody who gives a whole call up after `time`: what EC2 said, or did not, is told before that.
    public func within(_ time: Duration) -> EC2Limits {
        var limits = self
        limits.callTime = min(callTime, time * 4 / 5)
        limits.waitTime = min(waitTime, time * 4 / 5)
        limits.requestTime = min(requestTime, limits.callTime / 2)
        return limits
    }
}
