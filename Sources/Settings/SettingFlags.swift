/// Settings as flags of a program: `--state-directory /x`, `--stateDirectory=/x`, `--docker-name a --docker-name b`.
public struct SettingFlags: Sendable {
    /// What was set, as `Settings.load` takes it.
    public private(set) var flags: [Setting: (text: String, spelling: String)] = [:]
    /// The file of `-c` or `--config`.
    public private(set) var configurationFile: String?
    /// The arguments that are no setting, in their order.
    public private(set) var rest: [String] = []

    /// Takes the settings out of `arguments`, up to a `--`.
    public init(_ arguments: [String]) throws(SettingsError) {
        var arguments = arguments[...]
        while let argument = arguments.popFirst() {
            if argument == "--" {
                rest += [argument] + arguments
                return
            }
            let (name, inline) = Self.split(argument)
            let isConfiguration = name == "-c" || name.lowercased() == "--config"
            let setting = Self.setting(of: name)
            if let setting, setting.kind == .secret {
                throw SettingsError(
                    "\(name): what stands in a command line can be read by all; set \(setting.key) in the "
                        + "configuration file, or \(setting.variable)", isUsage: true)
            }
            guard isConfiguration || setting != nil else {
                rest.append(argument)
                continue
            }
            guard let value = inline ?? Self.value(of: setting, from: &arguments) else {
                throw SettingsError("\(name) needs a value", isUsage: true)
            }
            if let setting { add(setting, value, spelling: name) } else { configurationFile = value }
        }
    }

    private mutating func add(_ setting: Setting, _ value: String, spelling: String) {
        let earlier = setting.kind == .list ? flags[setting].map { $0.text + " " } ?? "" : ""
        flags[setting] = (earlier + value, spelling)
    }

    private static func split(_ argument: String) -> (name: String, value: String?) {
        guard argument.hasPrefix("-"), let equals = argument.firstIndex(of: "=") else { return (argument, nil) }
        return (String(argument[..<equals]), String(argument[argument.index(after: equals)...]))
    }

    /// A boolean setting's flag needs no value.
    private static func value(of setting: Setting?, from arguments: inout ArraySlice<String>) -> String? {
        if setting?.kind == .boolean { return "true" }
        return arguments.popFirst()
    }

    private static func setting(of name: String) -> Setting? {
        guard name.hasPrefix("--") else { return nil }
        let name = plain(name.dropFirst(2))
        // A whole key comes first: `--zone` is not short for `--zones`.
        return Setting.named(name)
            ?? Setting.all.first { setting in
                let key = plain(setting.key)
                return (setting.kind == .list && key == name + "s")
                    || (key.hasSuffix("directory") && key.dropLast("ectory".count) == name)
            }
    }

    private static func plain(_ name: some StringProtocol) -> String {
        name.lowercased().filter { $0 != "-" && $0 != "_" }
    }
}
