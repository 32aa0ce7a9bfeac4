import ArgumentParser

/// The forms that a command can answer in.
enum Format: String, ExpressibleByArgument, CaseIterable {
    case yml
    case table
    case json
    case jsonp
    case tmpl

    init?(argument: String) {
        let name = argument.lowercased()
        self.init(rawValue: name == "yaml" ? "yml" : name)
    }
}

/// An answer in every form. Only the form that is asked for is made: lists may be long.
struct Answer {
    private let makeValue: () -> Value
    private let makeTable: () -> Table

    init(value: @escaping @autoclosure () -> Value, table: @escaping @autoclosure () -> Table) {
        makeValue = value
        makeTable = table
    }

    var value: Value { makeValue() }
    var table: Table { makeTable() }

    func text(_ format: Format, template: String?, isQuiet: Bool) throws -> String {
        switch format {
        case .yml:
            let value = value
            // REX-Ray prints nothing for an empty list.
            return value.isEmpty ? "" : YAML.text(of: value)
        case .json: return JSON.text(of: value, isPretty: false)
        case .jsonp: return JSON.text(of: value, isPretty: true)
        case .table: return table.text(withHeader: !isQuiet)
        case .tmpl:
            guard let template else { throw UsageFailure("--format tmpl needs a --template") }
            do {
                return try Template(template).text(of: value)
            } catch {
                throw UsageFailure(error.description)
            }
        }
    }
}
