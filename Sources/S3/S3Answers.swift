import AWSWire
import BlockStore

/// Some keys of a bucket, as `ListObjectsV2` gives them.
struct S3KeyList {
    /// A thousand keys, each of 1,024 bytes at most, which references may make longer, and what else is told of each.
    static let maximumBytes = 16 << 20

    /// Without the prefix.
    let keys: [String]
    /// `nil` for the last ones.
    let next: String?

    /// Nil for what is no such answer, be it no XML or another document: the caller says whose it was.
    init?(_ bytes: [UInt8], prefix: String) {
        guard let list = try? XMLElement(document: bytes), list.name == "ListBucketResult" else { return nil }
        let all = list.all("Contents").compactMap { $0["Key"]?.text }
        // By bytes: characters that look alike are different keys.
        keys = all.filter { $0.utf8.starts(with: prefix.utf8) }.map {
            String(decoding: $0.utf8.dropFirst(prefix.utf8.count), as: UTF8.self)
        }
        let isCut = list["IsTruncated"]?.text == "true"
        next = isCut ? list["NextContinuationToken"]?.text : nil
        if keys.count != all.count || (isCut && next == nil) { return nil }
    }
}

/// An answer that refuses. Source: Amazon S3 API Reference, "Error responses".
struct S3Refusal {
    static let maximumBytes = 64 << 10

    private let status: Int
    /// `NoSuchKey`; empty where none is given, as to a HEAD.
    let code: String
    private let message: String
    /// Where the bucket is, if it is told.
    private let region: String?

    init(_ answer: WireAnswer) {
        status = answer.status
        // To a HEAD there is no body, and a proxy's is in HTML: then the status has to do.
        let error = try? XMLElement(document: answer.body)
        code = error?["Code"]?.text ?? ""
        message = error?["Message"]?.text ?? ""
        region = answer.headers["x-amz-bucket-region"] ?? error?["Region"]?.text
    }

    /// - Parameters:
    ///   - deed: what could not be done.
    ///   - region: the one that was asked for.
    func error(_ deed: String, at endpoint: Endpoint, region asked: String) -> PlaceError {
        switch code {
        case "NoSuchBucket":
            return PlaceError(.noSuchPlace, "\(deed): there is no such bucket at \(endpoint); make it first")
        case "PermanentRedirect", "AuthorizationHeaderMalformed", "IncorrectEndpoint":
            return PlaceError(
                .failed, "\(deed): the bucket is not in region \(asked)\(region.map { " but in \($0)" } ?? "")")
        case "RequestTimeTooSkewed":
            return PlaceError(.accessDenied, "\(deed): the clock of this machine and that of \(endpoint) differ")
        default: break
        }
        let cause = code.isEmpty ? "status \(status)" : "\(code): \(message)".inOneLine
        return switch status {
        case 301, 307, 308:
            PlaceError(.failed, "\(deed): the bucket is elsewhere (\(cause)); is \(asked) its region?")
        case 401, 403: PlaceError(.accessDenied, "\(deed): access is denied (\(cause)); look at the credentials")
        case 429, 500, 502...504, 509:
            PlaceError(.unreachable, "\(deed): \(endpoint) cannot now (\(cause)); try again later")
        case 507: PlaceError(.full, "\(deed): \(cause)")
        default: PlaceError(.failed, "\(deed): \(cause)")
        }
    }
}

extension String {
    /// What a server says, as a part of a line of ours.
    fileprivate var inOneLine: String {
        String(split { $0.isNewline || $0.isWhitespace }.joined(separator: " ").prefix(300))
    }
}
