import Testing

@testable import AWSWire

@Suite struct EndpointTests {
    @Test(arguments: [
        ("https://s3.eu-central-1.amazonaws.com", "s3.eu-central-1.amazonaws.com", ""),
        ("HTTP://127.0.0.1:9000/", "127.0.0.1:9000", ""),
        ("http://localhost:80", "localhost", ""), ("https://h:443", "h", ""), ("https://h:80", "h:80", ""),
        ("https://gate.example.org//s3/x/", "gate.example.org", "/s3/x"), ("http://[::1]:9000", "[::1]:9000", ""),
    ])
    func whatIsAnEndpoint(text: String, authority: String, path: String) throws {
        let endpoint = try Endpoint(text)
        #expect(endpoint.authority == authority)
        #expect(endpoint.path == path)
        #expect(endpoint.isSecure == text.lowercased().hasPrefix("https"))
        #expect(try Endpoint(endpoint.description) == endpoint)
    }

    @Test(arguments: [
        ("https://ec2.us-east-1.amazonaws.com", "https://ec2.eu-west-1.amazonaws.com"),
        ("https://gate.us-east-1.example.org:444/x", "https://gate.eu-west-1.example.org:444/x"),
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000"), ("http://us-east-10.test", "http://us-east-10.test"),
    ])
    func aRegionsNameIsThatOfItsServers(text: String, other: String) throws {
        let endpoint = try Endpoint(text).inRegion("eu-west-1", insteadOf: "us-east-1")
        #expect(try endpoint == Endpoint(other))
        let ownOfVPC = try Endpoint("https://vpce-1.ec2.us-east-1.vpce.amazonaws.com")
        #expect(ownOfVPC.inRegion("eu-west-1", insteadOf: "us-east-1") == nil)
    }

    @Test(arguments: [
        "", "s3.example.org", "ftp://h", "https://", "http://user@h", "http://user:pass@h", "https://h?x=1",
        "https://h#x",
        "https://h:port", "//h", "http://127.0.0.1:65536", "http://127.0.0.1:0", "http://h:99999999999999999999",
    ])
    func whatIsNone(text: String) {
        #expect(throws: WireError.invalidEndpoint(text)) { try Endpoint(text) }
    }
}
