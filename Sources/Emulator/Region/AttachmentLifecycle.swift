// An attachment's life as a pure state machine: attaching → attached → detaching → gone.
import Driver

enum AttachmentLifecycle {
    enum State: String, Sendable, CaseIterable {
        /// Decided and kept, but the former holder may still be writing.
        case attaching
        /// The filesystem shows it.
        case attached
        /// Being taken from the filesystem; it never comes back.
        case detaching
    }

    enum Event: Sendable, CaseIterable {
        /// Nothing stands in its way any more.
        case exported
        /// Someone wants it gone.
        case detachBegan
        /// The filesystem has answered the last I/O and refuses the next; it is gone after this.
        case drained
    }
}

extension AttachmentLifecycle.State {
    /// The state after `event`, or `nil` where there is none.
    func next(_ event: AttachmentLifecycle.Event) -> Self? {
        switch (self, event) {
        case (.attaching, .exported): .attached
        case (.attached, .detachBegan), (.attaching, .detachBegan): .detaching
        default: nil
        }
    }

    /// EC2's name.
    var reported: Attachment.State {
        switch self {
        case .attaching: .attaching
        case .attached: .attached
        case .detaching: .detaching
        }
    }
}
