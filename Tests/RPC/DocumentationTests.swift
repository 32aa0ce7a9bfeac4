// The examples of docs/rpc.md are true: each is sent to a server over a socket, in the order of the page.
import Foundation
import Testing

@Suite struct DocumentationTests {
    @Test("each example of docs/rpc.md gets its answer, and each method has an example")
    func examplesAreTrue() async throws {
        let page = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../docs/rpc.md")
        let examples = try Example.all(in: String(contentsOf: page, encoding: .utf8))
        // The answers about snapshots show their form; a region's own are held by the conformance suite.
        try await withServer(wrap: { SnapshotRecorder($0) }) { server in
            let client = try server.connect()
            var names = Placeholders()
            for example in examples {
                // What is to be told has first to happen.
                if example.request.contains("Ebb.GetMetricData") { await server.passMinute() }
                let answer = try JSONValue(parsing: try await client.call(names.filled(example.request)))
                let isExpected = names.matches(try JSONValue(parsing: example.answer), answer)
                #expect(isExpected, "\(example.request)\nexpected \(example.answer)\nfound \(text(answer))")
            }
            let shown = try examples.map { try JSONValue(parsing: $0.request)["method"].string }
            for method in server.service.methodNames { #expect(shown.contains(method), "\(method) has no example") }
        }
    }

    private func text(_ value: JSONValue) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return (try? encoder.encode(value)).map { String(decoding: $0, as: UTF8.self) } ?? "\(value)"
    }
}

private struct Example {
    var request: String
    var answer: String

    /// Pairs of ```` ```json request ```` and ```` ```json answer ```` blocks.
    static func all(in page: String) throws -> [Example] {
        let requests = blocks("request", in: page)
        let answers = blocks("answer", in: page)
        try #require(requests.count == answers.count && requests.count > 30)
        return zip(requests, answers).map { Example(request: $0, answer: $1) }
    }

    private static func blocks(_ kind: String, in page: String) -> [String] {
        page.components(separatedBy: "```json \(kind)\n").dropFirst().map {
            // A request is one line, however the page breaks it.
            $0.components(separatedBy: "\n```")[0].replacing("\n", with: "")
        }
    }
}

/// Words in angle brackets and the values that they stand for.
private struct Placeholders {
    private var values: [String: JSONValue] = [:]

    func filled(_ request: String) -> String {
        values.reduce(request) { request, value in
            request.replacing(value.key, with: value.value.string ?? value.key)
        }
    }

    /// Compares, and takes the values of new words from what was found.
    mutating func matches(_ expected: JSONValue, _ found: JSONValue) -> Bool {
        switch (expected, found) {
        case (.string(let word), _) where word.hasPrefix("<") && word.hasSuffix(">"):
            if let value = values[word] { return value == found }
            values[word] = found
            return true
        case (.string(let expected), .string(let found)): return filled(expected) == found
        case (.array(let expected), .array(let found)):
            return expected.count == found.count && zip(expected, found).allSatisfy { matches($0, $1) }
        case (.object(let expected), .object(let found)):
            let expected = Dictionary(uniqueKeysWithValues: expected.map { (filled($0.key), $0.value) })
            return expected.keys == found.keys
                && expected.keys.sorted().allSatisfy { matches(expected[$0]!, found[$0]!) }
        default: return expected == found
        }
    }
}
