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
    let result: Result
    do {
        result = try await body(path)
    } catch {
        try? FileManager.default.removeItem(atPath: path.string)  // The test's own error matters more.
        throw error
    }
    try FileManager.default.removeItem(atPath: path.string)
    return result
}

/// Makes a directory with a name that no other test has; the caller removes it.
public func makeTemporaryDirectory() throws -> FilePath {
    let path = FilePath("/tmp/ebb-\(String(UInt64.random(in: 0 ... .max), radix: 36))")
    try FileManager.default.createDirectory(atPath: path.string, withIntermediateDirectories: false)
    return path
}
