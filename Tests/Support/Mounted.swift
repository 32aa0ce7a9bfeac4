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
    return try await withCleanup(onFailure: lazily) {
        let result = try await body()
        try await unmount(place)
        return result
    }
}

/// A child that another test has just forked holds what is open here until it becomes its program: the mount is busy
/// then for a moment.
private func unmount(_ place: FilePath) async throws {
    var ended = try await runToDeadline(["umount", place.string])
    _ = try await eventually {
        guard !ended.succeeded, ended.errors.contains("busy") else { return true }
        ended = try await runToDeadline(["umount", place.string])
        return ended.succeeded
    }
    try ended.checked()
}
