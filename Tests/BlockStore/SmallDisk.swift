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
    /// Can share extents, and puts what is written elsewhere.
    case btrfs
}

/// Runs `body` with a mounted filesystem, empty at first, that is gone afterwards. What `body` opened must be closed
/// when it returns.
func withSmallDisk(_ kind: SmallDisk, mebibytes: Int, _ body: (FilePath) async throws -> Void) async throws {
    try await withTemporaryDirectory { directory in
        let mount = directory.appending("mount")
        try createDirectories(mount)
        let image = directory.appending("image").string
        var arguments = ["-t", "tmpfs", "-o", "size=\(mebibytes)M", "tmpfs"]
        if kind != .tmpfs {
            try await succeed("truncate", ["-s", "\(mebibytes)M", image])
            try await succeed("mkfs.\(kind.rawValue)", ["-q", image])
            arguments = ["-o", "loop", image]
        }
        try await withMounted(arguments, at: mount) { try await body(mount) }
    }
}

/// Fills the disk of a directory to the last byte, with a file that is removed to make room again.
func fillDisk(of directory: FilePath) throws -> FilePath {
    let path = directory.appending("filler")
    let file = try FileDescriptor.openFile(path, .writeOnly, options: [.create], permissions: [.ownerReadWrite])
    defer { file.closeIgnoringErrors() }
    let bytes = [UInt8](repeating: 0xF1, count: 1 << 20)
    var offset: Int64 = 0
    // Some of what was promised to writes is given back when they are done.
    for _ in 0..<3 {
        var length = bytes.count
        while length > 0 {
            if try unsafe write(bytes.span.bytes.extracting(0..<length), to: file, at: offset) {
                offset += Int64(length)
            } else {
                length /= 2
            }
        }
        try file.synchronize()
    }
    return path
}

/// - Returns: whether there was room.
private func write(_ bytes: RawSpan, to file: FileDescriptor, at offset: Int64) throws(Errno) -> Bool {
    do throws(Errno) {
        try file.writeAll(bytes, at: offset)
        return true
    } catch .noSpace {
        return false
    }
}

func succeed(_ program: String, _ arguments: [String]) async throws {
    let result = try await runCommand(program, arguments)
    try #require(result.status == 0, "\(program): \(result.errors)")
}
