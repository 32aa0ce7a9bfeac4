#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
import Testing

@testable import AWSWire

/// The requests of AWS' Signature Version 4 test suite, and some of S3's. The signatures are those of botocore 1.43.11
/// (`SigV4Auth`, `S3SigV4Auth`); those of cases that are named as in AWS' suite stand there too.
@Suite struct RequestSignerTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var request: WireRequest
        var service = "service"
        var authority = "example.amazonaws.com"
        var token: String?
        var signedHeaders = "host;x-amz-date"
        var signature: String

        var testDescription: String { name }
    }

    private static let unreserved = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

    private static let token =
        "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8Y"
        + "UuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE"
        + "8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2"
        + "ICCR/oLxBA=="

    static let cases: [Case] = [
        Case(
            name: "get-vanilla", request: WireRequest(.get, "/"),
            signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        Case(
            name: "get-vanilla-query-order-key-case",
            request: WireRequest(.get, "/", query: [.init("Param2", "value2"), .init("Param1", "value1")]),
            signature: "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
        Case(
            name: "get-vanilla-query-order-value",
            request: WireRequest(.get, "/", query: [.init("Param1", "value2"), .init("Param1", "Value1")]),
            signature: "eedbc4e291e521cf13422ffca22be7d2eb8146eecf653089df300a15b2382bd1"),
        Case(
            name: "get-vanilla-query-unreserved",
            request: WireRequest(.get, "/", query: [.init(unreserved, unreserved)]),
            signature: "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"),
        Case(
            name: "a path that is encoded twice", request: WireRequest(.get, "/ሴ"),
            signature: "697b34846207a3f72246f99d74ae1ee4fe54f44bb06730c58a0d339eb079596d"),
        Case(
            name: "get-header-value-trim",
            request: WireRequest(
                .get, "/", headers: [.init("my-header1", " value1"), .init("my-header2", " \"a   b   c\"")]),
            signedHeaders: "host;my-header1;my-header2;x-amz-date",
            signature: "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"),
        Case(
            name: "post-vanilla", request: WireRequest(.post, "/"),
            signature: "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        Case(
            name: "post-x-www-form-urlencoded",
            request: WireRequest(
                .post, "/", headers: [.init("content-type", "application/x-www-form-urlencoded")],
                body: Array("Param1=value1".utf8)),
            signedHeaders: "content-type;host;x-amz-date",
            signature: "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"),
        Case(
            name: "get-unreserved", request: WireRequest(.get, "/\(unreserved)"),
            signature: "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"),
        Case(
            name: "get-vanilla-empty-query-key", request: WireRequest(.get, "/", query: [.init("Param1", "value1")]),
            signature: "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"),
        Case(
            name: "get-vanilla-utf8-query", request: WireRequest(.get, "/", query: [.init("ሴ", "bar")]),
            signature: "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"),
        Case(
            name: "post-vanilla-query", request: WireRequest(.post, "/", query: [.init("Param1", "value1")]),
            signature: "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"),
        Case(
            name: "post-header-key-sort", request: WireRequest(.post, "/", headers: [.init("my-header1", "value1")]),
            signedHeaders: "host;my-header1;x-amz-date",
            signature: "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"),
        Case(
            name: "post-header-value-case", request: WireRequest(.post, "/", headers: [.init("my-header1", "VALUE1")]),
            signedHeaders: "host;my-header1;x-amz-date",
            signature: "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d"),
        Case(
            name: "post-x-www-form-urlencoded-parameters",
            request: WireRequest(
                .post, "/", headers: [.init("content-type", "application/x-www-form-urlencoded; charset=utf8")],
                body: Array("Param1=value1".utf8)),
            signedHeaders: "content-type;host;x-amz-date",
            signature: "1a72ec8f64bd914b0e42e42607c7fbce7fb2c7465f63e3092b3b0d39fa77a6fe"),
        Case(
            name: "post-sts-header-before", request: WireRequest(.post, "/"), token: token,
            signedHeaders: "host;x-amz-date;x-amz-security-token",
            signature: "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"),
        Case(
            name: "ListUsers of IAM, from AWS' description of the signature",
            request: WireRequest(
                .get, "/", query: [.init("Action", "ListUsers"), .init("Version", "2010-05-08")],
                headers: [.init("content-type", "application/x-www-form-urlencoded; charset=utf-8")]),
            service: "iam", authority: "iam.amazonaws.com", signedHeaders: "content-type;host;x-amz-date",
            signature: "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"),
        Case(
            name: "a session's token", request: WireRequest(.get, "/"), token: token,
            signedHeaders: "host;x-amz-date;x-amz-security-token",
            signature: "c8db8b9676d526f735dac5330f17623554c6cad1e2980d321903e9a3884c051b"),
        Case(
            name: "an object of S3", request: WireRequest(.put, "/bucket/a b/ü+%/~x", body: Array("hello".utf8)),
            service: "s3", authority: "127.0.0.1:9000", signedHeaders: "host;x-amz-content-sha256;x-amz-date",
            signature: "b92f1a2404f2538d8a5daae76a4cf276b519bc8423fbd03ca206e091b36ef127"),
        Case(
            name: "a list of S3",
            request: WireRequest(.get, "/bucket", query: [.init("prefix", "a b/ü+&=/"), .init("list-type", "2")]),
            service: "s3", token: "TOKEN",
            signedHeaders: "host;x-amz-content-sha256;x-amz-date;x-amz-security-token",
            signature: "b460b9643ef101ac040e050a9a65f340cb0ae17fe9c0c489d084f4b544fb7c41"),
        Case(
            name: "S3 keeps dots and empty parts", request: WireRequest(.get, "/bucket/../a//b"), service: "s3",
            signedHeaders: "host;x-amz-content-sha256;x-amz-date",
            signature: "13b96818b3f973179311dc279f617438c2ca392c32a69dbd5f69f89e88452717"),
        Case(
            name: "others encode twice", request: WireRequest(.get, "/a b/c"), service: "ec2",
            signature: "268927e0808e100c3dd68d0af1962815bbf8b6bd8900f5b833ececb6afc39112"),
    ]

    @Test(arguments: cases) func aRequestHasTheSignatureThatAWSComputes(_ example: Case) throws {
        let signer = RequestSigner(
            credentials: AWSCredentials(
                accessKeyID: "AKIDEXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                sessionToken: example.token),
            region: "us-east-1", service: example.service)
        let headers = signer.headers(
            of: example.request, authority: example.authority, at: Date(timeIntervalSince1970: 1_440_938_160))
        let authorization = try #require(headers.first { $0.name == "authorization" })
        #expect(
            authorization.value
                == "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/\(example.service)/aws4_request, "
                + "SignedHeaders=\(example.signedHeaders), Signature=\(example.signature)")
        #expect(headers.contains(.init("x-amz-date", "20150830T123600Z")))
    }

    /// The URLs are those of botocore 1.44.8 (`SigV4QueryAuth`), with their parameters in the order of signing.
    @Test(arguments: [
        (String?.none, "64b0a10bbbb5f3551ca2daf4a90d215f33d1a7cb6ef0accde39c5b87d43fb96a"),
        ("AQoDYXdzEPT//////////wEXAMPLE==", "5568fb19d272b9a1626de5b107fad1b9f1dcffd371f8c3cd19733ddc4d44fc74"),
    ])
    func aURLHasTheSignatureThatAWSComputes(token: String?, signature: String) throws {
        let credentials = AWSCredentials(
            accessKeyID: "AKIDEXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            sessionToken: token)
        let request = WireRequest(
            .get, "/",
            query: [
                .init("Action", "CopySnapshot"), .init("Version", "2016-11-15"), .init("SourceRegion", "eu-west-1"),
                .init("SourceSnapshotId", "snap-0123456789abcdef0"), .init("DestinationRegion", "us-east-1"),
            ])
        let url = RequestSigner(credentials: credentials, region: "eu-west-1", service: "ec2").presignedURL(
            of: request, to: try Endpoint("https://ec2.eu-west-1.amazonaws.com"),
            at: Date(timeIntervalSince1970: 1_440_938_160), expiringIn: 3600)
        let tokenParameter = token.map { _ in
            "X-Amz-Security-Token=AQoDYXdzEPT%2F%2F%2F%2F%2F%2F%2F%2F%2F%2FwEXAMPLE%3D%3D&"
        }
        #expect(
            url
                == "https://ec2.eu-west-1.amazonaws.com/?Action=CopySnapshot&DestinationRegion=us-east-1"
                + "&SourceRegion=eu-west-1&SourceSnapshotId=snap-0123456789abcdef0&Version=2016-11-15"
                + "&X-Amz-Algorithm=AWS4-HMAC-SHA256"
                + "&X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Feu-west-1%2Fec2%2Faws4_request"
                + "&X-Amz-Date=20150830T123600Z&X-Amz-Expires=3600&\(tokenParameter ?? "")"
                + "X-Amz-Signature=\(signature)&X-Amz-SignedHeaders=host")
    }

    @Test func secretsAreNotPrinted() {
        let credentials = AWSCredentials(accessKeyID: "AKID", secretAccessKey: "hidden", sessionToken: "veiled")
        let signer = RequestSigner(credentials: credentials, region: "r", service: "s3")
        var texts = ["\(credentials)", String(reflecting: credentials), "\(signer)", String(reflecting: signer)]
        for value in [credentials, signer] as [Any] {
            var text = ""
            dump(value, to: &text)
            texts.append(text)
        }
        for text in texts { #expect(!text.contains("hidden") && !text.contains("veiled"), "\(text)") }
    }
}
