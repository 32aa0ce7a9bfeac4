// Making book, machine and region agree: at start, when an engine comes up, and from time to time.

import Driver
import Platform

extension VolumeManager {
    /// An engine has said `Plugin.Activate`: what its earlier life left behind is reaped.
    public func incarnationBegan(_ incarnation: Incarnation) async {
        logger.info("engine process \(incarnation.pid) began")
        await sweep()
    }

    /// Ends the background work; mounts stay as they are.
    public func shutdown() async {
        let tasks = background.withLock { background in
            background.isShutDown = true
            let tasks = background.lingering.values.map(\.task) + [background.sweep].compactMap { $0 }
            background.lingering = [:]
            background.sweep = nil
            return tasks
        }
        for task in tasks { task.cancel() }
        for task in tasks { await task.value }
    }

    // MARK: At start

    /// Containers keep running over a restart of the daemon, so whatever still works stays as it is.
    func reconcile() async throws {
        let attached = try await region.volumes(attachedTo: instance.id)
        // First of all, and by the numbers of before: who waits for a filesystem that is frozen waits for ever.
        for id in store.current.volumes.keys.sorted() { await thawMarked(VolumeID(id)) }
        let live = await devices(of: attached)
        try await takeDownDeadMounts(live)
        for volume in attached {
            if let device = live[volume.id] { try adoptMount(volume, device) }
        }
        for (id, record) in store.current.volumes.sorted(by: { $0.key < $1.key }) {
            await reconcile(VolumeID(id), record, attached.first { $0.id.rawValue == id }, live[VolumeID(id)])
        }
        try await removeLostDevices(live)
    }

    /// A daemon that was killed with its supervisor leaves loop devices on a filesystem that is gone, also such as it
    /// had not written down yet. The kernel shows their files by the path inside that, which begins with the zone and
    /// this instance.
    private func removeLostDevices(_ live: [VolumeID: ReferenceBook.Device]) async throws {
        let numbers = Set(live.values.map(\.number))
        let directory = "/\(instance.zone)/\(instance.id)/"
        for (number, file) in try machine.loopDevices() where file.hasPrefix(directory) && !numbers.contains(number) {
            do {
                try await machine.removeLoopDevice(number, backing: file)
                logger.notice("a loop device (\(number)) of '\(file)' was left behind, and is removed")
            } catch {
                // The kernel removes it when the last one closes it.
                logger.warning("a loop device (\(number)) of '\(file)' was left behind: \(error)")
            }
        }
    }

    /// The devices that attached volumes have now. One that cannot be asked is left out and said.
    private func devices(of volumes: [Volume]) async -> [VolumeID: ReferenceBook.Device] {
        await withTaskGroup(of: (VolumeID, ReferenceBook.Device?).self) { group in
            for volume in volumes {
                guard let attachment = attachmentHere(volume) else { continue }
                group.addTask {
                    do {
                        return (volume.id, try await self.findDevice(attachment))
                    } catch {
                        self.logger.error("the device of '\(volume.id)' cannot be asked for: \(error)")
                        return (volume.id, self.store.current[volume.id]?.device)
                    }
                }
            }
            var devices: [VolumeID: ReferenceBook.Device] = [:]
            for await (id, device) in group { devices[id] = device }
            return devices
        }
    }

    /// Mounts of volumes that are gone, and all but one of those that are stacked.
    private func takeDownDeadMounts(_ live: [VolumeID: ReferenceBook.Device]) async throws {
        let numbers = Set(live.values.map(\.number))
        let paths = Set(try machine.mounts().filter(isManaged).map(\.mountPoint))
        for path in paths.sorted() {
            while true {
                let stack = try machine.mounts().filter { $0.mountPoint == path }
                guard let top = stack.last else { break }
                let isLive = numbers.contains(top.deviceNumber)
                if isLive, stack.dropLast().last?.deviceNumber != top.deviceNumber { break }
                logger.warning("a \(isLive ? "stacked" : "dead") mount of \(top.source) is taken from \(path)")
                try await machine.unmount(path, lazily: true)
            }
        }
    }

    /// Mounts that the book does not know are held as a person's: better kept too long than pulled away.
    private func adoptMount(_ volume: Volume, _ device: ReferenceBook.Device) throws {
        guard store.current[volume.id] == nil,
            let mount = try machine.mounts().first(where: { $0.deviceNumber == device.number && isManaged($0) })
        else { return }
        logger.warning("\(title(volume)) at \(mount.mountPoint) was not in the book: it is held for 'ebb'")
        try store.update { book in
            book[volume.id] = ReferenceBook.Record(
                name: volume.name, isAttachedByMount: true, device: device, mountPoint: mount.mountPoint)
            book.addReference(volume.id, .commandLine)
        }
    }

    private func reconcile(
        _ id: VolumeID, _ record: ReferenceBook.Record, _ volume: Volume?, _ device: ReferenceBook.Device?
    ) async {
        do {
            guard let volume, let attachment = attachmentHere(volume) else { return try await forgetLost(id, record) }
            if let old = record.device, old.number != device?.number { try await clearLeftBehind(old, of: id) }
            try store.update { $0[id]?.device = device }
            if try !isMounted(device) {
                // After a reboot, say: nobody can still use what is not mounted.
                try store.update { book in
                    book[id]?.holders = [:]
                    book[id]?.mountPoint = nil
                }
                if !record.isAttachedByMount { _ = try await ensureDevice(attachment) }
            }
            try dropStaleHolders(id)
            if record.isAttachedByMount || record.mountPoint != nil { lingerIfUnheld(id) }
        } catch {
            logger.error("'\(id)' could not be reconciled: \(error)")
        }
    }

    private func isMounted(_ device: ReferenceBook.Device?) throws -> Bool {
        guard let device else { return false }
        return try machine.mounts().contains { $0.deviceNumber == device.number }
            || !machine.foreignMounts(of: device.number).isEmpty
    }

    /// Drops the references of engines that have ended, if nobody's namespace shows the volume any more.
    private func dropStaleHolders(_ id: VolumeID) throws {
        let stale = try store.current.staleHolders(id, isRunning: machine.isRunning)
        guard !stale.isEmpty, let record = store.current[id] else { return }
        if let device = record.device {
            let managed = try machine.mounts().filter { $0.deviceNumber == device.number && isManaged($0) }
            guard try usesOutside(device.number, managed: managed.map(\.mountPoint)).isEmpty else { return }
        }
        logger.notice("'\(id)' was left mounted by an engine that has ended: \(stale.map { $0.prefix(12) })")
        try store.update { book in
            for holder in stale { book[id]?.holders[holder] = nil }
        }
    }

    // MARK: From time to time

    func startSweeping() {
        let task = Task { [weak self, clock, settings] in
            while true {
                do { try await clock.sleep(for: settings.sweepInterval) } catch { return }  // Shut down.
                guard let self else { return }
                await self.sweep()
            }
        }
        background.withLock { $0.sweep = task }
    }

    /// Looks after every volume in the book: leftovers are reaped, lost ones forgotten, what failed tried again.
    func sweep() async {
        guard machine.isPrivileged, !store.current.volumes.isEmpty else { return }
        let attached: [Volume]
        do {
            attached = try await region.volumes(attachedTo: instance.id)
        } catch {
            return logger.warning("the region does not answer, nothing is swept: \(error)")
        }
        let volumes = Dictionary(uniqueKeysWithValues: attached.map { ($0.id, $0) })
        await withTaskGroup(of: Void.self) { group in
            for id in store.current.volumes.keys.map({ VolumeID($0) }) {
                group.addTask { await self.sweep(id, volumes[id]) }
            }
        }
    }

    /// - Parameter attached: the volume as it was a moment ago, if it was attached here.
    private func sweep(_ id: VolumeID, _ attached: Volume?) async {
        do {
            let end = clock.uptime() + settings.operationDeadline
            try await locks.withLock(id, until: end) {
                try await Task { try await self.sweepHeld(id, attached) }.value
            }
        } catch {
            logger.notice("'\(id)' stays as it is for now: \(error)")
        }
    }

    private func sweepHeld(_ id: VolumeID, _ attached: Volume?) async throws {
        guard store.current[id] != nil else { return }
        await thawMarked(id)
        if attached == nil, try await isLost(id), let record = store.current[id] {
            return try await forgetLost(id, record)
        }
        // Modified by others, it grows as a device on EC2 does: without anybody's asking.
        if let attached, let device = store.current[id]?.device { try await growDevice(device, of: attached) }
        try dropStaleHolders(id)
        if let record = store.current[id], record.isAttachedByMount || record.mountPoint != nil { lingerIfUnheld(id) }
    }

    /// Asked again under the lock: it may have been attached meanwhile.
    private func isLost(_ id: VolumeID) async throws -> Bool {
        do {
            return attachmentHere(try await region.volume(.id(id))) == nil
        } catch let error as StorageError where error.code == .volumeNotFound {
            return true
        }
    }
}
