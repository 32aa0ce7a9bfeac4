#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// The JSON by which containers and instances are given credentials; pure.
struct CredentialsDocument: Decodable {
    static let maximumBytes = 64 << 10

    private let code: String?
    private let id: String?
    private let secret: String?
    private let token: String?
    private let expiration: String?

    private enum CodingKeys: String, CodingKey {
        case code = "Code"
        case id = "AccessKeyId"
        case secret = "SecretAccessKey"
        case token = "Token"
        case expiration = "Expiration"
    }

    /// - Parameter place: who has sent it, for errors. What it says is not repeated in them.
    static func credentials(in bytes: [UInt8], from place: String) throws(IdentityError) -> AWSCredentials {
        let document: CredentialsDocument
        do {
            document = try JSONDecoder().decode(CredentialsDocument.self, from: Data(bytes))
        } catch {
            throw IdentityError(.malformed, "\(place) sent no credentials in JSON: look at what answers there")
        }
        return try document.credentials(from: place)
    }

    private func credentials(from place: String) throws(IdentityError) -> AWSCredentials {
        if let code, code != "Success" {
            let isName = code.utf8.count <= 64 && code.allSatisfy { $0.isASCII && $0.isLetter }
            throw IdentityError(
                .refused, "\(place) gives no credentials (\(isName ? code : "no success")): look at the role")
        }
        var values = GuardedValues()
        values[AWSCredentials.Names.document.id] = id
        values[AWSCredentials.Names.document.secret] = secret
        values[AWSCredentials.Names.document.token] = token
        let found = try AWSCredentials(values, under: .document, in: "the answer of \(place)", expiration: end(place))
        guard let found else { throw IdentityError(.malformed, "\(place) sent JSON without AccessKeyId") }
        return found
    }

    private func end(_ place: String) throws(IdentityError) -> Date? {
        guard let expiration else { return nil }
        for format in [Date.ISO8601FormatStyle(), Date.ISO8601FormatStyle(includingFractionalSeconds: true)] {
            // What is of neither form is refused below.
            if let date = try? format.parse(expiration) { return date }
        }
        throw IdentityError(.malformed, "\(place) sent credentials whose Expiration is no time")
    }
}
