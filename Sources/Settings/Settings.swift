import Platform
import SystemPackage

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Every setting's value and where it comes from: flag before environment before file before default.
///
/// Values are checked when they are loaded, so that reading one cannot fail.
public struct Settings: Sendable {
    public struct Value: Sendable, Hashable {
        public let setting: Setting
        /// In the form that the setting's kind prescribes.
        public let text: String
        public let origin: Origin

        /// The text for people: of a secret only that there is one.
        public var shown: String { setting.kind == .secret && !text.isEmpty ? "******" : text }
    }

    /// The configuration file that was asked for or would be read by default.
    public let configurationFile: String
    /// What the file says without effect, each a line with its place.
    public private(set) var notices: [String]
    private var values: [Setting: Value] = [:]

    /// - Parameters:
    ///   - flags: what the command line set; the flag's spelling is told in errors and by `ebb env`.
    ///   - configurationFile: the file of `-c`, which must exist; `nil` for `/etc/ebb/config.yml` below
    ///     `home`, which need not.
    public static func load(
        flags: [Setting: (text: String, spelling: String)] = [:],
        environment: [String: String] = ProcessInfo.processInfo.environment,
        configurationFile: String? = nil
    ) throws(SettingsError) -> Settings {
        func explicit(_ setting: Setting) -> (text: String, origin: Origin)? {
            if let flag = flags[setting] { return (flag.text, .flag(flag.spelling)) }
            if let text = environment[setting.variable] { return (text, .environment(variable: setting.variable)) }
            return nil
        }
        let named = configurationFile ?? environment["EBB_CONFIG"]
        var home = ""
        if let (text, origin) = explicit(.home) { home = try Setting.home.canonical(text, origin: origin) }
        let path = named ?? home + "/etc/ebb/config.yml"
        let file = try ConfigurationFile.read(at: path, mustExist: named != nil)
        var settings = Settings(configurationFile: path, notices: file.notices)
        for setting in Setting.all {
            let (text, origin) =
                explicit(setting) ?? file.entries[setting] ?? (settings.fallback(of: setting), .builtIn)
            let canonical = try setting.canonical(text, origin: origin)
            settings.values[setting] = Value(setting: setting, text: canonical, origin: origin)
        }
        // EC2 knows its zones itself.
        if settings.driver == .emulator { try settings.placeZones() } else { settings.noteUnusedZone() }
        try settings.checkTag()
        try settings.checkAccessKey()
        return settings
    }

    /// The value of one setting.
    public subscript(setting: Setting) -> Value {
        guard let value = values[setting] else { preconditionFailure("\(setting.key) is not in Setting.all") }
        return value
    }

    /// Every value, in the order of `Setting.all`.
    public var all: [Value] { Setting.all.map { self[$0] } }

    private init(configurationFile: String, notices: [String]) {
        self.configurationFile = configurationFile
        self.notices = notices
    }

    /// `home` and `runDirectory` stand before whatever falls back to them in `Setting.all`.
    private func fallback(of setting: Setting) -> String {
        switch setting.fallback {
        case .value(let text): return text
        case .belowHome(let path): return self[.home].text + path
        case .belowRunDirectory(let name): return self[.runDirectory].text + "/" + name
        case .hostName: return hostName()
        }
    }

    /// Completes `b` to `us-east-1b`, and checks that this machine's zone is one of the region's.
    private mutating func placeZones() throws(SettingsError) {
        let region = self[.region].text
        func complete(_ name: String) -> String { name.count == 1 ? region + name : name }
        let zones = self[.zones].text.split(separator: " ").map { complete(String($0)) }
        let zone = complete(self[.zone].text)
        guard zones.contains(zone) else {
            throw SettingsError(
                "\(self[.zone].origin.place): zone is \(zone), which is not one of the region's: "
                    + zones.joined(separator: " "))
        }
        replace(.zones, with: zones.joined(separator: " "))
        replace(.zone, with: zone)
    }

    private mutating func noteUnusedZone() {
        let origin = self[.zone].origin
        if origin != .builtIn { notices.append("\(origin.place): zone has no effect: in EC2 it is the instance's") }
    }

    private func checkTag() throws(SettingsError) {
        let value = self[.ec2Tag]
        guard value.text.isEmpty || ec2Tag.map({ !$0.key.isEmpty }) == true else {
            throw SettingsError("\(value.origin.place): ec2Tag is \(quoted(value.text)), but must be KEY=VALUE")
        }
    }

    private func checkAccessKey() throws(SettingsError) {
        let (id, secret) = (self[.awsAccessKey], self[.awsSecretKey])
        guard id.text.isEmpty != secret.text.isEmpty else { return }
        let (given, missing) = id.text.isEmpty ? (secret, id) : (id, secret)
        throw SettingsError(
            "\(given.origin.place): \(given.setting.key) is set without \(missing.setting.key): set both, or neither")
    }

    private mutating func replace(_ setting: Setting, with text: String) {
        values[setting] = Value(setting: setting, text: text, origin: self[setting].origin)
    }

    private func hostName() -> String {
        // Where /proc is not mounted there is still a name to go by; `ebb env` shows it.
        let bytes = (try? readFile("/proc/sys/kernel/hostname")) ?? []
        let name = trimmed(String(decoding: bytes, as: UTF8.self))
        return name.isEmpty ? "localhost" : name
    }
}
