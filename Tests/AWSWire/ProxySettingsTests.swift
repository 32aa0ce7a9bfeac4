import Testing

@testable import AWSWire

@Suite struct ProxySettingsTests {
    private func proxy(_ url: String, _ variables: [String: String]) throws -> String? {
        try ProxySettings(environment: variables).proxy(for: try Endpoint(url))?.description
    }

    private static let both = ["https_proxy": "http://s:1", "http_proxy": "http://p:2"]

    @Test func theSchemeDecides() throws {
        #expect(try proxy("https://h", Self.both) == "proxy s:1")
        #expect(try proxy("http://h", Self.both) == "proxy p:2")
        #expect(try proxy("https://h", ["http_proxy": "http://p:2"]) == nil)
        #expect(try proxy("http://h", ["https_proxy": "http://s:1"]) == nil)
        #expect(try proxy("http://h", [:]) == nil)
        #expect(try ProxySettings.none.proxy(for: Endpoint("http://h")) == nil)
    }

    @Test func smallLettersComeFirst() throws {
        let all = ["https_proxy": "http://a:1", "HTTPS_PROXY": "http://b:1", "HTTP_PROXY": "http://c:1"]
        #expect(try proxy("https://h", all) == "proxy a:1")
        #expect(try proxy("http://h", all) == "proxy c:1")
        #expect(try proxy("https://h", ["https_proxy": "", "HTTPS_PROXY": "http://b:1"]) == "proxy b:1")
        let lists = ["https_proxy": "http://a:1", "no_proxy": "x", "NO_PROXY": "h"]
        #expect(try proxy("https://h", lists) == "proxy a:1")
        #expect(try proxy("https://h", ["https_proxy": "http://a:1", "NO_PROXY": "h"]) == nil)
    }

    @Test(arguments: [
        ("h", "https://h", true), ("h", "https://i.h", true), ("h", "https://xh", false), ("h", "https://h.x", false),
        (".h", "https://i.h", true), (".h", "https://h", true), ("*.h", "https://i.h", true), ("*", "https://x", true),
        ("a, h ,b", "https://h", true), ("a b", "https://b", true), ("H", "https://h", true), ("h", "https://H", true),
        ("h:443", "https://h", true), ("h:443", "https://h:444", false), ("h:80", "https://h", false),
        (".h:8443", "https://i.h:8443", true), ("10.0.0.1", "https://10.0.0.1", true),
        ("10.0.0.1:443", "https://10.0.0.1", true), ("fd00::1", "https://[fd00::1]", true),
        ("[fd00::1]", "https://[fd00::1]", true), ("[fd00::1]:443", "https://[fd00::1]", true),
        ("[fd00::1]:444", "https://[fd00::1]", false), ("", "https://h", false), (",,", "https://h", false),
        (".", "https://h", false), ("ec2.eu-central-1.amazonaws.com", "https://ec2.eu-central-1.amazonaws.com", true),
        ("amazonaws.com", "https://ec2.eu-central-1.amazonaws.com", true),
    ])
    func whoIsAskedDirectly(list: String, url: String, isDirect: Bool) throws {
        let found = try proxy(url, ["https_proxy": "http://a:1", "no_proxy": list])
        #expect(found == (isDirect ? nil : "proxy a:1"))
    }

    @Test(arguments: ["http://127.0.0.1:9000", "https://localhost", "http://[::1]", "https://127.3.2.1"])
    func thisMachineIsAskedDirectly(url: String) throws {
        #expect(try proxy(url, Self.both) == nil)
    }

    @Test(
        arguments: [
            ("http://h:3128", "h", 3128, nil, nil), ("h:3128", "h", 3128, nil, nil), ("http://h", "h", 80, nil, nil),
            ("HTTP://h/", "h", 80, nil, nil), ("http://u:p@h:1", "h", 1, "u", "p"), ("u:p@h", "h", 80, "u", "p"),
            ("http://u@h", "h", 80, "u", nil), ("http://u%40x:p%3A%2F@h", "h", 80, "u@x", "p:/"),
            ("http://[fd00::1]:1", "fd00::1", 1, nil, nil),
        ] as [(String, String, Int, String?, String?)])
    func whatIsAProxy(text: String, host: String, port: Int, user: String?, password: String?) throws {
        let proxy = try #require(Proxy(text))
        #expect(proxy.host == host)
        #expect(proxy.port == port)
        #expect(proxy.user == user)
        #expect(proxy.password == password)
    }

    @Test(arguments: [
        "https://hidden", "socks5://hidden:1", "http://", "http://hidden:0", "http://hidden:65536", "http://hidden:x",
        "http://hidden/path", "http://hidden?x", "http://u:hidden@",
    ])
    func whatIsNoneIsToldByItsVariable(text: String) {
        let expected = WireError.invalidProxy(variable: "HTTPS_PROXY")
        #expect(throws: expected) { try ProxySettings(environment: ["HTTPS_PROXY": text]) }
        #expect("\(expected)" == "HTTPS_PROXY names no proxy: give a URL such as http://proxy.example.org:3128")
    }
}
