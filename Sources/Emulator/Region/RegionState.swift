// Everything that exists in the region, indexed for questions.
//
// Invariants: the indexes agree with `volumes`; names are unique; a device slot of an instance belongs to one
// attachment. The value is changed only by whole records (`put`, `remove`), after their state machines agreed.
import Driver

struct RegionState: Sendable {
    private(set) var volumes: [VolumeID: VolumeRecord] = [:]
    private(set) var instances: [InstanceID: InstanceRecord] = [:]
    private(set) var tokens: [String: ClientTokenRecord] = [:]
    var snapshots = SnapshotIndex()
    var snapshotTokens: [String: SnapshotTokenRecord] = [:]
    /// At most one for a snapshot and zone.
    var fastRestores: [FastRestoreRecord] = []
    private var listing = Listing<Volume>()
    private var idsByName: [String: VolumeID] = [:]
    private var volumesByInstance: [InstanceID: Set<VolumeID>] = [:]

    init() {}

    init(volumes: [VolumeRecord], instances: [InstanceRecord], tokens: [ClientTokenRecord]) {
        for volume in volumes {
            self.volumes[volume.id] = volume
            index(volume)
        }
        listing = Listing(volumes.map(\.place))
        for instance in instances { self.instances[instance.id] = instance }
        for token in tokens { self.tokens[token.token] = token }
    }

    // MARK: Changes

    mutating func put(_ volume: VolumeRecord) {
        if let former = volumes[volume.id] {
            unindex(former)
        } else {
            listing.insert(volume.place)
        }
        volumes[volume.id] = volume
        index(volume)
    }

    mutating func remove(_ id: VolumeID) {
        guard let volume = volumes.removeValue(forKey: id) else { return }
        unindex(volume)
        listing.remove(volume.place)
    }

    mutating func put(_ instance: InstanceRecord) {
        instances[instance.id] = instance
    }

    mutating func put(_ token: ClientTokenRecord) {
        tokens[token.token] = token
    }

    mutating func removeToken(_ token: String) {
        tokens[token] = nil
    }

    // MARK: Questions

    func volume(_ id: VolumeID) throws(StorageError) -> VolumeRecord {
        guard let volume = volumes[id] else {
            throw id.isWellFormedVolumeID ? .volumeNotFound(id) : .malformedVolumeID(id)
        }
        return volume
    }

    func instance(_ id: InstanceID) throws(StorageError) -> InstanceRecord {
        guard let instance = instances[id] else { throw .instanceNotFound(id) }
        return instance
    }

    func volume(named name: String) -> VolumeRecord? {
        idsByName[name].flatMap { volumes[$0] }
    }

    func instance(named name: String) -> InstanceRecord? {
        instances.values.first { $0.name == name }
    }

    func volumes(on instance: InstanceID) -> [VolumeRecord] {
        (volumesByInstance[instance] ?? []).compactMap { volumes[$0] }
    }

    /// The attachments on an instance with the volume of each.
    func attachments(on instance: InstanceID) -> [(volume: VolumeRecord, attachment: AttachmentRecord)] {
        volumes(on: instance).flatMap { volume in
            volume.attachments.filter { $0.instance == instance }.map { (volume, $0) }
        }
    }

    /// Refuses a name that another volume than `id` has. No name is no claim.
    func checkName(_ name: String, for id: VolumeID? = nil) throws(StorageError) {
        guard !name.isEmpty, let holder = volume(named: name), holder.id != id else { return }
        throw .nameTaken(name, by: holder)
    }

    /// In the order of their making, those after a place, which need not exist any more.
    func listed(after place: ListingPlace<Volume>? = nil) -> [VolumeRecord] {
        listing.after(place).compactMap { volumes[$0.id] }
    }

    // MARK: Indexes

    private mutating func index(_ volume: VolumeRecord) {
        if !volume.name.isEmpty { idsByName[volume.name] = volume.id }
        for attachment in volume.attachments {
            volumesByInstance[attachment.instance, default: []].insert(volume.id)
        }
    }

    private mutating func unindex(_ volume: VolumeRecord) {
        if idsByName[volume.name] == volume.id { idsByName[volume.name] = nil }
        for attachment in volume.attachments { volumesByInstance[attachment.instance]?.remove(volume.id) }
    }
}
