import Platform
import SystemPackage

/// What `config.yml` sets: by the settings' own names, or by those of REX-Ray's file.
struct ConfigurationFile {
    private(set) var entries: [Setting: (text: String, origin: Origin)] = [:]
    /// What has no effect, each a line with its place.
    private(set) var notices: [String] = []

    private let path: String
    /// How strong the word is that set each, and where it stands; the lowest is the strongest.
    private var ranks: [Setting: Int] = [:]
    private var modules: [String: REXRayModule] = [:]

    static func read(at path: String, mustExist: Bool) throws(SettingsError) -> ConfigurationFile {
        let bytes: [UInt8]
        do {
            bytes = try readFile(FilePath(path))
        } catch  where error == .noSuchFileOrDirectory && !mustExist {
            return ConfigurationFile(path: path)
        } catch {
            throw SettingsError("\(path): the configuration file cannot be read: \(error)")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw SettingsError("\(path): the configuration file is not UTF-8 text")
        }
        var file = ConfigurationFile(path: path)
        let entries = try ConfigurationReader.entries(of: text, file: path)
        for entry in entries { try file.take(entry) }
        if let first = entries.first(where: { REXRayKey.ownRoots.contains($0.path[0].lowercased()) }) {
            file.completeREXRay(line: first.line)
        }
        return file
    }

    private init(path: String) {
        self.path = path
    }

    private mutating func take(_ entry: ConfigurationEntry) throws(SettingsError) {
        let key = entry.path.joined(separator: ".")
        if entry.path.count == 1, let setting = Setting.named(key) { return try set(setting, entry, rank: 0) { $0 } }
        switch REXRayKey.meaning(of: entry.path) {
        case .setting(let setting, let rank, let translation):
            // An empty text is REX-Ray's way to say nothing, except where it means none.
            if entry.words == [""], setting != .volumeRootPath { return }
            try set(setting, entry, rank: rank, translation.callAsFunction)
        case .module(let name, let key): modules[name, default: REXRayModule()].take(key, entry)
        case .nothing(let reason): notices.append("\(path):\(entry.line): \(key) has no effect: \(reason)")
        case nil:
            let known =
                entry.path.count == 1
                ? "there are " + Setting.all.map(\.key).joined(separator: ", ") : "REX-Ray has none of that name either"
            throw problem(entry.line, "unknown setting \(key); \(known)")
        }
    }

    private mutating func set(
        _ setting: Setting, _ entry: ConfigurationEntry, rank: Int, _ translate: (String) -> String
    ) throws(SettingsError) {
        let isOwnName = entry.path.count == 1 && Setting.named(entry.path[0]) == setting
        let name = isOwnName ? setting.key : entry.path.joined(separator: ".")
        if let other = ranks[setting], other <= rank {
            guard other < rank else { throw problem(entry.line, "\(name) is set twice") }
            return
        }
        guard !entry.isList || setting.kind == .list || (!isOwnName && entry.words.count == 1) else {
            throw problem(entry.line, "\(name) takes one value, not a list")
        }
        ranks[setting] = rank
        let text = entry.words.map(translate).joined(separator: " ")
        entries[setting] = (text, .file(path: path, line: entry.line))
    }

    /// What REX-Ray's file says by saying nothing, and Docker's names for its plugins.
    private mutating func completeREXRay(line: Int) {
        for (setting, text) in REXRayKey.defaults where entries[setting] == nil {
            entries[setting] = (text, .file(path: path, line: line))
        }
        guard ranks[.dockerNames] == nil else { return }
        let names = modules.sorted { $0.key < $1.key }.compactMap { $0.value.dockerName(under: $0.key) }
        guard !names.isEmpty else { return }
        let all = ["ebb"] + names.filter { $0 != "ebb" }
        entries[.dockerNames] = (all.joined(separator: " "), .file(path: path, line: line))
    }

    private func problem(_ line: Int, _ what: String) -> SettingsError {
        SettingsError("\(path):\(line): \(what)")
    }
}

/// One of the doors that REX-Ray opened.
private struct REXRayModule {
    private var type: String?
    private var host: String?
    private var isDisabled = false

    mutating func take(_ key: String, _ entry: ConfigurationEntry) {
        let text = entry.words.first ?? ""
        switch key {
        case "type": type = text.lowercased()
        case "host": host = text
        case "disabled": isDisabled = Setting.Kind.boolean(text) ?? false
        default: break
        }
    }

    /// The socket's name, or the module's; `nil` for one that is not Docker's.
    func dockerName(under name: String) -> String? {
        let isDefault = name == REXRayKey.defaultModule
        guard !isDisabled, type == "docker" || (type == nil && isDefault) else { return nil }
        if let host, host.hasSuffix(".sock"), let last = host.split(separator: "/").last {
            return String(last.dropLast(".sock".count))
        }
        return isDefault ? "rexray" : name
    }
}
