import ArgumentParser
import Driver
import Settings

/// `volume`: everything about volumes, as the daemon's own machine sees them.
struct VolumeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "volume", abstract: "The volume manager.",
        subcommands: [
            VolumeList.self, VolumeCreate.self, VolumeRemove.self, VolumeAttach.self, VolumeDetach.self,
            VolumeModify.self, VolumeModifications.self, VolumeMigrate.self, VolumeMount.self, VolumeUnmount.self,
            VolumePath.self,
            VolumeMap.self, VolumeReferences.self, VolumeStats.self, VolumeCertify.self,
        ])
}

/// Which volumes a command is about, in either grammar.
struct VolumeNames: ParsableArguments {
    @Argument(
        help: ArgumentHelp(
            "Volumes: an id, a name, the unique start of one, or a /regular expression/.", valueName: "volume"),
        completion: .shellCommand("ebb volume ls --template '{{.Name}}' 2>/dev/null"))
    var patterns: [String] = []

    @Option(
        name: .customLong("volumename"),
        help: ArgumentHelp("A volume by its name.", valueName: "name"))
    var name: String?

    @Option(
        name: .customLong("volumeid"),
        help: ArgumentHelp("A volume by its id.", valueName: "id"))
    var id: String?

    var isEmpty: Bool { patterns.isEmpty && given(name) == nil && given(id) == nil }

    /// The volumes that are meant, each once, in the order of the command line.
    ///
    /// - Parameter byPrefix: whether the start of a name is enough; not for what cannot be undone.
    func resolve(_ session: Session, byPrefix: Bool = true) throws -> [HostVolume] {
        guard !isEmpty else {
            throw UsageFailure("Name a volume: \(Invocation.current.program) volume … VOLUME, or --volumename")
        }
        var volumes: [HostVolume] = []
        if let id = given(id) {
            let volume = try session.volume(.id(VolumeID(id)))
            if let name = given(name), volume.volume.name != name {
                throw StorageError(.invalidParameterCombination, "The volume '\(id)' is not named '\(name)'")
            }
            volumes.append(volume)
        } else if let name = given(name) {
            volumes.append(try session.volume(.name(name)))
        }
        for pattern in patterns { volumes += try VolumePattern(pattern).resolve(session, byPrefix: byPrefix) }
        var seen: Set<VolumeID> = []
        return volumes.filter { seen.insert($0.volume.id).inserted }
    }
}

/// Goes on with the next volume after a failure, if asked to, and fails in the end.
struct Repetition: ParsableArguments {
    @Flag(name: .customLong("continueonerror"), help: "Go on with the other volumes when one fails.")
    var continueOnError = false

    /// - Parameter finish: called with what was done, also when something failed.
    func each<Item, Done>(
        _ items: [Item], _ work: (Item) throws -> Done, finish: ([Done]) throws -> Void
    ) throws {
        var done: [Done] = []
        var failure: (any Error)?
        for item in items {
            do {
                done.append(try work(item))
            } catch {
                if let failure { Log(level: .info).failure("\(failure)") }
                failure = error
                if !continueOnError { break }
            }
        }
        if failure == nil || !done.isEmpty { try finish(done) }
        if let failure { throw failure }
    }
}

extension VolumeSize {
    /// The GiB of a `--size`, rounded up with a word about it; `nil` when it was not given.
    static func requested(_ text: String?, _ session: Session) throws -> Int? {
        guard let text = given(text) else { return nil }
        guard let size = VolumeSize(text) else { throw UsageFailure(VolumeSize.refusal(of: text).description) }
        if let written = size.roundedFrom { session.log.warning("\(written) is rounded up to \(size.gibibytes) GiB") }
        return size.gibibytes
    }
}
