#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
import Platform
import TestSupport
import Testing

@testable import AWSWire

@Suite struct ContainerCredentialsTests {
    static let relative = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
    static let full = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
    static let token = "AWS_CONTAINER_AUTHORIZATION_TOKEN"

    static let document = """
        {"AccessKeyId": "A", "SecretAccessKey": "S", "Token": "T", "Expiration": "2026-01-02T03:04:05Z",
         "RoleArn": "arn:aws:iam::1:role/x"}
        """

    private func find(_ variables: [String: String], _ services: FakeServices) async throws -> CredentialsFinding {
        try await ContainerCredentials(
            variables: GuardedValues(variables), transport: services, clock: ImpatientClock(),
            random: SeededRandom(seed: 1)
        ).find()
    }

    @Test func aContainerIsGivenItsCredentials() async throws {
        let services = FakeServices { _ in WireAnswer(Self.document) }
        let found = try await find([Self.relative: "/v2/credentials/x?id=1"], services)
        #expect(
            found
                == .found(
                    AWSCredentials(
                        accessKeyID: "A", secretAccessKey: "S", sessionToken: "T",
                        expiration: Date(timeIntervalSince1970: 1_767_323_045))))
        #expect(services.lines == ["GET http://169.254.170.2/v2/credentials/x?id=1"])
        #expect(services.calls.first?.header("authorization") == nil)
        #expect(services.calls.first?.header("host") == "169.254.170.2")
    }

    @Test func whereNothingIsNamedNobodyIsAsked() async throws {
        for variables in [[:], [Self.relative: "", Self.full: ""], [Self.token: "x"]] {
            let services = FakeServices.none()
            let place = "the service of a container (AWS_CONTAINER_CREDENTIALS_FULL_URI is not set)"
            #expect(try await find(variables, services) == .nothing(place: place))
            #expect(services.calls.isEmpty)
        }
    }

    @Test(arguments: [
        ("http://127.0.0.1:8080/x", "127.0.0.1:8080", "/x"), ("http://127.9.9.9", "127.9.9.9", "/"),
        ("http://localhost/a/b", "localhost", "/a/b"), ("http://[::1]:81/x", "[::1]:81", "/x"),
        ("http://169.254.170.2/x", "169.254.170.2", "/x"), ("http://169.254.170.23/v1", "169.254.170.23", "/v1"),
        ("http://[fd00:ec2::23]/v1", "[fd00:ec2::23]", "/v1"), ("https://example.org/x", "example.org", "/x"),
    ])
    func whereTheTokenMayGo(url: String, authority: String, path: String) throws {
        let address = try #require(try ContainerAddress(GuardedValues([Self.full: url])))
        #expect(address.endpoint.authority == authority)
        #expect(address.path == path)
    }

    @Test(arguments: [
        "http://example.org/x", "http://169.254.170.3/x", "http://128.0.0.1", "http://127.0.0.1.example.org/",
        "http://127.1/", "http://127.0.0.256", "http://localhost.example.org", "ftp://127.0.0.1/", "127.0.0.1", "/x",
        "http://user:secretpass@127.0.0.1/", "http://",
    ])
    func whereItMustNotGo(url: String) async throws {
        let services = FakeServices.none()
        let error = try await identityError(.malformed) {
            _ = try await find([Self.full: url, Self.token: "hidden"], services)
        }
        #expect(error.message.hasPrefix(Self.full))
        #expect(!error.message.contains("secretpass"))
        #expect(services.calls.isEmpty)
    }

    /// Otherwise another host would be asked.
    @Test(arguments: ["@example.org/x", ".example.org/", "x", ":80/x"]) func aPathBeginsWithASlash(path: String)
        async throws
    {
        let services = FakeServices.none()
        let error = try await identityError(.malformed) { _ = try await find([Self.relative: path], services) }
        #expect(error.message == "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is no path that begins with /")
        #expect(services.calls.isEmpty)
    }

    @Test func thePathComesBeforeTheAddress() throws {
        let variables = GuardedValues([Self.relative: "/r", Self.full: "https://example.org/x"])
        #expect(try ContainerAddress(variables)?.endpoint.host == "169.254.170.2")
    }

    @Test func theTokenGoesWithIt() async throws {
        let services = FakeServices { _ in WireAnswer(Self.document) }
        _ = try await find([Self.full: "http://127.0.0.1/x", Self.token: "Bearer a"], services)
        #expect(services.calls.first?.header("authorization") == "Bearer a")
    }

    @Test func aTokensFileIsReadEachTimeAndComesFirst() async throws {
        try await withTemporaryDirectory { directory in
            let file = directory.appending("token")
            let services = FakeServices { _ in WireAnswer(Self.document) }
            let variables = [Self.full: "http://127.0.0.1/x", "\(Self.token)_FILE": file.string, Self.token: "other"]
            for text in ["first", "second"] {
                try writeFile(file, "\(text)\n")
                _ = try await find(variables, services)
            }
            #expect(services.calls.map { $0.header("authorization") } == ["first", "second"])
            try removeFile(at: file)
            let error = try await identityError(.unreadable) { _ = try await find(variables, services) }
            #expect(error.message == "\(file) cannot be read: no such file or directory")
        }
    }

    @Test(arguments: [" ", "hidden\u{7}x", "hiddé"]) func aTokenThatIsNoneIsNotSent(token: String) async throws {
        let services = FakeServices.none()
        let error = try await identityError(.malformed) {
            _ = try await find([Self.full: "http://127.0.0.1/x", Self.token: token], services)
        }
        #expect(error.message == "\(Self.token) holds no token that can stand in a header: write it anew")
        #expect(services.calls.isEmpty)
    }

    @Test func aServiceThatIsNotThereIsToldAfterASecondTry() async throws {
        let services = FakeServices.none()
        let error = try await identityError(.refused) { _ = try await find([Self.relative: "/x"], services) }
        #expect(
            error.message
                == "the container's service gives no credentials: http://169.254.170.2 cannot be reached: no route to host"
        )
        #expect(services.calls.count == 2)
    }

    @Test func aServiceThatRefusesIsToldByItsStatus() async throws {
        let services = FakeServices { _ in WireAnswer(status: 403, body: Array("hidden".utf8)) }
        let error = try await identityError(.refused) { _ = try await find([Self.relative: "/x"], services) }
        #expect(
            error.message
                == "the container's service at http://169.254.170.2 gives no credentials: status 403; look at the "
                + "container's role")
    }

    @Test(arguments: [
        ("", IdentityError.Code.malformed), ("{", .malformed), ("[\"hidden\"]", .malformed),
        (#"{"AccessKeyId": "A", "SecretAccessKey": "hidden", "Token": "hidden" "hidden"}"#, .malformed),
        (#"{"AccessKeyId": "A", "SecretAccessKey": ["hidden"]}"#, .malformed),
        (#"{"AccessKeyId": "A", "SecretAccessKey": "hidden", "Expiration": "hidden"}"#, .malformed),
        (#"{"AccessKeyId": "A", "SecretAccessKey": "hidden\nx"}"#, .malformed),
        (#"{"AccessKeyId": "A", "SecretAccessKey": "s", "Token": "hidden hidden"}"#, .malformed),
        (#"{"SecretAccessKey": "hidden"}"#, .incomplete), (#"{"AccessKeyId": "A"}"#, .incomplete), ("{}", .malformed),
        (#"{"Code": "AssumeRoleUnauthorizedAccess", "Message": "hidden"}"#, .refused),
        (#"{"Code": "hidden hidden"}"#, .refused),
    ])
    func whatIsNoDocumentIsToldWithoutWhatItSays(text: String, code: IdentityError.Code) async throws {
        let error = try await identityError(code) {
            _ = try CredentialsDocument.credentials(in: Array(text.utf8), from: "the service")
        }
        #expect(!error.message.contains("hidden"))
        #expect(error.message.contains("the service"))
        if text.contains("Unauthorized") { #expect(error.message.contains("AssumeRoleUnauthorizedAccess")) }
    }

    @Test(arguments: [
        ("2026-01-02T03:04:05Z", 1_767_323_045.0), ("2026-01-02T03:04:05.500Z", 1_767_323_045.5),
        ("2026-01-02T05:04:05+02:00", 1_767_323_045),
    ])
    func timesAreReadAsTheyAreWritten(text: String, seconds: Double) throws {
        let document = #"{"AccessKeyId": "A", "SecretAccessKey": "S", "Expiration": "\#(text)"}"#
        let found = try CredentialsDocument.credentials(in: Array(document.utf8), from: "x")
        #expect(found.expiration?.timeIntervalSince1970 == seconds)
    }
}
