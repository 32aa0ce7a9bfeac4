import Crypto
#if canImport(FoundationEssentials)
    public import FoundationEssentials
#else
    public import Foundation
#endif

/// AWS Signature Version 4, in a request's headers or its URL; pure. Source: IAM User Guide, "AWS Signature Version 4".
public struct RequestSigner: Sendable {
    public let credentials: AWSCredentials
    public let region: String
    /// `s3`, `ec2`: as a credential's scope names it.
    public let service: String

    public init(credentials: AWSCredentials, region: String, service: String) {
        self.credentials = credentials
        self.region = region
        self.service = service
    }

    /// All headers that the request is sent with.
    ///
    /// - Parameter authority: what `Host` says.
    public func headers(of request: WireRequest, authority: String, at time: Date) -> [WireRequest.Field] {
        let moment = time.formatted(Self.basicFormat)
        let bodyHash = SHA256.hash(data: request.body).hex
        var headers = request.headers + [.init("host", authority), .init("x-amz-date", moment)]
        // S3 alone wants to be told, and then verifies the body.
        if service == "s3" { headers.append(.init("x-amz-content-sha256", bodyHash)) }
        if let token = credentials.sessionToken { headers.append(.init("x-amz-security-token", token)) }
        let canonical = canonicalRequest(request, headers, bodyHash)
        let authorization =
            "\(Self.algorithm) Credential=\(credential(moment)), SignedHeaders=\(Self.names(headers)), "
            + "Signature=\(signature(of: canonical, at: moment))"
        return headers + [.init("authorization", authorization)]
    }

    /// The URL of a request without body that anybody can make until it expires. It is a credential.
    public func presignedURL(
        of request: WireRequest, to endpoint: Endpoint, at time: Date, expiringIn seconds: Int
    ) -> String {
        let moment = time.formatted(Self.basicFormat)
        var request = request
        request.query += [
            .init("X-Amz-Algorithm", Self.algorithm), .init("X-Amz-Credential", credential(moment)),
            .init("X-Amz-Date", moment), .init("X-Amz-Expires", "\(seconds)"), .init("X-Amz-SignedHeaders", "host"),
        ]
        if let token = credentials.sessionToken { request.query.append(.init("X-Amz-Security-Token", token)) }
        let headers = [WireRequest.Field("host", endpoint.authority)]
        let canonical = canonicalRequest(request, headers, SHA256.hash(data: request.body).hex)
        request.query.append(.init("X-Amz-Signature", signature(of: canonical, at: moment)))
        return request.url(at: endpoint)
    }

    private static let algorithm = "AWS4-HMAC-SHA256"

    /// `20150830T123600Z`.
    private static let basicFormat = Date.ISO8601FormatStyle(
        dateSeparator: .omitted, dateTimeSeparator: .standard, timeSeparator: .omitted)

    private func canonicalRequest(
        _ request: WireRequest, _ headers: [WireRequest.Field], _ bodyHash: String
    ) -> String {
        // S3 signs a path as it is sent, all others encode that once more.
        let path = service == "s3" ? request.encodedPath : request.encodedPath.percentEncoded(keepingSlashes: true)
        let fields = headers.sorted { $0.name < $1.name }.map { "\($0.name):\($0.value.trimmed)\n" }.joined()
        return [
            request.method.rawValue, path, request.encodedQuery, fields, Self.names(headers), bodyHash,
        ].joined(separator: "\n")
    }

    private static func names(_ headers: [WireRequest.Field]) -> String {
        headers.map(\.name).sorted().joined(separator: ";")
    }

    private func credential(_ moment: String) -> String { "\(credentials.accessKeyID)/\(scope(moment))" }

    private func scope(_ moment: String) -> String { "\(moment.prefix(8))/\(region)/\(service)/aws4_request" }

    private func signature(of canonical: String, at moment: String) -> String {
        let hash = SHA256.hash(data: Data(canonical.utf8)).hex
        var key = SymmetricKey(data: Data("AWS4\(credentials.secretAccessKey)".utf8))
        for part in scope(moment).split(separator: "/") {
            key = SymmetricKey(data: String(part).authenticated(by: key))
        }
        return "\(Self.algorithm)\n\(moment)\n\(scope(moment))\n\(hash)".authenticated(by: key).hex
    }
}

extension String {
    fileprivate func authenticated(by key: SymmetricKey) -> HMAC<SHA256>.MAC {
        HMAC<SHA256>.authenticationCode(for: Data(utf8), using: key)
    }

    /// Without blanks at its ends, and with single ones between words.
    fileprivate var trimmed: String { split(separator: " ").joined(separator: " ") }
}

extension Sequence<UInt8> {
    fileprivate var hex: String {
        map { byte in
            let digits = String(byte, radix: 16)
            return digits.count == 1 ? "0" + digits : digits
        }.joined()
    }
}
