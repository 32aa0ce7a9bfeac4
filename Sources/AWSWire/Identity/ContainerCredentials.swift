#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
import Platform
import SystemPackage

/// The credentials that ECS and EKS give a container, at the address that its environment names.
///
/// Source: AWS SDKs and Tools Reference Guide, "Container credential provider".
struct ContainerCredentials: CredentialsPlace {
    private static let maximumTokenBytes = 64 << 10

    let variables: GuardedValues
    /// Without a proxy.
    let transport: any WireTransport
    let clock: any Clock
    let random: any RandomSource

    func find() async throws -> CredentialsFinding {
        guard let address = try ContainerAddress(variables) else {
            return .nothing(place: "the service of a container (AWS_CONTAINER_CREDENTIALS_FULL_URI is not set)")
        }
        let place = "the container's service at \(address.endpoint)"
        let answer = try await answer(address)
        guard answer.status == 200 else {
            throw IdentityError(
                .refused, "\(place) gives no credentials: status \(answer.status); look at the container's role")
        }
        return .found(try CredentialsDocument.credentials(in: answer.body, from: place))
    }

    private func answer(_ address: ContainerAddress) async throws -> WireAnswer {
        var request = WireRequest(.get, address.path, query: address.query)
        request.headers.append(.init("accept", "application/json"))
        if let token = try authorization() { request.headers.append(.init("authorization", token)) }
        let client = WireClient(
            address.endpoint, signer: nil, limits: .metadata, transport: transport, clock: clock, random: random)
        do {
            return try await client.send(request, limit: CredentialsDocument.maximumBytes)
        } catch let error as WireError {
            throw IdentityError(.refused, "the container's service gives no credentials: \(error)")
        }
    }

    /// What a file has is read each time: EKS writes it anew.
    private func authorization() throws(IdentityError) -> String? {
        let variable = "AWS_CONTAINER_AUTHORIZATION_TOKEN"
        guard let path = variables["\(variable)_FILE"] else {
            return try variables[variable].map { (text) throws(IdentityError) in try Self.token(text, from: variable) }
        }
        let bytes: [UInt8]
        do throws(Errno) {
            bytes = try readFile(FilePath(path), limit: Self.maximumTokenBytes)
        } catch {
            throw IdentityError(.unreadable, "\(path) cannot be read: \(error.description.lowercased())")
        }
        return try Self.token(String(decoding: bytes, as: UTF8.self), from: path)
    }

    private static func token(_ text: String, from place: String) throws(IdentityError) -> String {
        let words = text.split(whereSeparator: \.isWhitespace)
        guard !words.isEmpty, words.allSatisfy({ String($0).isHeaderWord }) else {
            throw IdentityError(.malformed, "\(place) holds no token that can stand in a header: write it anew")
        }
        return words.joined(separator: " ")
    }
}

/// Where a container's credentials are; pure.
struct ContainerAddress: Hashable, Sendable {
    let endpoint: Endpoint
    let path: String
    let query: [WireRequest.Field]

    /// `nil` where the environment names none.
    init?(_ variables: GuardedValues) throws(IdentityError) {
        let variable: String
        let text: String
        if let path = variables["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] {
            variable = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
            // What begins otherwise would go on with the host's name.
            text = path.hasPrefix("/") ? "http://169.254.170.2\(path)" : ""
        } else if let whole = variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"] {
            variable = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
            text = whole
        } else {
            return nil
        }
        guard var parts = URLComponents(string: text) else { throw Self.malformed(variable) }
        path = parts.path.isEmpty ? "/" : parts.path
        query = (parts.queryItems ?? []).map { .init($0.name, $0.value ?? "") }
        parts.path = ""
        parts.query = nil
        // The error repeats the text, which may hold a password: ours names the variable.
        guard let endpoint = parts.string.flatMap({ try? Endpoint($0) }) else { throw Self.malformed(variable) }
        guard endpoint.isSecure || endpoint.isLoopback || Self.services.contains(endpoint.host) else {
            throw IdentityError(
                .malformed,
                "\(variable) would send the container's token to \(endpoint.host) as plain text: take https, or an "
                    + "address of this machine")
        }
        self.endpoint = endpoint
    }

    /// Those of ECS and EKS, which are on this machine.
    private static let services: Set<String> = ["169.254.170.2", "169.254.170.23", "fd00:ec2::23"]

    private static func malformed(_ variable: String) -> IdentityError {
        let isWhole = variable.hasSuffix("FULL_URI")
        return IdentityError(
            .malformed, "\(variable) is no \(isWhole ? "URL with http or https" : "path that begins with /")")
    }
}
