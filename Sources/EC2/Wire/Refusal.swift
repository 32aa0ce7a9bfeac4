import AWSWire

/// An answer that refuses. Source: Amazon EC2 Developer Guide, "Error codes for the Amazon EC2 API".
struct Refusal: Hashable, Sendable {
    let code: String
    let message: String

    /// `nil` for what is no refusal of EC2's: a proxy's page, or half an answer.
    init?(_ body: [UInt8]) {
        // What is no XML is no refusal either; the caller tells it with its status.
        guard let response = try? XMLElement(document: body), response.name == "Response",
            let error = response["Errors"]?["Error"], let code = error["Code"]?.text, !code.isEmpty
        else { return nil }
        self.code = code
        message = error["Message"]?.text ?? ""
    }

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
