import Platform
import Settings
import SystemPackage
import Testing

/// docs/configuration.md and the table of settings say the same.
@Suite struct SettingsDocumentationTests {
    @Test func `the document has a row for each setting, and no other`() throws {
        let path = FilePath(#filePath).removingLastComponent().removingLastComponent().removingLastComponent()
        let text = String(decoding: try readFile(path.appending("docs/configuration.md")), as: UTF8.self)
        let rows = text.split(separator: "\n").filter { $0.hasPrefix("| `") && $0.contains("`EBB_") }.map(String.init)
        let expected = Setting.all.map(row)
        #expect(rows == expected, "the rows should be:\n\(expected.joined(separator: "\n"))")
    }

    private func row(_ setting: Setting) -> String {
        let flag = setting.kind == .secret ? "none" : "`--\(setting.flag)`"
        return "| `\(setting.key)` | `\(setting.variable)` | \(flag) | \(fallback(setting)) | \(setting.summary) |"
    }

    private func fallback(_ setting: Setting) -> String {
        switch setting.fallback {
        case .value(let text): text.isEmpty ? "none" : "`\(text)`"
        case .belowHome(let path): "`\(path)`, below `home`"
        case .belowRunDirectory(let name): "`\(name)`, below `runDirectory`"
        case .hostName: "the machine's name"
        }
    }
}
