/// Who set a value, weakest first.
public enum Origin: Sendable, Hashable, CustomStringConvertible {
    case builtIn
    case file(path: String, line: Int)
    case environment(variable: String)
    case flag(String)

    public var description: String {
        switch self {
        case .builtIn: "default"
        case .file(let path, _): path
        case .environment(let variable): "environment \(variable)"
        case .flag(let flag): "flag \(flag)"
        }
    }

    /// The same, with the line, for errors.
    var place: String {
        if case .file(let path, let line) = self { return "\(path):\(line)" }
        return description
    }
}

/// Why the settings could not be had, in one line: where, what, and what would be right.
public struct SettingsError: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String
    /// Whether the command line itself is to blame (exit status 2) rather than the world (1).
    public let isUsage: Bool

    public init(_ description: String, isUsage: Bool = false) {
        self.description = description
        self.isUsage = isUsage
    }
}
