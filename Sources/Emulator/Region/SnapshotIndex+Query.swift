// Which snapshots a query means, page by page.
import Driver

extension SnapshotIndex {
    /// - Parameter region: the one that a query means which names none.
    /// - Throws: EC2's refusal of an unknown or malformed id, and of what does not go together.
    func page(_ query: SnapshotQuery, in region: String) throws(StorageError) -> ListingPage<SnapshotRecord> {
        try checkPaging(maxResults: query.maxResults, ids: query.ids, set: "snapshotSet")
        let region = query.region ?? region
        let candidates = try candidates(query, in: region)
        return ListingPage(
            candidates.filter { Self.matches($0, query, in: region) }, limit: query.maxResults, place: \.place)
    }

    /// The smallest set that an index gives, in the listing's order, from the page's start on.
    private func candidates(
        _ query: SnapshotQuery, in region: String
    ) throws(StorageError) -> [SnapshotRecord] {
        let start = try query.nextToken.map(ListingPlace<Snapshot>.init(token:))
        var found: [SnapshotRecord]
        if !query.ids.isEmpty {
            found = []
            for id in Set(query.ids) { found.append(try snapshot(id, in: region)) }
        } else if !query.names.isEmpty {
            found = Set(query.names).compactMap { snapshot(named: $0, in: region) }
        } else {
            return listed(after: start)
        }
        if let start { found = found.filter { start < $0.place } }
        return found.sorted { $0.place < $1.place }
    }

    private static func matches(_ snapshot: SnapshotRecord, _ query: SnapshotQuery, in region: String) -> Bool {
        snapshot.region == region
            && (query.names.isEmpty || query.names.contains(snapshot.name))
            && (query.volumeIDs.isEmpty || query.volumeIDs.contains(snapshot.origin.reportedVolumeID))
            && (query.states.isEmpty || query.states.contains(snapshot.state))
            && query.tags.allSatisfy { snapshot.tags[$0.key] == $0.value }
    }
}
