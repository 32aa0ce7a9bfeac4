import Driver
import Platform
import Synchronization

/// Chooses the names of attachments. What EC2 knows is taken is told; what is being attached at this moment, and names
/// that made trouble, are remembered here, for EC2 may list neither.
final class DeviceNames: Sendable {
    private struct Slot: Hashable {
        let instance: InstanceID
        let name: String

        init(_ instance: InstanceID, _ device: DeviceName) {
            self.instance = instance
            name = DeviceSlots.slot(device)
        }
    }

    private struct State {
        var reserved: Set<Slot> = []
        /// When a name was last found to be taken, or did not become attached: the uptime.
        var troubled: [Slot: Duration] = [:]
    }

    private let state = Mutex(State())
    private let clock: any Clock

    init(clock: any Clock) {
        self.clock = clock
    }

    /// Nobody else gets the name until it is released. Names that made trouble come last, the latest of them at the end.
    ///
    /// - Parameter taken: the names that EC2 lists.
    /// - Throws: `AttachmentLimitExceeded` when there is no other.
    func reserve(on instance: InstanceID, taken: Set<String>, except tried: Set<DeviceName>) throws -> DeviceName {
        let free = state.withLock { state -> DeviceName? in
            let free = DeviceSlots.automatic.filter { device in
                let slot = Slot(instance, device)
                return !taken.contains(slot.name) && !tried.contains(device) && !state.reserved.contains(slot)
            }
            let choice = free.min { left, right in
                let (left, right) = (Slot(instance, left), Slot(instance, right))
                return (state.troubled[left] ?? .zero, left.name) < (state.troubled[right] ?? .zero, right.name)
            }
            if let choice { state.reserved.insert(Slot(instance, choice)) }
            return choice
        }
        guard let free else {
            throw StorageError(
                .attachmentLimitExceeded, "No device name is free on instance '\(instance)'.",
                advice: "detach a volume first, or name a device")
        }
        return free
    }

    func release(_ device: DeviceName, on instance: InstanceID) {
        state.withLock { _ = $0.reserved.remove(Slot(instance, device)) }
    }

    /// The name did not work.
    func distrust(_ device: DeviceName, on instance: InstanceID) {
        let now = clock.uptime()
        state.withLock { $0.troubled[Slot(instance, device)] = now }
    }
}
