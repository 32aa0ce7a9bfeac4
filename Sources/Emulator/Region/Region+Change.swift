// Deleting volumes, changing their tags, and making instances known.
import Driver

extension Region {
    /// Intent, filesystem, file, row.
    func delete(_ id: VolumeID) async throws {
        guard id.isWellFormedVolumeID else {
            throw StorageError.malformedVolumeIDToDelete(id)
        }
        try await exclusively(.volume(id)) { try await $0.deleteAlone(id) }
    }

    private func deleteAlone(_ id: VolumeID) async throws {
        let former = try state.volume(id)
        var volume = former
        // A delete that failed half way is taken up again.
        if volume.state != .deleting {
            try volume.apply(.deletionBegan)
            state.put(volume)
            do {
                try await effects.commit([.putVolume(volume)])
            } catch {
                state.put(former)
                throw error
            }
        }
        try effects.hide(volume)
        await stopHydration(of: id)
        try await effects.removeBytes(volume.fileName)
        try await release(volume.neededManifest, with: [.deleteVolume(volume.number)])
        state.remove(id)
        work.restores[id] = nil
        silenceAlarm(id)
    }

    func modifyTags(_ request: ModifyTagsRequest) async throws -> Volume {
        try TagRules.check(request.set)
        return try await exclusively(.volume(request.volumeID)) { region in
            let volume = try region.state.volume(request.volumeID)
            let name = request.set[Tag.name] ?? ""
            return try await region.claiming(name == volume.name ? "" : name) { try await $0.setTags(request) }
        }
    }

    private func setTags(_ request: ModifyTagsRequest) async throws -> Volume {
        var volume = try state.volume(request.volumeID)
        guard volume.state != .deleting else { throw StorageError.volumeNotFound(volume.id) }
        for key in request.remove { volume.tags[key] = nil }
        volume.tags.merge(request.set) { _, new in new }
        try TagRules.checkCount(volume.tags.count)
        try state.checkName(volume.name, for: volume.id)
        try await effects.commit([.putVolume(volume)])
        state.put(volume)
        if volume.state == .available { try show(volume) }
        return report(volume)
    }

    // MARK: Instances

    func register(_ request: RegisterInstanceRequest) async throws -> Instance {
        guard configuration.zones.contains(request.zone) else {
            throw StorageError.zoneNotFound(request.zone, known: configuration.zones)
        }
        return try await exclusively(.instances) { try await $0.registerAlone(request) }
    }

    private func registerAlone(_ request: RegisterInstanceRequest) async throws -> Instance {
        let name = request.name.isEmpty ? (request.id?.rawValue ?? "") : request.name
        let namesake = state.instance(named: name)
        if let known = request.id.flatMap({ state.instances[$0] }) ?? (request.id == nil ? namesake : nil) {
            return try await confirm(known, name: name, request, namesake: namesake)
        }
        let id = request.id ?? newInstanceID()
        try Self.checkPathComponent(id)
        guard !name.isEmpty else { throw StorageError.missing("name") }
        if let namesake { throw Self.instanceNameTaken(name, by: namesake) }
        let instance = InstanceRecord(
            id: id, name: name, zone: request.zone, type: try request.type.map(Self.instanceType))
        try await keep(instance)
        return report(instance)
    }

    private static func instanceType(_ name: String) throws(StorageError) -> InstanceType {
        guard let type = InstanceType.named(name) else {
            throw StorageError(
                .invalidParameterValue, "Invalid value '\(name)' for InstanceType.",
                advice: "choose one of " + InstanceType.all.map(\.name).joined(separator: ", "))
        }
        return type
    }

    /// An instance that is known: it may get a new name and type, but never moves.
    private func confirm(
        _ known: InstanceRecord, name: String, _ request: RegisterInstanceRequest, namesake: InstanceRecord?
    ) async throws -> Instance {
        let zone = request.zone
        guard known.zone == zone else {
            throw StorageError(
                .incorrectState,
                "The instance '\(known.id)' is in availability zone \(known.zone), not in \(zone).",
                advice: "use zone \(known.zone), or another instance name")
        }
        if let namesake, namesake.id != known.id { throw Self.instanceNameTaken(name, by: namesake) }
        var changed = known
        changed.name = name
        changed.type = try request.type.map(Self.instanceType)
        if changed != known { try await keep(changed) }
        return report(changed)
    }

    private func keep(_ instance: InstanceRecord) async throws {
        try await effects.commit([.putInstance(instance)])
        state.put(instance)
        effects.exports.addInstance(zone: instance.zone, instance: instance.id, type: instance.type)
    }

    private static func instanceNameTaken(_ name: String, by holder: InstanceRecord) -> StorageError {
        StorageError(
            .incorrectState, "The instance name '\(name)' belongs to \(holder.id) in \(holder.zone).",
            advice: "use another name")
    }

    /// An instance's id is a directory's name in the filesystem, beside `volumes`.
    private static func checkPathComponent(_ id: InstanceID) throws(StorageError) {
        let isPlain = id.rawValue.allSatisfy { character in
            character.isASCII && (character.isLetter || character.isNumber || "-_.".contains(character))
        }
        let isGood = isPlain && (1...64).contains(id.rawValue.count) && !id.rawValue.hasPrefix(".")
        guard isGood, id.rawValue != "volumes" else {
            throw StorageError(
                .invalidParameterValue, "Value (\(id)) for parameter instanceId is invalid.",
                advice: "use up to 64 letters, digits, '-', '_' and '.'")
        }
    }
}
