#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
import Testing
import TestSupport

/// What the documents promise about the tree.
@Suite("Documents and scripts agree with the tree")
struct DocumentationTests {
    @Test("README opens with the two commands")
    func readme() throws {
        let opening = try SourceTree.text("README.md").split(separator: "\n").prefix(16)
        #expect(opening.contains { $0.hasPrefix("./scripts/lab") })
        #expect(opening.contains { $0.hasPrefix("./scripts/test") })
    }

    @Test("every link from one document to another leads somewhere")
    func links() throws {
        let documents = try [SourceFile(path: "README.md")] + SourceTree.files(below: "docs", suffix: ".md")
        for document in documents {
            let folder = SourceTree.root.appending(document.path).removingLastComponent()
            for (number, line) in zip(1..., document.lines) {
                for target in line.linkTargets where !target.contains("://") && !target.hasPrefix("#") {
                    let path = folder.pushing(.init(String(target.prefix { $0 != "#" })))
                    #expect(
                        FileManager.default.fileExists(atPath: path.string), "\(document.path):\(number): \(target)")
                }
            }
        }
    }

    @Test("the gate runs the same command as people do")
    func gate() throws {
        #expect(try SourceTree.text(".ci/run").contains("scripts/test"))
    }

    @Test("every shell script is free of syntax errors")
    func shellSyntax() async throws {
        for file in try SourceTree.files(below: "scripts", suffix: "") where file.isShell {
            let result = try await runCommand("bash", ["-n", SourceTree.root.appending(file.path).string])
            #expect(result.status == 0, "\(result.errors)")
        }
    }
}

extension Substring {
    /// The targets of its Markdown links, `[text](target)`.
    var linkTargets: [Substring] {
        matches(of: #/\]\(([^) ]+)\)/#).map(\.output.1)
    }
}

extension SourceFile {
    /// A script that names a shell in its first line, or a library of functions for one.
    var isShell: Bool { path.hasSuffix(".sh") || lines.first?.hasSuffix("bash") == true }
}
