// Unmounting: references go, and after the last one, and a linger, mount, device and attachment.

import Driver

extension VolumeManager {
    /// Drops one of the holder's references.
    ///
    /// After the last one of an engine, the volume lingers and is then unmounted and detached; for a person that is
    /// done when this returns. From an engine, an unknown holder or volume is no error: it unmounts what dead ones
    /// left. A person is told with `DeviceBusy` when only others hold the volume.
    public func unmount(_ reference: VolumeReference, holder: MountHolder) async throws {
        if holder.incarnation == nil {
            return try await exclusively(reference) { try await self.unmountForPerson($0, holder) }
        }
        do {
            // The book knows what was mounted also when the region does not answer, or under another name.
            let known = store.current.volume(reference, heldBy: holder.id)
            let id = if let known { known } else { try await region.volume(reference).id }
            try await locks.withLock(id, until: clock.uptime() + settings.operationDeadline) {
                try self.store.update { $0.dropReference(id, holderID: holder.id) }
                self.lingerIfUnheld(id)
            }
        } catch let error as StorageError where error.code == .volumeNotFound {
            logger.info("'\(holder.id)' unmounts '\(reference)', which does not exist")
        }
    }

    private func unmountForPerson(_ volume: Volume, _ holder: MountHolder) async throws {
        let book = store.current
        if !book.isHeld(volume.id) || book.isLastReference(volume.id, holderID: holder.id) {
            stopLingering(volume.id)
            try await tearDown(volume)
        } else if book[volume.id]?.holders[holder.id] != nil {
            try store.update { $0.dropReference(volume.id, holderID: holder.id) }
        } else {
            throw StorageError(
                .deviceBusy, "Volume \(title(volume)) is mounted for \(holders(of: volume.id))",
                advice: "stop the containers that use it")
        }
    }

    /// In words, for messages.
    func holders(of id: VolumeID) -> String {
        (store.current[id]?.holders ?? [:]).sorted { $0.key < $1.key }
            .map { id, hold in
                guard let incarnation = hold.incarnation else { return "'\(id)'" }
                let engine = incarnation.pid > 0 ? "process \(incarnation.pid)" : "an engine that is not seen"
                return "mount '\(id.prefix(12))' of \(engine)"
            }.joined(separator: ", ")
    }

    // MARK: Lingering

    /// Starts the linger of a volume that nobody holds any more.
    func lingerIfUnheld(_ id: VolumeID) {
        guard store.current[id] != nil, !store.current.isHeld(id) else { return }
        background.withLock { background in
            guard background.lingering[id] == nil, !background.isShutDown else { return }
            background.nextTicket += 1
            let ticket = background.nextTicket
            let end = clock.uptime() + settings.linger
            let task = Task { [weak self, clock] in
                do { try await clock.sleep(untilUptime: end) } catch { return }  // Mounted again meanwhile.
                await self?.endLinger(id, ticket)
            }
            background.lingering[id] = (ticket, task)
        }
    }

    func stopLingering(_ id: VolumeID) {
        background.withLock { $0.lingering.removeValue(forKey: id) }?.task.cancel()
    }

    func isLingering(_ id: VolumeID) -> Bool { background.withLock { $0.lingering[id] != nil } }

    private func endLinger(_ id: VolumeID, _ ticket: Int) async {
        do {
            let end = clock.uptime() + settings.operationDeadline
            try await locks.withLock(id, until: end) {
                let isCurrent = self.background.withLock { background in
                    guard background.lingering[id]?.ticket == ticket else { return false }
                    background.lingering[id] = nil
                    return true
                }
                guard isCurrent, !self.store.current.isHeld(id) else { return }
                // Not cancelled from here on, as every operation.
                try await Task { try await self.tearDown(try await self.region.volume(.id(id))) }.value
            }
        } catch {
            logger.notice("'\(id)' stays mounted for now: \(error)")
        }
    }

    // MARK: Taking down

    /// Unmounts a volume, and takes device and attachment away if mounting made them. Its references end.
    ///
    /// - Throws: `DeviceBusy`, with nothing changed, while somebody's mount namespace shows the volume.
    func tearDown(_ volume: Volume) async throws {
        guard let record = store.current[volume.id] else { return }
        guard let attachment = attachmentHere(volume) else { return try await forgetLost(volume.id, record) }
        let device = try await findDevice(attachment)
        if let device { try await unmountManaged(volume, device) }
        if record.isAttachedByMount {
            try await detach(volume.id, device)
        } else {
            try store.update { book in
                book[volume.id]?.mountPoint = nil
                book[volume.id]?.holders = [:]
            }
        }
    }

    /// What failed half way goes back. What cannot stays in the book, and the next sweep tries again.
    func takeBack(_ id: VolumeID, after cause: any Error) async {
        guard store.current[id] != nil else { return }
        do {
            try await tearDown(try await region.volume(.id(id)))
        } catch {
            logger.warning("after '\(cause)', '\(id)' could not be taken back: \(error)")
        }
    }

    /// Device, attachment and record go, in this order.
    func detach(_ id: VolumeID, _ device: ReferenceBook.Device?) async throws {
        if let device { try await removeDevice(device) }
        try await region.detach(DetachVolumeRequest(volumeID: id, instanceID: instance.id))
        try store.update { $0[id] = nil }
        logger.info("detached '\(id)'")
    }

    /// Unmounts the volume from the mount root; sure of it when this returns.
    func unmountManaged(_ volume: Volume, _ device: ReferenceBook.Device) async throws {
        let present = try machine.mounts().filter { $0.deviceNumber == device.number }
        let managed = present.filter(isManaged)
        try refuseWhileUsed(volume, device, managed: managed.map(\.mountPoint))
        for mount in managed {
            try await clearAbove(mount)
            try await machine.unmount(mount.mountPoint, lazily: false)
        }
        try await waitForCopies(volume, device)
        for mount in managed { try machine.removeMountPoint(mount.mountPoint) }
        if !managed.isEmpty { logger.info("unmounted \(title(volume)) from \(managed.map(\.mountPoint))") }
    }

    /// A copy of our mount in another's namespace, which did not follow it, keeps the filesystem alive. A container
    /// that is starting has such copies of all mounts for a moment.
    private func waitForCopies(_ volume: Volume, _ device: ReferenceBook.Device) async throws {
        let end = clock.uptime() + Self.copiesWait
        while try !usesOutside(device.number, managed: []).isEmpty, clock.uptime() < end {
            try await clock.sleep(for: .milliseconds(50))
        }
        try refuseWhileUsed(volume, device, managed: [])
    }

    private static let copiesWait: Duration = .seconds(3)

    /// `umount` takes what is on top: a dead mount there goes first.
    private func clearAbove(_ mount: MountInfo) async throws {
        while let top = try machine.mounts().last(where: { $0.mountPoint == mount.mountPoint }),
            top.deviceNumber != mount.deviceNumber
        {
            logger.warning("a dead mount of \(top.source) is taken from \(top.mountPoint)")
            try await machine.unmount(top.mountPoint, lazily: true)
        }
    }

    /// - Parameter managed: our own mount points, whose copies by mount propagation are no use.
    private func refuseWhileUsed(
        _ volume: Volume, _ device: ReferenceBook.Device, managed: [String]
    ) throws {
        let users = try usesOutside(device.number, managed: managed)
        guard users.isEmpty else {
            throw StorageError(
                .deviceBusy, "Volume \(title(volume)) is in use: \(users.joined(separator: ", "))",
                advice: "stop what uses it first")
        }
    }

    /// Where else the device is mounted, in words: in this namespace beside `managed`, or in another's.
    func usesOutside(_ number: DeviceNumber, managed: [String]) throws -> [String] {
        let own = try machine.mounts().filter { $0.deviceNumber == number && !managed.contains($0.mountPoint) }
            .map { "mounted at '\($0.mountPoint)'" }
        let foreign = try machine.foreignMounts(of: number)
            .filter { mount in !managed.contains { mount.mountPoint.hasSuffix($0) } }
            .map { "mounted at '\($0.mountPoint)' by process \($0.pid) (\($0.command))" }
        return own + foreign
    }

    // MARK: What was taken away

    /// Clears up after a volume that was taken away: preempted, detached elsewhere or deleted.
    func forgetLost(_ id: VolumeID, _ record: ReferenceBook.Record) async throws {
        stopLingering(id)
        if let device = record.device { try await clearLeftBehind(device, of: id) }
        try store.update { $0[id] = nil }
    }

    /// Mounts and device that no longer show the volume.
    func clearLeftBehind(_ device: ReferenceBook.Device, of id: VolumeID) async throws {
        // A number that another volume has by now is not this one's any more.
        let isReused = store.current.volumes.contains {
            $0.key != id.rawValue && $0.value.device?.number == device.number
        }
        guard !isReused else { return }
        for mount in try machine.mounts() where mount.deviceNumber == device.number && isManaged(mount) {
            logger.warning("'\(id)' is no longer on \(device.node), its mount at \(mount.mountPoint) is taken down")
            try await machine.unmount(mount.mountPoint, lazily: true)
            if try !machine.mounts().contains(where: { $0.mountPoint == mount.mountPoint }) {
                try machine.removeMountPoint(mount.mountPoint)
            }
        }
        do {
            try await removeDevice(device)
        } catch let error as StorageError where error.code == .deviceBusy {
            // The kernel removes the loop device when the last one closes it.
            logger.warning("'\(id)' is no longer on \(device.node), but somebody still has it open: \(error)")
        }
    }
}
