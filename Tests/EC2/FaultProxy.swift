import AWSWire
import Platform
import SystemPackage
import TestSupport
import Testing

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// A process between the driver and a real server, on which much goes wrong, by a seed: calls are throttled, answered by
/// somebody else's page, cut off before or after they were carried out, or in the middle of their answer; they fail, take
/// long, or too long; and descriptions are old. Never twice in a row for one action, so that there is an end.
///
/// It honours client tokens, as EC2 does and moto does not.
struct FaultProxy: Sendable {
    let endpoint: Endpoint

    /// Of how many calls one has a fault.
    private static let rarity = 4

    private static let script = """
        import http.client, http.server, json, random, socket, struct, sys, threading, time, urllib.parse

        port, seed, rarity = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
        OLD = 1.0
        FAULTS = ["throttled", "page", "cut before", "cut after", "cut within", "fails after", "slow", "stalls"]
        lock, draw = threading.Lock(), random.Random(seed)
        troubled, made, descriptions, counts, faults = set(), {}, {}, {}, {}

        def refusal(code):
            return ("<Response><Errors><Error><Code>%s</Code><Message>No.</Message></Error></Errors>"
                    "<RequestID>r</RequestID></Response>" % code).encode()

        class Way(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *arguments):
                pass

            def do_GET(self):
                with lock:
                    self.answer(200, json.dumps(faults).encode())

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                fields = dict(urllib.parse.parse_qsl(body.decode(), keep_blank_values=True))
                action, token = fields["Action"], fields.get("ClientToken")
                fault = self.fault(action)
                if fault == "throttled":
                    return self.answer(503, refusal("RequestLimitExceeded"))
                if fault == "page":
                    return self.answer(502, b"<html><body>Bad Gateway</body></html>")
                if fault == "cut before":
                    return self.cut()
                if fault == "slow":
                    time.sleep(0.2)
                status, text = self.old(action, body) or self.carry_out(body, token)
                if fault == "cut after":
                    return self.cut()
                if fault == "cut within":
                    return self.answer(status, text, len(text) // 2)
                if fault == "fails after":
                    return self.answer(500, refusal("InternalError"))
                if fault == "stalls":
                    time.sleep(4)
                self.answer(status, text)

            def fault(self, action):
                with lock:
                    if action in troubled:
                        troubled.remove(action)
                        return None
                    if draw.randrange(rarity):
                        return None
                    troubled.add(action)
                    fault = draw.choice(FAULTS)
                    faults[fault] = faults.get(fault, 0) + 1
                    return fault

            def old(self, action, body):
                with lock:
                    last = descriptions.get(body)
                    if action.startswith("Describe") and last and time.monotonic() < last[1] + OLD:
                        return draw.choice([None, last[0]])

            def carry_out(self, body, token):
                if token:
                    with lock:
                        one = made.setdefault(token, [threading.Lock(), None])
                    # Of two calls with one token the second waits for the first one's answer.
                    with one[0]:
                        if one[1] is None or one[1][0] != 200:
                            one[1] = self.forward(body)
                        return one[1]
                answer = self.forward(body)
                with lock:
                    descriptions[body] = (answer, time.monotonic())
                return answer

            def forward(self, body):
                server = http.client.HTTPConnection("127.0.0.1", port)
                headers = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "connection")}
                server.request("POST", self.path, body, headers)
                answer = server.getresponse()
                result = answer.status, answer.read()
                server.close()
                return result

            def answer(self, status, text, sent=None):
                try:
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(text)))
                    self.end_headers()
                    self.wfile.write(text[:sent])
                    if sent is not None:
                        self.wfile.flush()
                        self.cut()
                except OSError:
                    # Whoever asked has gone.
                    self.close_connection = True

            # As when a machine goes away: the connection is reset.
            def cut(self):
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            # Without the farewell that would come before a reset.
            def shutdown_request(self, request):
                self.close_request(request)

        server = Server(("127.0.0.1", 0), Way)
        print(server.server_address[1], flush=True)
        server.serve_forever()
        """

    /// Runs `body` with a proxy before the server on a port of this machine.
    static func with(
        portOfServer port: UInt16, seed: UInt64, _ body: (FaultProxy) async throws -> Void
    ) async throws {
        try await withPythonServer(script, arguments: ["\(port)", "\(seed)", "\(rarity)"]) { port in
            try await body(FaultProxy(endpoint: try Endpoint("http://127.0.0.1:\(port)")))
        }
    }

    /// How often each fault was met.
    func faults() async throws -> [String: Int] {
        let answer = try await runCommand("curl", ["-sSf", "\(endpoint)"])
        return try JSONDecoder().decode([String: Int].self, from: Data(answer.output.utf8))
    }
}
