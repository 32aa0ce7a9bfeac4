import SystemPackage

/// Runs `body` with something mounted.
///
/// - Parameter arguments: those of `mount` before the place, which exists.
public func withMounted<Result>(
    _ arguments: [String], at place: FilePath, _ body: () async throws -> Result
) async throws -> Result {
    try await runToDeadline(["mount"] + arguments + [place.string]).checked()
    // What failed may have files open.
    let lazily = { _ = try await runToDeadline(["umount", "--lazy", place.string]).checked() }
    let result = try await withCleanup(onFailure: lazily, body)
    try await runToDeadline(["umount", place.string]).checked()
    return result
}
