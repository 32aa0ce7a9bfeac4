#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
import SystemPackage

/// The project's own files, as the rules of this folder read them.
enum SourceTree {
    /// The folder of `Package.swift`.
    static let root = FilePath(#filePath).removingLastComponent().removingLastComponent().removingLastComponent()

    /// Every Swift file below `Sources` and `Tests`.
    static func swiftFiles() throws -> [SourceFile] { try parsed.get() }

    /// Read once for all rules.
    private static let parsed = Result {
        try files(below: "Sources", suffix: ".swift") + files(below: "Tests", suffix: ".swift")
    }

    /// Every file below a folder whose name ends so, by path.
    static func files(below folder: String, suffix: String) throws -> [SourceFile] {
        let paths = try FileManager.default.subpathsOfDirectory(atPath: root.appending(folder).string)
        return try paths.filter { $0.hasSuffix(suffix) && isFile("\(folder)/\($0)") }.sorted().map {
            try SourceFile(path: "\(folder)/\($0)")
        }
    }

    private static func isFile(_ path: String) -> Bool {
        var isDirectory = false
        return FileManager.default.fileExists(atPath: root.appending(path).string, isDirectory: &isDirectory)
            && !isDirectory
    }

    static func text(_ path: String) throws -> String {
        try String(contentsOfFile: root.appending(path).string, encoding: .utf8)
    }
}

/// A file with its path from the root.
struct SourceFile: Sendable {
    let path: String
    let lines: [Substring]
    /// The same lines with comments and the text of string literals blanked, for rules about code.
    let code: [Substring]

    init(path: String) throws {
        let text = try SourceTree.text(path)
        self.path = path
        lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        code = blankingCommentsAndStrings(text).split(separator: "\n", omittingEmptySubsequences: false)
    }

    /// The room it belongs to: the folder below `Sources`, or nothing for tests.
    var room: String? {
        let parts = path.split(separator: "/")
        return parts.first == "Sources" && parts.count > 2 ? String(parts[1]) : nil
    }

    /// `path:line` of every line of code for which `holds`.
    func places(where holds: (Substring) -> Bool) -> [String] {
        zip(1..., code).compactMap { holds($1) ? "\(path):\($0)" : nil }
    }

    /// The modules it imports.
    var imports: [String] {
        code.compactMap { line in
            let words = line.split(separator: " ")
            guard let position = words.firstIndex(of: "import"), position + 1 < words.count else { return nil }
            return words[..<position].allSatisfy({ $0.hasPrefix("@") || $0 == "public" || $0 == "internal" })
                ? String(words.last!.prefix { $0 != "." }) : nil
        }
    }
}
