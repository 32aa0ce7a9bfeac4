import Platform
import SystemPackage

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// The init system, where it has Ebb's unit.
enum Systemd {
    static let unit = "ebb"

    static var isRunning: Bool { FileManager.default.fileExists(atPath: "/run/systemd/system") }

    private static var hasUnit: Bool {
        ["/etc/systemd/system", "/lib/systemd/system", "/usr/lib/systemd/system"].contains {
            FileManager.default.fileExists(atPath: "\($0)/\(unit).service")
        }
    }

    /// `systemctl`, when the service is systemd's to run.
    static func controller() -> String? {
        guard isRunning, hasUnit else { return nil }
        return ["/bin/systemctl", "/usr/bin/systemctl"].first(where: FileManager.default.isExecutableFile)
    }

    /// Runs `systemctl verb ebb`, with its output as ours; gives its exit status.
    static func run(_ verb: String, _ controller: String) throws -> Int32 {
        let end = try ChildProcess.spawn(controller, arguments: [verb, "-l", unit], inherited: []).wait()
        if case .exited(let code) = end { return code }
        return 1
    }
}
