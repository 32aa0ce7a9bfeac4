/// The part of Go's templates that listings need: `{{.Field}}`, `{{.Field.Inner}}`, `{{.}}`, and
/// `{{range .Field}}…{{end}}`; `\n` and `\t` in the text are a line's end and a tab.
///
/// A template that starts no `{{range .}}` is applied to each item of a list, a line each.
struct Template {
    private indirect enum Part {
        case text(String)
        case field([String])
        case range([String], [Part])
    }

    /// What is wrong with a template, in one line.
    struct Problem: Error {
        let description: String
    }

    private let parts: [Part]

    init(_ source: String) throws(Problem) {
        var tokens = try Self.tokens(of: source)[...]
        parts = try Self.parse(&tokens, isInRange: false)
    }

    func text(of value: Value) throws(Problem) -> String {
        let rangesOverAll = parts.contains { if case .range(let path, _) = $0 { path.isEmpty } else { false } }
        guard case .list(let items) = value, !rangesOverAll else {
            return Self.ended(try Self.render(parts, value))
        }
        var text = ""
        for item in items { text += Self.ended(try Self.render(parts, item)) }
        return text
    }

    private static func ended(_ text: String) -> String { text.isEmpty || text.hasSuffix("\n") ? text : text + "\n" }

    private enum Token {
        case text(String)
        case action(String)
    }

    private static func tokens(of source: String) throws(Problem) -> [Token] {
        var tokens: [Token] = []
        var rest = source[...]
        while let open = rest.firstRange(of: "{{") {
            if open.lowerBound > rest.startIndex { tokens.append(.text(unescaped(rest[..<open.lowerBound]))) }
            let inner = rest[open.upperBound...]
            guard let close = inner.firstRange(of: "}}") else {
                throw Problem(description: "the template has a {{ without its }}")
            }
            tokens.append(.action(inner[..<close.lowerBound].split(separator: " ").joined(separator: " ")))
            rest = inner[close.upperBound...]
        }
        if !rest.isEmpty { tokens.append(.text(unescaped(rest))) }
        return tokens
    }

    private static func unescaped(_ text: Substring) -> String {
        var result = ""
        var rest = text
        while let character = rest.popFirst() {
            guard character == "\\", let next = rest.first, let meant = ["n": "\n", "t": "\t", "\\": "\\"][next] else {
                result.append(character)
                continue
            }
            rest = rest.dropFirst()
            result += meant
        }
        return result
    }

    private static func parse(_ tokens: inout ArraySlice<Token>, isInRange: Bool) throws(Problem) -> [Part] {
        var parts: [Part] = []
        while let token = tokens.popFirst() {
            switch token {
            case .text(let text): parts.append(.text(text))
            case .action("end"):
                guard isInRange else { throw Problem(description: "the template has an {{end}} without its {{range}}") }
                return parts
            case .action(let action) where action.hasPrefix("range ."):
                let path = self.path(action.dropFirst("range ".count))
                parts.append(.range(path, try parse(&tokens, isInRange: true)))
            case .action(let action) where action.hasPrefix("."): parts.append(.field(path(action[...])))
            case .action(let action):
                throw Problem(
                    description: "the template has {{\(action)}}; there are {{.Field}}, {{range .}} and {{end}}")
            }
        }
        if isInRange { throw Problem(description: "the template has a {{range}} without its {{end}}") }
        return parts
    }

    private static func path(_ text: Substring) -> [String] { text.split(separator: ".").map(String.init) }

    private static func render(_ parts: [Part], _ value: Value) throws(Problem) -> String {
        var result = ""
        for part in parts {
            switch part {
            case .text(let text): result += text
            case .field(let path): result += plain(try find(path, in: value))
            case .range(let path, let inner):
                guard case .list(let items) = try find(path, in: value) else {
                    throw Problem(
                        description: "the template ranges over \(path.joined(separator: ".")), which is no list")
                }
                for item in items { result += try render(inner, item) }
            }
        }
        return result
    }

    private static func find(_ path: [String], in value: Value) throws(Problem) -> Value {
        var value = value
        for name in path {
            guard let inner = value[name] else {
                var known = ""
                if case .record(let fields) = value {
                    known = "; there are " + fields.map(\.name).joined(separator: ", ")
                }
                throw Problem(description: "the template has the unknown field \(name)\(known)")
            }
            value = inner
        }
        return value
    }

    private static func plain(_ value: Value) -> String {
        switch value {
        case .text(let text): text
        case .integer(let number): String(number)
        case .decimal(let number): Value.plain(number)
        case .boolean(let truth): truth ? "true" : "false"
        case .list, .record: String(JSON.text(of: value, isPretty: false).dropLast())
        }
    }
}
