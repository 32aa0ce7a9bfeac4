import Driver
import Host
import Logging
import Platform

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Docker's volume-plugin protocol without its transport: a call and its body in, an answer out.
///
/// It keeps nothing: what exists and who uses it is the volume manager's to know, so that the worker can die at
/// any point.
struct VolumeDriver: Sendable {
    /// What the caller is told.
    enum Answer: Sendable {
        case success(Data)
        case failure(String)
        /// Nothing: the connection is closed, which dockerd takes for a plugin that is away rather than for a
        /// volume that does not exist.
        case silence
    }

    /// The name that Docker has for this plugin.
    let service: String
    let volumes: any DockerVolumes
    let zone: ZoneName
    let policy: DockerPolicy
    let clock: any Clock
    let logger: Logger

    func answer(_ endpoint: Endpoint, body: Data, caller: Incarnation) async -> Answer {
        if body.isEmpty && endpoint.needsBody { return refuseEmptyBody(endpoint) }
        do {
            return .success(try await perform(endpoint, body: body, caller: caller))
        } catch {
            if endpoint == .get && !Self.meansNoVolume(error) {
                logger.error("cannot tell whether a volume exists", metadata: ["error": "\(error)"])
                return .silence
            }
            // dockerd asks for a volume before it creates it: that there is none is no news.
            let level: Logger.Level = endpoint == .get ? .debug : .warning
            logger.log(level: level, "refused", metadata: ["call": "\(endpoint.name)", "error": "\(error)"])
            return .failure(Self.line(error))
        }
    }

    /// A connection that broke makes dockerd send the call again with an empty body. An answer of 200 would make
    /// it believe that the volume exists; one of 500 to Get, that it does not.
    private func refuseEmptyBody(_ endpoint: Endpoint) -> Answer {
        logger.notice("refused a call without a body", metadata: ["call": "\(endpoint.name)"])
        if endpoint == .get { return .silence }
        return .failure(
            "the connection broke while the call was under way, and it came again without its content; try again")
    }

    private func perform(_ endpoint: Endpoint, body: Data, caller: Incarnation) async throws -> Data {
        switch endpoint {
        case .activate: try await activate(caller)
        case .capabilities: try encode(CapabilitiesAnswer())
        case .list: try await list()
        case .create: try await create(try decodeMessage(CreateMessage.self, from: body))
        case .get: try await get(try decodeMessage(NameMessage.self, from: body).name)
        case .path: try await path(try decodeMessage(NameMessage.self, from: body).name)
        case .remove: try await remove(try decodeMessage(NameMessage.self, from: body).name, caller)
        case .mount: try await mount(try decodeMessage(MountMessage.self, from: body), caller)
        case .unmount: try await unmount(try decodeMessage(MountMessage.self, from: body), caller)
        }
    }

    /// Once in a dockerd's life and plugin name, before any other call.
    private func activate(_ caller: Incarnation) async throws -> Data {
        await volumes.incarnationBegan(caller)
        return try encode(ActivateAnswer())
    }

    /// Volumes without a name cannot be asked for by one, and dockerd drops all of a list with an empty name.
    private func list() async throws -> Data {
        let all = try await limited(.list, "listing volumes") { [volumes] in try await volumes.volumes() }
        return try encode(
            ListAnswer(volumes: all.filter { VolumeName.isValid($0.volume.name) }.map(PluginVolume.init(listing:))))
    }

    private func create(_ message: CreateMessage) async throws -> Data {
        let name = message.name
        try VolumeName.validate(name)
        if VolumeName.isAnonymous(name) && !policy.allowsAnonymousVolumes {
            throw StorageError(
                .invalidParameterValue, "Volumes without a name are refused by the setting anonymousVolumes",
                advice: "give the volume a name: -v NAME:/path")
        }
        let options = try CreateOptions(parsing: message.options ?? [:])
        guard try await isToBeCreated(name, options) else { return try encode(ErrorAnswer()) }
        let volume = try await limited(.create, "creating volume \(name)") {
            try await volumes.sound(try await createOnce(options, name: name).volume)
        }
        if let requested = options.size?.roundedFrom {
            logger.notice(
                "size rounded up to whole GiB",
                metadata: ["volume": "\(name)", "asked": "\(requested)", "made": "\(volume.sizeGiB) GiB"])
        }
        return try encode(ErrorAnswer())
    }

    /// What exists already may be asked for, as Podman does, whatever the policy.
    private func isToBeCreated(_ name: String, _ options: CreateOptions) async throws -> Bool {
        do {
            return try isToBeDone(policy.create, "dockerCreate", name)
        } catch {
            let request = options.request(name: name, zone: zone)
            let known: HostVolume? = try await limited(.create, "looking up volume \(name)") {
                try await existing(name, asked: request, from: options.source)
            }
            if known == nil { throw error }
            return false
        }
    }

    private func isToBeDone(_ call: DockerPolicy.Call, _ setting: String, _ name: String) throws -> Bool {
        switch call {
        case .allow: return true
        case .refuse:
            throw StorageError(
                .unsupportedOperation, "Volume '\(name)' is left as it is, as the setting \(setting) says",
                advice: "use the ebb command")
        case .ignore:
            logger.warning("answered, and not done", metadata: ["volume": "\(name)", "setting": "\(setting)"])
            return false
        }
    }

    /// Podman, and dockerd on a second plugin name, may ask for what exists. The same again is no error, also when what it
    /// was made from is gone.
    private func createOnce(_ options: CreateOptions, name: String) async throws -> HostVolume {
        var request = options.request(name: name, zone: zone)
        do {
            if let source = options.source { try await find(source, for: &request) }
            return try await volumes.create(request)
        } catch let error as StorageError
            where [.volumeDuplicate, .snapshotNotFound, .volumeNotFound].contains(error.code)
        {
            if let existing = try await existing(name, asked: request, from: options.source) { return existing }
            throw error
        }
    }

    /// The volume that is there already, if it is what is asked for. A source that has a name no more may be any.
    private func existing(
        _ name: String, asked request: CreateVolumeRequest, from source: CreateOptions.Source?
    ) async throws -> HostVolume? {
        do {
            let existing = try await volumes.volume(.name(name))
            let mayBe = request.describes(existing.volume) && source?.mayBeOrigin(of: existing.volume) != false
            return mayBe ? existing : nil
        } catch let error as StorageError where error.code == .volumeNotFound {
            return nil
        }
    }

    private func find(_ source: CreateOptions.Source, for request: inout CreateVolumeRequest) async throws {
        switch source {
        case .snapshot(let id): request.snapshotID = id
        case .snapshotNamed(let name): request.snapshotID = try await volumes.snapshotID(named: name)
        case .volume(let reference): request.sourceVolumeID = try await volumes.volume(reference).volume.id
        }
    }

    private func get(_ name: String) async throws -> Data {
        let reference: VolumeReference
        do throws(StorageError) {
            reference = try VolumeName.reference(name)
        } catch {
            throw StorageError(.volumeNotFound, "There is no volume '\(name.prefix(80))'", cause: error.message)
        }
        let volume = try await limited(.get, "looking up volume \(name)") { try await lookUpPatiently(reference) }
        return try encode(VolumeAnswer(volume: PluginVolume(inspecting: volume, name: name, service: service)))
    }

    /// Waits for a region that cannot be asked just now: dockerd drops a volume's labels when it hears an error.
    private func lookUpPatiently(_ reference: VolumeReference) async throws -> HostVolume {
        while true {
            do {
                return try await volumes.volume(reference)
            } catch {
                if Self.meansNoVolume(error) { throw error }
                logger.warning("asking again for a volume", metadata: ["volume": "\(reference)", "error": "\(error)"])
                try await clock.sleep(for: .seconds(1))
            }
        }
    }

    private func path(_ name: String) async throws -> Data {
        let reference = try VolumeName.reference(name)
        let volume = try await limited(.path, "looking up volume \(name)") { [volumes] in
            try await volumes.volume(reference)
        }
        return try encode(MountpointAnswer(mountpoint: volume.mountPath ?? ""))
    }

    /// dockerd asks only when it knows of no container with the volume, so its own references do not count.
    private func remove(_ name: String, _ caller: Incarnation) async throws -> Data {
        let reference = try VolumeName.reference(name)
        guard try isToBeDone(policy.remove, "dockerRemove", name) else { return try encode(ErrorAnswer()) }
        try await limited(.remove, "removing volume \(name)") { [volumes] in
            try await volumes.remove(reference, force: false, engine: caller)
        }
        return try encode(ErrorAnswer())
    }

    /// After an error dockerd sends no Unmount: a mount that was done too late to be told of is undone here.
    private func mount(_ message: MountMessage, _ caller: Incarnation) async throws -> Data {
        let reference = try VolumeName.reference(message.name)
        let holder = try Self.holder(message, caller)
        let undo: @Sendable (MountedVolume) async -> Void = { [volumes, logger] _ in
            do {
                try await volumes.unmount(reference, holder: holder)
            } catch {
                logger.error("cannot undo a late mount", metadata: ["volume": "\(reference)", "error": "\(error)"])
            }
        }
        let mounted = try await limited(.mount, "mounting volume \(message.name)", undo: undo) { [volumes] in
            try await volumes.mount(reference, holder: holder, options: MountOptions())
        }
        return try encode(MountpointAnswer(mountpoint: mounted.path))
    }

    /// A volume that is gone is not mounted: what dockerd wants is so.
    private func unmount(_ message: MountMessage, _ caller: Incarnation) async throws -> Data {
        let reference = try VolumeName.reference(message.name)
        let holder = try Self.holder(message, caller)
        do {
            try await limited(.unmount, "unmounting volume \(message.name)") { [volumes] in
                try await volumes.unmount(reference, holder: holder)
            }
        } catch let error as StorageError where error.code == .volumeNotFound {
            logger.notice("unmounted a volume that is gone", metadata: ["volume": "\(message.name)"])
        }
        return try encode(ErrorAnswer())
    }

    private func limited<Value: Sendable>(
        _ endpoint: Endpoint, _ subject: String, undo: @escaping @Sendable (Value) async -> Void = { _ in },
        operation: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        let subject = subject.prefix(1).uppercased() + subject.dropFirst()
        return try await withDeadline(
            endpoint.deadline, for: subject, clock: clock, undo: undo, operation: operation)
    }

    private static func holder(_ message: MountMessage, _ caller: Incarnation) throws(ProtocolError) -> MountHolder {
        if message.id.isEmpty || message.id.utf8.count > 255 {
            throw ProtocolError("field ID must have 1 to 255 bytes")
        }
        if message.id == podmanID {
            return MountHolder(id: message.id, incarnation: Incarnation(pid: 0, startTimeTicks: caller.startTimeTicks))
        }
        return MountHolder(id: message.id, incarnation: caller)
    }

    /// Podman's id for all its mounts (libpod's `pseudoCtrID`). It counts by itself, so each mount is a first one, and
    /// it has no daemon: its caller is a command that ends at once, which says nothing about the mount.
    private static let podmanID = "2f73349cfc4630255319c6c8dfc1b46a8996ace9d14d8e07563b165915918ec2"

    /// Whether the error says that there is no such volume, rather than that nobody knows.
    private static func meansNoVolume(_ error: any Error) -> Bool {
        (error as? StorageError)?.code == .volumeNotFound || error is ProtocolError
    }

    private static func line(_ error: any Error) -> String {
        "\(error)".split(whereSeparator: \.isNewline).joined(separator: " ")
    }
}

/// dockerd reads a line.
func encode(_ answer: some Encodable) throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return try encoder.encode(answer) + [UInt8(ascii: "\n")]
}
