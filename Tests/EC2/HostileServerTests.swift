import AWSWire
import Driver
import Platform
import TestSupport
import Testing

@testable import EC2

/// Servers that are no EC2, over TCP: each is told in one line that says what to do, and nothing hangs.
@Suite(.timeLimit(.minutes(2))) struct HostileServerTests {
    /// Behaves as the first part of the path says, and counts what it sends.
    private static let server = """
        import http.server, time

        sent = 0
        ENTITIES = b"<!DOCTYPE a [<!ENTITY b 'bbbbbbbb'><!ENTITY c '&b;&b;&b;&b;'>]>"

        class Server(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *arguments):
                pass

            def do_GET(self):
                self.whole(b"%d" % sent)

            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                getattr(self, self.path.split("/")[1])()

            def head(self, length, kind="text/xml"):
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(length))
                self.end_headers()

            def whole(self, text, kind="text/xml"):
                self.head(len(text), kind)
                self.wfile.write(text)

            def html(self):
                self.whole(b"<html><body><p>It works!</body></html>", "text/html")

            def entities(self):
                self.whole(ENTITIES + b"<DescribeAvailabilityZonesResponse>&c;</DescribeAvailabilityZonesResponse>")

            def half(self):
                text = b"<DescribeAvailabilityZonesResponse><availabilityZoneInfo><item><zoneName>us-ea"
                self.head(2 * len(text))
                self.wfile.write(text)
                self.close_connection = True

            def nothing(self):
                time.sleep(60)

            def drops(self):
                self.head(1000)
                for _ in range(60):
                    self.wfile.write(b"<")
                    time.sleep(1)

            # A hundred megabytes that nobody announced.
            def long(self):
                global sent
                self.send_response(200)
                self.send_header("Connection", "close")
                self.end_headers()
                for _ in range(100):
                    self.wfile.write(b" " * (1 << 20))
                    sent += 1 << 20

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
        server.daemon_threads = True
        server.handle_error = lambda *arguments: None
        print(server.server_address[1], flush=True)
        server.serve_forever()
        """

    @Test(arguments: [
        ("html", "does not answer DescribeAvailabilityZones as EC2 does"),
        ("entities", "does not answer DescribeAvailabilityZones as EC2 does"),
        ("half", "cannot be reached"), ("nothing", "deadline exceeded"), ("drops", "deadline exceeded"),
        ("long", "sent more than was asked for"),
    ])
    func isToldInOneLineAndNotWaitedFor(behaviour: String, text: String) async throws {
        try await withPythonServer(Self.server) { port in
            let credentials = FixedCredentials(AWSCredentials(accessKeyID: "AKIDEXAMPLE", secretAccessKey: "hush"))
            var access = EC2Access(
                region: "us-east-1", endpoint: try Endpoint("http://127.0.0.1:\(port)/\(behaviour)"),
                credentials: CredentialsCache(credentials, clock: SystemClock()))
            // Whoever reads much may take long for it.
            access.limits.requestTime = .seconds(behaviour == "long" ? 60 : 2)
            access.limits.callTime = .seconds(3)
            let driver = try EC2Driver(
                access, transport: HTTPTransport(), clock: SystemClock(), random: SeededRandom(seed: 1))
            let start = ContinuousClock.now
            let error = try await #require(throws: StorageError.self) { try await driver.describeZones() }
            #expect(behaviour == "long" || start.duration(to: .now) < .seconds(20), "\(error)")
            #expect("\(error)".contains(text) && !"\(error)".contains("\n"), "\(error)")
            #expect(error.advice != nil, "\(error)")
            let sent = try await runCommand("curl", ["-sSf", "http://127.0.0.1:\(port)/"]).output
            #expect(try #require(Int(sent)) < 50 << 20, "a body of \(sent) bytes was read")
        }
    }
}
