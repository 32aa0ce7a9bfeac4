import Platform
import SystemPackage
import TestSupport
import Testing

@testable import AWSWire

@Suite struct SharedConfigurationTests {
    private let paths = SharedFilePaths(GuardedValues(), home: "/home/x")

    private func shared(
        _ profile: String? = nil, credentials: String = "", configuration: String = ""
    ) throws -> SharedConfiguration {
        try SharedConfiguration(
            profile, paths, credentials: ConfigurationText(Array(credentials.utf8)),
            configuration: ConfigurationText(Array(configuration.utf8)))
    }

    private static let keys = "aws_access_key_id = A\naws_secret_access_key = S\n"

    @Test func theFilesLieWhereTheVariablesSay() {
        #expect(paths.credentials == "/home/x/.aws/credentials")
        #expect(paths.configuration == "/home/x/.aws/config")
        let moved = SharedFilePaths(
            GuardedValues(["AWS_SHARED_CREDENTIALS_FILE": "~/c", "AWS_CONFIG_FILE": "/etc/aws"]), home: "/home/x")
        #expect(moved.credentials == "/home/x/c")
        #expect(moved.configuration == "/etc/aws")
    }

    @Test func keysComeFromTheProfileThatIsNamed() throws {
        let file = "[default]\n\(Self.keys)[b]\naws_access_key_id = B\naws_secret_access_key = T\naws_session_token = U"
        #expect(
            try shared(credentials: file).credentials() == AWSCredentials(accessKeyID: "A", secretAccessKey: "S"))
        #expect(
            try shared("b", credentials: file).credentials()
                == AWSCredentials(accessKeyID: "B", secretAccessKey: "T", sessionToken: "U"))
    }

    @Test func theFileOfCredentialsComesFirst() throws {
        let other = "aws_access_key_id = C\naws_secret_access_key = C\nregion = c\nendpoint_url = e"
        let both = try shared("b", credentials: "[b]\n\(Self.keys)region = a", configuration: "[profile b]\n\(other)")
        #expect(try both.credentials()?.accessKeyID == "A")
        #expect(both["region"] == "a")
        #expect(both["endpoint_url"] == "e")
        let one = try shared("b", credentials: "[b]\nregion = a", configuration: "[profile b]\n\(other)")
        #expect(try one.credentials()?.accessKeyID == "C")
    }

    @Test func aProfileOfTheConfigurationIsCalledSo() throws {
        // There, the plain name is another's section; only the default one may stand alone.
        #expect(throws: IdentityError.self) { try shared("b", configuration: "[b]\nregion = r") }
        #expect(try shared(configuration: "[default]\nregion = r")["region"] == "r")
        #expect(try shared(configuration: "[default]\nregion = r\n[profile default]\nregion = s")["region"] == "s")
        #expect(try shared("default", configuration: "[default]\nregion = r")["region"] == "r")
    }

    @Test func aProfileThatWasNamedMustBeThere() async throws {
        for name in ["b", "default"] {
            let error = try await identityError(.noSection) { _ = try shared(name, credentials: "[x]") }
            #expect(
                error.message
                    == "there is no profile \(name) in /home/x/.aws/credentials or /home/x/.aws/config: make it with "
                    + "aws configure --profile \(name), or name another")
        }
        #expect(try shared(credentials: "[x]").credentials() == nil)
    }

    @Test(arguments: [
        ("aws_access_key_id = A", "aws_access_key_id without aws_secret_access_key"),
        ("aws_secret_access_key = A", "aws_secret_access_key without aws_access_key_id"),
        ("aws_access_key_id = A\naws_secret_access_key =", "aws_access_key_id without aws_secret_access_key"),
    ])
    func oneKeyWithoutTheOtherIsAnError(lines: String, told: String) async throws {
        let error = try await identityError(.incomplete) {
            // Also when the other file has both.
            _ = try shared(
                credentials: "[default]\n\(lines)", configuration: "[default]\n\(Self.keys)"
            ).credentials()
        }
        #expect(
            error.message
                == "profile default of /home/x/.aws/credentials has \(told): set both, or neither")
    }

    @Test func endpointsComeFromASectionOfServices() async throws {
        let file = "[default]\nservices = x\n[services x]\nec2 =\n  endpoint_url = http://a\n"
        #expect(try shared(configuration: file).endpoint(of: "ec2") == "http://a")
        #expect(try shared(configuration: file).endpoint(of: "s3") == nil)
        #expect(try shared(configuration: "[default]").endpoint(of: "s3") == nil)
        let error = try await identityError(.noSection) {
            _ = try shared(configuration: "[default]\nservices = y\n[services x]").endpoint(of: "s3")
        }
        #expect(error.message.contains("there is no [services y] in /home/x/.aws/config"))
    }

    @Test func filesAreReadAndMissingOnesAreEmpty() async throws {
        try await withTemporaryDirectory { directory in
            let paths = SharedFilePaths(GuardedValues(), home: directory.string)
            #expect(try SharedConfiguration(nil, paths).credentials() == nil)
            try createDirectories(directory.appending(".aws"))
            try writeFile(directory.appending(".aws/credentials"), "[default]\r\n\(Self.keys)")
            try writeFile(directory.appending(".aws/config"), "[default]\nregion = r")
            let shared = try SharedConfiguration(nil, paths)
            #expect(try shared.credentials()?.accessKeyID == "A")
            #expect(shared["region"] == "r")
            // A file that is written anew is read anew.
            try writeFile(directory.appending(".aws/config"), "[default]\nregion = s")
            #expect(try SharedConfiguration(nil, paths)["region"] == "s")
        }
    }

    @Test func aFileThatCannotBeReadOrUnderstoodIsNamed() async throws {
        try await withTemporaryDirectory { directory in
            let odd = directory.appending("odd")
            try writeFile(odd, "[default]\naws_access_key_id = A\nhidden-secret")
            let paths = SharedFilePaths(
                GuardedValues(["AWS_SHARED_CREDENTIALS_FILE": odd.string]), home: directory.string)
            let error = try await identityError(.malformed) { _ = try SharedConfiguration(nil, paths) }
            #expect(error.message == "\(odd) cannot be understood: line 3 is neither [a section] nor a setting")
            let folder = SharedFilePaths(GuardedValues(["AWS_CONFIG_FILE": directory.string]), home: "/nowhere")
            let unreadable = try await identityError(.unreadable) { _ = try SharedConfiguration(nil, folder) }
            #expect(unreadable.message == "\(directory) cannot be read: is a directory")
        }
    }

    private func find(_ configuration: String, _ variables: [String: String] = [:]) async throws -> CredentialsFinding {
        try await withTemporaryDirectory { directory in
            try createDirectories(directory.appending(".aws"))
            try writeFile(directory.appending(".aws/config"), configuration)
            let paths = SharedFilePaths(GuardedValues(), home: directory.string)
            return try await ProfileCredentials(
                variables: GuardedValues(variables), profile: ProfileChoice(name: nil, paths: paths)
            ).find()
        }
    }

    @Test(arguments: ProfileCredentials.notSupported)
    func waysThatAreNotSupportedAreToldSo(setting: String) async throws {
        let error = try await identityError(.notSupported) { _ = try await find("[default]\n\(setting) = x") }
        #expect(
            error.message
                == "profile default has \(setting), which is not supported: give the credentials that aws configure "
                + "export-credentials --profile default --format env prints, as environment variables")
        // With keys beside it, it is not needed.
        let found = try await find("[default]\n\(setting) = x\n\(Self.keys)")
        #expect(found == .found(AWSCredentials(accessKeyID: "A", secretAccessKey: "S")))
    }

    @Test func aRoleOfKubernetesIsNotTakenForTheNodes() async throws {
        let error = try await identityError(.notSupported) {
            _ = try await find("", ["AWS_WEB_IDENTITY_TOKEN_FILE": "/x"])
        }
        #expect(error.message.hasPrefix("the environment has AWS_WEB_IDENTITY_TOKEN_FILE, which is not supported"))
    }
}
