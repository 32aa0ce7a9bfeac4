import Platform
import SystemPackage
import TestSupport
import Testing

@testable import AWSWire

@Suite struct AWSIdentityTests {
    private static let container = ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/container"]
    private static let environment = ["AWS_ACCESS_KEY_ID": "ENVIRONMENT", "AWS_SECRET_ACCESS_KEY": "s"]
    private static let file = "[default]\naws_access_key_id = FILE\naws_secret_access_key = s\n"

    private static func document(_ id: String) -> String {
        #"{"Code": "Success", "AccessKeyId": "\#(id)", "SecretAccessKey": "s", "Token": "t"}"#
    }

    /// A container's service, and an instance with a role in eu-west-3.
    private static func machine() -> FakeServices {
        FakeServices { call in
            if call.method == .put { return WireAnswer("token") }
            if call.url.hasSuffix("/container") { return WireAnswer(document("CONTAINER")) }
            if call.url.hasSuffix("/security-credentials/") { return WireAnswer("role") }
            if call.url.hasSuffix("/security-credentials/role") { return WireAnswer(document("INSTANCE")) }
            return WireAnswer(
                #"{"instanceId": "i-1", "instanceType": "t", "availabilityZone": "eu-west-3a", "region": "eu-west-3", "#
                    + #""accountId": "1", "imageId": "ami-1"}"#)
        }
    }

    private func with<Result>(
        _ explicit: AWSIdentity.Explicit = .init(), _ variables: [String: String] = [:], credentials: String = "",
        configuration: String = "", services: FakeServices = .none(),
        _ body: (AWSIdentity, FilePath) async throws -> Result
    ) async throws -> Result {
        try await withTemporaryDirectory { home in
            try createDirectories(home.appending(".aws"))
            try writeFile(home.appending(".aws/credentials"), credentials)
            try writeFile(home.appending(".aws/config"), configuration)
            let identity = try AWSIdentity(
                explicit, environment: variables, home: home.string, transport: services, clock: ImpatientClock(),
                random: SeededRandom(seed: 1))
            return try await body(identity, home)
        }
    }

    private func id(
        _ explicit: AWSIdentity.Explicit = .init(), _ variables: [String: String] = [:], credentials: String = ""
    ) async throws -> String {
        try await with(explicit, variables, credentials: credentials, services: Self.machine()) { identity, _ in
            try await identity.credentials.credentials().accessKeyID
        }
    }

    @Test func theFirstPlaceThatHasAnyCounts() async throws {
        let explicit = AWSCredentials(accessKeyID: "EXPLICIT", secretAccessKey: "s")
        let all = Self.environment.merging(Self.container) { $1 }
        #expect(try await id(.init(credentials: explicit), all, credentials: Self.file) == "EXPLICIT")
        #expect(try await id(.init(), all, credentials: Self.file) == "ENVIRONMENT")
        #expect(try await id(.init(), Self.container, credentials: Self.file) == "FILE")
        #expect(try await id(.init(), Self.container) == "CONTAINER")
        #expect(try await id() == "INSTANCE")
    }

    /// As with the tools' own flag.
    @Test func aProfileThatTheConfigurationNamesComesBeforeTheEnvironment() async throws {
        #expect(try await id(.init(profile: "default"), Self.environment, credentials: Self.file) == "FILE")
        let variables = Self.environment.merging(["AWS_PROFILE": "default"]) { $1 }
        #expect(try await id(.init(), variables, credentials: Self.file) == "ENVIRONMENT")
    }

    @Test func aProfileIsNamedByTheConfigurationOrTheEnvironment() async throws {
        let two =
            "[a]\naws_access_key_id = A\naws_secret_access_key = s\n[b]\naws_access_key_id = B\n"
            + "aws_secret_access_key = s"
        #expect(try await id(.init(), ["AWS_PROFILE": "a"], credentials: two) == "A")
        #expect(try await id(.init(profile: "b"), ["AWS_PROFILE": "a"], credentials: two) == "B")
        let error = try await identityError(.noSection) { _ = try await id(.init(), ["AWS_PROFILE": "c"]) }
        #expect(error.message.hasPrefix("there is no profile c in "))
    }

    @Test(arguments: [
        (["AWS_ACCESS_KEY_ID": "A"], "the environment has AWS_ACCESS_KEY_ID without AWS_SECRET_ACCESS_KEY"),
        (["AWS_SECRET_ACCESS_KEY": "hidden"], "the environment has AWS_SECRET_ACCESS_KEY without AWS_ACCESS_KEY_ID"),
        (
            ["AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": ""],
            "the environment has AWS_ACCESS_KEY_ID without AWS_SECRET_ACCESS_KEY"
        ),
    ])
    func oneVariableWithoutTheOtherIsAnError(variables: [String: String], told: String) async throws {
        let error = try await identityError(.incomplete) {
            _ = try await id(.init(), variables, credentials: Self.file)
        }
        #expect(error.message == "\(told): set both, or neither")
    }

    @Test(arguments: ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"])
    func whatCannotStandInAHeaderIsAnError(name: String) async throws {
        let variables = Self.environment.merging([name: "hidden\nhidden"]) { $1 }
        let error = try await identityError(.malformed) { _ = try await id(.init(), variables) }
        #expect(
            error.message == "\(name) in the environment has blanks, or characters beyond ASCII: write it anew")
    }

    @Test func whereThereAreNoneAllThatWasLookedAtIsTold() async throws {
        try await with { identity, home in
            let error = try await identityError(.notFound) { _ = try await identity.credentials.credentials() }
            #expect(
                error.message
                    == "there are no AWS credentials in the configuration, the environment, profile default of "
                    + "\(home)/.aws/credentials and \(home)/.aws/config, the service of a container "
                    + "(AWS_CONTAINER_CREDENTIALS_FULL_URI is not set), the instance metadata service at "
                    + "http://169.254.169.254 (no route to host): set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
                    + "run aws configure")
        }
    }

    private func region(
        _ explicit: String? = nil, _ variables: [String: String] = [:], configuration: String = "",
        services: FakeServices = machine()
    ) async throws -> String {
        try await with(.init(region: explicit), variables, configuration: configuration, services: services) {
            identity, _ in try await identity.region()
        }
    }

    @Test func theFirstRegionThatIsNamedCounts() async throws {
        let file = "[default]\nregion = us-west-1"
        let both = ["AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-2"]
        #expect(try await region("eu-central-1", both, configuration: file) == "eu-central-1")
        #expect(try await region(nil, both, configuration: file) == "us-east-1")
        #expect(try await region(nil, ["AWS_DEFAULT_REGION": "us-east-2"], configuration: file) == "us-east-2")
        #expect(try await region(nil, ["AWS_REGION": ""], configuration: file) == "us-west-1")
        #expect(try await region() == "eu-west-3")
    }

    @Test(arguments: ["us east", "example.org/", "US-EAST-1", "a\nb", "x@y", String(repeating: "a", count: 64)])
    func whatIsNoRegionIsAnError(text: String) async throws {
        let error = try await identityError(.malformed) { _ = try await region(nil, ["AWS_REGION": text]) }
        #expect(error.message == "AWS_REGION names no region as it should be: write it as us-east-1")
        _ = try await identityError(.malformed) { _ = try await region(text) }
    }

    @Test func whereThereIsNoRegionAllThatWasLookedAtIsTold() async throws {
        let error = try await identityError(.notFound) { _ = try await region(services: .none()) }
        #expect(
            error.message.hasPrefix("no AWS region is named by the configuration, AWS_REGION, AWS_DEFAULT_REGION or"))
        #expect(error.message.hasSuffix("no route to host): set AWS_REGION"))
        let services = Self.machine()
        let forbidden = try await identityError(.notFound) {
            _ = try await region(nil, ["AWS_EC2_METADATA_DISABLED": "true"], services: services)
        }
        #expect(forbidden.message.contains("(AWS_EC2_METADATA_DISABLED is set)"))
        #expect(services.calls.isEmpty)
    }

    private func endpoint(
        of service: String = "ec2", _ explicit: String? = nil, _ variables: [String: String] = [:],
        configuration: String = ""
    ) async throws -> String? {
        let explicit = AWSIdentity.Explicit(endpoint: try explicit.map { try Endpoint($0) })
        return try await with(explicit, variables, configuration: configuration) { identity, _ in
            try identity.endpoint(of: service)?.description
        }
    }

    @Test func theFirstEndpointThatIsNamedCounts() async throws {
        let file = "[default]\nservices = x\nendpoint_url = http://e\n[services x]\nec2 =\n  endpoint_url = http://d"
        let both = ["AWS_ENDPOINT_URL_EC2": "http://b", "AWS_ENDPOINT_URL": "http://c"]
        #expect(try await endpoint("http://a", both, configuration: file) == "http://a")
        #expect(try await endpoint(nil, both, configuration: file) == "http://b")
        #expect(try await endpoint(of: "s3", nil, both, configuration: file) == "http://c")
        #expect(try await endpoint(nil, ["AWS_ENDPOINT_URL": "http://c"], configuration: file) == "http://c")
        #expect(try await endpoint(configuration: file) == "http://d")
        #expect(try await endpoint(of: "s3", configuration: file) == "http://e")
        #expect(try await endpoint() == nil)
    }

    @Test func allButTheConfigurationsOwnCanBeSwitchedOff() async throws {
        let file = "[default]\nendpoint_url = http://e"
        let off = ["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "True", "AWS_ENDPOINT_URL": "http://c"]
        #expect(try await endpoint(nil, off, configuration: file) == nil)
        #expect(try await endpoint("http://a", off, configuration: file) == "http://a")
        #expect(try await endpoint(configuration: "\(file)\nignore_configured_endpoint_urls = true") == nil)
    }

    @Test func whatIsNoEndpointIsToldWithoutWhatItSays() async throws {
        let variable = try await identityError(.malformed) {
            _ = try await endpoint(nil, ["AWS_ENDPOINT_URL_EC2": "http://u:hidden@h"])
        }
        #expect(
            variable.message == "AWS_ENDPOINT_URL_EC2 is no endpoint: give a URL such as https://ec2.example.org")
        let file = try await identityError(.malformed) {
            _ = try await endpoint(configuration: "[default]\nendpoint_url = hidden")
        }
        #expect(file.message.hasPrefix("endpoint_url for ec2 of profile default of "))
        #expect(!file.message.contains("hidden"))
    }

    @Test func theMachineIsAskedWhichItIs() async throws {
        let machine = try await with(services: Self.machine()) { identity, _ in try await identity.machineIdentity() }
        #expect(machine.instanceID == "i-1")
        try await with(.init(), ["AWS_EC2_METADATA_DISABLED": "true"], services: Self.machine()) { identity, _ in
            _ = try await identityError(.refused) { _ = try await identity.machineIdentity() }
        }
    }

    @Test func secretsAreNotPrinted() async throws {
        let variables = [
            "AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "hidden1", "AWS_SESSION_TOKEN": "hidden2",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": "hidden3", "https_proxy": "http://u:hidden4@proxy",
        ]
        let credentials = try #require(try AWSCredentials(environment: variables))
        let services = FakeServices { _ in WireAnswer("hidden5") }
        let metadata = try #require(
            try InstanceMetadata(
                GuardedValues(variables), transport: services, clock: ImpatientClock(), random: SeededRandom(seed: 1)))
        _ = try await metadata.get("/x")
        let text = try ConfigurationText(Array("[a]\nx = hidden6\ny =\n  z = hidden7".utf8))
        let proxies = try ProxySettings(environment: variables)
        try await with(.init(credentials: credentials), variables) { identity, _ in
            _ = try await identity.credentials.credentials()
            for value: Any in [
                credentials, identity, identity.credentials, FixedCredentials(credentials), metadata, text, proxies,
                HTTPTransport(proxies: proxies), CredentialsFinding.found(credentials), GuardedValues(variables),
            ] {
                var dumped = ""
                dump(value, to: &dumped)
                for text in [dumped, "\(value)", String(reflecting: value)] {
                    #expect(!text.contains("hidden"), "\(type(of: value)): \(text)")
                }
            }
        }
    }
}
