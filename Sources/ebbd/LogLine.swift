#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
import Logging
import Platform

/// One line a message on standard error, in the form that logrus made the field's:
/// `time="…" level=info msg="…" key=value`.
struct LogLine: LogHandler {
    let label: String
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level = .info

    init(label: String) {
        self.label = label
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let fields = metadata.merging(event.metadata ?? [:]) { _, new in new }
        let values = fields.sorted { $0.key < $1.key }.map { " \($0.key)=\(Self.quoted("\($0.value)"))" }
        let time = Date().formatted(.iso8601)
        writeToStandardError(
            "time=\"\(time)\" level=\(Self.name(of: event.level)) msg=\(Self.quoted("\(event.message)", always: true))"
                + values.joined() + "\n")
    }

    /// The setting's names are logrus's; swift-log has no `fatal` and no `panic`.
    static func level(named name: String) -> Logger.Level {
        switch name {
        case "panic", "fatal": .critical
        case "warn": .warning
        default: Logger.Level(rawValue: name) ?? .info
        }
    }

    private static func name(of level: Logger.Level) -> String {
        level == .critical ? "fatal" : level.rawValue
    }

    private static func quoted(_ text: String, always: Bool = false) -> String {
        let isPlain = !text.isEmpty && text.allSatisfy { !$0.isWhitespace && $0 != "\"" && $0 != "=" }
        if isPlain && !always { return text }
        let escaped = text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
        return "\"\(escaped)\""
    }
}
