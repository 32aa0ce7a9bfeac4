import ArgumentParser
import SystemPackage

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// What this build is.
enum Version {
    static let text = "0.1.0"

    static var architecture: String {
        #if arch(x86_64)
            "x86_64"
        #elseif arch(arm64)
            "arm64"
        #else
            "unknown"
        #endif
    }
}

struct VersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "version", abstract: "Print the version.")

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func run() throws {
        let binary = try ownPath()
        writeOut(
            """
            Binary: \(binary)
            SemVer: \(Version.text)
            OsArch: Linux-\(Version.architecture)
            Formed: \(try formed(binary))

            """)
    }

    /// When the binary was made.
    private func formed(_ path: String) throws -> String {
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        return (attributes[.modificationDate] as? Date)?.formatted(.iso8601) ?? "unknown"
    }
}

/// Where this program is, symbolic links resolved.
func ownPath() throws -> String {
    try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
}
