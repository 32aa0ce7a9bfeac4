// The daemon ends for good: its volumes' bytes go, so what nobody uses is put away first.

import Driver

extension VolumeManager {
    /// Ends the background work, then unmounts what no container or process uses and takes its devices away.
    ///
    /// What is in use stays mounted, and fails from when the daemon has gone; that is said in the log, once for
    /// each volume. Attachments that mounting did not make stay in the region and get their devices again.
    public func withdraw() async {
        await shutdown()
        await withTaskGroup(of: Void.self) { group in
            for id in store.current.volumes.keys.map({ VolumeID($0) }) {
                group.addTask { await self.withdraw(id) }
            }
        }
    }

    private func withdraw(_ id: VolumeID) async {
        do {
            let end = clock.uptime() + settings.commandDeadline
            try await locks.withLock(id, until: end) {
                try await self.tearDown(try await self.region.volume(.id(id)))
                if let device = self.store.current[id]?.device { try await self.removeDevice(device) }
            }
        } catch {
            logger.warning("'\(id)' stays mounted, and its I/O fails once the daemon has gone: \(error)")
            if let device = store.current[id]?.device { await leaveToLastUser(device) }
        }
    }

    /// The kernel takes the loop device away when the last one closes it.
    private func leaveToLastUser(_ device: ReferenceBook.Device) async {
        do {
            if let file = device.file { try await machine.removeLoopDevice(device.number, backing: file) }
        } catch {
            logger.info("\(device.node) goes with its last user: \(error)")
        }
        do {
            if device.isNodeOurs { try machine.removeNode(device.node) }
        } catch {
            logger.warning("the node \(device.node) stays: \(error)")
        }
    }
}
