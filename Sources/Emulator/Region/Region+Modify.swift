// Changing a volume's size, type and performance, attached or not.
//
// The intent is kept first. When it is due the file grows, then volume and modification are kept in one
// transaction, then the filesystem shows them. A process that dies in between leaves an intent and a file that may
// have grown; start-up finishes it. What is larger than the volume in the file, nobody has seen.
import Driver

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

extension Region {
    /// How long after a change that could not be made it is tried again.
    private static let retryInterval = Duration.seconds(5)

    /// Checks what is wanted, then what runs, then the rate.
    func modify(_ request: ModifyVolumeRequest) async throws -> VolumeModification {
        try await exclusively(.volume(request.volumeID)) { region in
            try await region.settle(request.volumeID)
            return try await region.modifyAlone(request)
        }
    }

    private func modifyAlone(_ request: ModifyVolumeRequest) async throws -> VolumeModification {
        var volume = try state.volume(request.volumeID)
        guard volume.state == .available else { throw StorageError.wrongState(volume.id, volume.reportedState) }
        let target = try volume.configuration(after: request, configuration.limits)
        let now = currentTime()
        try volume.checkModifiable(at: now, configuration.modification.rate)
        let modification = ModificationRecord(
            number: nextModificationNumber(), volume: volume.number, original: volume.configuration, target: target,
            startTime: now, modifyingMilliseconds: configuration.modification.modifying.wholeMilliseconds,
            optimizingMilliseconds: configuration.modification.optimizing.wholeMilliseconds)
        let forgotten = volume.begin(modification)
        try await effects.commit(forgotten.map { .deleteModification($0) } + [.putModification(modification)])
        state.put(volume)
        setAlarm(for: volume)
        try await settle(volume.id)
        return report(try state.volume(volume.id).modifications.last ?? modification, of: volume.id)
    }

    // MARK: Taking effect

    /// Lets the pending modification take effect if it is due.
    private func settle(_ id: VolumeID) async throws {
        guard state.volumes[id]?.pendingModification?.isDue(at: clock.now()) ?? false else { return }
        try await takeEffect(id)
    }

    /// Bytes, rows, filesystem. No change when nothing is pending.
    private func takeEffect(_ id: VolumeID) async throws {
        guard let volume = state.volumes[id], let modification = volume.pendingModification else {
            return silenceAlarm(id)
        }
        if volume.state == .error { return try await giveUp(id, "Volume '\(id)' is in the 'error' state.") }
        guard volume.state == .available else { return }
        do {
            try await effects.growBytes(of: volume, to: modification.target.sizeBytes)
        } catch let error as StorageError {
            // Half grown, it can only go on; it is tried again.
            guard try await effects.hasItsSize(volume) else { throw error }
            return try await giveUp(id, error.description)
        }
        try await keep(.tookEffect(at: currentTime()), of: id)
        try await present(id)
    }

    private func giveUp(_ id: VolumeID, _ reason: String) async throws {
        logger.error("\(id) could not be modified: \(reason)")
        try await keep(.failed(at: currentTime(), reason: reason), of: id)
    }

    private func keep(_ event: ModificationLifecycle.Event, of id: VolumeID) async throws {
        var volume = try state.volume(id)
        try volume.apply(event)
        try await effects.commit([.putVolume(volume)] + volume.modifications.suffix(1).map { .putModification($0) })
        state.put(volume)
        silenceAlarm(id)
    }

    /// Shows the volume as it has become. What an attachment cannot show, it shows when it is attached anew.
    private func present(_ id: VolumeID) async throws {
        let volume = try state.volume(id)
        try show(volume)
        do {
            try await effects.growExports(of: volume)
        } catch let error as StorageError {
            logger.error("\(id) keeps its former size for some who have it attached: \(error)")
        }
    }

    /// At start-up, before anything is shown: what is due, and what has begun to grow.
    func finishModifications() async throws {
        for volume in state.volumes.values.sorted(by: { $0.number < $1.number }) {
            guard let modification = volume.pendingModification else { continue }
            do {
                let isSound = volume.state == .available
                let hasBegun = isSound ? try await !effects.hasItsSize(volume) : false
                if hasBegun || modification.isDue(at: clock.now()) { try await takeEffect(volume.id) }
            } catch let error as StorageError {
                logger.error("\(volume.id) could not be modified yet: \(error)")
            }
            if let left = state.volumes[volume.id], left.pendingModification != nil { setAlarm(for: left) }
        }
    }

    // MARK: Alarms

    /// Nobody need ask for a modification to take effect.
    private func setAlarm(for volume: VolumeRecord) {
        guard let modification = volume.pendingModification else { return }
        let left = max(0, modification.dueTime.milliseconds - clock.now().milliseconds)
        let due = clock.uptime() + .milliseconds(left)
        alarms[volume.id] = Task { [weak self, clock] in
            var deadline = due
            while true {
                do {
                    try await clock.sleep(untilUptime: deadline)
                } catch {
                    // Cancelled: it took effect, or the region is closed.
                    return
                }
                guard let self, await self.alarmRang(volume.id) else { return }
                deadline = clock.uptime() + Self.retryInterval
            }
        }
    }

    /// Whether it shall ring again.
    private func alarmRang(_ id: VolumeID) async -> Bool {
        do {
            try await exclusively(.volume(id)) { try await $0.takeEffect(id) }
            return false
        } catch is CancellationError {
            // Somebody else let it take effect meanwhile.
            return false
        } catch {
            logger.error("\(id) could not be modified yet: \(error)")
            return true
        }
    }

    func silenceAlarm(_ id: VolumeID) {
        alarms.removeValue(forKey: id)?.cancel()
    }

    func silenceAlarms() {
        for id in Array(alarms.keys) { silenceAlarm(id) }
    }

    // MARK: Questions

    /// As they are now: what is due takes effect first.
    func modifications(_ query: VolumeModificationQuery) async throws -> VolumeModificationPage {
        try checkPaging(maxResults: query.maxResults, ids: query.volumeIDs, set: "volumesSet")
        for id in alarms.keys.sorted() where query.volumeIDs.isEmpty || query.volumeIDs.contains(id) {
            try await exclusively(.volume(id)) { try await $0.settle(id) }
        }
        let start = try query.nextToken.map(ListingPlace<Volume>.init(token:))
        let found = try modifiedVolumes(query.volumeIDs)
            .map { (volume: $0, modification: report($0.modifications[$0.modifications.count - 1], of: $0.id)) }
            .filter { query.states.isEmpty || query.states.contains($0.modification.state) }
            .filter { found in start.map { $0 < found.volume.place } ?? true }
            .sorted { $0.volume.place < $1.volume.place }
        let page = ListingPage(found, limit: query.maxResults, place: \.volume.place)
        return VolumeModificationPage(modifications: page.items.map(\.modification), nextToken: page.nextToken)
    }

    private func modifiedVolumes(_ ids: [VolumeID]) throws -> [VolumeRecord] {
        if ids.isEmpty { return state.volumes.values.filter { !$0.modifications.isEmpty } }
        return try Set(ids).map { id in
            let volume = try state.volume(id)
            if volume.modifications.isEmpty { throw StorageError.modificationNotFound(id) }
            return volume
        }
    }

    private func report(_ modification: ModificationRecord, of id: VolumeID) -> VolumeModification {
        let now = clock.now()
        return VolumeModification(
            volumeID: id, state: modification.reportedState(at: now), statusMessage: modification.failure,
            original: modification.original, target: modification.target, progress: modification.progress(at: now),
            startTime: modification.startTime, endTime: modification.endTime(at: now))
    }
}

extension VolumeRecord {
    /// What a request would make of the volume, or EC2's refusal.
    fileprivate func configuration(
        after request: ModifyVolumeRequest, _ profile: LimitsProfile
    ) throws(StorageError) -> VolumeModification.Configuration {
        let specification = try specification.modified(by: request, profile)
        let isMultiAttachEnabled = request.isMultiAttachEnabled ?? self.isMultiAttachEnabled
        try checkMultiAttach(isMultiAttachEnabled, type: specification.type)
        return VolumeModification.Configuration(
            sizeGiB: specification.sizeGiB, type: specification.type, iops: specification.iops,
            throughputMiBps: specification.throughputMiBps, isMultiAttachEnabled: isMultiAttachEnabled)
    }

    /// Source: EBS User Guide, "Attach a volume to multiple instances": only io2's Multi-Attach can be changed, and
    /// only while the volume is attached to nothing.
    private func checkMultiAttach(_ isWanted: Bool, type: VolumeType) throws(StorageError) {
        if isWanted, try !VolumeTypeLimits.of(type).allowsMultiAttach { throw .noMultiAttach(type) }
        guard isWanted != isMultiAttachEnabled else { return }
        let changing = isWanted ? type : specification.type
        guard changing == .io2 else { throw .fixedMultiAttach(changing) }
        guard attachments.isEmpty else { throw .wrongState(id, reportedState) }
    }
}

extension Duration {
    var wholeMilliseconds: Int64 {
        components.seconds * 1_000 + components.attoseconds / 1_000_000_000_000_000
    }
}
