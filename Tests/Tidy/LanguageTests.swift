import Testing

/// What no compiler checks: where dangerous things may stand, and how long things may grow.
@Suite("Sources keep the rules of the language")
struct LanguageTests {
    @Test("the word unsafe stands only next to C and on-disk formats")
    func unsafeCode() throws {
        let allowed = ["Sources/Platform/", "Sources/Emulator/Filesystem/", "Sources/BlockStore/", "Tests/"]
        try forbid(in: "Sources/", except: allowed) { $0.words.contains("unsafe") }
    }

    @Test("time and chance reach the rooms only through Platform")
    func clocksAndRandomness() throws {
        let reads = [
            "Date()", "Date.now", "ContinuousClock", "SuspendingClock", "clock_gettime", "gettimeofday", "time(nil)",
            "timeIntervalSinceNow", "SystemRandomNumberGenerator", "UUID()", "arc4random", "getrandom(", ".random(",
            ".randomElement(", ".shuffled(",
        ]
        // The programs choose the real clock and generator; that is their work.
        try forbid(in: "Sources/", except: ["Sources/Platform/", "Sources/ebb/", "Sources/ebbd/"]) { line in
            reads.contains { line.contains($0) && !line.contains("using: &") }
        }
    }

    @Test("whole Foundation is not linked: it would make the programs forty megabytes larger")
    func foundation() throws {
        for file in try SourceTree.swiftFiles() where file.room != nil {
            for (index, line) in file.code.enumerated() where line.words == ["import", "Foundation"] {
                let guarded = file.code[..<index].suffix(3).contains { $0.words.contains("else") }
                #expect(
                    guarded,
                    "\(file.path):\(index + 1): import FoundationEssentials, Foundation only where it is missing")
            }
        }
    }

    @Test("an unchecked Sendable names its guard, and only Platform and the filesystem have any")
    func uncheckedSendable() throws {
        for file in try SourceTree.swiftFiles() where file.room != nil {
            for (index, line) in file.code.enumerated() where line.contains("@unchecked Sendable") {
                let home =
                    file.path.hasPrefix("Sources/Platform/") || file.path.hasPrefix("Sources/Emulator/Filesystem/")
                let comment = file.lines[max(0, index - 6)...index].contains { $0.contains("//") }
                #expect(home && comment, "\(file.path):\(index + 1)")
            }
        }
    }

    @Test("below the programs nothing prints, and nothing ends the process for the world's errors")
    func noPrinting() throws {
        try forbid(in: "Sources/", except: ["Sources/ebb/", "Sources/ebbd/"]) { line in
            line.words.contains("print") && line.contains("print(") && !line.contains("func print(")
        }
        try forbid(in: "Sources/", except: []) { $0.contains("fatalError()") }
    }

    @Test("no file is over 500 lines, no function over 70")
    func sizes() throws {
        for file in try SourceTree.swiftFiles() {
            #expect(file.lines.count <= 501, "\(file.path) has \(file.lines.count) lines: which name is missing?")
            for function in file.functions where function.lineCount > 70 {
                Issue.record("\(file.path):\(function.line): \(function.lineCount) lines: which name is missing?")
            }
        }
    }

    @Test("nothing is left for later")
    func noReminders() throws {
        let marks = ["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]
        let files = try SourceTree.swiftFiles() + SourceTree.files(below: "scripts", suffix: "")
        for file in files {
            for (number, line) in zip(1..., file.lines) where !marks.allSatisfy({ !line.words.contains($0[...]) }) {
                Issue.record("\(file.path):\(number): \(line)")
            }
        }
    }

    @Test("no test is disabled, and no failure is expected")
    func nothingIsSkipped() throws {
        for file in try SourceTree.swiftFiles() where file.room == nil {
            #expect(
                file.places { $0.contains(".disabled(") || $0.contains("withKnownIssue") || $0.contains(".enabled(if") }
                    == [])
        }
    }

    private func forbid(
        in prefix: String, except allowed: [String], _ holds: (Substring) -> Bool,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        for file in try SourceTree.swiftFiles() where file.path.hasPrefix(prefix) {
            guard !allowed.contains(where: file.path.hasPrefix) else { continue }
            #expect(file.places(where: holds) == [], sourceLocation: sourceLocation)
        }
    }
}

extension Substring {
    /// Its identifiers and keywords.
    var words: [Substring] {
        split { !($0.isLetter || $0.isNumber || $0 == "_") }
    }
}

extension SourceFile {
    /// Each function and initializer with the line it begins at and its length with its body.
    ///
    /// Relies on the formatter: a body ends at the first closing brace in the declaration's own column.
    var functions: [(line: Int, lineCount: Int)] {
        code.indices.compactMap { start in
            let declaration = code[start]
            guard declaration.words.contains("func") || declaration.words.first == "init" else { return nil }
            let indentation = declaration.prefix { $0 == " " }
            let rest = code[start...]
            guard !(declaration.contains("{") && declaration.contains("}")) else { return (start + 1, 1) }
            // What a protocol requires has no end of its own: the protocol's comes first.
            let closes = { (line: Substring) in
                line.first { $0 != " " } == "}" && line.prefix { $0 == " " }.count <= indentation.count
            }
            guard let end = rest.firstIndex(where: closes), code[end].hasPrefix(indentation + "}") else { return nil }
            return (start + 1, end - start + 1)
        }
    }
}
