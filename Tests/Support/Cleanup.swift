/// Runs `body`, and then `cleanUp`, whether or not `body` has failed. What is thrown tells of both failures.
public func withCleanup<Result>(
    _ cleanUp: () async throws -> Void, _ body: () async throws -> Result
) async throws -> Result {
    let result = try await withCleanup(onFailure: cleanUp, body)
    try await cleanUp()
    return result
}

/// Runs `body`, and `cleanUp` only when it has failed. What is thrown tells of both failures.
public func withCleanup<Result>(
    onFailure cleanUp: () async throws -> Void, _ body: () async throws -> Result
) async throws -> Result {
    do {
        return try await body()
    } catch {
        let first = error
        do {
            try await cleanUp()
        } catch {
            throw FailedCleanup(first: first, then: error)
        }
        throw first
    }
}

/// A test failed, and then could not clean up.
struct FailedCleanup: Error, CustomStringConvertible {
    let first: any Error
    let then: any Error

    var description: String { "\(first); and what it left stays: \(then)" }
}
