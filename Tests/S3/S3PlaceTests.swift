import AWSWire
import Glibc
import Platform
import Synchronization
import SystemPackage
import Testing
import TestSupport

@testable import BlockStore
@testable import S3

/// What is a bucket's own: who may use it, whether its server is there, and how it is asked.
@Suite struct S3PlaceTests {
    private func withServer(_ body: (S3Stage, FilePath) async throws -> Void) async throws {
        try await withTemporaryDirectory { try await body(try await S3Stage.shared(), $0) }
    }

    private func error(_ body: () async throws -> Void) async throws -> PlaceError {
        let error = await #expect(throws: PlaceError.self) { try await body() }
        let found = try #require(error)
        #expect(!found.message.contains("\n"))
        return found
    }

    @Test func whoMayNotIsTold() async throws {
        try await withServer { stage, _ in
            let id = try #require(stage.access.credentials?.accessKeyID)
            let wrongSecret = try stage.place(prefix: "x") {
                $0.credentials = AWSCredentials(accessKeyID: id, secretAccessKey: "not/the+right=one")
            }
            let wrong = try await error { _ = try await wrongSecret.snapshots() }
            #expect(wrong.code == .accessDenied)
            #expect(wrong.message.contains("SignatureDoesNotMatch"))
            #expect(!wrong.message.contains("right=one"))
            let stranger = try stage.place(prefix: "x") {
                $0.credentials = AWSCredentials(accessKeyID: "AKIDSTRANGER", secretAccessKey: "secret")
            }
            let strange = try await error { _ = try await stranger.snapshots() }
            #expect(strange.code == .accessDenied)
            #expect(strange.message.contains("InvalidAccessKeyId"))
            // To a HEAD there is no text.
            #expect(try await error { _ = try await stranger.sizeBytes("objects/x") }.code == .accessDenied)
        }
    }

    @Test func aBucketThatIsNotThereIsNamed() async throws {
        try await withServer { stage, directory in
            let place = try stage.place(bucket: "no-such-bucket", prefix: "x")
            let missing = try await error { _ = try await place.snapshots() }
            #expect(missing.code == .noSuchPlace)
            #expect(
                missing.message
                    == "s3://no-such-bucket/x/: it cannot be listed: there is no such bucket at \(stage.moto.endpoint); make it first"
            )
            #expect(try await error { _ = try await place.get("k", limit: 1) }.code == .noSuchPlace)
            #expect(try await error { try await place.put([1], "k") }.code == .noSuchPlace)
            let store = try SnapshotStore(directory: directory.appending("store"))
            let snapshot = PlacedSnapshot(id: "snap-1", manifest: try store.write([0: 1]).name)
            #expect(
                try await error { try await store.push(snapshot, description: "{}", to: place) }.code == .noSuchPlace)
        }
    }

    @Test func aListHasAllItsPages() async throws {
        try await withServer { stage, _ in
            let place = try stage.place(prefix: "p")
            let keys = (0..<1003).map { "snapshots/k\(1000 + $0)" }
            try await keys.forEach(atATime: 8) { try await place.put([], $0) }
            try await place.put([], "snapshots-not/k")
            #expect(try await place.keys("snapshots/") == keys)
        }
    }

    @Test func whatIsLongerThanAskedForIsNotTaken() async throws {
        try await withServer { stage, _ in
            let place = try stage.place(prefix: "")
            #expect(place.location == "s3://\(stage.bucket)/")
            for count in [10, 1 << 20] {
                try await place.put([UInt8](repeating: 1, count: count), "k")
                #expect(try await error { _ = try await place.get("k", limit: count - 1) }.code == .tooLarge)
                #expect(try await place.get("k", limit: count)?.count == count)
            }
        }
    }

    @Test func nobodyThereIsSaid() async throws {
        let port = try MotoServer.freePort()
        var access = S3Access(endpoint: try Endpoint("http://127.0.0.1:\(port)"), credentials: nil)
        access.limits.attempts = 2
        access.limits.backoff.first = .milliseconds(1)
        let place = try S3Place(
            bucket: "bucket", prefix: "p", access: access, clock: SystemClock(), random: SystemRandom())
        let refused = try await error { _ = try await place.snapshots() }
        #expect(refused.code == .unreachable)
        #expect(
            refused.message
                == "s3://bucket/p/ cannot be reached at http://127.0.0.1:\(port): Connection refused; what has been done is kept"
        )
        // Longer than a name can be, so that no name server is asked.
        access.endpoint = try Endpoint("http://\(String(repeating: "n", count: 64)).invalid")
        let nameless = try S3Place(
            bucket: "bucket", prefix: "p", access: access, clock: SystemClock(), random: SystemRandom())
        let unknown = try await error { _ = try await nameless.snapshots() }
        #expect(unknown.code == .unreachable)
        #expect(unknown.message.contains("there is no host of this name"), "\(unknown)")
    }

    /// It is killed in the middle of a push, or hangs; the same push goes on when it is there again.
    @Test(arguments: [SIGKILL, SIGSTOP]) func aServerThatGoesAwayInTheMiddle(signal: Int32) async throws {
        try await withTemporaryDirectory { directory in
            try await S3Stage.run { stage in try await loseServer(stage, directory, signal) }
        }
    }

    private func loseServer(_ stage: S3Stage, _ directory: FilePath, _ signal: Int32) async throws {
        let here = try SnapshotStore(directory: directory.appending("here"))
        let blocks = Dictionary(uniqueKeysWithValues: (0..<12).map { ($0 * 20, $0 + 1) })
        let snapshot = PlacedSnapshot(id: "snap-1", manifest: try here.write(blocks).name)
        let patient = try stage.place(prefix: "p")
        let hasty = try stage.place(prefix: "p") { access in
            access.limits.requestTime = .milliseconds(500)
            access.limits.minimumBytesPerSecond = 1 << 30
            access.limits.attempts = 2
            access.limits.backoff.first = .milliseconds(1)
        }
        let losing = LosingPlace(patient, then: hasty) { try stage.moto.send(Signal(rawValue: signal)) }
        let gone = try await error { try await here.push(snapshot, description: "{}", to: losing) }
        #expect(gone.code == .unreachable)
        try #require(losing.isLost)
        if signal == SIGSTOP {
            try stage.moto.send(Signal(rawValue: SIGCONT))
            #expect(try await patient.snapshots() == [])
            var present: Set<String> = []
            for key in try here.objects(of: try here.manifest(snapshot.manifest)).map(ObjectKey.object)
            where try await patient.sizeBytes(key) != nil { present.insert(key) }
            #expect(!present.isEmpty)
            let again = WatchedPlace(patient)
            try await here.push(snapshot, description: "{}", to: again)
            let put = Set(again.allCalls.filter { $0.operation == .put }.map(\.key))
            #expect(!put.isEmpty && put.isDisjoint(with: present))
            let there = try SnapshotStore(directory: directory.appending("there"))
            #expect(try there.numbers(in: try await there.pull("snap-1", from: patient).manifest) == blocks)
        }
    }

    @Test func aCertificateThatNobodySignedIsRefusedAndOneThatIsTrustedIsTaken() async throws {
        try await withTemporaryDirectory { directory in
            let (certificate, key) = (directory.appending("certificate"), directory.appending("key"))
            let made = try await runCommand(
                "openssl",
                [
                    "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
                    "subjectAltName=IP:127.0.0.1", "-keyout", key.string, "-out", certificate.string,
                ])
            try #require(made.status == 0, "\(made.errors)")
            try await S3Stage.run(certificate: (certificate, key)) { stage in
                let trusting = try stage.place(prefix: "p")
                try await trusting.put([1, 2], "k")
                #expect(try await trusting.get("k", limit: 2) == [1, 2])
                let wary = try stage.place(prefix: "p") { $0.certificateAuthorities = nil }
                let refused = try await error { _ = try await wary.snapshots() }
                #expect(refused.code == .unreachable)
                #expect(
                    refused.message
                        == "s3://\(stage.bucket)/p/ is not trusted: the certificate of \(stage.moto.endpoint): no authority that is known here has signed it"
                )
                // Plain HTTP where TLS is spoken, and the other way round.
                let plain = try stage.place(prefix: "p") {
                    $0.endpoint = try Endpoint("http://127.0.0.1:\(stage.moto.port)")
                    $0.limits.attempts = 1
                }
                #expect(try await error { _ = try await plain.snapshots() }.code == .unreachable)
            }
        }
    }
}

/// A place whose server goes away when four objects have been put. Until then each call has the time it needs and is
/// the only one, so that none is under way; afterwards nobody waits for long.
private final class LosingPlace: ObjectPlace {
    private enum State { case free, busy, lost }

    private let state = Mutex(State.free)
    private let puts = Atomic(0)
    private let patient: any ObjectPlace
    private let hasty: any ObjectPlace
    private let lose: @Sendable () throws -> Void

    init(_ patient: any ObjectPlace, then hasty: any ObjectPlace, lose: @escaping @Sendable () throws -> Void) {
        self.patient = patient
        self.hasty = hasty
        self.lose = lose
    }

    var isLost: Bool { state.withLock { $0 == .lost } }

    var location: String { patient.location }

    func prepare() async throws { try await call { try await $0.prepare() } }

    func sizeBytes(_ key: String) async throws -> Int64? { try await call { try await $0.sizeBytes(key) } }

    func get(_ key: String, limit: Int) async throws -> [UInt8]? {
        try await call { try await $0.get(key, limit: limit) }
    }

    func put(_ bytes: [UInt8], _ key: String) async throws {
        try await call { place in
            try await place.put(bytes, key)
            if puts.add(1, ordering: .relaxed).newValue == 4 {
                try lose()
                state.withLock { $0 = .lost }
            }
        }
    }

    func keys(_ prefix: String) async throws -> [String] { try await call { try await $0.keys(prefix) } }

    private func call<Answer>(_ body: (any ObjectPlace) async throws -> Answer) async throws -> Answer {
        while !begin() { try await Task.sleep(for: .milliseconds(1)) }
        if isLost { return try await body(hasty) }
        defer { state.withLock { if $0 == .busy { $0 = .free } } }
        return try await body(patient)
    }

    /// Whether the call may begin.
    private func begin() -> Bool {
        state.withLock { state in
            if state == .free { state = .busy } else { return state == .lost }
            return true
        }
    }
}

/// What a server refuses, in words; pure.
@Suite struct S3RefusalTests {
    private func error(_ status: Int, _ body: String, headers: [String: String] = [:]) throws -> PlaceError {
        S3Refusal(WireAnswer(status: status, headers: headers, body: Array(body.utf8)))
            .error("s3://b/: k cannot be read", at: try Endpoint("https://h"), region: "us-east-1")
    }

    private func xml(_ code: String, _ more: String = "") -> String {
        "<Error><Code>\(code)</Code><Message>Some\n text.</Message>\(more)</Error>"
    }

    @Test func theRegionIsTold() throws {
        let malformed = try error(400, xml("AuthorizationHeaderMalformed", "<Region>eu-west-1</Region>"))
        #expect(
            malformed.message
                == "s3://b/: k cannot be read: the bucket is not in region us-east-1 but in eu-west-1")
        let moved = try error(301, xml("PermanentRedirect"), headers: ["x-amz-bucket-region": "eu-west-2"])
        #expect(moved.message.hasSuffix("but in eu-west-2"))
        #expect(try error(301, "").message.contains("is us-east-1 its region?"))
    }

    @Test(arguments: [
        (403, "AccessDenied", PlaceError.Code.accessDenied), (403, "ExpiredToken", .accessDenied),
        (403, "RequestTimeTooSkewed", .accessDenied), (503, "SlowDown", .unreachable),
        (500, "InternalError", .unreachable),
        (404, "NoSuchBucket", .noSuchPlace), (507, "XMinioStorageFull", .full), (400, "InvalidRequest", .failed),
    ])
    func theCodeSaysWhatToDo(status: Int, code: String, expected: PlaceError.Code) throws {
        let error = try error(status, xml(code))
        #expect(error.code == expected)
        #expect(!error.message.contains("\n"))
    }

    @Test func whatIsNoXMLIsAStatus() throws {
        #expect(try error(400, "<html>").message == "s3://b/: k cannot be read: status 400")
    }

    @Test func aListThatIsNoneIsNoList() {
        let list = { (text: String) in S3KeyList(Array(text.utf8), prefix: "p/") }
        #expect(list("<ListBucketResult><Contents><Key>p/a</Key></Contents></ListBucketResult>")?.keys == ["a"])
        #expect(list("<html></html>") == nil)
        #expect(list("") == nil)
        // Of another prefix; cut off, and no word of how it goes on.
        #expect(list("<ListBucketResult><Contents><Key>q/a</Key></Contents></ListBucketResult>") == nil)
        #expect(list("<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>") == nil)
    }
}

@Suite struct SnapshotPlacesTests {
    private let places = SnapshotPlaces(
        access: S3Access(region: "eu-west-1", credentials: nil), clock: SystemClock(), random: SystemRandom())

    @Test(arguments: [
        ("/srv/ebb/", "/srv/ebb"), ("/srv/link/../x", "/srv/link/../x"), ("s3://bucket", "s3://bucket/"),
        ("s3://my.bucket-1/a//b/", "s3://my.bucket-1/a/b/"), ("s3://bucket/ü b", "s3://bucket/ü b/"),
    ])
    func whatIsAPlace(text: String, location: String) throws {
        #expect(try places.place(text).location == location)
        #expect(try places.place(text, endpoint: "http://127.0.0.1:9000").location == location)
    }

    @Test(arguments: [
        "", "relative/path", "file:///srv", "s3://", "s3:///key", "s3://Upper", "s3://ab", "s3://-abc", "s3://a_b_c",
        "http://bucket",
    ])
    func whatIsNone(text: String) {
        let error = #expect(throws: PlaceError.self) { try places.place(text) }
        #expect(error?.code == .invalidLocation)
    }

    @Test func anEndpointThatIsNoneIsRefused() {
        let error = #expect(throws: PlaceError.self) { try places.place("s3://bucket", endpoint: "nowhere") }
        #expect(error?.code == .invalidLocation)
    }
}
