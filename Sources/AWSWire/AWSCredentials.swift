#if canImport(FoundationEssentials)
    public import FoundationEssentials
#else
    public import Foundation
#endif

/// Who asks. Never printed: whoever prints it gets the name of the key alone.
public struct AWSCredentials: Hashable, Sendable, CustomStringConvertible, CustomReflectable {
    public let accessKeyID: String
    let secretAccessKey: String
    /// Of temporary ones.
    let sessionToken: String?
    /// When temporary ones end; `nil` for all others, and where it is not known.
    public let expiration: Date?

    public init(accessKeyID: String, secretAccessKey: String, sessionToken: String? = nil, expiration: Date? = nil) {
        self.accessKeyID = accessKeyID
        self.secretAccessKey = secretAccessKey
        self.sessionToken = sessionToken
        self.expiration = expiration
    }

    /// From `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN` among the variables; `nil` where none
    /// of the first two is set.
    ///
    /// - Throws: `IdentityError` where one of the two is set without the other, or is no key.
    public init?(environment: [String: String]) throws(IdentityError) {
        try self.init(GuardedValues(environment), under: .environment, in: "the environment")
    }

    public var description: String { "credentials \(accessKeyID)" }

    public var customMirror: Mirror { Mirror(self, children: ["accessKeyID": accessKeyID]) }
}

extension AWSCredentials {
    /// What a place calls the parts.
    struct Names: Sendable {
        let id: String
        let secret: String
        let token: String

        static let environment = Names(
            id: "AWS_ACCESS_KEY_ID", secret: "AWS_SECRET_ACCESS_KEY", token: "AWS_SESSION_TOKEN")
        static let profile = Names(
            id: "aws_access_key_id", secret: "aws_secret_access_key", token: "aws_session_token")
        static let document = Names(id: "AccessKeyId", secret: "SecretAccessKey", token: "Token")
    }

    /// - Parameter place: where the values stand, for errors.
    /// - Returns: `nil` where neither key is set.
    init?(
        _ values: GuardedValues, under names: Names, in place: String, expiration: Date? = nil
    ) throws(IdentityError) {
        switch (values[names.id], values[names.secret]) {
        case (nil, nil): return nil
        case (_, nil): throw Self.incomplete(names.id, without: names.secret, in: place)
        case (nil, _): throw Self.incomplete(names.secret, without: names.id, in: place)
        case (let id?, let secret?):
            for name in [names.id, names.secret, names.token] where values[name]?.isHeaderWord == false {
                throw IdentityError(
                    .malformed, "\(name) in \(place) has blanks, or characters beyond ASCII: write it anew")
            }
            self.init(
                accessKeyID: id, secretAccessKey: secret, sessionToken: values[names.token], expiration: expiration)
        }
    }

    private static func incomplete(_ one: String, without other: String, in place: String) -> IdentityError {
        IdentityError(.incomplete, "\(place) has \(one) without \(other): set both, or neither")
    }
}

extension String {
    /// Whether it can stand in a header as one word.
    var isHeaderWord: Bool { utf8.allSatisfy { (0x21...0x7E).contains($0) } }
}
