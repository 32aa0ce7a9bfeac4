// What cases say about what they find.
import Driver

func expect<Value: Equatable>(
    _ what: String, _ found: Value, is expected: Value, line: UInt = #line
) throws(ConformanceFailure) {
    guard found == expected else {
        throw ConformanceFailure(expected: "\(what) to be \(expected)", found: "\(found)", line: line)
    }
}

func expect(_ what: String, _ holds: Bool, found: Any, line: UInt = #line) throws(ConformanceFailure) {
    guard holds else { throw ConformanceFailure(expected: what, found: "\(found)", line: line) }
}

/// The refusal must have the code, and say each of the words somewhere in its one line.
func expectRefusal(
    _ code: StorageError.Code, saying words: [String] = [], line: UInt = #line,
    _ body: () async throws -> some Sendable
) async throws {
    let result: String
    do {
        result = "\(try await body())"
    } catch let error as StorageError {
        try expect("the code", error.code, is: code, line: line)
        for word in words {
            try expect(
                "an error that says '\(word)'", error.description.contains(word), found: error, line: line)
        }
        return
    } catch {
        throw ConformanceFailure(expected: "a StorageError \(code)", found: "\(error)", line: line)
    }
    throw ConformanceFailure(expected: "a refusal with \(code)", found: "success: \(result)", line: line)
}
