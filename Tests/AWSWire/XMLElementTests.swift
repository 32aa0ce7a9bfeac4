import Platform
import Testing

@testable import AWSWire

@Suite struct XMLElementTests {
    private func parse(_ text: String) throws -> XMLElement { try XMLElement(document: Array(text.utf8)) }

    @Test func anErrorOfS3() throws {
        let error = try parse(
            """
            <?xml version="1.0" encoding="UTF-8"?>
            <Error><Code>NoSuchKey</Code><Message>It isn&apos;t &lt;there&gt; &amp; &#x263a;&#33;</Message><Empty/></Error>

            """)
        #expect(error.name == "Error")
        #expect(error["Code"]?.text == "NoSuchKey")
        #expect(error["Message"]?.text == "It isn't <there> & ☺!")
        #expect(error["Empty"]?.text == "")
        #expect(error["Nothing"] == nil)
    }

    @Test func whatMayStandBetween() throws {
        let root = try parse(
            "\u{FEFF}<!-- <a> --><x:a xmlns:x='http://h/>' b=\"/>\" ><b>1</b>t<![CDATA[<&]]><!--c--><b >2</b ><?i?>u</x:a> <!-- -->"
        )
        #expect(root.name == "a")
        #expect(root.text == "t<&u")
        #expect(root.all("b").map(\.text) == ["1", "2"])
    }

    private static let golden = "<?xml version='1.0'?><a x=\"1\"><b>t&amp;<![CDATA[c]]></b><!-- d --><e/></a>"

    @Test func whatIsCutOffIsMalformed() {
        for count in 0..<Self.golden.utf8.count {
            #expect(throws: XMLElement.Malformed.self, "\(count)") {
                try XMLElement(document: Array(Self.golden.utf8.prefix(count)))
            }
        }
    }

    @Test(arguments: [
        "", "text", "<a></b>", "<a>&nope;</a>", "<a>&#xD800;</a>", "<a>&#;</a>", "<a/><b/>", "<a/>x", "< a/>",
        "<a><b></a></b>",
        "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "<a>&lt</a>",
    ])
    func whatIsNoXMLIsMalformed(text: String) {
        #expect(throws: XMLElement.Malformed.self) { try parse(text) }
    }

    @Test func nestingIsBounded() throws {
        let nested = { (depth: Int) in
            String(repeating: "<a>", count: depth) + String(repeating: "</a>", count: depth)
        }
        #expect(try parse(nested(32)).name == "a")
        #expect(throws: XMLElement.Malformed.self) { try parse(nested(33)) }
        #expect(throws: XMLElement.Malformed.self) { try parse(String(repeating: "<a>", count: 100_000)) }
    }

    /// Whatever bytes come, an answer comes.
    @Test(arguments: [1, SystemRandom().next()])
    func changedBytesNeverTrap(seed: UInt64) throws {
        let random = SeededRandom(seed: seed)
        for _ in 0..<2000 {
            var bytes = Array(Self.golden.utf8)
            for _ in 0..<1 + random.next() % 4 {
                bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: random.next())
            }
            do throws(XMLElement.Malformed) {
                #expect(try !XMLElement(document: bytes).name.isEmpty, "seed \(seed)")
            } catch {}
        }
    }
}
