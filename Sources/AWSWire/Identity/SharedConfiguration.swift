import Platform
import SystemPackage

/// Where the files lie that AWS' tools share.
struct SharedFilePaths: Hashable, Sendable {
    let credentials: String
    let configuration: String

    /// - Parameter home: what `~` stands for.
    init(_ variables: GuardedValues, home: String) {
        let expand = { (path: String) in path.hasPrefix("~/") ? home + path.dropFirst() : path }
        credentials = expand(variables["AWS_SHARED_CREDENTIALS_FILE"] ?? "~/.aws/credentials")
        configuration = expand(variables["AWS_CONFIG_FILE"] ?? "~/.aws/config")
    }
}

/// Which profile is read, and from where: each time anew, since people write these files while a daemon runs.
struct ProfileChoice: Sendable {
    /// `nil` for the one that is the default.
    let name: String?
    let paths: SharedFilePaths

    func read() throws(IdentityError) -> SharedConfiguration { try SharedConfiguration(name, paths) }
}

/// One profile, with what the files of AWS' tools say of it.
struct SharedConfiguration: Sendable {
    private static let maximumFileBytes = 1 << 20

    let profile: String
    private let paths: SharedFilePaths
    private let inCredentials: ConfigurationText.Section?
    private let inConfiguration: ConfigurationText.Section?
    /// `[services NAME]`, by its name.
    private let services: [String: ConfigurationText.Section]

    /// Reads the files; a missing one is an empty one.
    ///
    /// - Parameter profile: `nil` for the one that is the default, which may be missing.
    init(_ profile: String?, _ paths: SharedFilePaths) throws(IdentityError) {
        try self.init(
            profile, paths, credentials: Self.text(of: paths.credentials),
            configuration: Self.text(of: paths.configuration))
    }

    init(
        _ profile: String?, _ paths: SharedFilePaths, credentials: ConfigurationText, configuration: ConfigurationText
    ) throws(IdentityError) {
        self.profile = profile ?? "default"
        self.paths = paths
        inCredentials = credentials.sections[self.profile]
        inConfiguration =
            configuration.sections["profile \(self.profile)"]
            ?? (self.profile == "default" ? configuration.sections["default"] : nil)
        let named = configuration.sections.filter { $0.key.hasPrefix("services ") }
        services = Dictionary(
            uniqueKeysWithValues: named.map { (String($0.key.dropFirst("services ".count)), $0.value) })
        if let profile, inCredentials == nil, inConfiguration == nil {
            throw IdentityError(
                .noSection,
                "there is no profile \(profile) in \(paths.credentials) or \(paths.configuration): make it with "
                    + "aws configure --profile \(profile), or name another")
        }
    }

    /// A setting of the profile. What the file of credentials says comes first.
    subscript(name: String) -> String? { inCredentials?.values[name] ?? inConfiguration?.values[name] }

    /// The keys of the first file that has any.
    func credentials() throws(IdentityError) -> AWSCredentials? {
        for (section, path) in [(inCredentials, paths.credentials), (inConfiguration, paths.configuration)] {
            let values = section?.values ?? GuardedValues()
            let place = "profile \(profile) of \(path)"
            if let found = try AWSCredentials(values, under: .profile, in: place) { return found }
        }
        return nil
    }

    /// The endpoint that a section of services has for one of them.
    func endpoint(of service: String) throws(IdentityError) -> String? {
        guard let name = self["services"] else { return nil }
        guard let section = services[name] else {
            throw IdentityError(
                .noSection,
                "profile \(profile) names services \(name), and there is no [services \(name)] in "
                    + "\(paths.configuration): add it, or take the setting out")
        }
        return section.inner[service]?["endpoint_url"]
    }

    /// What was looked at, for errors.
    var place: String { "profile \(profile) of \(paths.credentials) and \(paths.configuration)" }

    private static func text(of path: String) throws(IdentityError) -> ConfigurationText {
        let bytes: [UInt8]
        do throws(Errno) {
            bytes = try readFile(FilePath(path), limit: maximumFileBytes)
        } catch .noSuchFileOrDirectory, .notDirectory {
            return ConfigurationText()
        } catch {
            throw IdentityError(.unreadable, "\(path) cannot be read: \(error.description.lowercased())")
        }
        do throws(ConfigurationText.Malformed) {
            return try ConfigurationText(bytes)
        } catch {
            throw IdentityError(
                .malformed, "\(path) cannot be understood: line \(error.line) is neither [a section] nor a setting")
        }
    }
}

/// The keys of a profile.
struct ProfileCredentials: CredentialsPlace {
    /// Ways to credentials that AWS' tools go and this does not.
    static let notSupported = [
        "role_arn", "sso_session", "sso_start_url", "sso_account_id", "credential_process", "web_identity_token_file",
        "login_session",
    ]

    let variables: GuardedValues
    let profile: ProfileChoice

    func find() async throws -> CredentialsFinding {
        let shared = try profile.read()
        if let found = try shared.credentials() { return .found(found) }
        if let setting = Self.notSupported.first(where: { shared[$0] != nil }) {
            throw Self.error("profile \(shared.profile) has \(setting)", shared.profile)
        }
        // A container of Kubernetes with a role of its own: the node's would be the wrong one.
        if variables["AWS_WEB_IDENTITY_TOKEN_FILE"] != nil {
            throw Self.error("the environment has AWS_WEB_IDENTITY_TOKEN_FILE", shared.profile)
        }
        return .nothing(place: shared.place)
    }

    private static func error(_ what: String, _ profile: String) -> IdentityError {
        IdentityError(
            .notSupported,
            "\(what), which is not supported: give the credentials that "
                + "aws configure export-credentials --profile \(profile) --format env prints, as environment variables")
    }
}
