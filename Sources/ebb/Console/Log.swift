#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
import Platform
import SystemPackage

/// Log lines on standard error in REX-Ray's form, which is logrus's: `INFO[0000] message  key=value` for
/// people, `time=… level=info msg=…` otherwise.
struct Log {
    enum Level: Int {
        case panic, fatal, error, warn, info, debug, trace

        init(_ name: String) {
            self = Self.names.firstIndex(of: name).flatMap(Level.init(rawValue:)) ?? .info
        }

        static let names = ["panic", "fatal", "error", "warn", "info", "debug", "trace"]
        var name: String { self == .warn ? "warning" : Self.names[rawValue] }
        /// The four letters of logrus.
        var label: String { name.prefix(4).uppercased() }
        /// The terminal's colour.
        var colour: Int {
            switch self {
            case .panic, .fatal, .error: 31
            case .warn: 33
            case .info: 34
            case .debug, .trace: 37
            }
        }
    }

    let level: Level
    private static let start = SystemClock()

    /// What REX-Ray 0.3 logged on its way. Whoever speaks the newer grammar sees progress instead.
    func info(_ message: String, _ fields: [(String, String)] = []) {
        guard Invocation.current.usesFlagGrammar, level.rawValue >= Level.info.rawValue else { return }
        writeToStandardError(Self.line(.info, message, fields))
    }

    /// Something that a person should know although the command goes on, in either grammar.
    func warning(_ message: String) {
        guard level.rawValue >= Level.warn.rawValue else { return }
        if Invocation.current.usesFlagGrammar {
            writeToStandardError(Self.line(.warn, message, []))
        } else {
            writeToStandardError("\(Invocation.current.program): \(message)\n")
        }
    }

    /// Why the command fails.
    func failure(_ message: String) {
        if Invocation.current.usesFlagGrammar {
            writeToStandardError(Self.line(.fatal, message, []))
        } else {
            writeToStandardError("\(Invocation.current.program): \(message)\n")
        }
    }

    private static func line(_ level: Level, _ message: String, _ fields: [(String, String)]) -> String {
        let isForPeople = isTerminal(.standardError)
        let environment = ProcessInfo.processInfo.environment
        let isColoured = isForPeople && environment["NO_COLOR"] == nil && environment["TERM"] != "dumb"
        return isForPeople
            ? terminalLine(level, message, fields, seconds: start.uptime().components.seconds, isColoured: isColoured)
            : plainLine(level, message, fields, time: start.now())
    }

    /// - Parameter seconds: since the process started.
    static func terminalLine(
        _ level: Level, _ message: String, _ fields: [(String, String)], seconds: Int64, isColoured: Bool
    ) -> String {
        let digits = String(seconds)
        let stamp = "[" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits + "]"
        let label = isColoured ? "\u{1B}[\(level.colour)m\(level.label)\u{1B}[0m" : level.label
        guard !fields.isEmpty else { return "\(label)\(stamp) \(message)\n" }
        let padding = String(repeating: " ", count: max(0, 44 - message.count))
        return "\(label)\(stamp) \(message)\(padding) \(pairs(fields))\n"
    }

    static func plainLine(_ level: Level, _ message: String, _ fields: [(String, String)], time: Date) -> String {
        let end = fields.isEmpty ? "" : " " + pairs(fields)
        return "time=\"\(time.formatted(.iso8601))\" level=\(level.name) msg=\(JSON.quoted(message))\(end)\n"
    }

    /// Sorted by key, as logrus has them.
    private static func pairs(_ fields: [(String, String)]) -> String {
        fields.sorted { $0.0 < $1.0 }.map { "\($0.0)=\($0.1)" }.joined(separator: " ")
    }
}
