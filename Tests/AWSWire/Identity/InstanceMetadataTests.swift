import Platform
import Synchronization
import Testing

@testable import AWSWire

/// An instance's metadata service, as IMDSv2 has it.
private final class FakeMetadata: Sendable {
    private struct State {
        var tokens = 0
        var valid: String?
        var pages: [String: String]
    }

    private let state: Mutex<State>

    init(_ pages: [String: String]) { state = Mutex(State(pages: pages)) }

    var tokens: Int { state.withLock { $0.tokens } }

    func expireToken() { state.withLock { $0.valid = nil } }

    func answer(_ call: FakeServices.Call) -> WireAnswer {
        state.withLock { state in
            let path = String(call.url.dropFirst("http://169.254.169.254".count))
            if call.method == .put, path == "/latest/api/token" {
                guard call.header("x-aws-ec2-metadata-token-ttl-seconds") == "21600" else { return .init(status: 400) }
                state.tokens += 1
                state.valid = "token\(state.tokens)=="
                return WireAnswer(state.valid ?? "")
            }
            guard let valid = state.valid, call.header("x-aws-ec2-metadata-token") == valid else {
                return .init(status: 401)
            }
            return state.pages[path].map { WireAnswer($0) } ?? .init(status: 404)
        }
    }
}

@Suite struct InstanceMetadataTests {
    private static let roles = "/latest/meta-data/iam/security-credentials/"
    private static let identity = "/latest/dynamic/instance-identity/document"
    private static let document = """
        {"Code": "Success", "LastUpdated": "2026-01-02T03:04:05Z", "Type": "AWS-HMAC", "AccessKeyId": "A",
         "SecretAccessKey": "S", "Token": "T", "Expiration": "2026-01-02T09:04:05Z"}
        """

    private let clock = ImpatientClock()

    private func metadata(
        _ services: FakeServices, _ variables: [String: String] = [:]
    ) throws -> InstanceMetadata? {
        try InstanceMetadata(
            GuardedValues(variables), transport: services, clock: clock, random: SeededRandom(seed: 1))
    }

    @Test func anInstanceIsGivenTheCredentialsOfItsRole() async throws {
        let server = FakeMetadata([Self.roles: "worker\n", "\(Self.roles)worker": Self.document])
        let services = FakeServices { server.answer($0) }
        guard case .found(let credentials) = try await InstanceCredentials(metadata: try metadata(services)).find()
        else {
            Issue.record("none were found")
            return
        }
        #expect(credentials.accessKeyID == "A")
        #expect(credentials.sessionToken == "T")
        #expect(credentials.expiration?.timeIntervalSince1970 == 1_767_344_645)
        let address = "http://169.254.169.254"
        #expect(
            services.lines == [
                "PUT \(address)/latest/api/token", "GET \(address)\(Self.roles)", "GET \(address)\(Self.roles)worker",
            ])
        // A second, and a millisecond for the bytes.
        #expect(services.calls.allSatisfy { $0.time <= .milliseconds(1001) })
    }

    @Test func aTokenIsUsedUntilItEnds() async throws {
        let server = FakeMetadata(["/x": "y"])
        let metadata = try #require(try metadata(FakeServices { server.answer($0) }))
        #expect(try await metadata.get("/x") == Array("y".utf8))
        clock.clock.advance(by: .seconds(21_539))
        #expect(try await metadata.get("/x") == Array("y".utf8))
        #expect(server.tokens == 1)
        clock.clock.advance(by: .seconds(1))
        #expect(try await metadata.get("/x") == Array("y".utf8))
        #expect(server.tokens == 2)
    }

    @Test func aTokenThatIsRefusedIsRenewedOnce() async throws {
        let server = FakeMetadata(["/x": "y"])
        let metadata = try #require(try metadata(FakeServices { server.answer($0) }))
        _ = try await metadata.get("/x")
        server.expireToken()
        #expect(try await metadata.get("/x") == Array("y".utf8))
        #expect(server.tokens == 2)

        let strict = FakeServices { $0.method == .put ? WireAnswer("t") : .init(status: 401) }
        let refusing = try #require(try self.metadata(strict))
        await #expect(throws: InstanceMetadata.Silence(reason: "status 401")) { try await refusing.get("/x") }
        #expect(strict.lines.count == 4)
    }

    @Test func aMachineThatIsNoInstanceIsAskedTwice() async throws {
        let services = FakeServices.none()
        let found = try await InstanceCredentials(metadata: try metadata(services)).find()
        #expect(
            found
                == .nothing(place: "the instance metadata service at http://169.254.169.254 (no route to host)"))
        #expect(services.lines == Array(repeating: "PUT http://169.254.169.254/latest/api/token", count: 2))
        #expect(clock.uptime() < .milliseconds(200))
    }

    @Test(
        arguments: [
            ([:], "this instance has no role"), ([roles: ""], "this instance has no role"),
            ([roles: "worker"], "this instance has no role"),
        ] as [([String: String], String)])
    func anInstanceWithoutARoleHasNone(pages: [String: String], reason: String) async throws {
        let server = FakeMetadata(pages)
        let found = try await InstanceCredentials(metadata: try metadata(FakeServices { server.answer($0) })).find()
        #expect(found == .nothing(place: "the instance metadata service at http://169.254.169.254 (\(reason))"))
    }

    @Test(arguments: [
        (403, "", "it is switched off for this instance"), (200, "", "it gives no token: status 200"),
        (404, "x", "it gives no token: status 404"), (200, "hidden token", "it gives no token: status 200"),
        (503, "", "it gives no token: status 503"),
    ])
    func aServiceWithoutTokensIsNotAskedWithoutOne(status: Int, body: String, reason: String) async throws {
        let services = FakeServices { _ in WireAnswer(status: status, body: Array(body.utf8)) }
        let found = try await InstanceCredentials(metadata: try metadata(services)).find()
        #expect(found == .nothing(place: "the instance metadata service at http://169.254.169.254 (\(reason))"))
        #expect(services.calls.allSatisfy { $0.method == .put })
    }

    @Test func aRoleThatCannotBeTakenIsAnError() async throws {
        let refusal = #"{"Code": "AssumeRoleUnauthorizedAccess", "Message": "EC2 cannot assume the role"}"#
        let server = FakeMetadata([Self.roles: "worker", "\(Self.roles)worker": refusal])
        let error = try await identityError(.refused) {
            _ = try await InstanceCredentials(metadata: try metadata(FakeServices { server.answer($0) })).find()
        }
        #expect(
            error.message
                == "the instance metadata service at http://169.254.169.254 gives no credentials "
                + "(AssumeRoleUnauthorizedAccess): look at the role")
    }

    @Test(
        arguments: [
            ([:], "http://169.254.169.254"), (["_MODE": "IPv6"], "http://[fd00:ec2::254]"),
            (["_MODE": "ipv4"], "http://169.254.169.254"), (["": "http://127.0.0.1:99/x"], "http://127.0.0.1:99/x"),
            (["": "http://a", "_MODE": "IPv6"], "http://a"),
        ] as [([String: String], String)])
    func whereTheServiceIs(suffixes: [String: String], url: String) throws {
        let variables = suffixes.map { ("AWS_EC2_METADATA_SERVICE_ENDPOINT\($0)", $1) }
        let endpoint = try InstanceMetadata.endpoint(GuardedValues(Dictionary(uniqueKeysWithValues: variables)))
        #expect(endpoint.description == url)
    }

    @Test func variablesThatCannotBeUnderstoodAreNamed() async throws {
        let name = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
        let endpoint = try await identityError(.malformed) {
            _ = try InstanceMetadata.endpoint(GuardedValues([name: "http://u:hidden@h"]))
        }
        #expect(endpoint.message == "\(name) is no URL with http or https")
        let mode = try await identityError(.malformed) {
            _ = try InstanceMetadata.endpoint(GuardedValues(["\(name)_MODE": "IPv5"]))
        }
        #expect(mode.message == "\(name)_MODE is neither IPv4 nor IPv6")
    }

    @Test func whereItIsForbiddenNobodyIsAsked() async throws {
        let services = FakeServices.none()
        for value in ["true", "TRUE"] {
            let metadata = try metadata(services, ["AWS_EC2_METADATA_DISABLED": value])
            #expect(metadata == nil)
            let place = "the instance metadata service (AWS_EC2_METADATA_DISABLED is set)"
            #expect(try await InstanceCredentials(metadata: metadata).find() == .nothing(place: place))
        }
        #expect(services.calls.isEmpty)
        #expect(try metadata(services, ["AWS_EC2_METADATA_DISABLED": "false"]) != nil)
    }

    @Test func anInstanceKnowsWhichItIs() async throws {
        let document = """
            {"accountId": "123456789012", "architecture": "x86_64", "availabilityZone": "eu-central-1b",
             "billingProducts": null, "imageId": "ami-1", "instanceId": "i-0123456789abcdef0",
             "instanceType": "t3.micro", "privateIp": "10.0.0.1", "region": "eu-central-1", "version": "2017-09-30"}
            """
        let server = FakeMetadata([Self.identity: document])
        let identity = try await metadata(FakeServices { server.answer($0) })?.identity()
        #expect(identity?.instanceID == "i-0123456789abcdef0")
        #expect(identity?.instanceType == "t3.micro")
        #expect(identity?.availabilityZone == "eu-central-1b")
        #expect(identity?.region == "eu-central-1")
        #expect(identity?.accountID == "123456789012")
        #expect(identity?.imageID == "ami-1")
    }

    @Test func whoCannotTellItSaysWhy() async throws {
        let nobody = try await identityError(.refused) { _ = try await metadata(.none())?.identity() }
        let prefix = "the instance metadata service at http://169.254.169.254 does not tell which instance this is: "
        #expect(nobody.message == prefix + "no route to host")
        for (pages, code) in [([:], IdentityError.Code.refused), ([Self.identity: "{}"], .malformed)] {
            let server = FakeMetadata(pages)
            _ = try await identityError(code) {
                _ = try await metadata(FakeServices { server.answer($0) })?.identity()
            }
        }
    }
}
