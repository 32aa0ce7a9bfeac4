import AWSWire

/// An answer that refuses. Source: Amazon EC2 Developer Guide, "Error codes for the Amazon EC2 API".
struct Refusal: Hashable, Sendable {
    let code: String
    let message: String

    /// `nil` for what is no refusal of EC2's: a proxy's page, or half an answer.
    init?(_ body: [UInt8]) {
        // What is no XML is no refusal either; the caller tells it with its status.
        guard let response = try? XMLElement(document: body), Self.roots.contains(response.name),
            let error = (response["Errors"] ?? response)["Error"], let code = error["Code"]?.text, !code.isEmpty
        else { return nil }
        self.code = code
        message = error["Message"]?.text ?? ""
    }

    /// EC2's own, and that of AWS' other services with the Query protocol, which servers of EC2's API use too.
    private static let roots: Set<String> = ["Response", "ErrorResponse"]

    /// Nothing was done; it may be done a little later. Source: Developer Guide, "Request throttling".
    var isThrottling: Bool {
        ["RequestLimitExceeded", "EC2ThrottledException", "Throttling", "ThrottlingException", "SlowDown"].contains(
            code)
    }

    /// The caller is not known, or not for now.
    var isOfCredentials: Bool {
        [
            "AuthFailure", "ExpiredToken", "IncompleteSignature", "InvalidAccessKeyId", "InvalidClientTokenId",
            "MissingAuthenticationToken", "OptInRequired", "RequestExpired", "SignatureDoesNotMatch",
            "UnrecognizedClientException",
        ].contains(code)
    }
}
