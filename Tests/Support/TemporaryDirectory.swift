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
    return try await withCleanup({ try await removeTree(path) }) { try await body(path) }
}

/// Removes a directory with all that is in it. What others take out of it meanwhile, as SQLite does with its log when the
/// last connection closes, is no error.
private func removeTree(_ path: FilePath) async throws {
    for attempt in 1... {
        do {
            return try FileManager.default.removeItem(atPath: path.string)
        } catch {
            if !FileManager.default.fileExists(atPath: path.string) { return }
            if attempt == 20 { throw error }
            try await Task.sleep(for: .milliseconds(20))
        }
    }
}

/// Makes a directory with a name that no other test has; the caller removes it.
public func makeTemporaryDirectory() throws -> FilePath {
    let path = FilePath("/tmp/ebb-\(String(UInt64.random(in: 0 ... .max), radix: 36))")
    try FileManager.default.createDirectory(atPath: path.string, withIntermediateDirectories: false)
    return path
}
