import Testing

@testable import AWSWire

@Suite struct ConfigurationTextTests {
    private func read(_ text: String) throws -> ConfigurationText { try ConfigurationText(Array(text.utf8)) }

    @Test(arguments: [
        "[a]\nname = value", "[a]\r\nname=value\r\n", "\u{FEFF}[a]\nname = value", "  [ a ]  \n  name  =  value  ",
        "[a] # who\nname: value", "# x\n; y\n\n[a]\n  # z\n\tname = value\n", "[a]\nNAME = value",
        "[\"a\"]\nname=value",
        "[a]\nname = other\nname = value", "[a]\nname = other\n[b]\nx = 1\n[a]\nname = value",
        "[a]\n  x = 1\n  name = value",
    ])
    func aSettingIsReadHoweverItIsWritten(text: String) throws {
        #expect(try read(text).sections["a"]?.values["name"] == "value")
    }

    @Test func sectionsThatComeAgainAreOne() throws {
        let text = try read("[a]\nx = 1\ny = 1\n[b]\nx = 3\n[a]\ny = 2\nz = 2")
        let section = try #require(text.sections["a"])
        #expect(["x", "y", "z"].map { section.values[$0] } == ["1", "2", "2"])
        #expect(text.sections["b"]?.values["x"] == "3")
    }

    @Test func whatIsIndentedBelowANameIsOneLevelFurtherIn() throws {
        let text = try read(
            """
            [services x]
            ec2 =
              endpoint_url = http://a:1/b?c=d

              # who knows
              Other = 2
            s3 =
            \tendpoint_url=http://b
            region = r
            """)
        let section = try #require(text.sections["services x"])
        #expect(section.inner["ec2"]?["endpoint_url"] == "http://a:1/b?c=d")
        #expect(section.inner["ec2"]?["other"] == "2")
        #expect(section.inner["s3"]?["endpoint_url"] == "http://b")
        #expect(section.values["region"] == "r")
        #expect(section.values["endpoint_url"] == nil)
    }

    @Test func aValueGoesOnInLinesThatAreIndentedMore() throws {
        let text = try read("[a]\nx = 1\n  2\n  y = 3\nz = 4")
        #expect(text.sections["a"]?.values["x"] == "1\n2\ny = 3")
        #expect(text.sections["a"]?.values["y"] == nil)
        #expect(text.sections["a"]?.values["z"] == "4")
    }

    @Test func aMarkWithinAValueIsNoComment() throws {
        let text = try read("[a]\nx = 1 # 2\ny = a;b=c:d")
        #expect(text.sections["a"]?.values["x"] == "1 # 2")
        #expect(text.sections["a"]?.values["y"] == "a;b=c:d")
    }

    @Test func aSectionsNameHasSingleBlanks() throws {
        #expect(
            Set(try read("[profile   a]\n[profile \"b c\"]\n['d']").sections.keys) == ["profile a", "profile b c", "d"])
    }

    @Test func nothingIsNothing() throws {
        for text in ["", "\u{FEFF}", "\n\n", "# x"] { #expect(try read(text).sections.isEmpty) }
        #expect(try read("[a]\nx =\n").sections["a"]?.values["x"] == nil)
        #expect(try read("[a]").sections.keys.sorted() == ["a"])
    }

    @Test(arguments: [
        ("x = 1", 1), ("[a]\nx", 2), ("[a]\r\n\r\nx", 3), ("[a\nx = 1", 1), ("[]", 1), ("[ ]", 1), ("[a]\n= 1", 2),
        ("[a]\nx =\n  y", 3), ("[a]\nx =\n  y: 1", 3),
    ])
    func whatIsNeitherIsToldByItsLine(text: String, line: Int) {
        #expect(throws: ConfigurationText.Malformed(line: line)) { try read(text) }
    }

    @Test func whatIsNoTextIsToldByItsLine() {
        #expect(throws: ConfigurationText.Malformed(line: 2)) {
            try ConfigurationText(Array("[a]\nx = ".utf8) + [0xFF] + Array("\ny = 1".utf8))
        }
    }

    /// Bytes by chance, most of which are what the reader looks for.
    @Test func noBytesStopTheReader() {
        var generator = SeededWords(seed: 7)
        let letters = Array("[]=:#;\"' \t\r\nab\u{FEFF}".utf8) + [0xFF, 0]
        for _ in 0..<3000 {
            let bytes = (0..<generator.next(below: 40)).map { _ in letters[generator.next(below: letters.count)] }
            do {
                _ = try ConfigurationText(bytes)
            } catch {
                #expect((1...41).contains(error.line))
            }
        }
    }
}
