// Every snapshot that the regions hold, indexed for questions.
//
// Invariants: the indexes agree with `snapshots`; names are unique in each region. The value is changed only by whole
// records (`put`, `remove`), after their state machine agreed.
import Driver

struct SnapshotIndex: Sendable {
    private struct Name: Hashable, Sendable {
        let region: String
        let name: String

        init(region: String, name: String) {
            self.region = region
            self.name = name
        }

        init(_ snapshot: SnapshotRecord) {
            self.init(region: snapshot.region, name: snapshot.name)
        }
    }

    private(set) var snapshots: [SnapshotID: SnapshotRecord] = [:]
    private var listing = Listing<Snapshot>()
    private var idsByName: [Name: SnapshotID] = [:]
    private var idsByVolume: [VolumeID: Set<SnapshotID>] = [:]

    init(_ snapshots: [SnapshotRecord] = []) {
        for snapshot in snapshots { index(snapshot) }
        listing = Listing(snapshots.map(\.place))
    }

    // MARK: Changes

    mutating func put(_ snapshot: SnapshotRecord) {
        if let former = snapshots[snapshot.id] {
            unindex(former)
        } else {
            listing.insert(snapshot.place)
        }
        index(snapshot)
    }

    mutating func remove(_ id: SnapshotID) {
        guard let snapshot = snapshots[id] else { return }
        unindex(snapshot)
        listing.remove(snapshot.place)
    }

    // MARK: Questions

    func snapshot(_ id: SnapshotID) throws(StorageError) -> SnapshotRecord {
        guard let snapshot = snapshots[id] else {
            throw id.isWellFormedSnapshotID ? .snapshotNotFound(id) : .malformedSnapshotID(id)
        }
        return snapshot
    }

    /// For requests that are to be answered in one region: others' snapshots do not exist there.
    func snapshot(_ id: SnapshotID, in region: String) throws(StorageError) -> SnapshotRecord {
        let snapshot = try snapshot(id)
        guard snapshot.region == region else { throw .snapshotNotFound(id) }
        return snapshot
    }

    func snapshot(named name: String, in region: String) -> SnapshotRecord? {
        idsByName[Name(region: region, name: name)].flatMap { snapshots[$0] }
    }

    /// Those that were cut from a volume, whether it is still there or not.
    func snapshots(of volume: VolumeID) -> [SnapshotRecord] {
        (idsByVolume[volume] ?? []).compactMap { snapshots[$0] }
    }

    /// Refuses a name that another snapshot of the region than `id` has. No name is no claim.
    func checkName(_ name: String, in region: String, for id: SnapshotID? = nil) throws(StorageError) {
        guard !name.isEmpty, let holder = snapshot(named: name, in: region), holder.id != id else { return }
        throw .snapshotNameTaken(name, by: holder)
    }

    /// By start time, those after a place, which need not exist any more.
    func listed(after place: ListingPlace<Snapshot>? = nil) -> [SnapshotRecord] {
        listing.after(place).compactMap { snapshots[$0.id] }
    }

    // MARK: Indexes

    private mutating func index(_ snapshot: SnapshotRecord) {
        snapshots[snapshot.id] = snapshot
        if !snapshot.name.isEmpty { idsByName[Name(snapshot)] = snapshot.id }
        if case .volume(let volume) = snapshot.origin { idsByVolume[volume, default: []].insert(snapshot.id) }
    }

    private mutating func unindex(_ snapshot: SnapshotRecord) {
        snapshots[snapshot.id] = nil
        if idsByName[Name(snapshot)] == snapshot.id { idsByName[Name(snapshot)] = nil }
        guard case .volume(let volume) = snapshot.origin else { return }
        idsByVolume[volume]?.remove(snapshot.id)
        if idsByVolume[volume]?.isEmpty == true { idsByVolume[volume] = nil }
    }
}
