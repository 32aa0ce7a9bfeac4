import SystemPackage
import Testing
import TestSupport

/// An ext4 whose state can be taken at any moment while it is written: its image lies on xfs, where a copy shares
/// extents and is made between two writes.
struct CrashDisk {
    private let directory: FilePath

    /// Where it is mounted.
    var live: FilePath { directory.appending("live") }
    private var image: String { directory.appending("disk").string }

    enum End {
        /// `kill -9`: what is in the page cache stays. The filesystem is frozen for the moment, which writes that out.
        case kill
        /// What had not reached the disk is lost.
        case powerLoss
    }

    static func run(_ body: (CrashDisk) async throws -> Void) async throws {
        try await withSmallDisk(.xfs, mebibytes: 1200) { directory in
            let disk = CrashDisk(directory: directory)
            try await succeed("truncate", ["-s", "600M", disk.image])
            try await succeed("mkfs.ext4", ["-q", "-b", "4096", disk.image])
            // Commits come often, so that what had not been flushed is lost in part.
            try await disk.mounted(disk.image, at: disk.live, options: "loop,commit=1") { try await body(disk) }
        }
    }

    /// What the next process finds when this one ends at a moment of this call.
    func withImage(_ end: End, _ body: (FilePath) async throws -> Void) async throws {
        let copy = directory.appending("copy").string
        let copying = "cp --reflink=always '\(image)' '\(copy)'"
        // In one process: no other one here may run until the filesystem thaws again.
        let freezing = "fsfreeze -f '\(live)' && { \(copying); result=$?; fsfreeze -u '\(live)'; exit $result; }"
        try await succeed("sh", ["-c", end == .kill ? freezing : copying])
        try await mounted(copy, at: directory.appending("found"), options: "loop") {
            try await body(directory.appending("found"))
        }
        try await succeed("rm", [copy])
    }

    private func mounted(
        _ image: String, at mount: FilePath, options: String, _ body: () async throws -> Void
    ) async throws {
        try await succeed("mkdir", ["-p", mount.string])
        try await withMounted(["-o", options, image], at: mount, body)
    }
}
