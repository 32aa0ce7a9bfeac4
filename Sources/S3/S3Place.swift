public import AWSWire
public import BlockStore
public import Platform

/// A bucket, or what begins with a prefix in it, as an `ObjectPlace`. A request for each call; of a list, for each
/// thousand keys.
public struct S3Place: ObjectPlace {
    private let bucket: String
    /// Empty, or ends with a `/`.
    private let prefix: String
    private let region: String
    private let client: WireClient

    /// - Parameter prefix: without a `/` at its ends; may be empty.
    /// - Throws: `PlaceError` for a region that makes no endpoint.
    public init(
        bucket: String, prefix: String, access: S3Access, clock: any Clock, random: any RandomSource,
        transport: (any WireTransport)? = nil
    ) throws(PlaceError) {
        self.bucket = bucket
        self.prefix = prefix.isEmpty ? "" : prefix + "/"
        region = access.region
        let endpoint: Endpoint
        do throws(WireError) {
            endpoint =
                if let own = access.endpoint { own } else {
                    try Endpoint("https://s3.\(access.region).amazonaws.com")
                }
        } catch {
            throw PlaceError(.invalidLocation, "\(error)")
        }
        client = WireClient(
            endpoint,
            signer: access.credentials.map { RequestSigner(credentials: $0, region: access.region, service: "s3") },
            limits: access.limits,
            transport: transport
                ?? HTTPTransport(certificateAuthorities: access.certificateAuthorities, proxies: access.proxies),
            clock: clock, random: random)
    }

    public var location: String { "s3://\(bucket)/\(prefix)" }

    /// A bucket needs no preparation.
    public func prepare() async throws {}

    public func sizeBytes(_ key: String) async throws -> Int64? {
        let answer = try await send(.head, key)
        if answer.status == 404 { return nil }
        guard answer.status == 200, let size = answer.headers["content-length"].flatMap({ Int64($0) }) else {
            throw refusal(of: answer, "\(key) cannot be looked for")
        }
        return size
    }

    public func get(_ key: String, limit: Int) async throws -> [UInt8]? {
        // A refusal may be longer than what is asked for.
        let answer = try await send(.get, key, limit: max(limit, S3Refusal.maximumBytes))
        if answer.status == 404, S3Refusal(answer).code != "NoSuchBucket" { return nil }
        guard answer.status == 200 else { throw refusal(of: answer, "\(key) cannot be read") }
        if answer.body.count > limit { throw PlaceError.tooLarge(key, in: self) }
        return answer.body
    }

    public func put(_ bytes: [UInt8], _ key: String) async throws {
        let answer = try await send(.put, key, body: bytes)
        guard answer.status == 200 else { throw refusal(of: answer, "\(key) cannot be written") }
    }

    public func keys(_ prefix: String) async throws -> [String] {
        var keys: [String] = []
        var next: String?
        repeat {
            let page = try await page(of: prefix, from: next)
            keys += page.keys
            if let end = page.next, end == next { throw noS3() }
            next = page.next
        } while next != nil
        return keys.sorted()
    }

    private func page(of prefix: String, from token: String?) async throws -> S3KeyList {
        var query = [WireRequest.Field("list-type", "2"), .init("prefix", self.prefix + prefix)]
        if let token { query.append(.init("continuation-token", token)) }
        let answer: WireAnswer
        do {
            answer = try await sending {
                try await client.send(WireRequest(.get, "/\(bucket)", query: query), limit: S3KeyList.maximumBytes)
            }
        } catch WireError.answerTooLong {
            throw noS3()
        }
        guard answer.status == 200 else { throw refusal(of: answer, "it cannot be listed") }
        guard let list = S3KeyList(answer.body, prefix: self.prefix) else { throw noS3() }
        return list
    }

    private func noS3() -> PlaceError {
        PlaceError(.failed, "\(client.endpoint) does not answer as S3 does: \(location) cannot be listed")
    }

    private func send(
        _ method: WireRequest.Method, _ key: String, limit: Int = S3Refusal.maximumBytes, body: [UInt8] = []
    ) async throws -> WireAnswer {
        let request = WireRequest(method, "/\(bucket)/\(prefix)\(key)", body: body)
        do {
            return try await sending { try await client.send(request, limit: limit) }
        } catch WireError.answerTooLong {
            throw PlaceError.tooLarge(key, in: self)
        }
    }

    private func sending(_ body: () async throws -> WireAnswer) async throws -> WireAnswer {
        do {
            return try await body()
        } catch WireError.unreachable(let endpoint, let reason) {
            throw PlaceError(
                .unreachable, "\(location) cannot be reached at \(endpoint): \(reason); what has been done is kept")
        } catch let WireError.untrusted(endpoint, reason) {
            throw PlaceError(
                .unreachable,
                "\(location) is not trusted: the certificate of \(endpoint): \(reason)")
        } catch let WireError.invalidAuthorities(path, reason) {
            throw PlaceError(
                .failed, "\(location): the file of trusted authorities, \(path), cannot be used: \(reason)")
        }
    }

    private func refusal(of answer: WireAnswer, _ deed: String) -> PlaceError {
        S3Refusal(answer).error("\(location): \(deed)", at: client.endpoint, region: region)
    }
}

extension PlaceError {
    fileprivate static func tooLarge(_ key: String, in place: S3Place) -> PlaceError {
        PlaceError(.tooLarge, "\(key) in \(place.location) is larger than what it should be")
    }
}
