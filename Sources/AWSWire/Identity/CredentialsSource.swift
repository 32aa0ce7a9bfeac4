/// Whoever knows who asks, whenever it is asked.
public protocol CredentialsSource: Sendable {
    /// - Throws: `IdentityError`, `CancellationError`.
    func credentials() async throws -> AWSCredentials
}

/// Always the same.
public struct FixedCredentials: CredentialsSource {
    private let fixed: AWSCredentials

    public init(_ credentials: AWSCredentials) { fixed = credentials }

    public func credentials() async throws -> AWSCredentials { fixed }
}

/// A place where credentials may be.
protocol CredentialsPlace: Sendable {
    /// - Throws: `IdentityError` when it should have some and cannot give them, `CancellationError`.
    func find() async throws -> CredentialsFinding
}

enum CredentialsFinding: Hashable, Sendable {
    case found(AWSCredentials)
    /// - Parameter place: what was looked at, and why there is nothing if that is not plain.
    case nothing(place: String)
}

/// The first place that has credentials. One that should have them and fails ends the search: the next one would have
/// somebody else's.
struct CredentialsChain: CredentialsSource {
    let places: [any CredentialsPlace]

    func credentials() async throws -> AWSCredentials {
        var searched: [String] = []
        for place in places {
            switch try await place.find() {
            case .found(let credentials): return credentials
            case .nothing(let place): searched.append(place)
            }
        }
        throw IdentityError(
            .notFound,
            "there are no AWS credentials in \(searched.joined(separator: ", ")): set AWS_ACCESS_KEY_ID and "
                + "AWS_SECRET_ACCESS_KEY, or run aws configure")
    }
}

/// What the program's own configuration says.
struct ExplicitCredentials: CredentialsPlace {
    let credentials: AWSCredentials?

    func find() async throws -> CredentialsFinding {
        credentials.map { .found($0) } ?? .nothing(place: "the configuration")
    }
}

struct EnvironmentCredentials: CredentialsPlace {
    let variables: GuardedValues

    func find() async throws -> CredentialsFinding {
        let place = "the environment"
        let credentials = try AWSCredentials(variables, under: .environment, in: place)
        return credentials.map { .found($0) } ?? .nothing(place: place)
    }
}
