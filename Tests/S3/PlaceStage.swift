import AWSWire
import Platform
import S3
import Synchronization
import SystemPackage
import Testing
import TestSupport

@testable import BlockStore

/// The kinds of places. Whatever a snapshot's push and pull promise holds for each.
enum PlaceKind: String, CaseIterable {
    case directory
    case bucket
    /// With blanks, letters beyond ASCII, and what means something in a URL.
    case oddBucket
}

/// An empty place of a kind, and stores to push from and to pull into; gone afterwards.
struct PlaceStage {
    static let sizeBytes = 300 * VolumeBlock.bytes

    let place: any ObjectPlace
    let directory: FilePath
    /// Takes away what lies under a key.
    let remove: @Sendable (String) async throws -> Void

    static func run(_ kind: PlaceKind, _ body: (PlaceStage) async throws -> Void) async throws {
        try await withTemporaryDirectory { directory in
            switch kind {
            case .directory:
                let path = directory.appending("place")
                try createDirectories(path)
                let place = DirectoryPlace(path, clock: SystemClock())
                try await body(
                    PlaceStage(place: place, directory: directory) { try removeFile(at: path.pushing(FilePath($0))) })
            case .bucket, .oddBucket:
                let prefix = kind == .bucket ? "team/data" : "a b/ü+%20&='\"/../~//$"
                let server = try await S3Stage.shared()
                let place = try server.place(prefix: prefix)
                try await body(
                    PlaceStage(place: place, directory: directory) { key in
                        let request = WireRequest(.delete, "/\(server.bucket)/\(prefix)/\(key)")
                        try #require(try await server.client("s3").send(request, limit: 1 << 16).status == 204)
                    })
            }
        }
    }

    func store(_ name: String) throws -> SnapshotStore { try SnapshotStore(directory: directory.appending(name)) }
}

/// A bucket of a server that verifies each signature.
struct S3Stage {
    let moto: MotoServer
    let access: S3Access
    let bucket: String

    /// An empty bucket of the server that tests share. It ends with this process.
    static func shared() async throws -> S3Stage {
        let (moto, access) = try await server.value
        return try await S3Stage(moto, access)
    }

    private static let server = Task {
        let moto = try await MotoServer()
        return (moto, try await access(to: moto))
    }

    /// A bucket of a server that is gone afterwards.
    static func run(
        certificate: (path: FilePath, key: FilePath)? = nil, _ body: (S3Stage) async throws -> Void
    ) async throws {
        try await withMotoServer(certificate: certificate) { moto in
            try await body(try await S3Stage(moto, try await access(to: moto, certificate?.path.string)))
        }
    }

    private init(_ moto: MotoServer, _ access: S3Access) async throws {
        self.moto = moto
        self.access = access
        bucket = "bucket-\(SystemRandom().hexDigits(12))"
        try #require(try await client("s3").send(.init(.put, "/\(bucket)"), limit: 1 << 16).status == 200)
    }

    /// Makes a user, and lets the server verify signatures from then on.
    private static func access(to moto: MotoServer, _ authorities: String? = nil) async throws -> S3Access {
        var access = S3Access(
            endpoint: try Endpoint(moto.endpoint),
            credentials: AWSCredentials(accessKeyID: "AKIDANYBODY", secretAccessKey: "any"),
            certificateAuthorities: authorities)
        access.credentials = try await makeUser(try client(access, "iam"))
        let reset = WireRequest(
            .post, "/moto-api/reset-auth", headers: [.init("content-type", "text/plain")], body: Array("0".utf8))
        try #require(try await client(access, "s3").send(reset, limit: 1 << 16).status == 200)
        return access
    }

    func client(_ service: String) throws -> WireClient { try Self.client(access, service) }

    private static func client(_ access: S3Access, _ service: String) throws -> WireClient {
        WireClient(
            try #require(access.endpoint),
            signer: access.credentials.map { RequestSigner(credentials: $0, region: access.region, service: service) },
            transport: HTTPTransport(certificateAuthorities: access.certificateAuthorities), clock: SystemClock(),
            random: SystemRandom())
    }

    func place(
        bucket: String? = nil, prefix: String, _ change: (inout S3Access) throws -> Void = { _ in }
    ) throws -> S3Place {
        var access = access
        try change(&access)
        return try S3Place(
            bucket: bucket ?? self.bucket, prefix: prefix, access: access, clock: SystemClock(), random: SystemRandom())
    }

    /// A user who may do everything with S3.
    private static func makeUser(_ client: WireClient) async throws -> AWSCredentials {
        let policy = #"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#
        _ = try await iam(client, [.init("Action", "CreateUser")])
        _ = try await iam(
            client,
            [
                .init("Action", "PutUserPolicy"), .init("PolicyName", "all"), .init("PolicyDocument", policy),
            ])
        let answer = try await iam(client, [.init("Action", "CreateAccessKey")])
        let key = try #require(answer["CreateAccessKeyResult"]?["AccessKey"])
        return AWSCredentials(
            accessKeyID: try #require(key["AccessKeyId"]?.text),
            secretAccessKey: try #require(key["SecretAccessKey"]?.text))
    }

    private static func iam(_ client: WireClient, _ query: [WireRequest.Field]) async throws -> XMLElement {
        let common: [WireRequest.Field] = [.init("UserName", "ebb"), .init("Version", "2010-05-08")]
        let answer = try await client.send(WireRequest(.get, "/", query: query + common), limit: 1 << 16)
        try #require(answer.status == 200, "\(String(decoding: answer.body, as: UTF8.self))")
        return try XMLElement(document: answer.body)
    }
}

/// A place that counts what it is asked for, and that a test can stand in the way of.
final class WatchedPlace: ObjectPlace {
    enum Operation: Hashable {
        case list, look, get, put
    }

    struct Call: Hashable {
        let operation: Operation
        let key: String
        var bytes = 0
    }

    private let place: any ObjectPlace
    private let calls = Mutex<[Call]>([])
    /// Called before each call, with its number from 0 on.
    private let before: @Sendable (Int, Call) async throws -> Void

    init(_ place: any ObjectPlace, before: @escaping @Sendable (Int, Call) async throws -> Void = { _, _ in }) {
        self.place = place
        self.before = before
    }

    var allCalls: [Call] { calls.withLock { $0 } }

    func count(_ operation: Operation) -> Int { allCalls.count { $0.operation == operation } }

    var putBytes: Int { allCalls.reduce(0) { $0 + ($1.operation == .put ? $1.bytes : 0) } }

    private func call(_ operation: Operation, _ key: String, bytes: Int = 0) async throws {
        let call = Call(operation: operation, key: key, bytes: bytes)
        let number = calls.withLock { calls in
            calls.append(call)
            return calls.count - 1
        }
        try await before(number, call)
    }

    var location: String { place.location }

    func prepare() async throws { try await place.prepare() }

    func sizeBytes(_ key: String) async throws -> Int64? {
        try await call(.look, key)
        return try await place.sizeBytes(key)
    }

    func get(_ key: String, limit: Int) async throws -> [UInt8]? {
        try await call(.get, key)
        return try await place.get(key, limit: limit)
    }

    func put(_ bytes: [UInt8], _ key: String) async throws {
        try await call(.put, key, bytes: bytes.count)
        try await place.put(bytes, key)
    }

    func keys(_ prefix: String) async throws -> [String] {
        try await call(.list, prefix)
        return try await place.keys(prefix)
    }
}

extension SnapshotStore {
    /// Writes a snapshot whose blocks are told apart by a number; that of 0 is zeros.
    func write(_ changes: [Int: Int], over parent: Manifest? = nil) throws -> Manifest {
        let writer = beginWriting()
        defer { writer.end() }
        var builder = ManifestBuilder(writer, volumeSizeBytes: PlaceStage.sizeBytes, parent: parent)
        for (block, number) in changes.sorted(by: { $0.key < $1.key }) {
            let bytes = Self.block(number)
            try builder.set(block, to: unsafe writer.put(bytes.span.bytes))
        }
        return try builder.finish()
    }

    static func block(_ number: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Int(VolumeBlock.bytes))
        for place in 0..<8 { bytes[place] = UInt8(truncatingIfNeeded: number >> (8 * place)) }
        return bytes
    }

    static func name(ofBlock number: Int) -> Digest {
        let bytes = block(number)
        return unsafe Digest(of: bytes.span.bytes)
    }

    /// The number of each block that holds anything, each of which is read and verified.
    func numbers(in manifest: Manifest) throws -> [Int: Int] {
        var numbers: [Int: Int] = [:]
        var bytes = [UInt8](repeating: 0, count: Int(VolumeBlock.bytes))
        try forEachBlock(of: manifest) { block, name in
            var elements = bytes.mutableSpan
            var span = unsafe elements.mutableBytes
            try readBlock(name, into: &span)
            numbers[block] = bytes.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
            return true
        }
        return numbers
    }

    func pull(_ id: String, from place: any ObjectPlace) async throws -> (manifest: Manifest, description: String) {
        let writer = beginWriting()
        defer { writer.end() }
        return try await writer.pull(id, from: place)
    }
}
