// Making volumes, and remembering which request made which.
import Driver

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

extension Region {
    /// EC2 forgets a client token after about 12 hours.
    static let tokenLifetime: TimeInterval = 24 * 3_600
    static let tokenPurgeInterval: TimeInterval = 3_600
    static let maximumTokenLength = 64

    /// Checks in EC2's order: zone, tags, snapshot, limits, Multi-Attach, client token, name.
    func create(_ request: CreateVolumeRequest) async throws -> Volume {
        let specification = try checkedSpecification(request)
        guard let token = request.clientToken, !token.isEmpty else {
            return try await create(request, specification, token: nil)
        }
        try Self.checkLength(ofToken: token)
        let parameters = try Self.parameters(of: request)
        return try await exclusively(.token(token)) { region in
            if let answered = try region.earlierAnswer(token, parameters) { return answered }
            return try await region.create(request, specification, token: (token, parameters))
        }
    }

    // MARK: Checks

    private func checkedSpecification(_ request: CreateVolumeRequest) throws -> VolumeSpecification {
        if request.zone.rawValue.isEmpty { throw StorageError.missing("zone") }
        guard configuration.zones.contains(request.zone) else {
            throw StorageError.zoneNotFound(request.zone, known: configuration.zones)
        }
        try TagRules.check(request.tags)
        let source = try source(of: request)
        try source.check(initializationRateMiBps: request.volumeInitializationRateMiBps)
        let limits = try VolumeTypeLimits.of(request.type ?? configuration.defaultType, configuration.limits)
        let sizeGiB = try source.sizeGiB(asked: request.sizeGiB)
        let specification = try limits.specification(
            sizeGiB: sizeGiB, iops: request.iops, throughputMiBps: request.throughputMiBps)
        if request.isMultiAttachEnabled, !limits.allowsMultiAttach { throw StorageError.noMultiAttach(limits.type) }
        if request.isEncrypted {
            throw StorageError(
                .unsupportedOperation, "The emulator does not encrypt volumes.",
                advice: "create the volume without encryption")
        }
        return specification
    }

    /// What the request wants the volume to hold.
    private func source(of request: CreateVolumeRequest) throws(StorageError) -> VolumeSource {
        if let source = request.sourceVolumeID {
            guard request.snapshotID == nil else {
                throw StorageError(
                    .invalidParameterCombination,
                    "The parameter sourceVolumeId cannot be used with the parameter snapshotId")
            }
            return .volume(try state.volume(source))
        }
        guard let snapshot = request.snapshotID else { return .blank }
        return .snapshot(try state.snapshots.snapshot(snapshot, in: configuration.name))
    }

    // MARK: Client tokens

    static func checkLength(ofToken token: String) throws(StorageError) {
        guard token.count <= maximumTokenLength else {
            throw StorageError(
                .invalidParameterValue,
                "Client token must be less than or equal to \(maximumTokenLength) characters.")
        }
    }

    /// The request without its token, in one form.
    static func parameters(of request: some ClientTokenRequest & Encodable) throws -> String {
        var request = request
        request.clientToken = nil
        return try CanonicalJSON.text(request)
    }

    private func earlierAnswer(_ token: String, _ parameters: String) throws(StorageError) -> Volume? {
        guard let record = state.tokens[token] else { return nil }
        if hasExpired(record.time) { return nil }
        guard record.parameters == parameters else { throw .tokenMismatch }
        guard let volume = state.volumes[record.volume] else { throw .tokenOfDeleted(token, record.volume) }
        return report(volume)
    }

    func hasExpired(_ time: Date) -> Bool {
        clock.now().timeIntervalSince(time) > Self.tokenLifetime
    }

    /// Now and then, forgets the tokens that nobody can mean any more. Gives the changes of the catalog.
    func forgetExpiredTokens() -> [CatalogChange] {
        guard abs(clock.now().timeIntervalSince(lastTokenPurge)) > Self.tokenPurgeInterval else { return [] }
        lastTokenPurge = clock.now()
        let tokens = state.tokens.values.filter { hasExpired($0.time) }.map(\.token)
        for token in tokens { state.removeToken(token) }
        let snapshotTokens = state.snapshotTokens.values.filter { hasExpired($0.time) }.map(\.token)
        for token in snapshotTokens { state.snapshotTokens[token] = nil }
        return tokens.map { .deleteToken($0) } + snapshotTokens.map { .deleteSnapshotToken($0) }
    }

    // MARK: The work

    private func create(
        _ request: CreateVolumeRequest, _ specification: VolumeSpecification,
        token: (text: String, parameters: String)?
    ) async throws -> Volume {
        let volume = VolumeRecord(
            number: nextVolumeNumber(), id: newVolumeID(), zone: request.zone, specification: specification,
            isMultiAttachEnabled: request.isMultiAttachEnabled, createTime: currentTime(), tags: request.tags)
        let record = token.map {
            ClientTokenRecord(
                token: $0.text, volume: volume.id, parameters: $0.parameters, time: volume.createTime)
        }
        let source = try source(of: request)
        try source.checkUsable(in: volume.zone)
        switch source {
        case .blank:
            return try await exclusively(volume.ownKeys) { try await $0.make(volume, record) }
        case .snapshot(let snapshot):
            let rate = request.volumeInitializationRateMiBps
            return try await exclusively(volume.ownKeys(besides: [.snapshot(snapshot.id)])) { region in
                try await region.restore(volume, from: snapshot.id, rateMiBps: rate, record)
            }
        case .volume(let original):
            return try await copy(original.id, to: volume, record)
        }
    }

    /// Row and file at the same time, since one journal commit of the disk can then carry both; when both are
    /// safe, the row says so, and the filesystem shows it.
    ///
    /// That last commit waits for no disk: start-up makes a volume of a row and a whole file. A file without its
    /// row is empty, and start-up removes it.
    ///
    /// - Parameter credit: what is left of it when the volume is there; the caller has its snapshot's key.
    func make(
        _ volume: VolumeRecord, _ token: ClientTokenRecord?, spending credit: FastRestoreRecord? = nil
    ) async throws -> Volume {
        try state.checkName(volume.name)
        let rows = try await rows(ofNew: volume, token) + (credit.map { [.putFastRestore($0)] } ?? [])
        state.put(volume)
        work.unsettled.insert(volume.id)
        defer { work.unsettled.remove(volume.id) }
        if let token { state.put(token) }
        var available = volume
        var hasRow = false
        do {
            async let kept: Void = effects.commit(rows)
            async let made = effects.makeBytes(of: volume)
            try await kept
            hasRow = true
            work.unsettled.remove(volume.id)
            if let missing = try await made { work.restores[volume.id] = RestoreJob(progress: missing) }
            try available.apply(.bytesMade)
            try await effects.commit([.putVolume(available)], durable: false)
            try show(available)
        } catch {
            await undo(volume, token, credit, hasRow: hasRow)
            throw error
        }
        state.put(available)
        if let credit { state.put(credit) }
        return report(available)
    }

    /// A volume that needs a manifest gains a reference of it. The caller has the key of a snapshot or volume which has
    /// one already.
    func rows(ofNew volume: VolumeRecord, _ token: ClientTokenRecord?) async throws -> [CatalogChange] {
        let references = try await effects.referenceChanges(coming: [volume.neededManifest].compactMap { $0 })
        return forgetExpiredTokens() + volume.ownRows + (token.map { [.putToken($0)] } ?? []) + references
    }

    /// Takes a create back. What cannot be undone now is settled at the next start.
    private func undo(
        _ volume: VolumeRecord, _ token: ClientTokenRecord?, _ credit: FastRestoreRecord?, hasRow: Bool
    ) async {
        if let token { state.removeToken(token.token) }
        work.restores[volume.id] = nil
        do {
            try await effects.removeBytes(volume.fileName)
            if hasRow {
                let references = try await effects.referenceChanges(going: [volume.neededManifest].compactMap { $0 })
                let returned = credit?.givenBack
                try await effects.commit(
                    [.deleteVolume(volume.number)] + (token.map { [.deleteToken($0.token)] } ?? [])
                        + references + (returned.map { [.putFastRestore($0)] } ?? []))
                if let returned { state.put(returned) }
                removeLitter()
            }
            state.remove(volume.id)
        } catch {
            logger.error("\(volume.id) could not be taken back and is in state 'error': \(error)")
            var failed = volume
            failed.giveUp("\(error)")
            state.put(failed)
        }
    }
}

extension VolumeRecord {
    /// What whoever makes the volume holds.
    var ownKeys: [KeyedQueue.Key] { ownKeys(besides: []) }

    /// - Parameter others: come between the volume's and its name's.
    func ownKeys(besides others: [KeyedQueue.Key]) -> [KeyedQueue.Key] {
        [.volume(id)] + others + (name.isEmpty ? [] : [.name(name)])
    }
}
