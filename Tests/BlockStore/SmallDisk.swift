import Platform
import SystemPackage
import Testing
import TestSupport

/// A filesystem of a test's own, small enough to be filled.
enum SmallDisk: String {
    case tmpfs
    case ext4
    /// Can share extents.
    case xfs
}

/// Runs `body` with a mounted filesystem, empty at first, that is gone afterwards. What `body` opened must be closed
/// when it returns.
func withSmallDisk(_ kind: SmallDisk, mebibytes: Int, _ body: (FilePath) async throws -> Void) async throws {
    try await withTemporaryDirectory { directory in
        let mount = directory.appending("mount")
        try createDirectories(mount)
        let image = directory.appending("image").string
        switch kind {
        case .tmpfs: try await succeed("mount", ["-t", "tmpfs", "-o", "size=\(mebibytes)M", "tmpfs", mount.string])
        case .ext4, .xfs:
            try await succeed("truncate", ["-s", "\(mebibytes)M", image])
            try await succeed("mkfs.\(kind.rawValue)", ["-q", image])
            try await succeed("mount", ["-o", "loop", image, mount.string])
        }
        do {
            try await body(mount)
        } catch {
            try await succeed("umount", [mount.string])
            throw error
        }
        try await succeed("umount", [mount.string])
    }
}

private func succeed(_ program: String, _ arguments: [String]) async throws {
    let result = try await runCommand(program, arguments)
    try #require(result.status == 0, "\(program): \(result.errors)")
}
