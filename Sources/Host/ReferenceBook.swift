// Who holds which volume on this host: pure values and their rules, as Docker's behaviour needs them.
//
// - A count for each volume and holder id: `docker cp` mounts and unmounts under the running container's own id.
// - An id that comes back from another engine's life starts at one: after `kill -9` of dockerd nobody unmounts,
//   and the restarted container mounts with its old id, to unmount once.
// - An unmount counts whatever life it comes from: with live-restore it comes from a later one.
// - Podman has one id for all its mounts and counts by itself. Its commands end at once: the plugin gives them as an
//   engine that is not seen, whose references are never reaped.

import Driver

struct ReferenceBook: Hashable, Sendable, Codable {
    /// Raised when an older program could no longer read what this one writes.
    static let currentVersion = 1

    var version = currentVersion
    /// By volume id.
    var volumes: [String: Record] = [:]

    /// What is known of one volume on this host, from before its attachment until after its detachment.
    struct Record: Hashable, Sendable, Codable {
        /// The volume's name when it came here: Docker keeps to it when the volume is renamed.
        var name: String
        /// Whether mounting attached it, so that the last unmount detaches it.
        var isAttachedByMount: Bool
        /// Present while this host shows the volume as a device.
        var device: Device?
        /// Where it is mounted under the mount root.
        var mountPoint: String?
        /// By holder id.
        var holders: [String: Hold] = [:]
        /// Present from before its filesystem is frozen until it is known to be thawed.
        var isFrozen: Bool?
    }

    /// A volume's device on this host.
    struct Device: Hashable, Sendable, Codable {
        /// The node that this host made or found, such as `/dev/xvdb`.
        var node: String
        var number: DeviceNumber
        /// The file behind it, if it is a loop device.
        var file: String?
        /// Whether this host made the node, and so removes it.
        var isNodeOurs: Bool
    }

    struct Hold: Hashable, Sendable, Codable {
        var count: Int
        var incarnation: Incarnation?
    }

    subscript(_ id: VolumeID) -> Record? {
        get { volumes[id.rawValue] }
        set { volumes[id.rawValue] = newValue }
    }

    subscript(_ id: VolumeID, default fallback: Record) -> Record {
        get { self[id] ?? fallback }
        set { self[id] = newValue }
    }

    func isHeld(_ id: VolumeID) -> Bool { !(self[id]?.holders.isEmpty ?? true) }

    /// Counts one more mount of a volume that has a record.
    mutating func addReference(_ id: VolumeID, _ holder: MountHolder) {
        guard var record = self[id] else { preconditionFailure("\(id) is mounted without a record") }
        record.holders[holder.id] = Self.mounting(record.holders[holder.id], holder)
        self[id] = record
    }

    private static func mounting(_ hold: Hold?, _ holder: MountHolder) -> Hold {
        guard let hold, hold.incarnation == holder.incarnation, holder.incarnation != nil else {
            // New, or left behind by an engine's earlier life, or a person, who mounts once however often.
            return Hold(count: 1, incarnation: holder.incarnation)
        }
        return Hold(count: hold.count + 1, incarnation: hold.incarnation)
    }

    /// Counts one mount less. An id that is not known changes nothing.
    mutating func dropReference(_ id: VolumeID, holderID: String) {
        guard var record = self[id], let hold = record.holders[holderID] else { return }
        record.holders[holderID] =
            hold.count > 1 ? Hold(count: hold.count - 1, incarnation: hold.incarnation) : nil
        self[id] = record
    }

    /// The volume that a holder mounted under this name or id.
    func volume(_ reference: VolumeReference, heldBy holderID: String) -> VolumeID? {
        volumes.first { id, record in
            let isMeant =
                switch reference {
                case .id(let wanted): wanted.rawValue == id
                case .name(let name): record.name == name
                }
            return isMeant && record.holders[holderID] != nil
        }.map { VolumeID($0.key) }
    }

    /// Whether one mount less leaves nobody.
    func isLastReference(_ id: VolumeID, holderID: String) -> Bool {
        guard let holders = self[id]?.holders, holders.count == 1, let hold = holders[holderID] else { return false }
        return hold.count == 1
    }

    /// The holders whose engine's process has ended. A person's never do.
    func staleHolders(_ id: VolumeID, isRunning: (Incarnation) throws -> Bool) rethrows -> [String] {
        try (self[id]?.holders ?? [:]).filter { try !($0.value.incarnation.map(isRunning) ?? true) }.keys.sorted()
    }

    var counts: [String: [String: Int]] {
        volumes.mapValues { $0.holders.mapValues(\.count) }.filter { !$0.value.isEmpty }
    }
}
