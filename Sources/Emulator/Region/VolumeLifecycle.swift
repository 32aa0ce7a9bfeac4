// A volume's life as a pure state machine: an event in, the next state or a refusal out.
//
//     creating → available ⇄ in-use
//        ↓        ↓     ↓      ↓
//        └───→ error ←──┼──────┘
//                ↓      ↓
//              deleting ──→ gone
//
// The catalog keeps `creating`, `available`, `deleting` and `error`; a volume is `in-use` while it has an
// attachment, so the two cannot disagree after a crash.
import Driver

enum VolumeLifecycle {
    /// What the catalog keeps.
    enum State: String, Sendable, CaseIterable {
        case creating
        case available
        case deleting
        case error
    }

    enum Event: Sendable, CaseIterable {
        /// The file is there, durable.
        case bytesMade
        /// Someone wants the volume gone.
        case deletionBegan
        /// Start-up found the volume without its file.
        case bytesLost
    }
}

extension VolumeRecord {
    /// What EC2 calls the volume's state.
    var reportedState: Volume.State {
        switch state {
        case .creating: .creating
        case .available: attachments.isEmpty ? .available : .inUse
        case .deleting: .deleting
        case .error: .error
        }
    }

    /// Moves on, or refuses with EC2's answer and changes nothing.
    mutating func apply(_ event: VolumeLifecycle.Event) throws(StorageError) {
        switch (state, event) {
        case (.creating, .bytesMade):
            state = .available
        case (.available, .deletionBegan), (.error, .deletionBegan):
            if let holder = attachments.first { throw .deletingInUse(id, holder: holder) }
            state = .deleting
        case (.available, .bytesLost):
            // Nothing is left to be attached to.
            attachments = []
            state = .error
        default:
            throw .wrongState(id, reportedState)
        }
    }

    /// A create that could neither be finished nor taken back ends in `error`, from where it can be deleted.
    mutating func giveUp(_ reason: String) {
        state = .error
        failure = reason
    }

    /// Adds an attachment of an `available` volume.
    mutating func attach(_ attachment: AttachmentRecord) throws(StorageError) {
        guard state == .available else { throw .notAvailable(id, reportedState) }
        attachments.append(attachment)
    }

    /// Moves one attachment on; a detached one is dropped.
    mutating func apply(
        _ event: AttachmentLifecycle.Event, to number: AttachmentNumber
    ) throws(StorageError) {
        guard let index = attachments.firstIndex(where: { $0.number == number }) else {
            throw .wrongState(id, reportedState)
        }
        if let next = attachments[index].state.next(event) {
            attachments[index].state = next
        } else if event == .drained, attachments[index].state == .detaching {
            attachments.remove(at: index)
        } else {
            throw .wrongState(id, reportedState)
        }
    }
}
