#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
import SystemPackage

/// A directory of one test's own, short enough for socket paths, gone afterwards.
public func withTemporaryDirectory<Result>(
    _ body: (FilePath) async throws -> Result
) async throws -> Result {
    let path = try makeTemporaryDirectory()
    return try await withCleanup({ try FileManager.default.removeItem(atPath: path.string) }) { try await body(path) }
}

/// Makes a directory with a name that no other test has; the caller removes it.
public func makeTemporaryDirectory() throws -> FilePath {
    let path = FilePath("/tmp/ebb-\(String(UInt64.random(in: 0 ... .max), radix: 36))")
    try FileManager.default.createDirectory(atPath: path.string, withIntermediateDirectories: false)
    return path
}
