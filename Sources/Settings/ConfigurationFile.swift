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
        let service = try REXRayService(entries, file: path)
        for entry in entries { try file.take(entry, service) }
        if let first = entries.first(where: { REXRayKey.ownRoots.contains($0.path[0].lowercased()) }) {
            file.completeREXRay(line: first.line)
        }
        return file
    }

    private init(path: String) {
        self.path = path
    }

    /// Of a key of our own: nothing comes before it.
    private static let ownRank = Int.min

    private mutating func take(_ entry: ConfigurationEntry, _ service: REXRayService) throws(SettingsError) {
        let key = entry.path.joined(separator: ".")
        if entry.path.count == 1, let setting = Setting.named(key) {
            return try set(setting, entry, rank: Self.ownRank, .plain)
        }
        switch REXRayKey.meaning(of: entry.path, service) {
        case .setting(let setting, let rank, let value):
            // An empty text is REX-Ray's way to say nothing, except where it means none.
            if entry.words == [""], setting != .volumeRootPath { return }
            if entry.words.contains(where: REXRayValue.namesVariable) {
                throw problem(entry.line, "\(key) names a variable; write what stands in it")
            }
            try set(setting, entry, rank: rank, value)
        case .module(let name, let key): try take(entry, of: name, key)
        case .heeded: break
        case .nothing(let reason): note(entry.path, entry.line, reason)
        case nil:
            let known =
                entry.path.count == 1
                ? "there are " + Setting.all.map(\.key).joined(separator: ", ") : "REX-Ray has none of that name either"
            throw problem(entry.line, "unknown setting \(key); \(known)")
        }
    }

    private mutating func set(
        _ setting: Setting, _ entry: ConfigurationEntry, rank: Int, _ value: REXRayValue
    ) throws(SettingsError) {
        let isOwnName = rank == Self.ownRank
        let name = isOwnName ? setting.key : entry.path.joined(separator: ".")
        if let other = ranks[setting], other <= rank {
            guard other < rank else { throw problem(entry.line, "\(name) is set twice") }
            return
        }
        guard !entry.isList || setting.kind == .list || (!isOwnName && entry.words.count == 1) else {
            throw problem(entry.line, "\(name) takes one value, not a list")
        }
        ranks[setting] = rank
        let text = entry.words.map { value($0) }.joined(separator: " ")
        entries[setting] = (text, .file(path: path, line: entry.line))
    }

    private mutating func take(
        _ entry: ConfigurationEntry, of module: String, _ key: String
    ) throws(SettingsError) {
        let text = entry.words.first ?? ""
        if modules[module] == nil { modules[module] = REXRayModule(entry: entry) }
        switch key {
        case "type": modules[module]?.type = text.lowercased()
        case "host": modules[module]?.host = text
        case "disabled":
            guard let isDisabled = Setting.Kind.boolean(text) else {
                throw problem(entry.line, "\(entry.path.joined(separator: ".")) must be true or false")
            }
            modules[module]?.isDisabled = isDisabled
        case "spec": note(entry.path, entry.line, "Docker finds the socket by itself")
        default: break
        }
    }

    /// What REX-Ray's file says by saying nothing, and Docker's names for its plugins.
    private mutating func completeREXRay(line: Int) {
        let origin = Origin.file(path: path, line: line)
        entries[.volumeRootPath] = entries[.volumeRootPath] ?? (REXRayKey.rootPath, origin)
        var all = modules
        if all[REXRayKey.defaultModule] == nil { all[REXRayKey.defaultModule] = REXRayModule() }
        let named = all.sorted { $0.key < $1.key }.map { ($0.key, $0.value.dockerName(under: $0.key)) }
        for (name, dockerName) in named where dockerName == nil {
            guard let module = all[name], !module.isDisabled, let entry = module.entry else { continue }
            note(entry.path.dropLast(), entry.line, "modules are Docker's here")
        }
        guard entries[.dockerNames] == nil else { return }
        let names = named.compactMap(\.1).filter { $0 != "ebb" }
        entries[.dockerNames] = ((["ebb"] + names).joined(separator: " "), origin)
    }

    private mutating func note(_ key: some Sequence<String>, _ line: Int, _ reason: String) {
        notices.append("\(path):\(line): \(key.joined(separator: ".")) has no effect: \(reason)")
    }

    private func problem(_ line: Int, _ what: String) -> SettingsError {
        SettingsError("\(path):\(line): \(what)")
    }
}

/// One of the doors that REX-Ray opened.
private struct REXRayModule {
    /// The first that was said of it; `nil` where nothing was.
    var entry: ConfigurationEntry?
    var type: String?
    var host: String?
    var isDisabled = false

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
