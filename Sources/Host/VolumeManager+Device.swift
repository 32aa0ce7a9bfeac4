// From an attachment to a block device and back.

import Driver

extension VolumeManager {
    /// The volume's block device on this host; made if it is not there. It is in the book when this returns.
    func ensureDevice(_ attachment: Attachment) async throws -> ReferenceBook.Device {
        let device =
            switch attachment.location {
            case .file(let path): try await ensureLoopDevice(attachment, file: path)
            case .blockDevice(let path): try await ensureNode(attachment, of: path)
            case nil:
                throw StorageError(
                    .incorrectState, "The attachment of '\(attachment.volumeID)' has no location on this host")
            }
        if let old = store.current[attachment.volumeID]?.device, old.number != device.number {
            try await clearLeftBehind(old, of: attachment.volumeID)
        }
        try store.update { $0[attachment.volumeID]?.device = device }
        return device
    }

    /// The device as it is now, if there is one.
    func findDevice(_ attachment: Attachment) async throws -> ReferenceBook.Device? {
        switch attachment.location {
        case .file(let file):
            guard let loop = try await machine.loopDevice(backing: file) else { return nil }
            return ReferenceBook.Device(node: node(attachment), number: loop.number, file: file, isNodeOurs: true)
        case .blockDevice(let path):
            return try machine.attachedDevice(of: attachment.volumeID, named: path).map { shown($0, attachment) }
        case nil: return store.current[attachment.volumeID]?.device
        }
    }

    private func node(_ attachment: Attachment) -> String {
        settings.deviceDirectory + "/" + attachment.device.leaf
    }

    private func ensureLoopDevice(_ attachment: Attachment, file: String) async throws -> ReferenceBook.Device {
        let found = try await machine.loopDevice(backing: file)
        let loop = if let found { found } else { try await machine.makeLoopDevice(backing: file) }
        let device = ReferenceBook.Device(
            node: node(attachment), number: loop.number, file: file, isNodeOurs: true)
        do {
            try placeNode(device)
        } catch {
            if found == nil { await discardLoop(device) }
            throw error
        }
        return device
    }

    /// A real device that goes by another name than the attachment's gets a node under that one.
    private func ensureNode(_ attachment: Attachment, of path: String) async throws -> ReferenceBook.Device {
        let found = try await shownDevice(attachment, named: path)
        let device = shown(found, attachment)
        if device.isNodeOurs { try placeNode(device) }
        return device
    }

    private func shown(_ found: BlockDevice, _ attachment: Attachment) -> ReferenceBook.Device {
        ReferenceBook.Device(
            node: node(attachment), number: found.number, file: nil, isNodeOurs: found.path != node(attachment))
    }

    /// The kernel shows a device some time after EC2 has attached the volume.
    private func shownDevice(_ attachment: Attachment, named path: String) async throws -> BlockDevice {
        let end = clock.uptime() + settings.commandDeadline
        while true {
            if let device = try machine.attachedDevice(of: attachment.volumeID, named: path) { return device }
            guard clock.uptime() < end else {
                throw StorageError(
                    .hostOperationFailed, "The device '\(path)' of '\(attachment.volumeID)' is not there",
                    advice: "look in the kernel's log whether it was found")
            }
            try await clock.sleep(for: Self.devicePoll)
        }
    }

    private static var devicePoll: Duration { .milliseconds(100) }

    /// Puts the node in place, instead of one that an earlier attachment left.
    private func placeNode(_ device: ReferenceBook.Device) throws {
        if let present = try machine.blockDevice(at: device.node) {
            if present == device.number { return }
            guard present.isLoop else {
                throw StorageError(
                    .deviceBusy, "'\(device.node)' is another device of this machine (\(present))",
                    advice: "attach under another device name")
            }
            logger.warning("\(device.node) was left behind as \(present), it becomes \(device.number)")
            try machine.removeNode(device.node)
        }
        try machine.makeNode(device.node, number: device.number)
    }

    /// Takes the device away again. Throws when somebody still has it open.
    func removeDevice(_ device: ReferenceBook.Device) async throws {
        if let file = device.file { try await machine.removeLoopDevice(device.number, backing: file) }
        if device.isNodeOurs, try machine.blockDevice(at: device.node) == device.number {
            try machine.removeNode(device.node)
        }
    }

    private func discardLoop(_ device: ReferenceBook.Device) async {
        do {
            try await removeDevice(device)
        } catch {
            logger.warning("\(device.node) could not be taken back: \(error)")
        }
    }
}
